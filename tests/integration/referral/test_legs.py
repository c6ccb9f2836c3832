"""What becomes of a leg on a real database: issued, answered, silent, declined?"""

import asyncio
from datetime import timedelta

import pytest

from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from tests.integration.referral.conftest import Referral
from tests.support import county

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def of(case: Case, department: str) -> Leg:
    return next(leg for leg in case.legs.values() if leg.department == department and leg.open)


async def test_each_department_that_owes_something_gets_its_own_leg(referral: Referral) -> None:
    case = await referral.report("L1a")
    assert {leg.department: leg.agency for leg in case.legs.values()} == {
        "police": "police-county",
        "civil_affairs": "civil-county",
        "education": "edu-county",
        "township": "town-qinghe",
    }
    assert [event["agency"] for event in await referral.events("leg.issued")] == [leg.agency for leg in case.legs.values()]


async def test_where_nobody_is_responsible_the_joint_conference_office_holds_the_leg(referral: Referral) -> None:
    case = await referral.report("L1a", region="239902100201")
    assert {(leg.agency, leg.unassigned) for leg in case.legs.values() if leg.department == "education"} == {("jc-city", True)}


async def test_a_later_fact_implies_the_earlier_and_the_first_one_stands(referral: Referral) -> None:
    leg = of(await referral.report("L1a"), "police")
    assert (await referral.answer(leg, "accepted")).status == 200
    first = of(await referral.case(leg.case_id), "police")
    assert first.delivered_at == first.seen_at == first.accepted_at is not None
    await referral.answer(leg, "accepted")
    await referral.answer(leg, "seen")
    assert of(await referral.case(leg.case_id), "police") == first
    assert len(await referral.events("leg.accepted")) == 1


async def test_after_an_end_a_move_is_refused_with_the_state_it_met_and_the_same_end_is_the_same_result(referral: Referral) -> None:
    leg = of(await referral.report("L1a"), "police")
    await referral.answer(leg, "fulfilled", "child_safe")
    again = await referral.answer(leg, "fulfilled", "child_safe")
    refused = await referral.answer(leg, "accepted", via="topic", partition=0, offset=7)
    assert (again.status, refused.status) == (200, 409)
    assert b'"state":"fulfilled"' in refused.body
    told = await referral.events("answer.refused")
    assert [(t["reason"], t["state"], t["via"], t["offset"]) for t in told] == [("leg-ended", "fulfilled", "topic", 7)]


async def test_a_declined_red_leg_is_replaced_at_once_by_the_next_agency_up(referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    leg = of(case, "police")
    await referral.answer(leg, "declined", "not_my_region")
    after = of(await referral.case(case.id), "police")
    assert (case.grade, after.agency, after.replaces, after.unassigned) == ("red", "police-city", leg.id, False)
    assert after.seen_due is not None
    assert leg.seen_due is not None
    assert after.seen_due - after.issued_at == leg.seen_due - leg.issued_at


async def test_declining_goes_up_to_the_joint_conference_root_which_cannot_decline(referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    for expected in ("police-county", "police-city", "jc-city"):
        leg = of(await referral.case(case.id), "police")
        assert leg.agency == expected
        response = await referral.answer(leg, "declined", "no_capacity")
    assert (response.status, b"nobody-above" in response.body) == (409, True)


async def test_of_any_other_declined_leg_the_superior_is_told(referral: Referral) -> None:
    leg = of(await referral.report("K4", groups=("K4",)), "police")
    await referral.answer(leg, "declined", "not_my_duty")
    assert [(event["tell"], event["replaced_by"]) for event in await referral.events("leg.declined")] == [("police-city", None)]


async def test_silence_climbs_every_rung_once_in_order_with_the_gap(referral: Referral) -> None:
    leg = of(await referral.report("M6", kind="hospital"), "police")
    for _ in range(60):
        await referral.forward(MINUTE)
        await referral.sweep()
    rungs = [e for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)]
    assert [(e["rung"], e["to"]) for e in rungs] == [(0, "police-county"), (1, "police-city"), (2, "jc-county")]
    overdue = [e["clock"] for e in await referral.events("leg.overdue") if e["leg"] == str(leg.id)]
    assert overdue == ["delivered", "seen", "accepted"]


async def test_after_a_stopped_hour_two_rungs_still_keep_their_gap(referral: Referral) -> None:
    leg = of(await referral.report("M6", kind="hospital"), "police")
    await referral.forward(5 * HOUR)
    await referral.sweep()
    assert [e["rung"] for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)] == [0]
    await referral.forward(9 * MINUTE)
    await referral.sweep()
    assert [e["rung"] for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)] == [0]
    await referral.forward(MINUTE)
    await referral.sweep()
    assert [e["rung"] for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)] == [0, 1]


async def test_the_ladder_pauses_when_nothing_is_missed_and_goes_on_at_the_next_rung(referral: Referral) -> None:
    leg = of(await referral.report("M6", kind="hospital"), "police")
    await referral.forward(3 * MINUTE)
    await referral.sweep()
    await referral.answer(leg, "accepted")
    await referral.forward(HOUR)
    await referral.sweep()
    assert [e["rung"] for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)] == [0]
    await referral.forward(2 * HOUR)
    await referral.sweep()
    fired = [(e["rung"], e["clock"]) for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)]
    assert fired == [(0, "delivered"), (1, "active")]


async def test_when_every_leg_has_ended_the_case_closes_and_rests(referral: Referral) -> None:
    case = await referral.report("L1a")
    for leg in case.legs.values():
        await referral.answer(leg, "fulfilled", "child_safe")
    after = await referral.case(case.id)
    assert (after.closed_at is not None, after.next_due) == (True, None)
    assert len(await referral.events("case.closed")) == 1


async def test_a_silent_case_that_has_fired_everything_is_still_looked_at(referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    for _ in range(8):
        await referral.forward(20 * HOUR)
        await referral.sweep()
    after = await referral.case(case.id)
    assert after.next_due is not None
    assert all(leg.rung == 4 for leg in after.legs.values())


@pytest.mark.parametrize("turns", [20])
async def test_an_answer_and_the_sweep_at_the_same_moment_lose_nothing(referral: Referral, turns: int) -> None:
    legs = [of(await referral.report("M6", kind="hospital"), "police") for _ in range(turns)]
    await referral.forward(10 * MINUTE)
    await asyncio.gather(*(referral.answer(leg, "seen") for leg in legs), referral.sweep(), referral.sweep())
    await referral.sweep()
    overdue = [(e["leg"], e["clock"]) for e in await referral.events("leg.overdue") if e["department"] == "police"]
    assert len(overdue) == len(set(overdue))
    assert len(await referral.events("leg.seen")) == turns


async def test_a_village_whose_township_code_means_another_place_finds_its_own_township(referral: Referral) -> None:
    assert county.VILLAGE.startswith("239901100")
    case = await referral.report("L1a", region="230104112201")
    assert all(leg.agency in ("jc-city", "operations") or leg.unassigned for leg in case.legs.values())
