"""Does it matter how much is stored? The same work beside a million open cases, and beside a thousand."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import msgspec

from services.referral.consumer import Replies
from shared.contracts import intake
from tests.bench import filling, wire
from tests.bench.answering import answers, topic_of
from tests.bench.deadlines import Stored, lateness_p99, storm
from tests.bench.figure import ROUNDS, Figure, Sample, compare
from tests.bench.ground import Ground
from tests.bench.opening import template

BATCH, SWEEPS, RUNS = 500, 200, 4
"""Runs of a thousand answers make a round: one of them takes a tenth of a second, and says little."""


async def stored(ground: Ground, wanted: frozenset[str]) -> list[Figure]:
    """One fill for all of them; the storm comes last, because it changes a large part of the table."""
    figures: list[Figure] = []
    async with _filled(ground, ground.sizes.small) as small, _filled(ground, ground.sizes.stored) as large:
        await _settled(ground)
        for name, part in (("sweep_idle_1m", _sweep), ("acks_1m", _acks), ("growth_1m", _growth)):
            if name in wanted:
                figures.append(await part(ground, large, small))
        if "lateness_p99" in wanted:
            figures.append(await lateness_p99(ground, large))
        if "storm" in wanted:
            figures.append(await storm(ground, large))
    return figures


@asynccontextmanager
async def _filled(ground: Ground, count: int) -> AsyncIterator[Stored]:
    async with ground.database("referral") as url, ground.referral(url) as service, ground.pool(url) as pool:
        case = await template(service)
        await filling.fill(url, case.id, 1, count)
        yield Stored(url, service, pool, case, count, itertools.count(count + 1, 10_000_000))


async def _settled(ground: Ground) -> None:
    """Until the server writes nothing any more of what the fill has left."""
    while True:
        meter = ground.meter()
        await asyncio.sleep(1)
        if meter.stop()[1] < 0.1:
            return


async def _sweep(ground: Ground, large: Stored, __: Stored) -> Figure:
    """A sweep that finds nothing due."""
    room, took = large.service.rooms[0], []
    meter = ground.meter()
    for _ in range(SWEEPS):
        began = time.perf_counter()
        swept = await room.sweep()
        took.append(time.perf_counter() - began)
        if swept.ticked:
            raise RuntimeError("sweep_idle_1m: something was due")
    cpu = meter.stop()[1]
    return Figure(name="sweep_idle_1m", value=median(took) * 1000, unit="ms", aim="<= 1 ms", cpu_s_per_1000=cpu / SWEEPS * 1000)


async def _acks(ground: Ground, large: Stored, small: Stored) -> Figure:
    """Cases that were opened together are answered together: each round takes some runs of them somewhere in the table."""
    count, chosen = ground.sizes.small, random.Random(7)  # noqa: S311 - which cases, the same in every run
    runs = iter(chosen.sample(range(large.count // count), RUNS * (ROUNDS + 1)))

    async def beside_many(_: int) -> Sample:
        firsts = [next(runs) * count + 1 for _ in range(RUNS)]
        return _in_all([await _answered(ground, large, chosen.sample(range(first, first + count), count)) for first in firsts])

    async def beside_few(_: int) -> Sample:
        return _in_all([await anew() for _ in range(RUNS)])

    async def anew() -> Sample:
        first = next(small.firsts)
        await small.pool.execute("truncate leg, case_file")
        await _again(small, first, count)
        return await _answered(ground, small, chosen.sample(range(first, first + count), count))

    return await compare("acks_1m", beside_many, beside_few, unit="answers/s", aim=">= 0.9")


def _in_all(samples: list[Sample]) -> Sample:
    return Sample(*(sum(getattr(sample, name) for sample in samples) for name in ("count", "seconds", "cpu")))


async def _again(side: Stored, first: int, count: int) -> None:
    """A thousand fresh cases where the old ones were: the template is stored again first."""
    await template(side.service)
    key = await side.pool.fetchval("select id from case_file limit 1")
    await filling.fill(side.url, key, first, count)


async def _answered(ground: Ground, side: Stored, numbers: list[int]) -> Sample:
    replies, topic = Replies(*side.service.rooms), topic_of(side.case)
    offset = next(side.firsts)
    records = [wire.record(topic, offset + place, (None, value, [])) for place, value in enumerate(answers(numbers))]
    meter = ground.meter()
    for place in range(0, len(records), BATCH):
        await replies.apply(records[place : place + BATCH])
    return Sample(len(records), *meter.stop())


async def _growth(ground: Ground, large: Stored, small: Stored) -> Figure:
    """What a new report costs, in ms: so a smaller ratio is better."""

    async def side(at: Stored, _: int) -> Sample:
        listener, first = at.service.listeners[intake.TOPIC], next(at.firsts)
        told = [wire.record(intake.TOPIC, first + place, one) for place, one in enumerate(wire.reports(ground.sizes.many))]
        meter = ground.meter()
        for place in range(0, len(told), BATCH):
            await listener.apply(told[place : place + BATCH])
        sample = Sample(len(told), *meter.stop())
        return msgspec.structs.replace(sample, own=1000 * sample.seconds / sample.count)

    return await compare(
        "growth_1m", lambda number: side(large, number), lambda number: side(small, number), unit="ms/report", aim="<= 1.2"
    )
