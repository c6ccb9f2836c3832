"""Who may press whom, what counts as the agency's answer, when does silence ring back, and what closes a press?"""

import contextlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.referral.auditor.recomputing import unfired
from services.referral.domain.case import Case
from services.referral.domain.press import MOST, current, presses_of
from services.referral.handlers import AnswerPress, ClosePress, PressLegs
from shared.errors import Problem
from tests.support import county
from tests.unit.referral.acting import AROUND, HOUR, KNOWN, MINUTE, NOW, SECOND, a_case, a_leg, act, answer, kinds, sweep, with_agencies

DUE = NOW + 5 * HOUR
OFFICE = "jc-county"


def press(case: Case, now: datetime = NOW, **more: Any) -> Any:
    wish: dict[str, Any] = {"office": OFFICE, "due": DUE, "reason": "silent", "leg": case.legs[1].id} | more
    known = wish.pop("known", KNOWN)
    return act(case, PressLegs(**wish), now, known=known)


def pressed(case: Case | None = None) -> Case:
    found: Case = press(case or a_case()).aggregate
    return found


def close(case: Case, now: datetime, office: str = OFFICE) -> Any:
    return act(case, ClosePress(leg=case.legs[1].id, office=office), now)


def say(case: Case, now: datetime, said: str = "under_way") -> Any:
    return act(case, AnswerPress(leg=case.legs[1].id, agency=case.legs[1].agency, answer=said), now)


