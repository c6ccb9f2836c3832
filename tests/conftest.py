"""What does every tier share? The server, found once per run, and a database per test."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shared import logs, telemetry
from tests.support import places

logs.configure("tests")
with pytest.MonkeyPatch.context() as patch:  # our own spans are recorded; the processes that tests start decide for themselves
    patch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    telemetry.configure("tests")


@pytest.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with places.postgres(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="session")
async def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with places.kafka(tmp_path_factory.mktemp("broker")) as bootstrap:
        yield bootstrap


@pytest.fixture
async def database(postgres_server: str) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Makes a database with a service's schema; it is gone after the test."""
    made: list[str] = []

    async def make(service: str) -> str:
        made.append(await places.make_database(postgres_server, service))
        return made[-1]

    yield make
    for url in made:
        await places.drop_database(postgres_server, url)
