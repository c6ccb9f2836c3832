"""On what does every figure stand? One PostgreSQL and one Kafka for the whole run, and referral joined in this process as it runs."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from deploy.local import postgres_home
from deploy.local.kafka import KafkaNode
from deploy.local.postgres import PostgresNode
from deploy.local.state import State
from deploy.local.supervisor import Stack
from services.referral import app as referral
from shared.runtime import Service
from shared.settings import Settings
from tests.bench.machine import Meter
from tests.support import county, places

SHOWN = (
    "shared_buffers", "max_wal_size", "wal_compression", "fsync", "synchronous_commit", "full_page_writes", "max_connections", "autovacuum"
)  # fmt: skip


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done in each round."""

    stored: int = 1_000_000
    small: int = 1_000
    relayed: int = 40_000
    opened: int = 8_000
    answered: int = 12_000
    filing_seconds: float = 6.0
    alone: int = 400
    travelling: int = 1_200
    idle: int = 80
    many: int = 4_000
    storm: int = 100_000
    late_seconds: int = 10
    due_a_second: int = 1_000


QUICK = Sizes(
    stored=20_000, relayed=5_000, opened=1_000, answered=1_500, filing_seconds=1.5, alone=60, travelling=100, idle=10,
    many=1_000, storm=2_500, late_seconds=3,
)  # fmt: skip


class Ground:
    """The servers of a run, which Heli's own supervisor starts, and what figures need of them."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder, self.sizes = folder, sizes
        directory = folder / "directory.yaml"
        directory.write_text(_directory())
        self.state = State(folder / "heli")
        self.stack = Stack(self.state, supervise=False, full_jit=True, directory_file=directory)

    @property
    def bootstrap(self) -> str:
        return self.stack.bootstrap

    @property
    def servers(self) -> tuple[int, ...]:
        """The processes of PostgreSQL and Kafka, where they are ours."""
        nodes = (self.stack.postgres, self.stack.kafka)
        return tuple(node.pid for node in nodes if isinstance(node, (PostgresNode, KafkaNode)) and node.pid)

    def meter(self, *services: int) -> Meter:
        """Counts this process (without its children), PostgreSQL and Kafka; or, when processes are named, those in its place."""
        return Meter((*self.servers, *services), () if services else (os.getpid(),))

    async def stop(self) -> None:
        await self.stack.stop()
        postgres_home.remove(self.state.postgres)

    async def settings(self) -> dict[str, Any]:
        """How PostgreSQL and Kafka are set, and how much is measured."""
        db = await asyncpg.connect(self.stack.postgres.url("postgres"))
        try:
            found = {name: await db.fetchval(f"show {name}") for name in (*SHOWN, "server_version")}
        finally:
            await db.close()
        return {"postgresql": found, "kafka": {"jit": "full", "acks": "all", "brokers": 1}, "sizes": msgspec.structs.asdict(self.sizes)}

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[str]:
        """A database of its own with the newest schema of a service."""
        server = self.stack.postgres.url("postgres")
        url = await places.make_database(server, service)
        try:
            yield url
        finally:
            await places.drop_database(server, url)

    @asynccontextmanager
    async def pool(self, url: str, size: int = 4, settings: Mapping[str, str] | None = None) -> AsyncIterator[asyncpg.Pool]:
        """Plain connections, for floors and for looking."""
        pool = await asyncpg.create_pool(url, min_size=0, max_size=size, server_settings={"timezone": "UTC", **(settings or {})})
        try:
            yield pool
        finally:
            pool.terminate()

    @asynccontextmanager
    async def referral(self, url: str) -> AsyncIterator[Service]:
        """Referral with rules, calendar and directory; its broker and doors are not started."""
        settings = Settings(
            service="referral", database_url=url, kafka=self.bootstrap, jwks=self.state.jwks, directory=self.stack.directory
        )
        service = await referral.build(settings)
        assert service.prepare is not None
        await service.prepare()
        try:
            yield service
        finally:
            await service.api.state.engine.dispose()
            service.pool.terminate()


def _directory() -> str:
    fields = ("name", "department", "region", "superior", "phone")
    entries = [{"code": e.agency} | {name: getattr(e, name) for name in fields} for e in county.AGENCIES]
    return msgspec.yaml.encode({"agencies": entries}).decode()
