"""How soon does a deadline fire, and how fast do a hundred thousand that are due at once, against hand-written SQL?"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.referral import app
from services.referral.domain.case import Case
from shared.contracts.referral import LegEscalated, LegOverdue
from shared.identifiers import leg_id, uuid7
from shared.messages import Decision, Moment
from shared.room import Room
from shared.runtime import Service
from tests.bench import filling
from tests.bench.figure import Figure, Sample, compare, percentile
from tests.bench.ground import Ground
from tests.bench.opening_floor import Events, publish

BATCH = 500
ARM_LEGS = "update leg set delivered_due = d from unnest($1::uuid[], $2::timestamptz[]) as t(i, d) where id = i"
ARM_CASES = "update case_file set next_due = d from unnest($1::uuid[], $2::timestamptz[]) as t(i, d) where id = i"
TICK_CASES = (
    "update case_file set next_due = $1, changed_at = $2, version = version + 1 where id = any(array(select id from case_file"
    " where next_due <= (select heli_now()) order by next_due limit $3 for update skip locked)) returning id, report, code, grade, trace"
)
TICK_LEGS = (
    "update leg set missed = 'delivered', ladder_from = delivered_due, rung = 1, rung_at = $2::timestamptz, rung_due = $2::timestamptz + interval '1 hour',"
    " told = agency where id = any($1::uuid[]) returning id, case_id, agency, department, duty, ladder_from"
)
_json = msgspec.json.Encoder().encode


class Stored(msgspec.Struct, frozen=True):
    """A database full of cases 1 ... `count`, referral joined over it, and numbers that nobody has used yet."""

    url: str
    service: Service
    pool: asyncpg.Pool
    case: Case
    count: int
    firsts: "itertools.count[int]"


async def arm(large: Stored, numbers: range, dues: list[datetime]) -> None:
    """The clock `delivered` of the first leg of each of these cases is due at its moment."""
    async with large.pool.acquire() as db, db.transaction():
        await db.execute(ARM_LEGS, [filling.leg(n, 1) for n in numbers], dues, timeout=300)
        await db.execute(ARM_CASES, [filling.case(n) for n in numbers], dues, timeout=300)


async def storm(ground: Ground, large: Stored) -> Figure:
    turns = _turns(ground.sizes.storm)

    async def round_of(tick: Any) -> Sample:
        numbers = next(turns)
        await arm(large, numbers, [datetime.now(UTC) - timedelta(seconds=1)] * len(numbers))
        await large.pool.execute("vacuum analyze case_file", timeout=300)
        meter, done = ground.meter(), 0
        while done < len(numbers):
            done += await tick()
        return Sample(len(numbers), *meter.stop())

    async def ours(_: int) -> Sample:
        async def sweep() -> int:
            return (await large.service.rooms[0].sweep()).ticked

        return await round_of(sweep)

    async def floor(_: int) -> Sample:
        async with large.pool.acquire() as db:
            return await round_of(lambda: _tick(db))

    return await compare("storm", ours, floor, unit="cases/s", aim=">= 0.5")


def _turns(count: int) -> Iterator[range]:
    """A part of the table for each turn, never used before; the two that warm up are small."""
    place = 1
    for size in itertools.chain((BATCH, BATCH), itertools.repeat(count)):
        yield range(place, place + size)
        place += size


async def _tick(db: Any) -> int:
    async with db.transaction():
        now = datetime.now(UTC)
        cases = {row["id"]: row for row in await db.fetch(TICK_CASES, now + timedelta(hours=1), now, BATCH)}
        legs = await db.fetch(TICK_LEGS, sorted(leg_id(key, 1) for key in cases), now)
        events: Events = []
        for row in legs:
            key, report, code, grade, trace = cases[row["case_id"]].values()
            events += _events(row, key, report, code, grade, trace)
        await publish(db, now, events)
    return len(cases)


def _events(leg: Any, key: UUID, report: UUID, code: str, grade: str, trace: str) -> Events:
    name, agency, due = leg["id"], leg["agency"], leg["ladder_from"]
    about = {
        "report": report, "code": code, "case": key, "leg": name, "agency": agency, "department": leg["department"], "duty": leg["duty"],
        "grade": grade,
    }  # fmt: skip
    overdue = LegOverdue(**about, clock="delivered", due=due)
    rung = LegEscalated(**about, rung=0, who="duty_officer", to=agency, clock="delivered", late=False)
    return [(uuid7(), event.type_, str(name), report, "time", trace, _json(event)) for event in (overdue, rung)]


async def lateness_p99(ground: Ground, large: Stored) -> Figure:
    """Due to committed, in ms, with so many due per second; the floor is a control that sleeps and commits one row beside it."""
    seconds, rate = ground.sizes.late_seconds, ground.sizes.due_a_second
    begin = datetime.now(UTC) + timedelta(seconds=4)
    first = large.count - seconds * rate + 1
    numbers = range(first, large.count + 1)
    await arm(large, numbers, [begin + timedelta(seconds=place / rate) for place in range(len(numbers))])
    late, ended = await _fired(ground, large, len(numbers))
    return Figure(
        name="lateness_p99",
        value=percentile(late, 0.99) * 1000,
        unit="ms",
        floor=percentile(ended, 0.99) * 1000,
        ratio=None,
        aim="<= 250 ms",
    )


async def _fired(ground: Ground, large: Stored, count: int) -> tuple[list[float], list[float]]:
    """How late each of so many was when its sweep had committed, and how late the control was."""
    noted: list[datetime] = []

    def tick(case: Case, at: Moment) -> Decision:
        if case.next_due is not None:
            noted.append(case.next_due)
        return app.CASE.tick(case, at)

    old = large.service.rooms[0]
    room = Room(msgspec.structs.replace(app.CASE, tick=tick), old.pool, old.reference, old.bells)
    late: list[float] = []
    stop = asyncio.Event()
    control = asyncio.create_task(_control(large, stop))
    async with asyncio.timeout(ground.sizes.late_seconds * 10 + 60):
        while len(late) < count:
            swept = await room.sweep()
            now = datetime.now(UTC)
            late += [(now - due).total_seconds() for due in noted]
            noted.clear()
            await asyncio.sleep(swept.wait)  # the runtime does the same, and wakes earlier when its bell rings
    stop.set()
    return late, await control


async def _control(large: Stored, stop: asyncio.Event) -> list[float]:
    """Sleeps 50 ms and commits one row: what this machine adds to any deadline."""
    late = []
    while not stop.is_set():
        wanted = time.perf_counter() + 0.05
        await asyncio.sleep(0.05)
        await large.pool.execute("insert into mailbox (body) values ('')")
        late.append(time.perf_counter() - wanted)
    return late
