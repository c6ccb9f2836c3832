"""Does a look over real rows find what no sweep has fired, page by page along its index, and nothing else?"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from services.referral.auditor import looking
from services.referral.auditor.looking import again, look
from tests.integration.referral.conftest import Referral

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def eyes(referral: Referral) -> AsyncIterator[asyncpg.Pool]:
    """The auditor's own connections to the same database."""
    pool = await looking.connect(referral.url)
    yield pool
    await pool.close()


async def test_what_is_due_is_unfired_until_the_sweep_has_fired_it(referral: Referral, eyes: asyncpg.Pool) -> None:
    case = await referral.report("M6", kind="hospital")
    assert (found := await look(eyes)).unfired == 0
    assert found.legs == len(case.legs)
    await referral.forward(3 * MINUTE)
    found = await look(eyes)
    assert {one.what for one in found.suspects} == {"clock delivered"}
    assert found.unfired == len({one.leg for one in found.suspects}) > 0
    assert set((await again(eyes, found.suspects))[1]) == {*found.suspects}
    await referral.sweep()
    assert (await again(eyes, found.suspects))[1] == ()
    assert (await look(eyes)).unfired == 0


async def test_rungs_and_repeats_are_found_from_the_columns_of_the_leg_also_when_the_case_is_not_due(
    referral: Referral, eyes: asyncpg.Pool
) -> None:
    """`next_due` and `rung_due` may be wrong: nobody asks them here."""
    await referral.report("M6", kind="hospital")
    seen = set()
    for _ in range(40):
        await referral.forward(11 * MINUTE)
        await referral.pool.execute("update leg set rung_due = null where ended is null")
        found = await look(eyes)
        assert {one.leg for one in found.suspects} or found.unfired == 0
        seen |= {one.what.split(" ")[0] for one in found.suspects}
        await referral.pool.execute("update case_file set next_due = heli_now() where closed_at is null")
        await referral.pool.execute("update leg set rung_due = heli_now() where ended is null and ladder_from is not null")
        await referral.sweep()
        assert (await look(eyes)).unfired == 0
    assert seen == {"clock", "rung", "repeat"}


async def test_every_open_leg_is_looked_at_once_in_pages(referral: Referral, eyes: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [await referral.report("L1a") for _ in range(7)]
    gone = await referral.answer(next(iter(cases[0].legs.values())), "fulfilled", "child_safe")
    assert gone.status == 200
    monkeypatch.setattr(looking, "PAGE", 2)
    monkeypatch.setattr(looking, "PAGE_OF", looking.PAGE_OF.replace("limit 5000", "limit 2"))
    await referral.forward(timedelta(hours=30))
    found = await look(eyes)
    count = sum(len(case.legs) for case in cases) - 1
    assert (found.legs, found.unfired, len({one.leg for one in found.suspects})) == (count, count, count)
    monkeypatch.setattr(looking, "SUSPECTS", 3)
    parts, place = [await look(eyes)], looking.START
    while (place := parts[-1].place) != looking.START:
        parts.append(await look(eyes, place))
    assert [part.legs for part in parts[:-1]] == [4] * (len(parts) - 1)
    assert (sum(part.legs for part in parts), len({one.leg for part in parts for one in part.suspects}) >= 3 * (len(parts) - 1)) == (
        count,
        True,
    )


async def test_a_page_walks_the_index_of_open_legs_and_sorts_nothing_that_it_does_not_return(
    referral: Referral, eyes: asyncpg.Pool
) -> None:
    await asyncio.gather(*(referral.report("L1a") for _ in range(5)))
    now = await eyes.fetchval("select heli_now()")
    plan = "\n".join(row[0] for row in await eyes.fetch(f"explain {looking.PAGE_OF}", *looking.START, now))
    page = plan[plan.index("CTE page") : plan.index("InitPlan")]
    assert "Index Scan using leg_open_agency" in page
    assert "Sort" not in page


async def test_it_can_write_nothing(eyes: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await eyes.execute("update leg set rung = 0")
