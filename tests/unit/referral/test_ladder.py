"""Does a ladder tell each rung once, in order, at its moment, again only until a person takes note, and by day only when the office is open?"""

from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.ladder import Hours, RungOf, Terms
from services.referral.domain.leg import Leg, acknowledged_of, terms_of
from services.referral.domain.rules import RuleSet, RuleSetError
from shared.calendar import SHANGHAI, Calendar
from shared.contracts.envelope import Event
from shared.contracts.referral import LegEscalated, LegOverdue, LegReminded
from shared.errors import NotFound, RuleBroken
from shared.messages import Decision
from tests.unit.referral.acting import (
    AROUND,
    DONE,
    GAP,
    HOUR,
    KNOWN,
    MINUTE,
    NOW,
    RULES,
    a_case,
    a_leg,
    accepted_report,
    act,
    answer,
    kinds,
    open_case,
    sweep,
    without,
)
from tests.unit.referral.test_leg import RULES_FILE

MISSED = NOW + 2 * MINUTE
ALOUD = Terms(
    DONE,
    (
        RungOf("duty_officer", 0.0, 600.0, 1),
        RungOf("superior", 1800.0, 900.0, 5),
        RungOf("joint_conference", 3600.0),
        RungOf("city_joint_conference", 7200.0, 1200.0, 3),
    ),
    600.0,
)
OFFICE = Hours(time(8, 30), time(17, 30))


def rings(events: list[Event]) -> list[tuple[int, int]]:
    """(rung, which time): 0 when it fires, then its repeats."""
    return [(e.rung, e.times if isinstance(e, LegReminded) else 0) for e in events if isinstance(e, LegEscalated | LegReminded)]


def minute_by_minute(case: Case, until: datetime, start: datetime = NOW) -> tuple[Case, list[tuple[timedelta, int, int]]]:
    found, now = [], start
    while now <= until:
        case, events = sweep(case, now)
        found += [(now - MISSED, *ring) for ring in rings(events)]
        now += MINUTE
    return case, found


def acknowledge(case: Case, rung: int, agency: str, now: datetime) -> Decision:
    return act(case, handlers.AcknowledgeRung(leg=case.legs[1].id, rung=rung, agency=agency, via="http"), now)


