"""How does a batch of messages take effect exactly once? Read once, decide in memory, write once, in one transaction."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared import inbox, logs, outbox, parking, telemetry
from shared.bells import Bells
from shared.database import AGAIN, AWAY, LOCKED, REFUSED
from shared.errors import Clash, Problem, Unavailable
from shared.messages import NOBODY, Message, Note, Outgoing, Response
from shared.parking import Parked
from shared.reference import Reference
from shared.work import Kind, Work

ATTEMPTS = 8
SWEEP = 500
SOONEST, LATEST = 0.005, 0.1  # seconds between two looks of the time door
Settle = Callable[[Any, Sequence[Message]], Awaitable[None]]


class Swept(msgspec.Struct, frozen=True):
    """What a sweep did: how many aggregates ticked, what the send door shall perform, when the next is due."""

    ticked: int
    sends: tuple[Any, ...]
    wait: float


Outcome = Response | Exception
"""What became of one message."""


class Room:
    """The unit of work over a batch, for one kind of aggregate. Three doors hand it messages; it knows none of them."""

    def __init__(self, kind: Kind, pool: asyncpg.Pool, reference: Reference, bells: Bells) -> None:
        self.kind, self.pool, self.reference, self.bells = kind, pool, reference, bells
        self._failures: dict[UUID, int] = {}

    async def handle(self, messages: Sequence[Message], settle: Settle | None = None) -> list[Response]:
        """After this returns every message has had its effect once, or is parked, or is refused. Raises what is transient."""
        outcomes = await self.outcomes(messages, settle)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Response)]

    async def outcomes(self, messages: Sequence[Message], settle: Settle | None = None) -> list[Outcome]:
        """What became of each message, in order; an exception stands for its own message alone. Raises only when the database is away."""
        failure: Exception | None = None
        whole = any(m.released for m in messages)  # of one parked record: all of it leaves the parking lot, or nothing
        for attempt in range(ATTEMPTS):
            try:
                return list(await self._together(messages, settle))
            except AGAIN as reason:
                failure = reason
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter
            except LOCKED:
                if whole or len({m.aggregate for m in messages}) == 1:
                    return [Unavailable() for _ in messages]
                return await self._apart(messages, settle)
            except REFUSED as refusal:
                if whole or len(messages) == 1:
                    return [await self._alone(messages[0], refusal, settle)] * len(messages)
                return await self._apart(messages, settle)
        raise Unavailable from failure

    async def _apart(self, messages: Sequence[Message], settle: Settle | None) -> list[Outcome]:
        """Two parts, both tried whatever becomes of the first: a row that stays locked delays only its own messages.

        The cut goes between aggregates while there are several. Of one alone the second part must not overtake the first.
        """
        names = list(dict.fromkeys(m.aggregate for m in messages))
        begin = set(names[: len(names) // 2])
        found: dict[int, Outcome] = {}
        for part in (True, False):
            chosen = [place for place, m in enumerate(messages) if (m.aggregate in begin if begin else place < len(messages) // 2) is part]
            if not begin and any(isinstance(outcome, TRANSIENT) for outcome in found.values()):
                found.update({place: Unavailable() for place in chosen})
            else:
                found.update(zip(chosen, await self.outcomes([messages[place] for place in chosen], settle), strict=True))
        return [found[place] for place in range(len(messages))]

    async def park(self, parked: Sequence[Parked], settle: Settle | None = None) -> None:
        """Parks what could not even be turned into a message of this kind; the same record twice is parked once."""
        async with self.pool.acquire() as db, db.transaction():
            fresh, _ = await inbox.first_time(db, f"{self.kind.name}.contract", [p.message for p in parked])
            new = set(map(id, fresh))
            await parking.park(db, self.kind.name, [p for p in parked if id(p.message) in new])
            if settle is not None:
                await settle(db, [p.message for p in parked])

    async def bury(self, group: str, letters: Mapping[str, Outgoing]) -> None:
        """Sends dead letters through the outbox, each record (its place in the topic) once."""
        async with self.pool.acquire() as db, db.transaction():
            named = [Message(body=None, aggregate=NOBODY, id=place, source=group) for place in letters]
            fresh, _ = await inbox.first_time(db, group, named)
            now, _, _ = await self.reference.moment(db)
            await outbox.save(db, [outbox.stamp(letters[m.id or ""], actor=group, traceparent="", at=now) for m in fresh])
        self.bells.relay.set()

    async def _together(self, messages: Sequence[Message], settle: Settle | None) -> list[Response]:
        async with self.pool.acquire() as db, db.transaction():
            fresh, old = await inbox.first_time(db, self.kind.name, messages)
            going, waiting = await parking.behind(db, self.kind.name, fresh)
            beside = await self.kind.beside(db, going) if self.kind.beside and going else None
            loaded = await self.kind.load(db, sorted({m.aggregate for m in going})) if going else {}
            work = Work(self.kind, loaded, *await self.reference.moment(db), beside)
            for message in going:
                if parking.stuck(message, work.parked):
                    work.parked.append(Parked(message, "behind", "behind"))
                else:
                    work.apply(message)
            await self._save(db, work)
            await inbox.answer(db, self.kind.name, work.answers)
            await parking.park(db, self.kind.name, [*work.parked, *waiting])
            if settle is not None:
                await settle(db, messages)
        self._after(work)
        return inbox.given(messages, work.answers, old)

    async def _save(self, db: Any, work: Work) -> None:
        await self.kind.save(db, work.loaded, work.changed())
        await outbox.save(db, work.events)

    def _after(self, work: Work) -> None:
        work.finish()
        if work.events:
            self.bells.relay.set()
        if any(type(stamped.event) is Note for stamped in work.events):
            self.bells.mailbox.set()
        if any(new.next_due is not None and new.next_due <= work.now + timedelta(seconds=LATEST) for new in work.changed()):
            self.bells.time.set()  # else the time door looks soon enough by itself
        for parked in work.parked:
            logs.get("room").error("message.parked", kind=self.kind.name, stream=parking.stream_of(parked.message), reason=parked.reason)

    async def _alone(self, message: Message, refusal: Exception, settle: Settle | None) -> Outcome:
        """The culprit, by itself: a record of our own is parked, a caller is told."""
        if message.record is None or message.released:
            constraint = getattr(refusal, "constraint_name", None)
            if isinstance(refusal, asyncpg.UniqueViolationError) and constraint:
                return Clash(constraint)
            return Problem(422, "refused-by-database", "The database refused this value. Nothing was stored.")
        async with self.pool.acquire() as db, db.transaction():
            fresh, _ = await inbox.first_time(db, self.kind.name, [message])
            await parking.park(db, self.kind.name, [Parked(m, "constraint", type(refusal).__name__) for m in fresh])
            if settle is not None:
                await settle(db, [message])
        logs.get("room").error("message.parked", kind=self.kind.name, stream=parking.stream_of(message), reason="constraint")
        return Response(422, b"{}")

    async def sweep(self, limit: int = SWEEP) -> Swept:
        """The time door: what is due ticks. Never waits for a lock, so it cannot deadlock with a batch."""
        try:
            return await self._swept(limit)
        except REFUSED:  # fewer at a time, until the culprit stands alone and is pushed forward
            return await self.sweep(limit // 2) if limit > 1 else await self._swept(0)

    async def _swept(self, limit: int) -> Swept:
        wait = await self._wait()
        if wait > 0:  # asked before a transaction is begun: most sweeps find nothing
            return Swept(0, (), wait)
        async with self.pool.acquire() as db, db.transaction():
            loaded = await self.kind.due(db, max(limit, 1))
            if not loaded:  # somebody else has it
                return Swept(0, (), SOONEST)
            work = Work(self.kind, loaded, *await self.reference.moment(db))
            failed = [key for key in loaded if not limit or not self._tick(work, key)]
            await self._save(db, work)
            for key in failed:
                await self._push(db, key)
        self._after(work)
        return Swept(len(loaded), tuple(work.sends), 0.0)

    def _tick(self, work: Work, key: UUID) -> bool:
        aggregate = work.current[key]
        span = telemetry.begin(f"tick {self.kind.name}", "internal", links=[aggregate.trace])
        moment = work.moment(aggregate, None, "time", span)
        try:
            decision = self.kind.tick(aggregate, moment)
            _must_look_forward(decision.aggregate.next_due, moment.now)
        except Exception as reason:  # noqa: BLE001 - one bad aggregate never stops the others' deadlines
            logs.get("time").error("tick.failed", kind=self.kind.name, reference=str(key), error=type(reason).__name__)
            telemetry.fail(span, type(reason).__name__)
            span.end()
            return False
        self._failures.pop(key, None)
        work.take(key, decision, moment, span)
        return True

    async def _push(self, db: Any, key: UUID) -> None:
        """An aggregate whose tick fails is pushed forward, one minute and doubling, and never stops the others."""
        tries = self._failures[key] = self._failures.get(key, 0) + 1
        await db.execute(
            f"update {self.kind.table} set next_due = heli_now() + make_interval(mins => $2) where id = $1", key, min(2 ** (tries - 1), 60)
        )

    async def _wait(self) -> float:
        """Seconds until the next deadline, at most 0.1, or one that another process armed would be missed; 0 when something is due."""
        sql = f"select extract(epoch from min(next_due) - heli_now()) from {self.kind.table} where next_due is not null"
        seconds = await self.pool.fetchval(sql)
        return LATEST if seconds is None else 0.0 if seconds <= 0 else min(max(float(seconds), SOONEST), LATEST)


TRANSIENT = (*AWAY, Unavailable)
"""What a door may wait out: nothing is wrong with the message."""


def _must_look_forward(next_due: datetime | None, now: datetime) -> None:
    if next_due is not None and next_due <= now:
        raise ValueError("a tick must leave the next deadline in the future, or the sweep spins")
