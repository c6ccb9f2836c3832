"""Which Kafka and which PostgreSQL does this run use: given ones, local ones, or containers?"""

import os
import signal
from typing import Protocol
from urllib.parse import urlsplit

import asyncpg

from deploy.local import docker, java, kafka_jars
from deploy.local.kafka import KafkaNode
from deploy.local.postgres import PostgresNode
from deploy.local.state import State


class Part(Protocol):
    """What a supervised server offers, wherever it runs."""

    def start(self) -> None: ...
    async def wait_ready(self, timeout: float = 60.0) -> None: ...  # noqa: ASYNC109 - a plain number of seconds reads best here
    async def stop(self) -> None: ...
    def kill(self) -> None: ...
    def send_signal(self, number: signal.Signals) -> None: ...


class Kafka(Part, Protocol):
    bootstrap: str


class Postgres(Part, Protocol):
    def url(self, database: str = "postgres") -> str: ...


class _Given:
    """A server that somebody else runs: never started, stopped or harmed by us."""

    def start(self) -> None: ...
    async def wait_ready(self, timeout: float = 60.0) -> None: ...  # noqa: ASYNC109 - as above
    async def stop(self) -> None: ...

    def kill(self) -> None:
        raise RuntimeError("This server was given by the environment; Heli does not kill what it did not start.")

    def send_signal(self, number: signal.Signals) -> None:
        raise RuntimeError(f"This server was given by the environment; Heli sends it no {number.name}.")


class GivenKafka(_Given):
    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


class GivenPostgres(_Given):
    """`address` names a server and any database of it, in which the role may create databases."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address.replace("postgresql+asyncpg://", "postgresql://", 1))

    def url(self, database: str | None = None) -> str:
        return (self._address if database is None else self._address._replace(path=f"/{database}")).geturl()

    async def wait_ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - as above
        try:
            await (await asyncpg.connect(self.url(), timeout=timeout)).close()
        except (OSError, TimeoutError, asyncpg.PostgresError) as reason:
            raise RuntimeError(f"The server of DATABASE_URL does not answer: {reason}\nRepair: unset DATABASE_URL") from reason


def choose_kafka(state: State, *, full_jit: bool = False) -> Kafka:
    """KAFKA_BOOTSTRAP_SERVERS; containers where HELI_TEST_DOCKER asks for them; a local node; Docker if there is no Maven."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return GivenKafka(given)
    ports = state.ports
    if not _asked_for_docker() and (kafka_jars.present() or kafka_jars.have_maven()):
        return KafkaNode(state.kafka, (ports["kafka"], ports["kafka_control"]), full_jit=full_jit)
    if docker.answers():
        return docker.DockerKafka(ports["kafka"])
    raise RuntimeError(
        "Kafka needs Maven (for its jars) or Docker, and neither works here.\n"
        f"Repair: apt-get install maven (Java {java.OLDEST} comes as a wheel if there is none), or start Docker, or set KAFKA_BOOTSTRAP_SERVERS"
    )


def choose_postgres(state: State) -> Postgres:
    """DATABASE_URL; containers where HELI_TEST_DOCKER asks for them; the wheel."""
    if given := os.environ.get("DATABASE_URL"):
        return GivenPostgres(given)
    node = PostgresNode(state.postgres, state.ports["postgres"])
    return docker.DockerPostgres(node.port, node.password) if _asked_for_docker() else node


def _asked_for_docker() -> bool:
    if os.environ.get("HELI_TEST_DOCKER") != "1":
        return False
    if not docker.answers():
        raise RuntimeError("Containers were asked for, and no Docker answers. Repair: docker info, or leave DOCKER=1 out")
    return True
