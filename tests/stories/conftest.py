"""One world per run, shared by all stories: each has its own town and agencies."""

from collections.abc import AsyncIterator

import pytest

from tests.support.world import World


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    await world.start()
    yield world
    await world.stop()
