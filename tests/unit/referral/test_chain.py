"""How does a duty go on from one agency to another, and what of it stays as it was?"""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.referral.consumer import answer_of
from services.referral.domain.case import Case
from services.referral.domain.chain import chain_of
from services.referral.domain.leg import FACTS, Leg
from services.referral.domain.routing import Knowledge
from services.referral.domain.rule_rows import Limit
from shared.calendar import Period
from shared.contracts.moves import LegForwarded
from shared.contracts.referral import LegIssued
from shared.messages import Decision, Record
from tests.support import county
from tests.unit.referral.acting import (
    CASE,
    HOUR,
    KNOWN,
    MINUTE,
    NOW,
    RULES,
    a_case,
    a_leg,
    answer,
    kinds,
    knowing,
    sweep,
    with_agencies,
)
from tests.unit.referral.test_handlers import body, standing

LATER = NOW + MINUTE


def forward(case: Case, to: str | None, leg: Leg | None = None, **more: Any) -> Decision:
    now = more.pop("now", LATER)
    return answer(case, "forwarded", now, leg=leg, to=to, code=more.pop("code", "not_my_region"), **more)


def last(case: Case) -> Leg:
    return case.legs[max(case.legs)]


@pytest.mark.parametrize("grade", ["red", "amber", "green"])
@pytest.mark.parametrize("state", ["issued", "delivered", "seen", "accepted", "active"])
def test_a_forwarded_leg_ends_and_its_successor_runs_on_the_first_clocks(state: str, grade: str) -> None:
    case = standing(state, grade)
    decision = forward(case, "police-city")
    old, new = decision.aggregate.legs[1], last(decision.aggregate)
    assert kinds(decision) == ["leg.forwarded", "leg.issued"]
    assert (old.state, old.end_code, old.seen_at is not None) == ("forwarded", "not_my_region", True)
    assert (new.agency, new.duty, new.replaces, new.issued_at, new.state) == ("police-city", old.duty, old.id, LATER, "issued")
    assert [getattr(new, f"{clock}_due") for clock in (*FACTS, "done")] == [getattr(old, f"{clock}_due") for clock in (*FACTS, "done")]
    forwarded, issued = decision.events
    assert isinstance(forwarded, LegForwarded)
    assert isinstance(issued, LegIssued)
    assert (forwarded.to, forwarded.reason, forwarded.replaced_by) == ("police-city", "not_my_region", new.id)
    assert (issued.replaces, issued.due.active) == (old.id, old.active_due)
    assert body(decision) == {
        "leg": str(old.id), "case": str(CASE), "state": "forwarded", "to": "police-city", "replaced_by": str(new.id),
    }  # fmt: skip
    assert decision.aggregate.closed_at is None


def test_a_clock_that_ran_out_undone_is_overdue_at_the_new_agency_at_once() -> None:
    case, _ = sweep(a_case(), NOW + 3 * HOUR)
    moved = forward(case, "police-city", now=NOW + 3 * HOUR).aggregate
    assert (last(moved).accepted_due, last(moved).missed) == (NOW + 2 * HOUR, "")
    swept, events = sweep(moved, NOW + 3 * HOUR)
    assert "accepted" in last(swept).missed.split()
    assert last(swept).ladder_from is not None
    assert {getattr(event, "agency", "") for event in events} == {"police-city"}


def test_a_step_that_was_done_in_time_is_asked_of_the_new_agency_with_its_length_of_time() -> None:
    case = answer(a_case(), "accepted", LATER).aggregate
    new = last(forward(case, "police-city", now=NOW + 3 * HOUR).aggregate)
    assert (new.delivered_due, new.accepted_due, new.active_due) == (NOW + 3 * HOUR + 2 * MINUTE, NOW + 5 * HOUR, NOW + 8 * HOUR)


def test_the_clock_done_is_that_of_the_first_agency() -> None:
    case = answer(a_case(), "active", LATER).aggregate
    due = case.legs[1].done_due
    moved = forward(case, "police-city").aggregate
    active = answer(moved, "active", LATER + timedelta(days=3), leg=last(moved))
    assert (last(active.aggregate).done_due, due is not None) == (due, True)


