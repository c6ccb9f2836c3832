"""Does a leg collect its facts, miss its clocks and climb its ladder at exactly the right moments?"""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.referral.domain.leg import CLOCKS, ENDS, FACTS, Leg, RungOf, Terms
from services.referral.domain.rules import RuleSet, RuleSetError
from shared.errors import RuleBroken
from tests.unit.referral.acting import AROUND, DONE, GAP, HOUR, MINUTE, NOW, RULES, TICK, a_leg

LATER = NOW + HOUR
RULES_FILE = max((Path(__file__).parents[3] / "services" / "referral" / "rules").glob("*.yaml"))


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_fills_the_times_of_those_it_implies_and_no_other(fact: str) -> None:
    leg = a_leg().with_fact(fact, LATER)
    known = FACTS[: FACTS.index(fact) + 1]
    assert {name: getattr(leg, f"{name}_at") for name in FACTS} == {name: LATER if name in known else None for name in FACTS}
    assert leg.state == fact


@pytest.mark.parametrize("first", FACTS)
@pytest.mark.parametrize("second", FACTS)
def test_what_is_known_stands_whatever_comes_later(first: str, second: str) -> None:
    before = a_leg().with_fact(first, LATER)
    after = before.with_fact(second, LATER + HOUR)
    assert all(getattr(after, f"{name}_at") == getattr(before, f"{name}_at") for name in FACTS if before.met(name))
    assert after.state == max(first, second, key=FACTS.index)


@pytest.mark.parametrize("end", ENDS)
def test_only_an_end_refuses_and_says_which(end: str) -> None:
    leg = a_leg(missed="delivered", ladder_from=NOW).armed().with_end(end, "other", LATER)
    assert (leg.state, leg.open, leg.rung_due, leg.next_due()) == (end, False, None, None)
    assert leg.met("done")
    with pytest.raises(RuleBroken) as refused:
        leg.must_be_open()
    assert (refused.value.slug, refused.value.status, refused.value.extra) == ("leg-ended", 409, {"state": end})


@pytest.mark.parametrize("fact", ["issued", *FACTS])
def test_an_open_leg_refuses_nothing(fact: str) -> None:
    leg = a_leg() if fact == "issued" else a_leg().with_fact(fact, LATER)
    leg.must_be_open()
    assert (leg.state, leg.open) == (fact, True)


def alone(clock: str) -> Leg:
    """A leg with one clock that runs, all before it met."""
    leg = a_leg(**({f"{name}_due": None for name in FACTS} | {f"{clock}_due": LATER}))
    place = CLOCKS.index(clock)
    return leg.with_fact(FACTS[place - 1], NOW) if place else leg


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("by", AROUND)
def test_a_clock_is_missed_from_the_moment_it_is_due(clock: str, by: timedelta) -> None:
    expected = ((clock, LATER),) if by >= timedelta(0) else ()
    assert alone(clock).missing_at(LATER + by) == expected
    assert alone(clock).next_due() == LATER


@pytest.mark.parametrize("clock", FACTS)
def test_a_clock_that_was_met_is_never_missed(clock: str) -> None:
    assert alone(clock).with_fact(clock, LATER - TICK).missing_at(LATER + 100 * HOUR) == ()


def test_the_clock_done_is_met_only_by_an_end() -> None:
    active = alone("done").with_fact("active", NOW)
    assert active.missing_at(LATER) == (("done", LATER),)
    assert active.with_end("fulfilled", "child_safe", LATER).missing_at(LATER) == ()


def test_a_clock_is_missed_once() -> None:
    leg = a_leg(missed="delivered", ladder_from=NOW + 2 * MINUTE)
    assert leg.missing_at(NOW + HOUR) == (("seen", NOW + HOUR),)


def test_a_clock_without_a_period_never_runs() -> None:
    leg = a_leg(**{f"{name}_due": None for name in FACTS})
    assert (leg.missing_at(NOW + 10_000 * HOUR), leg.next_due()) == ((), None)


def test_the_next_deadline_is_the_earliest_of_clocks_and_rung() -> None:
    leg = a_leg()
    assert leg.next_due() == leg.delivered_due
    missed = a_leg(missed="delivered", ladder_from=leg.delivered_due, rung=1, rung_at=leg.delivered_due).armed()
    assert missed.next_due() == missed.rung_due == NOW + 12 * MINUTE


@pytest.mark.parametrize("rung", [0, 1, 2])
def test_a_rung_is_planned_from_the_first_missed_clock(rung: int) -> None:
    fired = {"rung": rung, "rung_at": NOW + rung * GAP - GAP if rung else None}
    assert a_leg(missed="delivered", ladder_from=NOW, **fired).armed().rung_due == NOW + rung * GAP


@pytest.mark.parametrize("late", [*AROUND, 5 * HOUR])
def test_two_rungs_keep_their_gap_however_late_the_first_one_fired(late: timedelta) -> None:
    """Rung 1 is planned 10 minutes after the missed clock; rung 0 fired at that plan's gap, or later."""
    leg = a_leg(missed="delivered", ladder_from=NOW, rung=1, rung_at=NOW + late).armed()
    assert leg.rung_due == max(NOW + GAP, NOW + late + GAP)


def test_a_gap_longer_than_the_plan_wins() -> None:
    terms = Terms(DONE, (RungOf("duty_officer", 0.0), RungOf("superior", 1.0)), 60.0)
    leg = a_leg(terms=terms, missed="delivered", ladder_from=NOW, rung=1, rung_at=NOW).armed()
    assert leg.rung_due == NOW + MINUTE


def test_the_ladder_has_an_end() -> None:
    assert a_leg(missed="delivered", ladder_from=NOW, rung=3, rung_at=NOW).armed().rung_due is None


@pytest.mark.parametrize(
    ("missed", "fact", "runs"),
    [
        ("", "", False),
        ("delivered", "", True),
        ("delivered", "delivered", False),
        ("delivered seen", "delivered", True),
        ("delivered seen", "seen", False),
        ("delivered seen accepted", "active", False),
        ("delivered active", "accepted", True),
        ("done", "active", True),
    ],
)
def test_the_ladder_rests_while_every_missed_clock_has_been_met(missed: str, fact: str, runs: bool) -> None:  # noqa: FBT001 - a column
    leg = a_leg(missed=missed, ladder_from=NOW)
    assert ((leg.with_fact(fact, LATER) if fact else leg).armed().rung_due is not None) is runs


def test_after_a_rest_it_goes_on_at_the_next_rung_with_the_old_plan() -> None:
    resting = a_leg(missed="delivered", ladder_from=NOW, rung=1, rung_at=NOW).with_fact("delivered", LATER).armed()
    again: datetime | None = a_leg(missed="delivered seen", ladder_from=NOW, rung=1, rung_at=NOW, delivered_at=LATER).armed().rung_due
    assert (resting.rung_due, again) == (None, NOW + GAP)


def test_a_rule_file_may_not_leave_out_the_gap_between_rungs() -> None:
    """Without one a tick would leave its own next deadline in the past, and the ladder would stand still."""
    shipped = b"minimum_gap: {limit: 10, unit: minutes}"
    assert shipped in RULES_FILE.read_bytes()
    with pytest.raises(RuleSetError, match="minimum_gap"):
        RuleSet.parse(RULES_FILE.read_bytes().replace(shipped, b"minimum_gap: {limit: 0, unit: minutes}"))
    assert RULES.ladders["red"].minimum_gap.limit > 0
