"""Do a pause, an acceptance that lapses and an agency out of reach stand in the database, come to life with time, and show in lists?"""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.referral import handlers
from shared.database import migrate
from shared.messages import Message
from tests.guards.sources import ROOT
from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk
from tests.integration.referral.test_claims import police_leg
from tests.integration.referral.test_legs import of

VERSIONS = ROOT / "services" / "referral" / "migrations" / "versions"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def kinds(referral: Referral, leg: Any) -> list[str]:
    rows = await referral.pool.fetch(
        "select type from journal where convert_from(data, 'utf8')::jsonb ->> 'leg' = $1 order by seq", str(leg.id)
    )
    return [row["type"].removeprefix("heli.").removesuffix(".v1") for row in rows]


async def test_the_time_door_resumes_a_held_leg_whose_clock_then_runs_out(referral: Referral) -> None:
    leg = of(await referral.report("M6", kind="hospital"), "police")
    await referral.answer(leg, "accepted")
    until = await referral.pool.fetchval("select heli_now() + interval '2 days'")
    assert (await referral.answer(leg, "held", "court_pending", until=until)).status == 200
    await referral.forward(2 * DAY - HOUR)
    await referral.sweep()
    held = of(await referral.case(leg.case_id), "police")
    assert (held.held_until, held.missed, held.rung) == (until, "", 0)
    await referral.forward(HOUR + timedelta(minutes=1))
    await referral.sweep()
    going = of(await referral.case(leg.case_id), "police")
    assert (going.held_until, going.held) == (None, ((held.held_at, until),))
    await referral.forward(DAY)
    await referral.sweep()
    lapsed = of(await referral.case(leg.case_id), "police")
    assert (lapsed.state, lapsed.lapsed_at is not None, lapsed.rung > 0) == ("lapsed", True, True)
    said = await kinds(referral, leg)
    assert said[:3] == ["leg.issued", "leg.accepted", "leg.held"]
    assert said[3:7] == ["leg.resumed", "leg.overdue", "leg.lapsed", "leg.escalated"]


async def test_a_leg_that_was_held_before_pauses_were_kept_keeps_the_begin_of_its_first(referral: Referral) -> None:
    """From which the limit of all its pauses runs; an open one is kept whole, forward and back."""
    begins = []
    for resumed in (True, False):
        leg = of(await referral.report("M6", kind="hospital"), "police")
        await referral.answer(leg, "accepted")
        await referral.answer(leg, "held", "court_pending", until=await referral.pool.fetchval("select heli_now() + interval '2 days'"))
        begins.append((leg, of(await referral.case(leg.case_id), "police").held_at))
        if resumed:
            await referral.answer(leg, "resumed")
    before = [of(await referral.case(leg.case_id), "police").held for leg, _ in begins]
    for revision in (f"-{len(list(VERSIONS.glob('*.py'))) - 12}", "head"):
        await asyncio.to_thread(migrate, "referral", referral.url, revision)
    after = [of(await referral.case(leg.case_id), "police").held for leg, _ in begins]
    assert after == [((begins[0][1], begins[0][1]),), before[1]]


async def test_an_agency_out_of_reach_is_no_refusal_and_its_superior_hears(referral: Referral) -> None:
    leg = of(await referral.report("M6", kind="hospital"), "police")
    news = Message(body=handlers.NoteUndeliverable(leg.id, leg.agency, "status-500"), aggregate=leg.case_id)
    await referral.cases.handle([news])
    after = of(await referral.case(leg.case_id), "police")
    assert (after.state, after.ended, after.told) == ("undeliverable", None, "police-city")
    assert await kinds(referral, leg) == ["leg.issued", "leg.undeliverable", "leg.escalated"]


async def test_each_has_its_own_word_in_the_lists_and_an_illegal_pause_is_refused_with_the_state(desk: Desk) -> None:
    leg = await police_leg(desk)
    until = (await desk.pool.fetchval("select heli_now() + interval '2 days'")).isoformat()

    async def step(what: str, **said: Any) -> Any:
        return await desk.call("police-county", "POST", f"legs/{leg['id']}/{what}", json=said)

    early = await step("held", reason="child_away", until=until)
    assert (early.status_code, early.json()["title"], early.json()["state"]) == (409, "not-accepted", "issued")
    await step("accepted")
    assert (await step("held", reason="child_away")).status_code == 422
    assert (await step("held", reason="child_away", until=until)).status_code == 200
    (held,) = await desk.listed("police-county", state="held")
    assert (held["leg"], held["state"], held["held"]["reason"]) == (str(leg["id"]), "accepted", "child_away")
    assert (await step("resumed")).json()["held_until"] is None
    await desk.pool.execute("update leg set lapsed_at = now() where id = $1", leg["id"])
    assert [one["state"] for one in await desk.listed("police-county", state="lapsed")] == ["lapsed"]
    assert await desk.listed("police-county", state="accepted") == await desk.listed("police-county", state="held") == []
    (other,) = await desk.listed("civil-county", state="issued")
    await desk.pool.execute("update leg set undeliverable_at = now(), undeliverable_code = 'status-500' where id = $1", other["leg"])
    (found,) = await desk.listed("civil-county", state="undeliverable")
    assert (found["state"], found["undeliverable"]["reason"], found["ended"]) == ("undeliverable", "status-500", None)
    assert await desk.listed("civil-county", state="issued") == await desk.listed("civil-county", state="declined") == []


@pytest.mark.parametrize(
    "change",
    [
        "held_until = now()",
        "lapsed_at = now()",
        "undeliverable_at = now()",
        "held_at = now(), held_code = 'x', held_until = now() - interval '1s'",
    ],
)
async def test_half_a_pause_and_what_never_was_cannot_be_stored(desk: Desk, change: str) -> None:
    leg = await police_leg(desk)
    with pytest.raises(asyncpg.CheckViolationError):
        await desk.pool.execute(f"update leg set {change} where id = $1", leg["id"])