def refused(wish: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as reason:
        wish()
    return reason.value.status, reason.value.slug


def test_a_press_is_said_and_waits_for_an_answer_until_its_date() -> None:
    made = press(a_case())
    (event,) = made.events
    assert (kinds(made), event.by, event.due, event.reason, event.number) == (["leg.pressed"], OFFICE, DUE, "silent", 1)
    leg = made.aggregate.legs[1]
    assert (leg.pressed_by, leg.press_due, made.response.status) == (OFFICE, DUE, 201)


@pytest.mark.parametrize("office", ["police-county", "jc-nowhere", "operator"])
def test_nobody_but_a_joint_conference_office_of_the_region_presses(office: str) -> None:
    assert refused(lambda: press(a_case(), office=office)) == (404, "not-found")


def test_an_office_above_may_press_and_one_beside_or_one_that_has_ended_may_not() -> None:
    assert kinds(press(a_case(), office="jc-city")) == ["leg.pressed"]
    beside = with_agencies(county.agency("jc-beside", "joint_conference", "239902000000"))
    assert refused(lambda: press(a_case(), office="jc-beside", known=beside)) == (404, "not-found")
    ended = with_agencies(county.agency(OFFICE, "joint_conference", county.COUNTY, "jc-city", active=False))
    assert refused(lambda: press(a_case(), known=ended)) == (404, "not-found")


@pytest.mark.parametrize(
    ("due", "taken"),
    [(NOW, False), (NOW + SECOND, True), (NOW + timedelta(days=90), True), (NOW + timedelta(days=90) + SECOND, False)],
)
def test_a_press_is_due_ahead_and_within_ninety_days(due: datetime, taken: bool) -> None:  # noqa: FBT001 - a table
    if taken:
        assert kinds(press(a_case(), due=due)) == ["leg.pressed"]
    else:
        assert refused(lambda: press(a_case(), due=due)) == (422, "invalid")


def test_the_same_wish_again_is_the_same_result_and_another_is_refused_while_one_is_open() -> None:
    case = pressed()
    again = press(case, NOW + MINUTE)
    assert (kinds(again), again.aggregate, again.response.status) == ([], case, 201)
    assert refused(lambda: press(case, due=DUE + HOUR)) == (409, "press-open")
    assert refused(lambda: press(case, office="jc-city")) == (409, "press-open")


def test_a_case_is_pressed_at_every_open_leg_or_at_those_of_one_agency() -> None:
    case = a_case(a_leg(), a_leg(2, agency="civil-county"), a_leg(3, agency="edu-county", ended="declined", ended_at=NOW))
    made = press(case, leg=None)
    assert [event.agency for event in made.events] == ["police-county", "civil-county"]
    one = press(case, leg=None, agency="civil-county")
    assert [event.agency for event in one.events] == ["civil-county"]
    rest = press(one.aggregate, leg=None, reason="late")
    assert [event.agency for event in rest.events] == ["police-county"]
    assert refused(lambda: press(case, leg=case.legs[3].id)) == (409, "leg-ended")


def test_an_office_does_not_press_itself() -> None:
    assert refused(lambda: press(a_case(a_leg(agency=OFFICE)))) == (409, "press-open")


def test_a_press_closes_only_with_the_answer_of_the_agency() -> None:
    case = pressed()
    assert refused(lambda: close(case, NOW + HOUR)) == (409, "needs-answer")
    answered = say(case, NOW + HOUR)
    assert (kinds(answered), answered.events[0].answer) == (["press.answered"], "under_way")
    closed = close(answered.aggregate, NOW + 2 * HOUR)
    assert kinds(closed) == ["press.closed"]
    leg = closed.aggregate.legs[1]
    assert (leg.pressed_by, leg.press_due, current(leg)) == (None, None, None)
    assert kinds(close(closed.aggregate, NOW + 3 * HOUR)) == []
    assert refused(lambda: say(closed.aggregate, NOW + 3 * HOUR)) == (409, "no-press")
    assert presses_of(press(closed.aggregate, NOW + 3 * HOUR).aggregate.legs[1])[-1].number == 2


def test_only_who_pressed_closes_and_only_who_is_pressed_answers() -> None:
    answered = say(pressed(), NOW + HOUR).aggregate
    assert refused(lambda: close(answered, NOW + HOUR, "jc-city")) == (404, "not-found")
    foreign = AnswerPress(leg=answered.legs[1].id, agency="civil-county", answer="done")
    assert refused(lambda: act(pressed(), foreign)) == (404, "not-found")


def test_the_first_answer_stands() -> None:
    first = say(pressed(), NOW + HOUR).aggregate
    again = say(first, NOW + 2 * HOUR, "done")
    assert (kinds(again), again.aggregate) == ([], first)


@pytest.mark.parametrize("said", ["accepted", "active", "fulfilled", "declined"])
def test_what_the_agency_says_of_the_leg_itself_answers_a_press(said: str) -> None:
    code: dict[str, Any] = {"fulfilled": {"code": "child_safe"}, "declined": {"code": "no_capacity"}}.get(said, {})
    moved = answer(pressed(a_case(grade="green")), said, NOW + HOUR, **code).aggregate
    closed = close(moved, NOW + 2 * HOUR)
    assert kinds(closed) == ["press.answered", "press.closed"]
    assert closed.aggregate.closed_at == moved.closed_at
    assert closed.aggregate.closed_at is None or closed.aggregate.next_due is None


def test_seeing_it_is_no_answer_and_neither_is_what_was_said_before() -> None:
    accepted = answer(a_case(), "accepted", NOW - HOUR + HOUR).aggregate
    case = pressed(msgspec.structs.replace(accepted, legs={1: msgspec.structs.replace(accepted.legs[1], accepted_at=NOW - HOUR)}))
    assert refused(lambda: close(case, NOW + HOUR)) == (409, "needs-answer")
    seen = answer(pressed(), "seen", NOW + HOUR).aggregate
    assert refused(lambda: close(seen, NOW + 2 * HOUR)) == (409, "needs-answer")


@pytest.mark.parametrize("around", AROUND)
def test_silence_rings_back_to_the_office_once_at_the_date(around: timedelta) -> None:
    _, events = sweep(pressed(), DUE + around)
    missed = [event for event in events if type(event).type_ == "heli.press.missed.v1"]
    assert len(missed) == (around >= timedelta(0))


def test_a_missed_press_rings_once_and_its_late_answer_still_lets_it_close() -> None:
    case, _ = sweep(pressed(), DUE)
    later, events = sweep(case, DUE + 20 * HOUR)
    assert "heli.press.missed.v1" not in {type(event).type_ for event in events}
    assert refused(lambda: close(later, DUE + 20 * HOUR)) == (409, "needs-answer")
    answered = say(later, DUE + 21 * HOUR).aggregate
    assert presses_of(answered.legs[1])[0].missed_at == DUE
    assert kinds(close(answered, DUE + 22 * HOUR)) == ["press.closed"]


def test_an_answer_by_the_leg_is_told_at_the_date_in_place_of_silence() -> None:
    _, events = sweep(answer(pressed(), "accepted", NOW + HOUR).aggregate, DUE)
    told = [event for event in events if type(event).type_.startswith("heli.press.")]
    assert [(type(event).type_, getattr(event, "answer", None)) for event in told] == [("heli.press.answered.v1", "accepted")]


def test_a_leg_has_no_more_than_so_many_presses() -> None:
    case = a_case()
    for _ in range(MOST):
        case = close(say(pressed(case), NOW).aggregate, NOW).aggregate
    assert refused(lambda: press(case)) == (409, "press-open")


@given(st.lists(st.tuples(st.sampled_from(["press", "say", "close", "accepted", "sweep"]), st.integers(1, 200)), max_size=12))
def test_after_any_acts_a_press_is_closed_only_when_answered_and_the_auditor_finds_nothing_unfired(acts: list[tuple[str, int]]) -> None:
    case, now, missed = a_case(), NOW, 0
    for name, minutes in acts:
        now += minutes * MINUTE
        doing: dict[str, Any] = {
            "press": lambda: press(case, now, due=now + HOUR),  # noqa: B023 - called at once
            "say": lambda: say(case, now),  # noqa: B023
            "close": lambda: close(case, now),  # noqa: B023
            "accepted": lambda: answer(case, "accepted", now),  # noqa: B023
        }
        with contextlib.suppress(Problem):
            case = doing[name]().aggregate if name in doing else case
        case, events = sweep(case, now)
        missed += sum(type(event).type_ == "heli.press.missed.v1" for event in events)
        assert unfired(msgspec.structs.asdict(case.legs[1]), now) == []
    presses = presses_of(case.legs[1])
    assert all(one.answered_at is not None for one in presses if one.closed_at is not None)
    assert missed == sum(one.missed_at is not None for one in presses)