def test_without_a_name_it_goes_to_whoever_has_the_duty_in_the_place_of_the_case_and_else_up() -> None:
    moved = forward(a_case(), None).aggregate
    assert last(moved).agency == "police-city"
    assert last(forward(moved, None, leg=last(moved)).aggregate).agency == "police-county"


def test_a_leg_that_nobody_was_responsible_for_goes_to_the_agency_that_the_office_names() -> None:
    case = a_case(a_leg(agency="jc-county", unassigned=True))
    assert (last(forward(case, "police-county").aggregate).agency, last(forward(case, "police-county").aggregate).unassigned) == (
        "police-county",
        False,
    )
    assert last(forward(case, "jc-city").aggregate).unassigned


def test_it_may_come_back_and_only_so_often_as_the_rules_allow() -> None:
    case, at = a_case(), LATER
    for to in ("police-city", "police-county", "police-city"):
        case = forward(case, to, leg=last(case), code="returned", now=at).aggregate
    assert [leg.agency for leg in chain_of(case.legs.values(), case.legs[2].id)] == ["police-county", "police-city"] * 2
    refused = forward(case, "police-county", leg=last(case))
    assert (refused.response.status, body(refused)["title"], body(refused)["state"]) == (409, "forwarded-too-often", "issued")
    assert (refused.aggregate, kinds(refused)) == (case, ["answer.refused"])


def test_a_county_sets_how_often() -> None:
    never = msgspec.structs.replace(RULES, limits=(Limit("none-here", 0, Period(1, "days"), "local", (county.COUNTY,)),))
    known: Knowledge = msgspec.structs.replace(KNOWN, rules={RULES.hash: never})
    assert forward(a_case(), "police-city", known=known).response.status == 409
    assert forward(a_case(region="239900000000"), "police-city", known=known).response.status == 200


@pytest.mark.parametrize(
    ("to", "slug"),
    [("nobody", "agency-unknown"), ("gone", "agency-unknown"), ("police-county", "forwarded-to-itself"), ("edu-county", "not-their-duty")],
)
def test_where_it_cannot_go_it_stays_and_says_so(to: str, slug: str) -> None:
    case = a_case()
    decision = forward(case, to, known=with_agencies(county.agency("gone", "police", county.COUNTY, active=False)))
    assert (decision.response.status, body(decision)["title"], body(decision)["state"]) == (409, slug, "issued")
    assert (decision.aggregate, kinds(decision)) == (case, ["answer.refused"])


def test_what_is_owed_there_already_is_not_issued_twice() -> None:
    case = a_case(a_leg(1), a_leg(2, agency="police-city"))
    assert body(forward(case, "police-city"))["title"] == "owed-there-already"


@pytest.mark.parametrize("state", ["fulfilled", "declined"])
def test_after_an_end_nothing_is_forwarded(state: str) -> None:
    decision = forward(standing(state), "police-city")
    assert (decision.response.status, body(decision)["state"]) == (409, state)


def test_the_same_again_is_the_same_result_and_one_successor() -> None:
    moved = forward(a_case(), "police-city").aggregate
    again = forward(moved, "police-city", leg=moved.legs[1])
    assert (again.response.status, again.events, again.aggregate) == (200, (), moved)


def reply(**said: Any) -> Record:
    value = msgspec.json.encode({"leg": str(a_leg().id), "answer": "forwarded", **said})
    return Record(topic="heli.agency.police-county.replies.v1", partition=0, offset=1, key=None, value=value, headers=(), timestamp=NOW)


def test_by_topic_it_names_agency_and_reason_and_only_a_reason_of_its_own() -> None:
    said = answer_of(reply(to="police-city", reason="child_moved")).body
    assert (said.answer, said.to, said.code) == ("forwarded", "police-city", "child_moved")
    for wrong in ({}, {"reason": "no_capacity"}):
        with pytest.raises(ValueError, match="reason"):
            answer_of(reply(**wrong))


def test_where_nobody_of_the_department_is_left_the_joint_conference_gets_it() -> None:
    known = knowing({code: entry for code, entry in county.DIRECTORY.items() if code != "police-city"})
    new = last(forward(a_case(), None, known=known).aggregate)
    assert (new.agency, new.unassigned) == ("jc-city", True)
