"""One world per run, shared by all stories: each has its own town and agencies."""

from collections.abc import AsyncIterator

import pytest

from tests.support import contracts
from tests.support.world import World


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    world = World(tmp_path_factory.mktemp("world"), environment={"OTEL_TRACES_SAMPLER": "always_on"})
    await world.start()
    yield world
    wrong = await contracts.broken(world)
    await world.stop()
    assert not wrong, "records that break their contract"
