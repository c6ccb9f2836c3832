"""A stack that may be harmed, shared by the fault stories of a module: under the drill rules, whose police of one county has clocks of seconds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.world import World

DRILL = Path(__file__).parents[3] / "deploy" / "sample" / "rules-drill.yaml"


@pytest.fixture(scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    # Supervised, as everywhere: a service may end itself so that it is started again (its group coordinator dies with the broker).
    world = World(tmp_path_factory.mktemp("faults"), environment={"HELI_RULES": str(DRILL)}, supervise=True)
    await world.start()
    yield world
    await world.stop()
