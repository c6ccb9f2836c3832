"""What does each message change in a case, what does it say to the world, and what to whoever asked?"""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.referral import handlers
from services.referral.consumer import Reply
from services.referral.domain.case import Case
from services.referral.domain.leg import FACTS, Answer
from shared.contracts.intake import ReportAccepted
from shared.contracts.referral import AnswerRefused, LegDeclined, LegIssued, LegOverdue
from shared.errors import NotFound
from shared.identifiers import case_id, leg_id
from shared.messages import Decision, Message
from tests.unit.referral.acting import (
    CALENDAR,
    CASE,
    HOUR,
    KNOWN,
    MINUTE,
    NOW,
    REPORT,
    RULES,
    TICK,
    a_case,
    a_leg,
    accepted_report,
    act,
    answer,
    deliver,
    kinds,
    moment,
    open_case,
)

LATER = NOW + MINUTE
STATES = ("issued", *FACTS, "fulfilled", "declined")
ANSWERS: tuple[str, ...] = Answer.__args__  # type: ignore[attr-defined]


def standing(state: str, grade: str = "amber") -> Case:
    """A case of two legs, the first in this state."""
    other = a_leg(2, agency="civil-county", department="civil_affairs", duty="guardianship_protection")
    case = a_case(a_leg(1), other, grade=grade)
    if state == "issued":
        return case
    moved: Case = deliver(case).aggregate if state == "delivered" else answer(case, state, code="other").aggregate
    return moved


def body(decision: Decision) -> Any:
    return json.loads(decision.response.body)


@pytest.mark.parametrize("given", ANSWERS)
@pytest.mark.parametrize("state", STATES)
def test_every_answer_in_every_state(state: str, given: str) -> None:
    case = standing(state)
    leg = case.legs[1]
    decision = answer(case, given, LATER, code="other")
    ended = leg.ended is not None
    again = leg.ended == given or (not ended and given in FACTS and leg.met(given))
    after = decision.aggregate.legs[1]
    if again:
        assert (decision.response.status, decision.aggregate, decision.events) == (200, case, ())
    elif ended:
        assert (decision.response.status, body(decision)["state"], after, kinds(decision)) == (409, state, leg, ["answer.refused"])
    else:
        assert (decision.response.status, kinds(decision)) == (200, [f"leg.{given}"])
        assert after.ended == (given if given in ("declined", "fulfilled") else None)
    if not ended or again:
        assert body(decision) == {"leg": str(leg.id), "case": str(CASE), "state": after.state}


@pytest.mark.parametrize("state", STATES)
def test_the_news_of_a_delivery_in_every_state(state: str) -> None:
    case = standing(state)
    decision = deliver(case, LATER)
    expected = ["leg.delivered"] if state == "issued" else []
    assert (kinds(decision), decision.aggregate.legs[1].delivered_at) == (expected, LATER if expected else NOW)


def test_a_delivery_to_another_than_the_leg_s_own_agency_is_not_the_leg_s() -> None:
    case = standing("issued")
    assert deliver(case, LATER, party="police-city").aggregate is case
    assert act(None, handlers.NoteDelivery(leg_id(CASE, 1), "police-county")).aggregate is None


@pytest.mark.parametrize("fact", ["seen", "accepted", "active"])
def test_an_answer_implies_what_comes_before_and_counts_from_when_it_was_received(fact: str) -> None:
    decision = answer(standing("issued"), fact, NOW + HOUR, age=30 * MINUTE, claimed_at=NOW - HOUR)
    leg = decision.aggregate.legs[1]
    assert {getattr(leg, f"{name}_at") for name in FACTS[: FACTS.index(fact) + 1]} == {NOW + 30 * MINUTE}
    (event,) = [event for event in decision.events if not isinstance(event, LegOverdue)]
    assert (getattr(event, "at", None), getattr(event, "claimed_at", None)) == (NOW + 30 * MINUTE, NOW - HOUR)


def test_an_answer_is_never_received_before_the_leg_was_issued() -> None:
    """The time of a record on its own topic is the partner's to set."""
    leg = answer(standing("issued"), "accepted", NOW + HOUR, age=timedelta(days=900), via="topic").aggregate.legs[1]
    assert (leg.accepted_at, leg.missed) == (NOW, "")


