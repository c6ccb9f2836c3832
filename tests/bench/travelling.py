"""What does a report cost on its whole way through four real services, how soon is an agency told, and how big are the processes?"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

import asyncpg
import msgspec

from deploy.local.state import SERVICES
from tests.bench.client import Client, clients
from tests.bench.figure import ROUNDS, Figure, percentile
from tests.bench.filing import CLIENTS, body, filed, reporter
from tests.bench.ground import Ground
from tests.bench.machine import Meter, memory
from tests.bench.partners import PARTIES, following, partners

LEGS = len(PARTIES)
NOW = "select clock_timestamp()"
ACCEPTED = "select count(*) from leg where agency = any($1) and issued_at > $2 and ended is null and accepted_at is not null"
FOLLOWED = (
    "select count(*) from report join report_leg on report_leg.report_id = report.id"
    " where report_leg.agency = any($1) and report.received_at > $2 and report_leg.accepted_at is not null"
)
BY_INDEX = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
"""Else the first look, at small tables, chooses a plan that reads all of them, and keeps it."""
QUIET = "select (not exists (select from outbox) and not exists (select from mailbox))::int"
PATIENCE_SECONDS = 180
WARM_UP = 8
"""Rounds that do not count."""
LOOK_SECONDS, WATCH_SECONDS = 0.3, 1.0
"""Between two looks at what has been reached, and at the memory: each takes processor time from what is measured. The first counts
the legs of its round along an index (all legs took a twentieth of `fanout_mixed`), the second reads all of /proc."""
Memory = dict[str, float]


class Ways(msgspec.Struct, frozen=True):
    """A figure: how each agency is told and answers, and what it may cost."""

    name: str
    ways: tuple[str, ...]
    aim: str


class System(msgspec.Struct, frozen=True):
    """The four services, ready, with connections to their databases."""

    ground: Ground
    pools: dict[str, asyncpg.Pool]

    @property
    def services(self) -> dict[str, int]:
        return {name: self.ground.stack.service(name).pid or 0 for name in SERVICES}

    def memory(self) -> Memory:
        """MB of each service with everything below it, and of the servers."""
        servers = dict(zip(("postgresql", "kafka"), self.ground.servers, strict=False))
        return {name: memory([pid]) for name, pid in (self.services | servers).items()}


async def travelled(ground: Ground, wanted: frozenset[str]) -> list[Figure]:
    figures: list[Figure] = []
    async with _running(ground) as system:
        if wanted & {"idle_p50", "idle_p99"}:
            figures += await _idle(system)
        quiet, busy = system.memory(), Memory()
        for ways in (
            Ways("fanout_topic", ("topic",) * LEGS, "<= 4 CPU s"),
            Ways("fanout_mixed", ("webhook", "topic", "http"), "<= 10 CPU s"),
        ):
            if ways.name in wanted or ("memory" in wanted and not busy):
                figures += await _fanout(system, ways, busy)
        figures += [
            Figure(name=f"memory_{name}", value=busy[name], unit="MB (floor: idle)", floor=quiet[name], ratio=busy[name] / quiet[name])
            for name in quiet
            if "memory" in wanted
        ]
    return figures


@asynccontextmanager
async def _running(ground: Ground) -> AsyncIterator[System]:
    await ground.stack.start_services()
    try:
        async with AsyncExitStack() as stack:
            places = {name: ground.stack.database_url(name) for name in SERVICES}
            pools = {name: await stack.enter_async_context(ground.pool(url, 1, BY_INDEX)) for name, url in places.items()}
            yield System(ground, pools)
    finally:
        await asyncio.gather(*(ground.stack.service(name).stop() for name in (*SERVICES, "edge")))


async def _idle(system: System) -> list[Figure]:
    """A POST, and the leg on the agency's topic, while nothing else happens."""
    ground, took = system.ground, []
    pause = random.Random(7)  # noqa: S311 - never in step with whoever polls
    began_at = await system.pools["referral"].fetchval(NOW)
    async with (
        partners(ground, dict.fromkeys(PARTIES, "topic")),
        following(ground, PARTIES[0]) as feed,
        clients(ground.state.ports["intake"], reporter(ground), 1) as (caller,),
    ):
        for number in range(ground.sizes.idle * ROUNDS + 3):
            await asyncio.sleep(pause.uniform(0.1, 0.3))
            began = time.perf_counter()
            report = msgspec.json.decode(await filed(caller, body()))["report"].encode()
            async with asyncio.timeout(30):
                while report not in (await feed.getone()).value:
                    pass
            if number > 2:
                took.append(time.perf_counter() - began)
        await _reached(system, "referral", ACCEPTED, LEGS * (number + 1), PARTIES, began_at)
    return [
        Figure(name="idle_p50", value=median(took) * 1000, unit="ms", aim="<= 80 ms"),
        Figure(name="idle_p99", value=percentile(took, 0.99) * 1000, unit="ms", aim="<= 300 ms"),
    ]


