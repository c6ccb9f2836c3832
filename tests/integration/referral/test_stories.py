"""Are all reports of one child one story: as urgent as the worst of them, each duty owed once, and never lost?"""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.identifiers import case_id, derived_child_id, uuid7
from shared.messages import Message, Response
from tests.integration.referral.conftest import NOW, Referral
from tests.support import county

MANY = 20


def police(case: Case) -> Leg:
    return next(leg for leg in case.legs.values() if leg.department == "police" and leg.open)


def accepted(child: UUID, *situations: str) -> ReportAccepted:
    report = uuid7()
    named = ChildNamed(number=1, child=child, age=9, sex="female")
    return ReportAccepted(
        report=report, code=report.hex[-9:], situations=situations, groups=(), region=county.VILLAGE, reporter_kind="school",
        seen_at=NOW, received_at=NOW, children=(named,),
    )  # fmt: skip


def opening(event: ReportAccepted) -> Message:
    key = case_id(event.report, 1)
    return Message(body=handlers.OpenCase(key, event, event.children[0]), aggregate=key, id=str(key))


async def two(referral: Referral, first: str = "L1a", second: str = "L1a") -> tuple[Case, Case]:
    """Two cases of one child, by two reporters, and everything told."""
    child = uuid4()
    one = await referral.report(first, about=child)
    other = await referral.report(second, kind="hospital", about=child)
    await referral.notes()
    return await referral.case(one.id), await referral.case(other.id)


async def order(referral: Referral, body: Any) -> Response:
    (response,) = await referral.cases.handle([Message(body=body, aggregate=body.case)])
    await referral.notes()
    return response


def unlinking(case: Case, office: str | None = None) -> handlers.UnlinkCase:
    return handlers.UnlinkCase(case=case.id, by=office or "operator", office=office, reason="another_child")


def linking(case: Case, to: Case, office: str | None = None) -> handlers.LinkCase:
    return handlers.LinkCase(case=case.id, to=to.id, by=office or "operator", office=office, reason="same_child")


async def owed_once(referral: Referral, cases: list[UUID]) -> None:
    """Per agency and duty of a story one leg is issued and covers all the others."""
    legs = await referral.pool.fetch("select * from leg where case_id = any($1) and ended is null", cases)
    duties = {(leg["agency"], leg["duty"]) for leg in legs}
    for duty in duties:
        same = [leg for leg in legs if (leg["agency"], leg["duty"]) == duty]
        (issued,) = [leg for leg in same if leg["covered_by"] is None]
        assert {leg["covered_by"] for leg in same} <= {None, issued["id"]}
        assert {UUID(key) for key in issued["covers"].split()} == {leg["id"] for leg in same} - {issued["id"]}


async def test_a_second_report_opens_its_own_case_linked_under_the_child_and_issues_no_duty_twice(referral: Referral) -> None:
    one, other = await two(referral)
    assert (one.story, other.story) == (one.id, one.id)
    assert (police(other).covered_by, police(other).accepted_due, police(one).covers) == (police(one).id, None, str(police(other).id))
    await owed_once(referral, [one.id, other.id])
    assert {event["case"] for event in await referral.events("case.linked")} == {str(one.id), str(other.id)}
    issued, covered = await referral.events("leg.issued"), await referral.events("leg.covered")
    assert len({(event["agency"], event["duty"]) for event in issued}) == len(issued)
    assert len(covered) == sum(leg.covered_by is not None for leg in other.legs.values())


async def test_a_child_known_by_one_report_alone_and_a_closed_case_are_linked_to_nothing(referral: Referral) -> None:
    event = accepted(uuid4(), "L1a")
    alone = derived_child_id(event.report, 1)
    await referral.cases.handle([opening(accepted_again := ReportAccepted(**{**{f: getattr(event, f) for f in event.__struct_fields__},
        "children": (ChildNamed(number=1, child=alone, age=9, sex="female"),)}))])  # fmt: skip
    assert (await referral.case(case_id(accepted_again.report, 1))).story is None
    child = uuid4()
    first = await referral.report("L1a", about=child)
    await referral.pool.execute("update case_file set closed_at = heli_now(), next_due = null where id = $1", first.id)
    assert (await referral.report("L1a", about=child)).story is None


async def connected(pool: asyncpg.Pool) -> None:
    """Every connection is there before the race: else the first report has committed while the others still connect."""
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    await asyncio.gather(*(pool.release(connection) for connection in held))


@pytest.mark.parametrize("together", [1, 4, MANY])
async def test_reports_of_one_child_at_the_same_moment_never_miss_one_another(referral: Referral, together: int) -> None:
    child = uuid4()
    messages = [opening(accepted(child, "L1a" if place else "L1b")) for place in range(MANY)]
    batches = [messages[start : start + together] for start in range(0, MANY, together)]
    await connected(referral.pool)
    await asyncio.gather(*(referral.cases.handle(batch) for batch in batches))
    await referral.notes()
    keys = [message.aggregate for message in messages]
    rows = await referral.pool.fetch("select story, grade from case_file where id = any($1)", keys)
    (story,) = {row["story"] for row in rows}
    assert story in keys
    assert [row["grade"] for row in rows] == ["red"] * MANY
    await owed_once(referral, keys)


