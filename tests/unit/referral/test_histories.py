"""Whatever comes in whatever order, twice, late or from a stranger: does each rung fire once and in order, does an end stay, is each state storable?"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.completeness import complete
from services.referral.domain.leg import terms_of
from shared.contracts.referral import AnswerRefused, LegEscalated, LegOverdue, LegReminded
from tests.unit.referral.acting import NOW, RULES, TICK, a_case, a_leg
from tests.unit.referral.histories import COLUMNS, OPENINGS, History, Seen, Step, Storable, drawn

STEPS = st.lists(st.builds(Step, **{name: st.sampled_from(values) for name, values in COLUMNS.items()}), max_size=30)
STORABLE = Storable()


class Rings:
    """What each leg's ladder has rung, and when."""

    def __init__(self) -> None:
        self.of: dict[UUID, list[tuple[int, int, datetime]]] = {}
        self.overdue: set[tuple[UUID, str]] = set()

    def take(self, seen: Seen) -> None:
        for event in seen.events:
            if isinstance(event, LegEscalated | LegReminded):
                self.rung(seen.after, event, seen.now)
            if isinstance(event, LegOverdue):
                assert (event.leg, event.clock) not in self.overdue, "a clock is missed once"
                self.overdue.add((event.leg, event.clock))

    def rung(self, case: Case, event: LegEscalated | LegReminded, now: datetime) -> None:
        leg = case.leg(event.leg)
        assert leg is not None
        terms, rang = terms_of(leg), self.of.setdefault(event.leg, [])
        times = event.times if isinstance(event, LegReminded) else 0
        last = rang[-1] if rang else (-1, 0, NOW - timedelta(days=9_999))
        assert (event.rung, times) in {(last[0] + 1, 0), (last[0], last[1] + 1)}, "each rung once, in order, none skipped"
        assert times <= terms.rungs[event.rung].times
        assert now - last[2] >= timedelta(seconds=terms.gap), "two rings keep their gap"
        rang.append((event.rung, times, now))

    def told(self, case: Case) -> None:
        for leg in case.legs.values():
            rungs = [rung for rung, times, _ in self.of.get(leg.id, ()) if times == 0]
            assert rungs == list(range(leg.rung))
            assert len(leg.told.split()) == leg.rung


def holds(seen: Seen) -> None:
    """What must hold after every step."""
    before, after = seen.before, seen.after
    assert STORABLE.faults(after) == []
    for number, leg in before.legs.items():
        if not leg.open:
            assert after.legs[number] == leg, "an ended leg never moves"
    assert after.legs.keys() >= before.legs.keys()
    assert (after.closed_at is not None) == complete(RULES.completeness, after), "closed when its rule is met, and not before"
    assert before.closed_at in (None, after.closed_at)
    assert after.closed_at is not None or any(leg.open for leg in after.legs.values()), "an open case is owed by somebody"
    if seen.repeat and not (isinstance(seen.body, handlers.ClaimLeg) and seen.events):
        assert after is before, "what was taken is taken once"
        assert all(isinstance(event, AnswerRefused) for event in seen.events)


@settings(max_examples=60, deadline=None)
@given(opening=st.sampled_from(OPENINGS), steps=STEPS)
def test_no_history_rings_twice_skips_moves_an_end_or_reaches_what_cannot_be_stored(
    opening: tuple[str, str, int], steps: list[Step]
) -> None:
    history, rings = History(opening), Rings()
    for seen in history.play(steps):
        holds(seen)
        rings.take(seen)
        rings.told(seen.after)
    history.clock = history.now + timedelta(days=40)
    for _ in range(40):  # silence from here on: every ladder that has a reason to climb reaches its top, rung by rung
        history.clock = max(history.clock, history.case.next_due or history.clock)
        for seen in history.awake():
            holds(seen)
            rings.take(seen)
    rings.told(history.case)
    for leg in history.case.legs.values():
        assert not leg.open or leg.rung == len(terms_of(leg).rungs)


def test_a_claim_twice_in_a_row_is_one() -> None:
    case = a_case()
    claim = handlers.ClaimLeg(leg=case.legs[1].id, agency="police-county", step="claim", officer="a")
    history = History(OPENINGS[0])
    history.case = case
    first, second = (history.take(claim, timedelta(0), repeat=repeat) for repeat in (False, True))
    assert (len(first.events), second.events, second.after) == (1, (), first.after)


AT = NOW + TICK
ILLEGAL: dict[str, dict[str, Any]] = {
    "leg_end_has_time": {"ended": "declined"},
    "leg_end": {"ended": "lost", "ended_at": AT},
    "leg_ended_rests": {"ended": "declined", "ended_at": AT, "rung_due": AT},
    "leg_seen_implies": {"seen_at": AT},
    "leg_accepted_implies": {"delivered_at": AT, "accepted_at": AT},
    "leg_active_implies": {"delivered_at": AT, "seen_at": AT, "active_at": AT},
    "leg_claim_has_time": {"claimed_by": "a"},
    "leg_withdrawal_is_whole": {"withdrawal_at": AT},
    "leg_press_is_made": {"press_due": AT},
    "rung is no smallint": {"rung": 2**15},
    "terms is null": {"terms": None},
}
"""By the name of the constraint that each breaks, alone."""


@pytest.mark.parametrize(("name", "changes"), ILLEGAL.items())
def test_a_state_that_cannot_be_stored_is_known_by_its_constraint(name: str, changes: dict[str, Any]) -> None:
    case = a_case()
    leg = msgspec.structs.replace(case.legs[1], **changes)
    assert STORABLE.faults(msgspec.structs.replace(case, legs={1: leg})) == [name]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("case_open_is_due", {"next_due": None}),
        ("case_closed_rests", {"closed_at": AT}),
        ("case_grade", {"grade": "blue"}),
        ("leg_open_duty", {"legs": {1: a_leg(1), 2: a_leg(2)}}),
    ],
)
def test_so_is_a_case(name: str, changes: dict[str, Any]) -> None:
    assert STORABLE.faults(msgspec.structs.replace(a_case(), **changes)) == [name]
    twice = {1: a_leg(1, ended="void", ended_at=AT), 2: a_leg(2)}
    assert STORABLE.faults(msgspec.structs.replace(a_case(), legs=twice)) == []


def test_a_drawn_history_is_the_same_each_time() -> None:
    assert drawn(7, 20) == drawn(7, 20)
    assert {step.what for seed in range(20) for step in drawn(seed, 20)} == set(COLUMNS["what"])