async def _fanout(system: System, ways: Ways, busy: Memory) -> list[Figure]:
    """Reports by HTTP; the clock stops when every leg is accepted, the account of processor time when everybody has heard of it.

    The first rounds do not count: in them Kafka's compiler takes as much as Kafka. After each the tables are vacuumed, so that no round
    pays for what those before it left; what that takes is a figure of its own, an upper bound, because vacuum by itself waits for more.
    """
    rounds, count = [], system.ground.sizes.travelling
    async with partners(system.ground, dict(zip(PARTIES, ways.ways, strict=True))):
        for number in range(WARM_UP + ROUNDS):
            found = (*await _round(system, count, busy), await _vacuumed(system) / count * 1000)
            rounds += [found] if number >= WARM_UP else []
    rate, cpu, callers, vacuum = (median(values) for values in zip(*rounds, strict=True))
    return [
        Figure(name=ways.name, value=cpu, unit="CPU s/1,000 reports", aim=ways.aim, cpu_s_per_1000=cpu),
        Figure(name=f"{ways.name}_rate", value=rate, unit="reports/s", cpu_s_per_1000=cpu),
        Figure(name=f"{ways.name}_callers", value=callers, unit="CPU s/1,000 reports of reporters and agencies, not counted above"),
        Figure(name=f"{ways.name}_vacuum", value=vacuum, unit="CPU s/1,000 reports, not counted above"),
    ]


async def _vacuumed(system: System) -> float:
    """Seconds of processor time."""
    postgresql = Meter(system.ground.servers[:1])
    for pool in system.pools.values():
        await pool.execute("vacuum analyze", timeout=300)
    return postgresql.stop()[1]


async def _round(system: System, count: int, busy: Memory) -> tuple[float, float, float]:
    """Reports per second, and CPU seconds per 1,000 reports of Heli with its servers, and of its callers."""
    ground = system.ground
    began_at = await system.pools["referral"].fetchval(NOW)
    everything, callers = ground.meter(*system.services.values()), Meter((), (os.getpid(),))
    async with clients(ground.state.ports["intake"], reporter(ground), CLIENTS) as connections, _watched(system, busy):
        numbers = iter(range(count))
        await asyncio.gather(*(_file(caller, numbers) for caller in connections))  # only then can all be accepted: to ask before costs
        await _reached(system, "referral", ACCEPTED, LEGS * count, PARTIES, began_at)
        seconds = everything.stop()[0]
    await _reached(system, "intake", FOLLOWED, LEGS * count, PARTIES, began_at)
    for name in SERVICES:
        await _reached(system, name, QUIET, 1)
    return count / seconds, everything.stop()[1] / count * 1000, callers.stop()[1] / count * 1000


async def _file(caller: Client, numbers: Iterator[int]) -> None:
    for _ in numbers:
        await filed(caller, body())


@asynccontextmanager
async def _watched(system: System, busy: Memory) -> AsyncIterator[None]:
    """Keeps the most memory that each part had meanwhile."""

    async def watch() -> None:
        while True:
            for part, size in system.memory().items():
                busy[part] = max(busy.get(part, 0.0), size)
            await asyncio.sleep(WATCH_SECONDS)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


async def _reached(system: System, name: str, query: str, wanted: int, *values: Any) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await system.pools[name].fetchval(query, *values) < wanted:  # noqa: ASYNC110 - other processes bring it about
            await asyncio.sleep(LOOK_SECONDS)
