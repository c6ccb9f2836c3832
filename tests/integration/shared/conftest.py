"""A room over a toy kind, on a database of its own; a broker that refuses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiokafka.producer.sender import SendProduceReqHandler

from shared.database import connect
from shared.room import Room
from tests.support import toy

TOO_FEW_REPLICAS = 19


@pytest.fixture
async def pool(database: Callable[[str], Awaitable[str]]) -> AsyncIterator[asyncpg.Pool]:
    pool = await connect(await database("guardianship"), 8, "test")
    await pool.execute(toy.TABLE)
    yield pool
    await pool.close()


@pytest.fixture
def room(pool: asyncpg.Pool) -> Room:
    return toy.room(pool)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Topics for which every answer of the broker is that it has too few replicas: the library tries again for ever."""
    topics: set[str] = set()
    real = SendProduceReqHandler.handle_response

    def answered(handler: Any, response: Any) -> None:
        changed = [
            (topic, [(partition[0], TOO_FEW_REPLICAS, *partition[2:]) if topic in topics else partition for partition in partitions])
            for topic, partitions in response.topics
        ]
        real(handler, SimpleNamespace(API_VERSION=response.API_VERSION, topics=changed))

    monkeypatch.setattr(SendProduceReqHandler, "handle_response", answered)
    return topics
