"""How does a demo begin from nothing? Its own folder, emptied; servers that somebody else runs only when they hold nothing of Heli."""

import os
from collections.abc import Callable
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.announce import short
from deploy.local.infrastructure import GivenKafka, GivenPostgres
from deploy.local.state import PROJECT, SERVICES, State

FOLDER = "demo"


def home() -> Path:
    """A folder `demo` beside what `heli up` keeps; in a shell that has sourced the demo's own env file, that very folder."""
    base = Path(os.environ.get("HELI_HOME") or PROJECT / ".heli")
    return base if base.name == FOLDER else base / FOLDER


async def begin(state: State, say: Callable[[str], None]) -> None:
    """Two runs are never mixed. Raises RuntimeError where emptying would delete what may be somebody's."""
    if pid := state.supervisor():
        raise RuntimeError(f"A demo still runs in {short(state.home)} (pid {pid}). Repair: HELI_HOME={short(state.home)} heli down")
    if state.is_ours():
        say(f"dropping what the last demo left in {short(state.home)} (databases, topics, logs)")
        state.remove()
    if address := os.environ.get("DATABASE_URL"):
        await _no_databases(address)
    if bootstrap := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        await _no_topics(bootstrap)


async def _no_databases(address: str) -> None:
    server = GivenPostgres(address)
    await server.wait_ready()
    connection = await asyncpg.connect(server.url())
    try:
        names = [f"heli_{name}" for name in SERVICES]
        held = await connection.fetch("select datname from pg_database where datname = any($1) order by datname", names)
    finally:
        await connection.close()
    if held:
        drop = "; ".join(f"drop database {row['datname']}" for row in held)
        raise RuntimeError(
            f"The server of DATABASE_URL holds databases of Heli, and a demo never mixes runs. Repair, if they may go: {drop}"
        )


async def _no_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=GivenKafka(bootstrap).bootstrap)
    await admin.start()
    try:
        held = sorted(topic for topic in await admin.list_topics() if topic.startswith("heli."))
    finally:
        await admin.close()
    if held:
        raise RuntimeError(
            f"The broker of KAFKA_BOOTSTRAP_SERVERS holds {len(held)} topics of Heli ({held[0]} ...), and a demo never mixes runs."
            " Repair, if they may go: kafka-topics.sh --delete --topic 'heli\\..*', or unset KAFKA_BOOTSTRAP_SERVERS"
        )
