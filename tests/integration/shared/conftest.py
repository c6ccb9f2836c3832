"""A room over a toy kind, on a database of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from shared.database import connect
from shared.room import Room
from tests.support import toy


@pytest.fixture
async def pool(database: Callable[[str], Awaitable[str]]) -> AsyncIterator[asyncpg.Pool]:
    pool = await connect(await database("guardianship"), 8, "test")
    await pool.execute(toy.TABLE)
    yield pool
    await pool.close()


@pytest.fixture
def room(pool: asyncpg.Pool) -> Room:
    return toy.room(pool)
