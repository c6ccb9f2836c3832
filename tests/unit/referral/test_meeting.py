"""What happens where two moves of a leg meet: held and recounted, covered and lapsed, out of reach or pressed while another leg is owed?"""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.doubts import Doubt, cleared, kept
from services.referral.domain.leg import Leg
from services.referral.domain.regrading import raised
from services.referral.domain.story import covered
from services.referral.handlers.notes import Covering
from shared.calendar import Period
from shared.contracts.referral import LegPressed
from shared.errors import RuleBroken
from shared.messages import Note
from tests.unit.referral.acting import CALENDAR, CASE, HOUR, KNOWN, MINUTE, NOW, RULES, TICK, a_case, a_leg, act, answer, kinds, sweep
from tests.unit.referral.test_chain import forward, last
from tests.unit.referral.test_holding import DAY, LATER, accepted, hold
from tests.unit.referral.test_paths import owing, step
from tests.unit.referral.test_reaching import lost

OTHER = a_leg(9).id


def taken_up(case: Case, now: datetime) -> Leg:
    leg: Leg = answer(case, "resumed", now).aggregate.legs[1]
    return leg


def test_a_held_leg_that_becomes_urgent_has_its_new_time_when_it_is_taken_up() -> None:
    leg = a_leg(active_due=NOW + 60 * DAY)
    held = hold(accepted_of(leg, "green"), LATER + 5 * DAY).aggregate
    urgent, _ = raised(held, "red", KNOWN, LATER + DAY)
    plain, _ = raised(accepted_of(leg, "green"), "red", KNOWN, LATER + DAY)
    promised = plain.legs[1].active_due
    assert promised is not None
    assert promised < NOW + 60 * DAY
    assert urgent.legs[1].active_due == promised + 4 * DAY
    assert taken_up(urgent, LATER + DAY).active_due == promised


def accepted_of(leg: Leg, grade: str) -> Case:
    case: Case = answer(a_case(leg, grade=grade), "accepted", LATER).aggregate
    return case


def test_a_held_leg_whose_clock_is_counted_again_keeps_its_pause() -> None:
    doubt = kept((Doubt("active", NOW, Period(9, "hours"), (2026,)),))
    held = hold(accepted_of(a_leg(doubts=doubt), "red"), LATER + DAY).aggregate
    assert cleared(held.legs[1], CALENDAR).active_due == NOW + 9 * HOUR + DAY


def test_a_held_leg_that_comes_under_other_rules_keeps_its_pause() -> None:
    known = msgspec.structs.replace(KNOWN, rules={**KNOWN.rules, "older": RULES})
    case = accepted_of(a_leg(), "red")
    order = handlers.MoveRules(case=CASE, by="operator", office=None, reason="other", rules="older")
    plain = act(case, order, LATER, known=known).aggregate.legs[1]
    moved = act(hold(case, LATER + DAY).aggregate, order, LATER, known=known).aggregate.legs[1]
    assert moved.active_due == plain.active_due + DAY


def test_a_pause_that_is_over_counts_too_when_clocks_are_counted_again() -> None:
    """Under other rules, and by a calendar that was published meanwhile; two pauses are two."""
    doubt = kept((Doubt("active", NOW, Period(9, "hours"), (2026,)),))
    case = accepted_of(a_leg(doubts=doubt), "red")
    once = answer(hold(case, LATER + 3 * HOUR).aggregate, "resumed", LATER + HOUR).aggregate
    twice = answer(hold(once, LATER + 9 * HOUR, LATER + 2 * HOUR).aggregate, "resumed", LATER + 5 * HOUR).aggregate
    assert twice.legs[1].active_due == NOW + 8 * HOUR + 4 * HOUR
    assert cleared(twice.legs[1], CALENDAR).active_due == NOW + 9 * HOUR + 4 * HOUR
    known = msgspec.structs.replace(KNOWN, rules={**KNOWN.rules, "older": RULES})
    order = handlers.MoveRules(case=CASE, by="operator", office=None, reason="other", rules="older")
    plain = act(case, order, LATER, known=known).aggregate.legs[1]
    moved = act(twice, order, LATER + 5 * HOUR, known=known).aggregate.legs[1]
    assert moved.active_due == plain.active_due + 4 * HOUR


def test_a_pause_begins_when_it_is_read_for_a_record_s_time_is_its_writer_s_to_choose() -> None:
    told = hold(accepted(), NOW + 5 * HOUR, NOW + 2 * HOUR, age=HOUR, via="topic").aggregate.legs[1]
    assert (told.held_at, told.active_due) == (NOW + 2 * HOUR, NOW + 11 * HOUR)


def test_whoever_takes_up_a_raised_leg_by_an_old_record_takes_back_no_more_than_was_added() -> None:
    leg = a_leg(active_due=NOW + 60 * DAY)
    held = hold(accepted_of(leg, "green"), LATER + 5 * DAY).aggregate
    urgent, _ = raised(held, "red", KNOWN, LATER + DAY)
    promised = raised(accepted_of(leg, "green"), "red", KNOWN, LATER + DAY)[0].legs[1].active_due
    taken = answer(urgent, "resumed", LATER + DAY + MINUTE, age=20 * HOUR, via="topic").aggregate.legs[1]
    assert (taken.active_due, taken.held) == (promised, ((LATER, LATER + DAY),))


