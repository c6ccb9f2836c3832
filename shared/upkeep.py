"""What does every service do by the way? It keeps inbox small, and raises what has lain parked too long."""

import asyncio

import asyncpg

from shared import logs, outbox
from shared.bells import Bells
from shared.contracts.operations import StreamParked
from shared.database import AGAIN, AWAY, LOCKED

INBOX_DAYS = 30
"""Longer than the retention of any topic (14 days), or a replayed record would have its effect again."""
LINGERS = 120
"""Seconds after which a parked stream is told to operations: a red case may wait in it."""
EVERY_SECONDS = 5.0
SWEEP_ROWS = 5_000
OLD = (
    "delete from inbox where (select min(at) from inbox) < now() - make_interval(days => $1)"
    " and ctid = any(array(select ctid from inbox where at < now() - make_interval(days => $1) order by at limit $2))"
)
"""Trap: a plan made while the table was empty reads all of it, every time. The oldest row by itself is found in the index whatever
the plan, and `now()` (no volatile clock) lets that be asked first, and mostly alone."""
LINGERING = (
    "update parked set told = true where seq = any(array(select min(seq) from parked group by consumer, stream having not bool_or(told)"
    " and min(at) < clock_timestamp() - make_interval(secs => $1))) and not told returning stream, consumer, reason, at"
)


class Upkeep:
    """Runs beside the doors of a process; several processes may, the database decides."""

    def __init__(self, pool: asyncpg.Pool, bells: Bells) -> None:
        self.pool, self.bells = pool, bells

    async def run(self) -> None:
        while True:
            pause = EVERY_SECONDS
            try:
                if await self.forget() == SWEEP_ROWS:  # more has come of age than one turn deletes
                    pause /= 10
                await self.tell()
            except (*AWAY, *AGAIN, *LOCKED) as reason:
                logs.get("upkeep").warning("upkeep.waits", error=type(reason).__name__)
            await asyncio.sleep(pause)

    async def forget(self) -> int:
        """Deletes inbox rows past their time, a bounded number per turn; vacuum keeps up with that."""
        status: str = await self.pool.execute(OLD, INBOX_DAYS, SWEEP_ROWS)
        return int(status.rsplit(" ", 1)[1])

    async def tell(self) -> int:
        """Says once per stream that it lies parked."""
        async with self.pool.acquire() as db, db.transaction():
            rows = await db.fetch(LINGERING, LINGERS)
            now = await db.fetchval("select heli_now()")
            events = [StreamParked(stream=r["stream"], consumer=r["consumer"], reason=r["reason"], since=r["at"]) for r in rows]
            await outbox.save(db, [outbox.stamp(event, actor="upkeep", traceparent="", at=now) for event in events])
        if rows:
            self.bells.relay.set()
        return len(rows)
