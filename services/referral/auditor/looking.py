"""How are all open legs looked at? In pages along an index, read only, each statement bounded; and some of them once more by their ids."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from services.referral.auditor.recomputing import CLOCKS, Unfired, unfired

PAGE = 5_000
"""Legs of one statement."""
SUSPECTS = 1_000
"""Legs that are looked at a second time. With so many a look ends early: a million late ones would take it longer than a complaint may."""
STATEMENT_SECONDS = 20
Place = tuple[str, datetime, UUID]
START: Place = ("", datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before every place in the index `leg_open_agency`."""
COLUMNS = ", ".join(
    [f"{clock}_due" for clock in CLOCKS]
    + [f"{clock}_at" for clock in CLOCKS[:-1]]
    + ["missed", "ladder_from", "rung", "rung_at", "repeats", "rang_at", "quiet_until", "acks", "terms", "pressed_by", "presses"]
    + ["held_until"]
)
CLOCK_DUE = " or ".join(
    f"({clock}_due <= $4 and strpos(missed, '{clock}') = 0{'' if clock == 'done' else f' and {clock}_at is null'})" for clock in CLOCKS
)
PAGE_OF = (
    f"with page as materialized (select id, agency, issued_at, {COLUMNS} from leg where ended is null and (agency, issued_at, id) > ($1, $2, $3)"
    f" order by agency, issued_at, id limit {PAGE}),"
    " edge as (select agency, issued_at, id from page order by agency desc, issued_at desc, id desc limit 1)"
    " select edge.agency as to_agency, edge.issued_at as to_issued, edge.id as to_id, (select count(*) from page) as looked, one.*"
    f" from edge left join (select id, {COLUMNS} from page where {CLOCK_DUE} or ladder_from is not null or pressed_by is not null"
    " or held_until <= $4) as one on true"
)
THESE = f"select id, {COLUMNS} from leg where ended is null and id = any($1::uuid[])"


class Look(msgspec.Struct, frozen=True):
    """What one look has found at `at` of the database: legs looked at, how long it took, legs with something unfired, what of the first.

    `place`: where the next one goes on, START after the last leg.
    """

    at: datetime
    legs: int
    seconds: float
    unfired: int
    suspects: tuple[Unfired, ...]
    place: Place = START


async def connect(url: str) -> asyncpg.Pool:
    """Connections that cannot write, cannot wait for long and read along an index, however small the planner takes the table to be."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=1,
        command_timeout=STATEMENT_SECONDS + 5,
        server_settings={
            "application_name": "auditor",
            "timezone": "UTC",
            "default_transaction_read_only": "on",
            "statement_timeout": str(STATEMENT_SECONDS * 1000),
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
        },
    )


async def look(pool: asyncpg.Pool, place: Place = START) -> Look:
    """Every open leg behind this place once, or as many as it takes to suspect enough."""
    began, legs, count, suspects = time.monotonic(), 0, 0, list[list[Unfired]]()
    async with pool.acquire() as db:
        now = await db.fetchval("select heli_now()")
        while rows := await db.fetch(PAGE_OF, *place, now):
            legs += rows[0]["looked"]
            place = (rows[0]["to_agency"], rows[0]["to_issued"], rows[0]["to_id"])
            found = [due for row in rows if row["id"] is not None and (due := unfired(dict(row), now))]
            count += len(found)
            suspects += found[: SUSPECTS - len(suspects)]
            if rows[0]["looked"] < PAGE:
                place = START
                break
            if len(suspects) >= SUSPECTS:
                break
        else:
            place = START
    return Look(now, legs, time.monotonic() - began, count, tuple(one for leg in suspects for one in leg), place)


async def again(pool: asyncpg.Pool, suspects: Sequence[Unfired]) -> tuple[datetime, tuple[Unfired, ...]]:
    """When, and what of this is still unfired, oldest first; a ring that has moved on meanwhile is none of it."""
    async with pool.acquire() as db:
        now = await db.fetchval("select heli_now()")
        rows = await db.fetch(THESE, list({one.leg for one in suspects}))
    still = {one for row in rows for one in unfired(dict(row), now)}
    return now, tuple(sorted(still.intersection(suspects), key=lambda one: (one.due, one.leg, one.what)))