@pytest.mark.parametrize("by", [-TICK, timedelta(0), TICK])
def test_a_clock_that_ran_out_before_the_answer_is_a_fact_though_no_sweep_saw_it(by: timedelta) -> None:
    case = standing("issued")
    due = case.legs[1].delivered_due
    assert due is not None
    decision = answer(case, "seen", due + by)
    late = by >= timedelta(0)
    assert kinds(decision) == [*(["leg.overdue"] if late else []), "leg.seen"]
    leg = decision.aggregate.legs[1]
    assert (leg.missed, leg.rung_due) == ("delivered" if late else "", None)
    assert kinds(deliver(case, due + by)) == [*(["leg.overdue"] if late else []), "leg.delivered"]


def test_an_answer_that_was_received_in_time_and_read_late_misses_nothing() -> None:
    case = standing("issued")
    decision = answer(case, "accepted", NOW + 3 * HOUR, age=3 * HOUR - MINUTE)
    assert (kinds(decision), decision.aggregate.legs[1].missed) == (["leg.accepted"], "")


def test_the_clock_done_runs_from_active_as_that_was_received_and_not_from_when_it_was_read() -> None:
    days = timedelta(days=3)
    read_late, at_once = answer(standing("issued"), "active", NOW + days + HOUR, age=days), answer(standing("issued"), "active", NOW + HOUR)
    dues = [(decision.aggregate.legs[1].active_at, decision.aggregate.legs[1].done_due) for decision in (read_late, at_once)]
    assert dues[0] == dues[1]
    assert dues[0][0] == NOW + HOUR


def test_the_clock_done_runs_from_active() -> None:
    decision = answer(standing("issued"), "active", LATER)
    leg = decision.aggregate.legs[1]
    assert leg.done_due is not None
    assert leg.done_due > LATER + timedelta(days=29)
    assert getattr(decision.events[0], "done_due", None) == leg.done_due


@pytest.mark.parametrize("by", ["http", "topic", "link"])
def test_a_move_after_an_end_is_refused_with_the_state_it_met(by: str) -> None:
    decision = answer(standing("fulfilled"), "accepted", LATER, via=by, partition=0, offset=7)
    assert decision.events == (
        AnswerRefused(
            about=str(CASE), agency="police-county", via=by, reason="leg-ended", report=REPORT, case=CASE, leg=leg_id(CASE, 1),
            answer="accepted", state="fulfilled", partition=0, offset=7,
        ),
    )  # fmt: skip
    assert decision.response.status == 409


NOBODYS = [leg_id(CASE, 9), leg_id(case_id(REPORT, 2), 1), CASE, UUID(int=0)]


@pytest.mark.parametrize("leg", NOBODYS, ids=["no such leg", "another case", "the id of the case", "nothing"])
@pytest.mark.parametrize("found", [True, False])
def test_an_answer_for_what_is_not_the_agency_s_is_not_found_and_stops_nobody(leg: UUID, found: bool) -> None:  # noqa: FBT001 - a column
    case = standing("issued") if found else None
    asked = handlers.TakeAnswer(leg=leg, agency="police-county", answer="accepted", via="http")
    with pytest.raises(NotFound):
        act(case, asked)
    told = act(case, msgspec.structs.replace(asked, via="topic"))
    assert (kinds(told), getattr(told.events[0], "reason", ""), told.aggregate) == (["answer.refused"], "not-found", case)
    assert act(case, handlers.NoteDelivery(leg, "police-county")).aggregate is case


def test_an_answer_for_another_agency_s_leg_is_the_same_not_found() -> None:
    case = standing("issued")
    with pytest.raises(NotFound):
        answer(case, "accepted", agency="civil-county")
    told = answer(case, "accepted", agency="civil-county", via="topic")
    assert (told.aggregate, getattr(told.events[0], "state", "")) == (case, None)


@pytest.mark.parametrize("state", ["issued", "delivered", "seen", "accepted", "active"])
def test_a_declined_red_leg_is_replaced_at_once_with_the_whole_of_its_clocks(state: str) -> None:
    case = standing(state, grade="red")
    decision = answer(case, "declined", LATER, code="no_capacity")
    old, new = decision.aggregate.legs[1], decision.aggregate.legs[3]
    assert kinds(decision) == ["leg.declined", "leg.issued"]
    assert (old.state, old.end_code, old.seen_at is not None) == ("declined", "no_capacity", True)
    assert (new.agency, new.duty, new.replaces, new.issued_at, new.state) == ("police-city", old.duty, old.id, LATER, "issued")
    for name in FACTS:
        assert getattr(new, f"{name}_due") == CALENDAR.due(LATER, getattr(RULES.clocks["red"], name).period).at
    declined, issued = decision.events
    assert isinstance(declined, LegDeclined)
    assert isinstance(issued, LegIssued)
    assert (declined.replaced_by, declined.tell, issued.leg, issued.replaces) == (new.id, None, new.id, old.id)
    assert decision.aggregate.closed_at is None