def test_a_rung_repeats_to_its_limit_and_never_within_the_gap_before_the_next() -> None:
    case, found = minute_by_minute(a_case(a_leg(terms=ALOUD)), MISSED + 8 * HOUR)
    assert [(since // MINUTE, rung, times) for since, rung, times in found] == [
        (0, 0, 0), (10, 0, 1), (30, 1, 0), (45, 1, 1), (60, 2, 0), (120, 3, 0), (140, 3, 1), (160, 3, 2), (180, 3, 3),
    ]  # fmt: skip
    assert case.legs[1].rung_due is None


@pytest.mark.parametrize("rung", [0, 1, 2, 3])
def test_taking_note_stops_the_repeats_of_that_rung_and_never_the_next_rung(rung: int) -> None:
    plain = a_case(a_leg(terms=ALOUD))
    case, before = minute_by_minute(plain, MISSED + (0, 30, 60, 120)[rung] * MINUTE)
    case = acknowledge(case, rung, case.legs[1].told.split()[rung], case.changed_at + MINUTE).aggregate
    _, after = minute_by_minute(case, MISSED + 8 * HOUR, case.changed_at)
    _, never = minute_by_minute(plain, MISSED + 8 * HOUR)
    assert [*before, *after] == [ring for ring in never if ring[1] != rung or ring[2] == 0]


def test_who_took_note_and_when_is_kept_the_first_one_stands_and_is_said_once() -> None:
    case, _ = sweep(a_case(a_leg(terms=ALOUD)), MISSED)
    first = acknowledge(case, 0, "police-county", MISSED + MINUTE)
    again = acknowledge(first.aggregate, 0, "police-county", MISSED + 2 * MINUTE)
    assert (kinds(first), kinds(again)) == (["leg.acknowledged"], [])
    assert (first.response, again.aggregate) == (again.response, first.aggregate)
    assert [(ack.rung, ack.at) for ack in acknowledged_of(again.aggregate.legs[1])] == [(0, MISSED + MINUTE)]


@pytest.mark.parametrize(
    ("rung", "agency"), [(0, "police-city"), (0, "civil-county"), (1, "police-city"), (9, "police-county"), (-1, "police-county")]
)
def test_only_whom_a_rung_has_told_can_take_note_of_it(rung: int, agency: str) -> None:
    case, _ = sweep(a_case(a_leg(terms=ALOUD)), MISSED)
    with pytest.raises(NotFound):
        acknowledge(case, rung, agency, MISSED + MINUTE)


def test_after_an_end_there_is_nothing_to_take_note_of() -> None:
    case, _ = sweep(a_case(a_leg(terms=ALOUD), a_leg(2, duty="hukou_registration")), MISSED)
    case = answer(case, "fulfilled", MISSED + MINUTE, code="child_safe").aggregate
    with pytest.raises(RuleBroken, match="ended"):
        acknowledge(case, 0, "police-county", MISSED + 2 * MINUTE)


@pytest.mark.parametrize(("missing", "to"), [((), "jc-city"), (("jc-county",), "jc-city"), (("police-city",), "jc-city")])
def test_the_last_rung_is_the_city_office_s(missing: tuple[str, ...], to: str) -> None:
    case, events, now = a_case(a_leg(terms=ALOUD)), [], MISSED
    for _ in range(40):
        case, new = sweep(case, now, known=without(*missing))
        events += new
        now += 10 * MINUTE
    fired = [event for event in events if isinstance(event, LegEscalated)]
    assert [event.rung for event in fired] == [0, 1, 2, 3]
    assert fired[-1].to == to


def by_day(grade: str, **changes: Any) -> tuple[Case, datetime]:
    """A leg whose clock `done` ends with a day; the Spring Festival 2026 lasts to 23 February, 28 February is made up."""
    terms = msgspec.structs.replace(ALOUD, day_clocks=("done",), hours=OFFICE)
    due = datetime(2026, 2, 15, tzinfo=SHANGHAI)  # 24:00 of Saturday the 14th, a make-up working day
    leg = a_leg(
        terms=terms, **({f"{name}_due": None for name in ("delivered", "seen", "accepted", "active")} | {"done_due": due} | changes)
    )
    case = a_case(leg, grade=grade, changed_at=due - 30 * timedelta(days=1), review_due=due + 100 * timedelta(days=1))
    return case, due


@pytest.mark.parametrize(
    ("grade", "opens"), [("amber", datetime(2026, 2, 24, 8, 30, tzinfo=SHANGHAI)), ("red", datetime(2026, 2, 15, tzinfo=SHANGHAI))]
)
@pytest.mark.parametrize("by", AROUND)
def test_a_clock_that_ends_with_a_day_rings_when_the_office_opens_and_a_red_one_at_once(grade: str, opens: datetime, by: timedelta) -> None:
    case, due = by_day(grade)
    case, missed = sweep(case, due)
    rung = rings(missed)
    case, more = sweep(case, opens + by)
    assert [event.due for event in missed if isinstance(event, LegOverdue)] == [due]
    assert (rung + rings(more) == [(0, 0)]) is (grade == "red" or by >= timedelta(0))


def test_a_clock_of_hours_that_is_missed_meanwhile_rings_at_once() -> None:
    soon = datetime(2026, 2, 16, 3, tzinfo=SHANGHAI)
    case, due = by_day("amber", seen_due=soon)
    case, at_midnight = sweep(case, due)
    assert (rings(at_midnight), case.legs[1].rung_due) == ([], datetime(2026, 2, 24, 8, 30, tzinfo=SHANGHAI))
    case, at_night = sweep(case, soon)
    assert rings(at_night) == [(0, 0)]


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ((2026, 2, 14, 8, 29), (2026, 2, 14, 8, 30)),
        ((2026, 2, 14, 8, 30), (2026, 2, 14, 8, 30)),
        ((2026, 2, 14, 17, 29), (2026, 2, 14, 17, 29)),
        ((2026, 2, 14, 17, 30), (2026, 2, 24, 8, 30)),
        ((2026, 11, 27, 23, 0), (2026, 11, 30, 8, 30)),
    ],
)
def test_an_office_opens_on_working_days_made_up_ones_too(at: tuple[int, ...], opens: tuple[int, ...]) -> None:
    assert Calendar.national().opening(datetime(*at, tzinfo=SHANGHAI), OFFICE.opens, OFFICE.closes) == datetime(*opens, tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]


