"""When must somebody look at a case again, what does a tick make of what it finds, and can any sequence of acts lose a deadline?"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.referral.domain.case import REVIEW, Case
from services.referral.domain.leg import CLOCKS, FACTS, Leg, terms_of
from shared.contracts.envelope import Event
from shared.contracts.referral import LegEscalated, LegIssued, LegOverdue
from shared.identifiers import case_id, leg_id
from tests.unit.referral.acting import (
    AROUND,
    CASE,
    GAP,
    HOUR,
    MINUTE,
    NOW,
    REPORT,
    TICK,
    a_case,
    a_leg,
    accepted_report,
    answer,
    deliver,
    kinds,
    open_case,
    sweep,
    tick,
)


def test_the_earliest_deadline_of_any_leg_or_the_review_is_the_case_s() -> None:
    early, late = a_leg(1, delivered_due=NOW + MINUTE), a_leg(2)
    assert a_case(late, early).next_due == NOW + MINUTE
    assert a_case(a_leg(**{f"{name}_due": None for name in FACTS})).next_due == NOW + REVIEW
    assert a_case(late, early).closed(NOW).next_due is None


def test_a_leg_is_found_by_its_whole_id_and_by_nothing_else() -> None:
    case = a_case(a_leg(1), a_leg(2))
    assert (case.leg(leg_id(CASE, 2)), case.next_number, case.all_ended) == (case.legs[2], 3, False)
    others = (CASE, leg_id(CASE, 3), leg_id(case_id(REPORT, 2), 1))
    assert [case.leg(key) for key in others] == [None, None, None]


@pytest.mark.parametrize("clock", FACTS)
@pytest.mark.parametrize("by", AROUND)
def test_each_clock_becomes_a_fact_at_its_due_moment(clock: str, by: timedelta) -> None:
    due = NOW + HOUR
    leg = a_leg(**({f"{name}_due": None for name in FACTS} | {f"{clock}_due": due}))
    after, events = sweep(a_case(leg), due + by)
    said = [(event.clock, event.due) for event in events if isinstance(event, LegOverdue)]
    assert said == ([(clock, due)] if by >= timedelta(0) else [])
    assert after.legs[1].missed == (clock if said else "")
    assert after.legs[1].ladder_from == (due if said else None)


@pytest.mark.parametrize("by", AROUND)
def test_the_clock_done_runs_from_active_and_is_missed_like_the_others(by: timedelta) -> None:
    case = answer(a_case(), "active").aggregate
    due = case.legs[1].done_due
    assert due is not None
    after, events = sweep(case, due + by)
    assert [event.clock for event in events if isinstance(event, LegOverdue)] == (["done"] if by >= timedelta(0) else [])
    assert after.legs[1].state == "active"


@pytest.mark.parametrize("rung", [0, 1, 2])
@pytest.mark.parametrize("by", AROUND)
def test_each_rung_fires_at_its_planned_moment(rung: int, by: timedelta) -> None:
    missed = NOW + 2 * MINUTE
    case = a_case()
    for fired in range(rung):
        case, _ = sweep(case, missed + fired * GAP)
    _, events = sweep(case, missed + rung * GAP + by)
    due = by >= timedelta(0)
    assert [event.rung for event in events if isinstance(event, LegEscalated)] == ([rung] if due else [])


@pytest.mark.parametrize("by", AROUND)
def test_after_a_late_sweep_the_next_rung_waits_for_the_gap(by: timedelta) -> None:
    late = NOW + 5 * HOUR
    case, first = sweep(a_case(), late)
    _, second = sweep(case, late + GAP + by)
    assert [(event.rung, event.late) for event in first if isinstance(event, LegEscalated)] == [(0, True)]
    assert [event.rung for event in second if isinstance(event, LegEscalated)] == ([1] if by >= timedelta(0) else [])


def test_a_ladder_rests_when_the_agency_answers_and_goes_on_when_it_is_silent_again() -> None:
    case, _ = sweep(a_case(), NOW + 2 * MINUTE)
    case = answer(case, "accepted", NOW + 3 * MINUTE).aggregate
    case, resting = sweep(case, NOW + 8 * HOUR - TICK)
    case, again = sweep(case, NOW + 8 * HOUR)
    assert resting == []
    assert [(type(e).type_.split(".")[2], e.clock) for e in again if isinstance(e, LegOverdue | LegEscalated)] == [
        ("overdue", "active"),
        ("escalated", "active"),
    ]
    assert case.legs[1].rung == 2


def test_two_legs_climb_by_themselves() -> None:
    case = a_case(a_leg(1), a_leg(2, agency="civil-county", department="civil_affairs", duty="guardianship_protection"))
    case = answer(case, "accepted").aggregate
    case, events = sweep(case, NOW + 30 * MINUTE)
    assert {event.leg for event in events if isinstance(event, LegEscalated)} == {leg_id(CASE, 2)}
    assert (case.legs[1].rung, case.legs[2].rung) == (0, 1)


def test_an_open_case_is_reviewed_for_ever() -> None:
    case = a_case()
    for day in range(1, 6):
        case, _ = sweep(case, NOW + day * REVIEW)
        assert case.next_due is not None
    assert (case.legs[1].rung, case.review_due) == (3, NOW + 6 * REVIEW)


def test_a_tick_of_which_nothing_comes_says_nothing_and_looks_forward() -> None:
    decision = tick(a_case(a_leg(**{f"{name}_due": None for name in FACTS})), NOW + REVIEW)
    assert (kinds(decision), decision.aggregate.next_due) == ([], NOW + 2 * REVIEW)


class Act(NamedTuple):
    """One thing that happens, after so many seconds (the database's clock may also jump back)."""

    after: int
    what: str
    leg: int
    age: int


ANSWERS = ("seen", "accepted", "active", "declined", "fulfilled")
ACTS = st.lists(
    st.builds(
        Act,
        after=st.one_of(st.integers(0, 900), st.integers(0, 200_000), st.integers(-5000, 0)),
        what=st.sampled_from([*ANSWERS, "delivered", "nothing", "sweep"]),
        leg=st.integers(0, 5),
        age=st.sampled_from([0, 0, 1, 3600, 10**6]),
    ),
    max_size=25,
)
OPENINGS = st.sampled_from([("M6", "hospital", 9), ("L1a", "school", 9), ("L1a", "school", 5), ("M1", "other", 15), ("L2", "school", 16)])


class Watch:
    """What must hold after every act, whatever it was."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rungs: dict[Any, list[tuple[int, datetime]]] = {}
        self.overdue: set[tuple[Any, str]] = set()

    def take(self, case: Case, events: list[Event], now: datetime) -> None:
        for event in events:
            if isinstance(event, LegOverdue):
                assert (event.leg, event.clock) not in self.overdue, "a clock is missed once"
                self.overdue.add((event.leg, event.clock))
            if isinstance(event, LegEscalated):
                self.climbed(case, event, now)
        for number, before in self.case.legs.items():
            stands(before, case.legs[number])
        assert (case.next_due is None) == (case.closed_at is not None) == case.all_ended
        self.case = case

    def climbed(self, case: Case, event: LegEscalated, now: datetime) -> None:
        """In order, each once, not before its plan, and never closer than the gap."""
        leg, climbed = case.leg(event.leg), self.rungs.setdefault(event.leg, [])
        assert leg is not None
        assert leg.ladder_from is not None
        assert event.rung == len(climbed)
        terms = terms_of(leg)
        assert now >= leg.ladder_from + timedelta(seconds=terms.rungs[event.rung].after)
        assert not climbed or now - climbed[-1][1] >= timedelta(seconds=terms.gap)
        climbed.append((event.rung, now))

    def nothing_passed_unnoticed(self, now: datetime) -> None:
        """The auditor's question, asked of the columns: a clock that had run out before it was met is a fact, and was said."""
        for leg in self.case.legs.values():
            for clock in CLOCKS:
                due = getattr(leg, f"{clock}_due")
                met = (leg.ended_at if clock == "done" else getattr(leg, f"{clock}_at")) or leg.ended_at
                if due is not None and due <= (met or now):
                    assert clock in leg.missed.split()
            assert set(leg.missed.split()) == {clock for key, clock in self.overdue if key == leg.id}


def stands(before: Leg, after: Leg) -> None:
    """A fact that is known is never unknown again, nor moved."""
    for name in (*(f"{fact}_at" for fact in FACTS), "ended", "ended_at", "end_code", "ladder_from", "done_due"):
        assert getattr(before, name) in (None, getattr(after, name))
    assert after.missed.split()[: len(before.missed.split())] == before.missed.split()
    assert after.rung >= before.rung
    assert all(after.met(earlier) for fact in FACTS if after.met(fact) for earlier in FACTS[: FACTS.index(fact)])


def perform(case: Case, what: Act, now: datetime) -> tuple[Case, list[Event]]:
    if what.what == "nothing":
        return case, []
    leg = [*case.legs.values()][what.leg % len(case.legs)]
    if what.what == "delivered":
        decision = deliver(case, now, leg=leg)
    else:
        decision = answer(case, what.what, now, leg=leg, age=timedelta(seconds=what.age), code="other")
        if decision.response.status == 200:
            again = answer(decision.aggregate, what.what, now, leg=leg, code="other")
            assert (again.response, again.events, again.aggregate) == (decision.response, (), decision.aggregate)
    return decision.aggregate, [event for event in decision.events if isinstance(event, Event)]


@settings(max_examples=150, deadline=None)
@given(opening=OPENINGS, acts=ACTS, lively=st.booleans())
def test_no_sequence_of_answers_silences_and_jumps_loses_or_repeats_a_deadline(
    opening: tuple[str, str, int],
    acts: list[Act],
    lively: bool,  # noqa: FBT001 - drawn
) -> None:
    """`lively`: the time door is awake after every act; else only where the sequence says so, and once at the end."""
    situation, kind, age = opening
    opened = open_case(accepted_report(situation, kind=kind, age=age))
    now, watch = NOW, Watch(opened.aggregate)
    assert sum(isinstance(event, LegIssued) for event in opened.events) == len(watch.case.legs)
    for what in acts:
        now += timedelta(seconds=what.after)
        if what.what != "sweep":
            watch.take(*perform(watch.case, what, now), max(now, watch.case.changed_at))
        if lively or what.what == "sweep":
            awake(watch, now)
    awake(watch, now)
    watch.nothing_passed_unnoticed(max(now, watch.case.changed_at))


def awake(watch: Watch, now: datetime) -> None:
    """The sweep takes what is due by the database's clock, and decides at a moment not before the last change."""
    while watch.case.next_due is not None and watch.case.next_due <= max(now, watch.case.changed_at):
        at = max(now, watch.case.changed_at)
        decision = tick(watch.case, at)
        assert decision.aggregate.next_due > at, "a tick leaves the next deadline in the future"
        watch.take(decision.aggregate, [event for event in decision.events if isinstance(event, Event)], at)
