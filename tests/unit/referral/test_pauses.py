"""What does a leg keep of a pause that is over, wherever its clocks are counted again, and what does it never hand on?"""

from datetime import datetime

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.doubts import Doubt, scheduled
from services.referral.domain.leg import Leg
from services.referral.domain.regrading import raised
from services.referral.handlers.holding import MOST
from shared.calendar import Period
from shared.contracts.moves import LegLapsed, LegResumed
from shared.contracts.referral import LegOverdue
from tests.unit.referral.acting import CALENDAR, CASE, HOUR, KNOWN, MINUTE, NOW, RULES, a_case, a_leg, act, answer, sweep
from tests.unit.referral.test_chain import forward, last
from tests.unit.referral.test_handlers import body
from tests.unit.referral.test_holding import DAY, LATER, accepted, hold

EIGHT = Period(8, "hours")
BY_RULES = CALENDAR.due(NOW, RULES.clocks["red"].active.period or EIGHT).at
DOUBT = Doubt("active", NOW, EIGHT, (2026,))


def paused(case: Case, now: datetime, over: datetime, leg: Leg | None = None) -> Case:
    """The case whose leg was held, and taken up before its time."""
    case = hold(case, over + DAY, now, leg=leg).aggregate
    taken: Case = answer(case, "resumed", over, leg=leg and case.legs[leg.number]).aggregate
    return taken


def under_other_rules(case: Case, now: datetime) -> Case:
    known = msgspec.structs.replace(KNOWN, rules={**KNOWN.rules, "older": RULES})
    order = handlers.MoveRules(case=CASE, by="operator", office=None, reason="other", rules="older")
    moved: Case = act(case, order, now, known=known).aggregate
    return moved


def counted(leg: Leg, clock: str, start: datetime, period: Period) -> datetime | None:
    due: datetime | None = getattr(scheduled(leg, CALENDAR, {clock: (start, period)}), f"{clock}_due")
    return due


def test_rules_moved_after_it_was_taken_up_leave_it_the_pause() -> None:
    assert under_other_rules(accepted(), LATER).legs[1].active_due == BY_RULES
    assert under_other_rules(paused(accepted(), LATER, LATER + DAY), LATER + DAY).legs[1].active_due == BY_RULES + DAY


def test_two_pauses_of_one_duty_are_both_kept_and_the_last_may_be_open() -> None:
    twice = paused(paused(accepted(), LATER, LATER + DAY), LATER + DAY, LATER + 3 * DAY)
    assert twice.legs[1].held == ((LATER, LATER + DAY), (LATER + DAY, LATER + 3 * DAY))
    thrice = hold(twice, LATER + 7 * DAY, LATER + 3 * DAY).aggregate.legs[1]
    assert counted(thrice, "active", NOW, EIGHT) == thrice.active_due == NOW + 8 * HOUR + 7 * DAY
    assert counted(thrice, "seen", NOW, EIGHT) == NOW + 8 * HOUR
    assert under_other_rules(twice, LATER + 3 * DAY).legs[1].active_due == BY_RULES + 3 * DAY


def test_a_pause_that_was_said_in_time_and_read_after_the_clock_ran_out_lets_it_run_out_no_sooner_than_the_pause() -> None:
    due, late = NOW + 8 * HOUR, NOW + 9 * HOUR
    held = answer(accepted(), "held", late, age=HOUR + MINUTE, until=late + DAY).aggregate
    leg = held.legs[1]
    assert (leg.held_at, leg.active_due, leg.missed) == (due, late + DAY, "")
    assert counted(leg, "active", NOW, EIGHT) == leg.active_due
    assert sweep(held, late + DAY - MINUTE)[1] == []
    assert [type(event) for event in sweep(held, late + DAY)[1][:3]] == [LegResumed, LegOverdue, LegLapsed]


def test_the_limit_of_a_pause_is_counted_from_where_it_begins() -> None:
    due, late = NOW + 8 * HOUR, NOW + 3 * DAY
    refused = answer(accepted(), "held", late, age=late - due + MINUTE, until=late + 40 * DAY)
    assert body(refused)["until"] == body(hold(accepted(), due + 40 * DAY, due - MINUTE))["until"]


def test_a_pause_begins_behind_the_one_before_also_when_rules_have_changed_in_between() -> None:
    leg = msgspec.structs.replace(accepted().legs[1], pauses=msgspec.json.encode([(NOW + 5 * HOUR, NOW + 8 * HOUR)]))
    assert leg.stands_from(NOW + 7 * HOUR) == NOW + 8 * HOUR
    assert msgspec.structs.replace(leg, active_due=NOW + 7 * HOUR).stands_from(NOW + 9 * HOUR) == NOW + 8 * HOUR
    assert leg.stands_from(NOW + 9 * HOUR) == leg.active_due == NOW + 8 * HOUR


@example([("held", 479, 1, 1)])
@given(st.lists(st.tuples(st.sampled_from(("held", "resumed", "sweep")), st.integers(0, 40), st.integers(0, 90), st.integers(0, 300))))
def test_a_clock_counted_again_is_what_it_was_however_often_and_late_it_was_held(steps: list[tuple[str, int, int, int]]) -> None:
    case, now = accepted(), LATER
    for what, after, age, length in steps:
        now += after * MINUTE
        until = now + length * MINUTE
        case = sweep(case, now)[0] if what == "sweep" else answer(case, what, now, age=age * MINUTE, until=until).aggregate
        leg = case.legs[1]
        assert "active" in leg.missed or counted(leg, "active", NOW, EIGHT) == leg.active_due
        assert leg.active_due is not None
        assert leg.held_until is None or leg.held_until <= leg.active_due, "no clock runs out while it stands still"


def test_what_becomes_urgent_is_counted_from_then_without_the_pauses_before() -> None:
    green = answer(a_case(a_leg(active_due=NOW + 60 * DAY), grade="green"), "accepted", LATER).aggregate
    plain, _ = raised(green, "red", KNOWN, LATER + DAY)
    urgent, _ = raised(paused(green, LATER, LATER + DAY), "red", KNOWN, LATER + DAY)
    assert urgent.legs[1].active_due == plain.legs[1].active_due


def test_a_pause_that_did_not_put_a_clock_off_shortens_it_for_nobody() -> None:
    acting = paused(answer(a_case(), "active", LATER).aggregate, LATER, LATER + 3 * DAY)
    assert last(forward(acting, "police-city", now=LATER + 3 * DAY).aggregate).active_due == LATER + 3 * DAY + 8 * HOUR


def test_a_leg_is_not_held_and_taken_up_without_end() -> None:
    case = accepted()
    for number in range(MOST):
        case = paused(case, LATER + number * MINUTE, LATER + (number + 1) * MINUTE)
    refused = hold(case, LATER + DAY, LATER + 2 * HOUR)
    assert (refused.response.status, body(refused)["title"], len(case.legs[1].held)) == (409, "held-too-often", MOST)