OWN = b"""agency_ladders:
  - row: ladder-night-desk
    agencies: [police-county]
    grades: [amber]
    ladder: {minimum_gap: {limit: 5, unit: minutes}, rungs: [{who: superior, after: {limit: 0, unit: minutes}}]}
"""


@pytest.mark.parametrize(("situation", "age", "rungs"), [("L1a", 9, 1), ("M6", 9, 4)])
def test_an_agency_has_its_own_ladder_by_grade_and_the_leg_keeps_it(situation: str, age: int, rungs: int) -> None:
    rules = RuleSet.parse(RULES_FILE.read_bytes() + OWN)
    known = msgspec.structs.replace(KNOWN, rules={rules.hash: rules}, current=rules)
    case: Case = open_case(accepted_report(situation, age=age), known=known).aggregate
    own = {leg.agency: len(terms_of(leg).rungs) for leg in case.legs.values()}
    assert own["police-county"] == rungs
    assert {own[agency] for agency in own if agency != "police-county"} == {4}


def test_office_hours_are_pinned_unless_the_case_is_red() -> None:
    pinned = {}
    for situation in ("L1a", "M6"):
        case: Case = open_case(accepted_report(situation)).aggregate
        pinned[case.grade] = {(terms_of(leg).hours, terms_of(leg).day_clocks) for leg in case.legs.values()}
    assert pinned == {"amber": {(OFFICE, ("done",))}, "red": {(None, ())}}


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (b"repeat: {every: {limit: 30, unit: minutes}", b"repeat: {every: {limit: 9, unit: minutes}", "faster than the minimum_gap"),
        (b"repeat: {every: {limit: 30, unit: minutes}", b"repeat: {every: {limit: 9, unit: days}", "seconds, minutes or hours"),
        (b'closes: "17:30"', b'closes: "08:30"', "opens no earlier"),
        (b'opens: "08:30"', b'opens: "25:00"', "hours-usual"),
    ],
)
def test_a_rule_file_with_a_ladder_that_cannot_be_is_refused(right: bytes, wrong: bytes, said: str) -> None:
    assert right in RULES_FILE.read_bytes()
    with pytest.raises(RuleSetError, match=said):
        RuleSet.parse(RULES_FILE.read_bytes().replace(right, wrong))
    assert RULES.office_hours


STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 900), st.integers(0, 40_000), st.integers(-5000, 0)),
        st.sampled_from(["sweep", "twice", "ack", "nothing", "restart"]),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_no_jump_duplicate_or_restart_rings_twice_skips_or_hurries(steps: list[tuple[int, str]]) -> None:
    case, now, rang = a_case(a_leg(terms=ALOUD)), NOW, []
    acked: dict[int, datetime] = {}
    for after, what in steps:
        now += timedelta(seconds=after)
        at = max(now, case.changed_at)
        case, events = act_on(case, what, at, acked)
        rang += [(at, *ring) for ring in rings(events)]
    fired = [rung for _, rung, times in rang if times == 0]
    assert fired == list(range(len(fired))), "each rung once, in order"
    for (before, *_), (later, *_) in pairwise(rang):
        assert later - before >= GAP, "two rings keep the gap"
    for rung, of in enumerate(ALOUD.rungs):
        times = [times for _, told, times in rang if told == rung][1:]
        assert times == list(range(1, len(times) + 1))
        assert len(times) <= of.times
    assert all(at <= acked.get(rung, at) for at, rung, times in rang if times), "nothing is repeated that was taken note of"


def act_on(case: Case, what: str, at: datetime, acked: dict[int, datetime]) -> tuple[Case, list[Event]]:
    leg: Leg = case.legs[1]
    if what == "ack" and leg.rung:
        acked.setdefault(leg.rung - 1, at)
        return acknowledge(case, leg.rung - 1, leg.told.split()[-1], at).aggregate, []
    if what == "restart":  # what is stored is all there is
        stored = msgspec.msgpack.decode(msgspec.msgpack.encode(case), type=Case)
        return stored, []
    if what == "nothing":
        return case, []
    case, events = sweep(case, at)
    if what == "twice":
        case, again = sweep(case, at)
        assert again == []
    return case, events