async def test_a_more_urgent_report_raises_the_older_case_and_its_clocks_run_anew(referral: Referral) -> None:
    child = uuid4()
    older = await referral.report("L1a", groups=(), about=child)
    before = {leg.number: leg for leg in older.legs.values()}
    assert older.grade != "red"
    newer = await referral.report("L1b", about=child)
    await referral.notes()
    raised = await referral.case(older.id)
    assert (raised.grade, newer.grade) == ("red", "red")
    (said,) = await referral.events("case.raised")
    assert (said["case"], said["before"], said["grade"]) == (str(older.id), older.grade, "red")
    moved = await referral.events("leg.rescheduled")
    assert {event["why"] for event in moved} == {"raised"}
    for number, leg in before.items():
        after = raised.legs[number]
        assert after.accepted_due is not None
        assert leg.accepted_due is not None
        assert after.accepted_due < leg.accepted_due
        assert after.terms != leg.terms


async def test_a_less_urgent_report_hides_nothing(referral: Referral) -> None:
    one, other = await two(referral, "L1b", "L1a")
    assert (one.grade, other.grade) == ("red", "red")
    assert await referral.events("case.raised") == []


@pytest.mark.parametrize("answers", ["accepted", "fulfilled"])
async def test_what_an_agency_does_in_one_case_counts_in_the_case_that_it_covers(referral: Referral, answers: str) -> None:
    one, other = await two(referral)
    await referral.answer(police(one), answers, "child_safe" if answers == "fulfilled" else None)
    await referral.notes()
    leg = (await referral.case(other.id)).legs[police(other).number]
    assert leg.accepted_at is not None
    assert leg.ended == ("fulfilled" if answers == "fulfilled" else None)
    said = [event for event in await referral.events(f"leg.{answers}") if event["case"] == str(other.id)]
    assert [event["via"] for event in said] == ["covered"]


async def test_a_covered_leg_takes_no_answer_and_says_which_leg_does(referral: Referral) -> None:
    one, other = await two(referral)
    response = await referral.answer(police(other), "accepted")
    assert response.status == 409
    assert (b"leg-covered" in response.body, str(police(one).id).encode() in response.body) == (True, True)


async def test_a_declined_duty_is_issued_for_the_case_that_it_covered_once_for_all_of_them(referral: Referral) -> None:
    one, other = await two(referral, "L1a", "L1a")
    third = await referral.report("L1a", kind="hospital", about=one.child)
    await referral.notes()
    await referral.answer(police(one), "declined", "no_capacity")
    await referral.notes()
    leg = police(await referral.case(other.id))
    assert (leg.covered_by, leg.delivered_due is not None, leg.open) == (None, True, True)
    assert police(await referral.case(third.id)).covered_by == leg.id
    issued = [event for event in await referral.events("leg.issued") if event["leg"] == str(leg.id)]
    assert len(issued) == 1
    await owed_once(referral, [one.id, other.id, third.id])


async def test_a_leg_that_ended_before_it_heard_of_what_it_covers_loses_nothing(referral: Referral) -> None:
    child = uuid4()
    one = await referral.report("L1a", about=child)
    other = await referral.report("L1a", about=child)
    await referral.answer(police(one), "declined", "no_capacity")  # the note about the other case lies in the mailbox still
    await referral.notes()
    leg = police(await referral.case(other.id))
    assert (leg.covered_by, leg.delivered_due is not None) == (None, True)


async def test_a_mistaken_link_is_undone_with_its_history_and_every_duty_is_owed_again(referral: Referral) -> None:
    one, other = await two(referral, "L1a", "L1b")
    assert (await referral.case(one.id)).grade == "red"
    assert (await order(referral, unlinking(other, "police-county"))).status == 403
    assert (await order(referral, unlinking(other, "jc-county"))).status == 200
    apart, left = await referral.case(other.id), await referral.case(one.id)
    assert (apart.story, apart.apart, left.story, apart.grade, left.grade) == (None, True, one.id, "red", "amber")
    assert not any(leg.covered_by for leg in apart.legs.values())
    assert police(apart).delivered_due is not None
    (said,) = await referral.events("case.unlinked")
    assert (said["story"], said["reason"], said["by"]) == (str(one.id), "another_child", "jc-county")
    assert len(await referral.events("case.linked")) == 2
    assert (await order(referral, unlinking(other))).status == 200
    again = await referral.report("L1a", about=one.child)
    assert again.story == one.id
    await order(referral, unlinking(one))
    await owed_once(referral, [again.id])


async def test_cases_of_unlike_children_are_linked_by_hand_and_the_whole_is_as_urgent_as_its_worst(referral: Referral) -> None:
    green, red = await referral.report("L1a"), await referral.report("L1b")
    assert (await order(referral, linking(green, red))).status == 200
    one, other = await referral.case(green.id), await referral.case(red.id)
    assert (one.story, other.story, one.grade, other.grade) == (red.id, red.id, "red", "red")
    third = await referral.report("L1a", about=green.child)
    assert (third.story, third.grade) == (red.id, "red")
    assert (await order(referral, linking(green, red))).status == 200
    stranger = await referral.report("L1a")
    assert (await order(referral, linking(green, stranger))).status == 409
    await order(referral, linking(stranger, third))
    assert (await referral.case(stranger.id)).story == red.id


async def test_a_covered_leg_with_a_clock_cannot_be_stored(referral: Referral) -> None:
    _, other = await two(referral)
    with pytest.raises(asyncpg.CheckViolationError):
        await referral.pool.execute("update leg set seen_due = now() where id = $1", police(other).id)
