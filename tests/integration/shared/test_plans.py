"""Does a batch read no more than its own rows, however much has been stored since PostgreSQL chose how to find them?"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

from shared.bells import Bells
from shared.database import connect
from shared.messages import Message
from shared.room import Room
from shared.upkeep import INBOX_DAYS, OLD, SWEEP_ROWS, Upkeep
from tests.support import toy
from tests.support.toy import Add

READ = "select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
RUNS = 8
"""Of a statement, until its plan is kept: PostgreSQL makes the first five anew."""


async def test_a_plan_that_was_kept_while_the_tables_were_empty_still_reads_no_more_than_its_own_rows(
    database: Callable[[str], Awaitable[str]],
) -> None:
    pool = await connect(await database("guardianship"), 1, "test")
    try:
        await pool.execute(toy.TABLE)
        for table in ("counter", "inbox"):  # a young service: nobody has told the planner how much there is
            await pool.execute(f"alter table {table} set (autovacuum_enabled = off)")
        room, known = toy.room(pool), [uuid4() for _ in range(20)]
        first = [await rows_read(room, known) for _ in range(RUNS)][-1]
        for _ in range(10):
            await rows_read(room, [uuid4() for _ in range(500)])
        assert await rows_read(room, known, 0) <= first
    finally:
        await pool.close()


async def test_old_inbox_rows_are_looked_for_at_the_old_end_whatever_the_plan(database: Callable[[str], Awaitable[str]]) -> None:
    pool = await connect(await database("guardianship"), 1, "test")
    try:
        await pool.execute("alter table inbox set (autovacuum_enabled = off)")
        keeper = Upkeep(pool, Bells())
        for _ in range(RUNS):
            await keeper.forget()
        await pool.execute("insert into inbox (consumer, source, id) select 'toy', 'test', n::text from generate_series(1, 5000) n")
        await pool.execute("select pg_stat_force_next_flush()")
        async with pool.acquire() as db, db.transaction():
            assert await db.execute(OLD, INBOX_DAYS, SWEEP_ROWS) == "DELETE 0"
            assert await db.fetchval(READ) <= 1
    finally:
        await pool.close()


async def rows_read(room: Room, counters: Sequence[UUID], amount: int = 1) -> int:
    """What the transaction of a batch of requests reads, each with a key for which its answer is kept."""
    read: list[int] = []

    async def settle(db: Any, _: Sequence[Message]) -> None:
        read.append(int(await db.fetchval(READ)))

    await room.pool.execute("select pg_stat_force_next_flush()")  # what was counted before is gone when this statement ends
    await room.handle([Message(body=Add(amount), aggregate=key, id=str(uuid4()), source="unit", digest=b"d") for key in counters], settle)
    return sum(read)