def test_a_forwarded_leg_has_its_clock_anew_without_the_pause_and_the_doubt_of_the_one_before() -> None:
    doubt = kept((Doubt("active", NOW, Period(9, "hours"), (2026,)),))
    used = answer(hold(accepted_of(a_leg(doubts=doubt), "red"), LATER + 4 * DAY).aggregate, "active", LATER + DAY).aggregate
    there = last(forward(used, "police-city", now=NOW + 5 * DAY).aggregate)
    assert (there.active_due, there.doubts) == (NOW + 5 * DAY + 8 * HOUR, b"[]")


def test_pauses_of_no_length_are_not_kept_but_for_the_first() -> None:
    case = accepted()
    for _ in range(5):
        case = answer(hold(case, LATER + DAY).aggregate, "resumed", LATER).aggregate
    assert case.legs[1].held == ((LATER, LATER),)


def test_a_record_older_than_the_pause_takes_back_no_more_than_the_pause() -> None:
    held = hold(accepted(), NOW + 3 * HOUR, NOW + 2 * HOUR).aggregate
    leg = answer(held, "resumed", NOW + 2 * HOUR, age=HOUR, via="topic").aggregate.legs[1]
    assert leg.active_due == NOW + 8 * HOUR


def test_a_step_says_that_the_agency_acts_so_it_holds_no_longer() -> None:
    case = answer(owing("school_return"), "accepted", LATER).aggregate
    for before in (case, answer(case, "active", LATER).aggregate):
        decision = step(hold(before, LATER + DAY).aggregate, "absence_recorded", LATER + HOUR)
        assert kinds(decision)[0] == "leg.resumed"
        assert (decision.aggregate.legs[1].held_until, kinds(decision)[-1]) == (None, "leg.stepped")


def test_whoever_replaces_an_agency_that_held_gets_no_pause_of_its() -> None:
    used = answer(hold(accepted(), LATER + 5 * DAY).aggregate, "resumed", LATER + DAY).aggregate
    after = last(answer(used, "declined", LATER + DAY, code="no_capacity").aggregate)
    period = RULES.clocks["red"].active.period
    assert period is not None
    assert (after.active_due, after.pauses) == (CALENDAR.due(LATER + DAY, period).at, b"[]")


def test_a_calendar_that_is_published_starts_no_clock_of_a_covered_leg() -> None:
    leg = covered(a_leg(doubts=kept((Doubt("active", NOW, Period(9, "hours"), (2026,)),))), OTHER)
    assert cleared(leg, CALENDAR) == leg
    assert leg.active_due is None


def test_a_covered_leg_that_cannot_be_delivered_rings_nobody() -> None:
    case = a_case(covered(a_leg(), OTHER))
    assert (lost(case).aggregate, lost(case).events) == (case, ())


@pytest.mark.parametrize("word", ["lapsed", "undeliverable"])
def test_a_leg_that_covers_is_followed_by_its_facts_and_not_by_its_word(word: str) -> None:
    case = sweep(accepted(story=CASE), NOW + 8 * HOUR)[0] if word == "lapsed" else lost(a_case(story=CASE)).aggregate
    assert case.legs[1].state == word
    decision = act(case, Covering(story=CASE, leg=case.legs[1].id, other=OTHER), NOW + 9 * HOUR)
    notes = [note for note in decision.events if isinstance(note, Note)]
    assert decision.aggregate.legs[1].covers == str(OTHER)
    assert len(notes) == (1 if word == "lapsed" else 0)
    assert all(b'"accepted"' in msgspec.json.encode(note) or '"accepted"' in str(note) for note in notes)


def test_an_office_that_presses_a_whole_case_leaves_out_what_another_case_covers() -> None:
    press = handlers.PressLegs(office="jc-county", due=NOW + DAY, reason="silent")
    decision = act(a_case(a_leg(), covered(a_leg(2, duty="other"), OTHER)), press)
    assert [event.leg for event in decision.events if isinstance(event, LegPressed)] == [a_leg().id]
    with pytest.raises(RuleBroken):
        act(a_case(covered(a_leg(), OTHER)), press)


def test_an_end_by_an_older_record_takes_the_pause_with_it() -> None:
    held = hold(accepted(), NOW + 3 * HOUR, NOW + 2 * HOUR).aggregate
    ended = answer(held, "fulfilled", NOW + 2 * HOUR + TICK, age=HOUR, code="other").aggregate.legs[1]
    assert (ended.ended, ended.held_at, ended.held_until, ended.held_code) == ("fulfilled", None, None, None)


def test_a_late_sweep_over_a_pause_leaves_the_next_deadline_to_come() -> None:
    case, _ = sweep(hold(accepted(), LATER + DAY).aggregate, NOW + timedelta(days=9) + MINUTE)
    assert case.legs[1].state == "lapsed"