@pytest.mark.parametrize("grade", ["amber", "green"])
def test_of_any_other_declined_leg_the_superior_is_told_and_it_ends(grade: str) -> None:
    decision = answer(standing("issued", grade=grade), "declined", LATER, code="not_my_duty")
    (declined,) = decision.events
    assert isinstance(declined, LegDeclined)
    assert (declined.tell, declined.replaced_by, declined.reason) == ("police-city", None, "not_my_duty")
    assert [*decision.aggregate.legs] == [1, 2]


@pytest.mark.parametrize("grade", ["red", "amber"])
def test_the_office_at_the_root_cannot_decline(grade: str) -> None:
    case = a_case(a_leg(agency="jc-city"), grade=grade)
    decision = answer(case, "declined", LATER, code="no_capacity")
    assert (decision.response.status, body(decision)["title"], decision.aggregate) == (409, "nobody-above", case)
    assert kinds(decision) == ["answer.refused"]


def test_a_red_leg_declined_all_the_way_up_ends_at_the_root() -> None:
    case = a_case()
    held = []
    for _ in range(3):
        last = case.legs[max(case.legs)]
        held.append(last.agency)
        case = answer(case, "declined", LATER, leg=last, code="other").aggregate
    assert held == ["police-county", "police-city", "jc-city"]
    assert case.legs[max(case.legs)].open


def test_the_case_closes_with_its_last_leg_and_then_rests() -> None:
    case = answer(standing("fulfilled"), "fulfilled", LATER, leg=standing("fulfilled").legs[2], code="carer_named")
    assert kinds(case) == ["leg.fulfilled", "case.closed"]
    closed = case.aggregate
    assert (closed.closed_at, closed.next_due) == (LATER, None)
    assert kinds(answer(closed, "seen", LATER, leg=closed.legs[1])) == ["answer.refused"]
    assert deliver(closed, LATER).aggregate is closed


def test_opening_a_case_issues_one_leg_per_duty_with_its_clocks() -> None:
    decision = open_case(accepted_report("L1a"))
    case = decision.aggregate
    assert kinds(decision) == ["case.opened", *["leg.issued"] * len(case.legs)]
    assert {leg.department: leg.agency for leg in case.legs.values()} == {
        "police": "police-county", "civil_affairs": "civil-county", "education": "edu-county", "township": "town-qinghe",
    }  # fmt: skip
    assert [leg.number for leg in case.legs.values()] == [*range(1, len(case.legs) + 1)]
    assert (case.rules, case.grade, case.next_due) == (RULES.hash, "amber", min(leg.delivered_due for leg in case.legs.values()))
    again = act(case, handlers.OpenCase(CASE, accepted_report("L1a"), accepted_report("L1a").children[0]), LATER)
    assert (again.aggregate, again.events) == (case, ())


def test_groups_of_the_report_hold_for_the_child_and_are_not_doubled() -> None:
    report = accepted_report("L1a", groups=("K1", "K4"))
    child = msgspec.structs.replace(report.children[0], groups=("K4", "K5"))
    assert handlers.OpenCase(CASE, report, child).groups == ("K1", "K4", "K5")


def test_a_situation_of_a_later_version_opens_a_case_all_the_same() -> None:
    """Fields and codes of tomorrow are ignored; the child still has a case that somebody looks at."""
    tomorrow = msgspec.to_builtins(accepted_report("L9")) | {"tomorrow": {"a": 1}}
    report = msgspec.json.decode(msgspec.json.encode(tomorrow), type=ReportAccepted)
    case = open_case(report).aggregate
    assert (case.grade, case.next_due is not None) == ("green", True)
    reply = {"leg": str(leg_id(CASE, 1)), "answer": "accepted", "tomorrow": True}
    assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply).answer == "accepted"


def test_an_unknown_message_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError):
        handlers.decide(None, Message(body=object(), aggregate=CASE), moment(None, NOW, known=KNOWN))
