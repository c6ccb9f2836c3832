"""How fast does the consumer turn `report accepted` into a case, three legs and four events, against hand-written bulk SQL?"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import TopicPartition
from opentelemetry import trace
from opentelemetry.util._once import Once

from services.referral import store
from services.referral.domain.case import Case
from shared import telemetry
from shared.contracts import intake
from shared.identifiers import case_id
from shared.runtime import Service
from tests.bench import opening_floor, wire
from tests.bench.figure import Figure, Sample, compare
from tests.bench.ground import Ground
from tests.bench.machine import Meter
from tests.support.traces import Traces

RATE = "0.1"


async def consumer(ground: Ground, _: frozenset[str]) -> list[Figure]:
    return [await _measured(ground, "consumer", ">= 0.75")]


async def consumer_traced(ground: Ground, _: frozenset[str]) -> list[Figure]:
    """The same with one report in ten traced, and its spans exported to a collector in this process, whose work counts too."""
    collector = Traces()
    wanted = {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": RATE,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    os.environ.update(wanted)
    traced_anew()
    try:
        figure = await _measured(ground, "consumer_traced", ">= 0.6")
    finally:
        for name in wanted:
            del os.environ[name]
        await asyncio.to_thread(telemetry.shutdown)
        traced_anew()
        collector.stop()
    if not collector.spans:
        raise RuntimeError("consumer_traced: no span was exported")
    return [figure]


def traced_anew() -> None:
    """Configures tracing as a service does at its start. OpenTelemetry allows that once per process; a bench needs it twice."""
    trace._TRACER_PROVIDER_SET_ONCE = Once()  # noqa: SLF001 - see above
    trace._TRACER_PROVIDER = None  # noqa: SLF001 - see above
    telemetry.configure("bench")


async def _measured(ground: Ground, name: str, aim: str) -> Figure:
    count = ground.sizes.opened
    async with (
        ground.database("referral") as mine,
        ground.database("referral") as theirs,
        ground.referral(mine) as service,
        ground.pool(theirs) as pool,
        wire.producing(ground.bootstrap) as producer,
    ):
        shape = opening_floor.Shape.of(await template(service))

        async def put() -> dict[TopicPartition, int]:
            begin = await wire.ends(ground.bootstrap, intake.TOPIC)
            await wire.produce(producer, intake.TOPIC, wire.reports(count))
            return begin

        async def ours(_: int) -> Sample:
            await put()
            return await consumed(ground, service, count)

        async def floor(_: int) -> Sample:
            begin = await put()
            sample = await opening_floor.run(ground, pool, begin, count, shape)
            await skip(ground)
            return sample

        await skip(ground)
        return await compare(name, ours, floor, unit="reports/s", aim=aim)


class Timed:
    """Stands before a listener: from its first batch until so many records are applied."""

    def __init__(self, inner: Callable[[Any], Awaitable[None]], wanted: int, meter: Callable[[], Meter]) -> None:
        self.inner, self.wanted, self.seen, self._meter = inner, wanted, 0, meter
        self.done: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self._running: Meter | None = None

    async def __call__(self, batch: Any) -> None:
        self._running = self._running or self._meter()
        await self.inner(batch)
        self.seen += len(batch)
        if self.seen >= self.wanted and not self.done.done():
            self.done.set_result(self._running.stop())


async def consumed(ground: Ground, service: Service, count: int, name: str = "intake", inner: Any = None) -> Sample:
    """Starts the service's own broker, with all its subscribers, and stops it when so many records have taken effect."""
    timed = Timed(inner or service.listeners[intake.TOPIC], count, ground.meter)
    service.broker.context.set_global(name, timed)
    await service.broker.start()
    try:
        spent = await timed.done
    finally:
        await service.broker.stop()
    return Sample(count, *spent)


async def skip(ground: Ground, topic: str = intake.TOPIC, group: str = f"referral.{intake.TOPIC}") -> None:
    """What the floor has read is not for us: the group of the service goes on at the end."""
    last = await wire.ends(ground.bootstrap, topic)
    async with wire.reading(ground.bootstrap, last, group) as consumer:
        await consumer.commit(last)


async def template(service: Service) -> Case:
    """One case as the service opens it: what a hand-written program would have as constants."""
    room, key = service.rooms[0], await opened(service)
    async with room.pool.acquire() as db, db.transaction():
        return (await store.load(db, [key]))[key]


async def opened(service: Service) -> UUID:
    """Opens one case by the listener, and returns its id."""
    (one,) = wire.reports(1)
    event = msgspec.json.decode(one[1], type=intake.ReportAccepted)
    await service.listeners[intake.TOPIC].apply([wire.record(intake.TOPIC, time.monotonic_ns(), one)])
    return case_id(event.report, 1)
