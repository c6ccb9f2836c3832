"""How fast does the relay empty an outbox, against a raw producer that sends the same bytes?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec

from shared import outbox
from shared.relay import Relay
from tests.bench import wire
from tests.bench.figure import Figure, Sample, compare
from tests.bench.ground import Ground
from tests.support.broker import make_topics

TOPIC, PARTITIONS = "bench.relay", 4
PUT = (
    "insert into outbox (shard, topic, key, value, headers, on_ack, at) select shard, $4, key, value, headers, ack, $6"
    " from unnest($1::smallint[], $2::bytea[], $3::bytea[], $5::bytea[], $7::bytea[]) as t(shard, key, value, headers, ack)"
)
LEFT = "select count(*) from outbox"


async def relay(ground: Ground, _: frozenset[str]) -> list[Figure]:
    await make_topics(ground.bootstrap, TOPIC, partitions=PARTITIONS)
    wires = _of_cases(ground.sizes.relayed)

    async def floor(_: int) -> Sample:
        async with wire.producing(ground.bootstrap) as producer:
            await wire.produce(producer, TOPIC, wires[:100])
            meter = ground.meter()
            await wire.produce(producer, TOPIC, wires)
            return Sample(len(wires), *meter.stop())

    async with ground.database("referral") as url, ground.pool(url) as pool:

        async def ours(_: int) -> Sample:
            async with _running(pool, ground.bootstrap) as (running, empty):
                await _emptied(pool, running, empty, wires[:100])
                await _put(pool, wires)
                meter = ground.meter()
                running.bell.set()
                await _until(pool, empty)
                return Sample(len(wires), *meter.stop())

        return [await compare("relay", ours, floor, unit="records/s", aim=">= 0.6")]


def _of_cases(count: int) -> list[wire.Wire]:
    """As referral's outbox holds them: a case and its three legs are four records of one key."""
    several = wire.reports(count)
    return [(several[place - place % 4][0], value, headers) for place, (_, value, headers) in enumerate(several)]


@asynccontextmanager
async def _running(pool: asyncpg.Pool, bootstrap: str) -> AsyncIterator[tuple[Relay, asyncio.Event]]:
    """A relay as a service runs it; the event is set when a record with `on_ack` is gone from the table."""
    empty = asyncio.Event()
    running = Relay(pool, bootstrap, asyncio.Event(), empty)
    task = asyncio.create_task(running.run())
    try:
        yield running, empty
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _emptied(pool: asyncpg.Pool, running: Relay, empty: asyncio.Event, wires: list[wire.Wire]) -> None:
    """Leases claimed, producer built, topics known."""
    await _put(pool, wires)
    running.bell.set()
    await _until(pool, empty)


async def _put(pool: asyncpg.Pool, wires: list[wire.Wire]) -> None:
    """All rows become visible at once. The last one asks to be told of its acknowledgement."""
    keys, values = ([w[place] for w in wires] for place in (0, 1))
    headers = [msgspec.msgpack.encode(w[2]) for w in wires]
    shards = [outbox.shard_of(w[0]) for w in wires]
    acks = [None] * (len(wires) - 1) + [b"{}"]
    await pool.execute(PUT, shards, keys, values, TOPIC, headers, datetime.now(UTC), acks)


async def _until(pool: asyncpg.Pool, empty: asyncio.Event) -> None:
    await empty.wait()
    while await pool.fetchval(LEFT):  # noqa: ASYNC110 - another process's work rings no event of ours
        await asyncio.sleep(0.001)
    empty.clear()
