"""Where are PostgreSQL and Kafka in this run? Addresses from the environment, else containers when asked for, else the embedded ones."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

import asyncpg

from deploy.local import docker
from deploy.local.kafka import KafkaNode
from deploy.local.ports import pick
from deploy.local.postgres import PostgresNode
from shared.database import migrate


def in_docker() -> bool:
    return bool(os.environ.get("HELI_TEST_DOCKER"))


@asynccontextmanager
async def _running(boxed: docker.DockerKafka | docker.DockerPostgres) -> AsyncIterator[None]:
    """The containers of the local stack, with its settings: a transaction's log of three copies would be waited for in vain."""
    await asyncio.to_thread(boxed.start)
    try:
        await boxed.wait_ready()
        yield
    finally:
        await boxed.remove()


@asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[str]:
    """The URL of a server on which databases may be made."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
    elif in_docker():
        boxed = docker.DockerPostgres(pick(1)[0], token_hex(8))
        async with _running(boxed):
            yield boxed.url()
    else:
        node = PostgresNode(folder / "postgres")
        node.start()
        try:
            await node.wait_ready()
            yield node.url("postgres")
        finally:
            await node.stop()


@asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[str]:
    """The bootstrap address of a broker."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
    elif in_docker():
        boxed = docker.DockerKafka(pick(1)[0])
        async with _running(boxed):
            yield boxed.bootstrap
    else:
        first, second = pick(2)
        node = KafkaNode(folder / "kafka", (first, second))
        node.start()
        try:
            await node.wait_ready()
            yield f"127.0.0.1:{first}"
        finally:
            await node.stop()


def at(server: str, name: str) -> str:
    """The URL of another database on the same server."""
    return f"{server.rsplit('/', 1)[0]}/{name}"


async def make_database(server: str, service: str) -> str:
    """A database of its own with the newest schema of a service, copied from a template: a migration a test would be too slow."""
    template, name = f"template_{service}", f"{service}_{uuid4().hex[:8]}"
    db = await asyncpg.connect(server)
    try:
        if not await db.fetchval("select exists (select from pg_database where datname = $1)", template):
            await db.execute(f'create database "{template}"')
            await asyncio.to_thread(migrate, service, at(server, template))
        await db.execute(f'create database "{name}" template "{template}"')
    finally:
        await db.close()
    return at(server, name)


async def drop_database(server: str, url: str) -> None:
    db = await asyncpg.connect(server)
    try:
        await db.execute(f'drop database if exists "{url.rsplit("/", 1)[1]}" with (force)')
    finally:
        await db.close()
