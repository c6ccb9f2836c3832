"""Does the auditor's own recomputation agree with the domain, on any leg at any moment? And when does it complain?"""

from datetime import datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.referral.auditor import looking, telling, watch
from services.referral.auditor.process import measured
from services.referral.auditor.recomputing import Unfired, unfired
from services.referral.domain.ladder import Hours
from services.referral.domain.leg import CLOCKS, FACTS, Acknowledged, Leg, RungOf, Terms
from services.referral.domain.press import Press, having
from services.referral.tables import LegRow
from shared.settings import Settings
from tests.unit.referral.acting import AROUND, DONE, HOUR, MINUTE, NOW, a_case, a_leg, sweep, tick

minutes = st.integers(-90, 90).map(lambda n: NOW + n * MINUTE)
maybe = st.none() | minutes
OFFICE = Hours(time(8), time(17))


@st.composite
def legs(draw: st.DrawFn) -> Leg:
    """Any leg that can be stored, likely or not."""
    rungs = tuple(
        RungOf(who, 600.0 * place, draw(st.sampled_from([0.0, 300.0, 1200.0])), draw(st.integers(0, 3)))
        for place, who in enumerate(draw(st.sampled_from([("duty_officer",), ("duty_officer", "superior", "joint_conference")])))
    )
    hours = draw(st.sampled_from([None, OFFICE]))
    days = tuple(draw(st.sets(st.sampled_from(CLOCKS)))) if hours else ()
    missed = draw(st.lists(st.sampled_from(CLOCKS), unique=True))
    rung = draw(st.integers(0, len(rungs))) if missed else 0
    acks = tuple(Acknowledged(n, "x", NOW) for n in draw(st.sets(st.integers(0, 2))) if n < rung)
    facts = draw(st.integers(0, len(FACTS)))
    leg = a_leg(
        terms=Terms(DONE, rungs, draw(st.sampled_from([60.0, 600.0])), days, hours),
        **{f"{clock}_due": draw(maybe) for clock in CLOCKS},
        **{f"{fact}_at": NOW - HOUR for fact in FACTS[:facts]},
        missed=" ".join(missed),
        ladder_from=draw(minutes) if missed else None,
        rung=rung,
        rung_at=draw(minutes) if rung else None,
        rang_at=draw(minutes) if rung else None,
        repeats=draw(st.integers(0, 3)) if rung else 0,
        quiet_until=draw(maybe),
        held_until=draw(maybe),
        acks=msgspec.json.encode(acks),
    )
    press = Press(1, "jc-county", NOW - HOUR, draw(minutes), "late")
    ends = {name: draw(st.sampled_from([None, NOW])) for name in ("answered_at", "missed_at", "closed_at")}
    return having(leg, msgspec.structs.replace(press, **ends)) if draw(st.booleans()) else leg


def row(leg: Leg) -> dict[str, Any]:
    return msgspec.structs.asdict(leg)


@given(legs(), minutes)
def test_both_agree_on_every_clock_and_ring_of_any_leg(leg: Leg, now: datetime) -> None:
    found = {one.what: one.due for one in unfired(row(leg), now)}
    clocks = {f"clock {clock}": due for clock, due in leg.missing_at(now)}
    rung, repeat = leg.rings()
    rings = {f"rung {leg.rung}": rung, f"repeat {leg.rung - 1}/{leg.repeats + 1}": repeat}
    press = {"press 1": leg.press_due} if leg.press_due is not None and leg.press_due <= now else {}
    resume = {"resume": leg.held_until} if leg.held_until is not None and leg.held_until <= now else {}
    assert found == press | resume | clocks | {what: at for what, at in rings.items() if at is not None and at <= now}


@given(legs(), minutes)
def test_something_is_unfired_exactly_when_the_time_door_is_due(leg: Leg, now: datetime) -> None:
    due = leg.armed().next_due()
    assert bool(unfired(row(leg), now)) == (due is not None and due <= now)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.sampled_from(["red", "green"]))
def test_nothing_is_unfired_after_a_sweep_however_time_jumps(jumps: list[int], grade: str) -> None:
    case, now = a_case(grade=grade), NOW
    for jump in jumps:
        now += jump * MINUTE
        case, _ = sweep(case, now)
        assert unfired(row(case.legs[1]), now) == []


@pytest.mark.parametrize("around", AROUND)
def test_a_clock_is_due_at_its_instant_and_not_before(around: timedelta) -> None:
    leg, at = a_leg(), NOW + 2 * MINUTE + around
    assert bool(unfired(row(leg), at)) == (around >= timedelta(0))
    fired = tick(a_case(leg), NOW + 2 * MINUTE).aggregate.legs[1]
    assert [one.what for one in unfired(row(fired), NOW + 2 * MINUTE)] == []


def test_its_columns_are_columns_of_the_table_and_of_the_index_that_it_walks() -> None:
    table = LegRow.__table__  # type: ignore[attr-defined]
    assert set(looking.COLUMNS.split(", ")) <= {column.name for column in table.columns}
    (index,) = (index for index in table.indexes if index.name == "leg_open_agency")
    assert [column.name for column in index.columns] == ["agency", "issued_at", "id"]


class Ground:
    """Looks and the broker, played."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.found: tuple[Unfired, ...] = ()
        self.still: tuple[Unfired, ...] | None = None
        self.said: list[Any] = []
        self.away = False
        self.stops, self.places = looking.START, list[looking.Place]()
        for name, own in (("look", self._look), ("again", self._again)):
            patch.setattr(looking, name, own)
        patch.setattr(telling, "publish", self._publish)
        self.watch = watch.Watch(Settings(service="referral", database_url="", kafka="", audit_seconds=0.0), SimpleNamespace())  # type: ignore[arg-type]

    async def _look(self, _: Any, place: looking.Place) -> looking.Look:
        self.places.append(place)
        return looking.Look(NOW + HOUR, 3, 0.01, len(self.found), self.found, self.stops)

    async def _again(self, _: Any, found: tuple[Unfired, ...]) -> tuple[datetime, tuple[Unfired, ...]]:
        return NOW + HOUR, found if self.still is None else self.still

    async def _publish(self, _: str, event: Any) -> None:
        if self.away:
            raise OSError
        self.said.append(type(event).type_)


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(monkeypatch)


LATE = (Unfired(a_leg().id, "clock seen", NOW), Unfired(a_leg(2).id, "rung 1", NOW + MINUTE))


async def test_what_the_sweep_was_about_to_fire_is_no_complaint(ground: Ground) -> None:
    ground.found, ground.still = LATE, ()
    await ground.watch.look()
    assert (ground.said, ground.watch.clean) == ([], True)


async def test_a_complaint_is_said_once_and_taken_back_once(ground: Ground) -> None:
    for ground.found in ((), LATE, LATE, LATE[1:], (), ()):
        await ground.watch.look()
    assert ground.said == ["heli.deadlines.stalled.v1", "heli.deadlines.recovered.v1"]
    assert ground.watch.clean


async def test_a_look_that_ended_early_goes_on_behind_and_takes_no_complaint_back(ground: Ground) -> None:
    behind = ("police", NOW, a_leg().id)
    for ground.found, ground.stops in ((LATE, behind), ((), behind), ((), looking.START)):
        await ground.watch.look()
        assert ground.said == ["heli.deadlines.stalled.v1"]
    await ground.watch.look()
    assert ground.said == ["heli.deadlines.stalled.v1", "heli.deadlines.recovered.v1"]
    assert ground.places == [looking.START, behind, behind, looking.START]


async def test_a_complaint_that_kafka_did_not_take_is_tried_again_and_no_beat_covers_it(ground: Ground) -> None:
    ground.found, ground.away = LATE, True
    await ground.watch.look()
    assert (ground.said, ground.watch.clean) == ([], False)
    ground.away = False
    await ground.watch.look()
    assert ground.said == ["heli.deadlines.stalled.v1"]
    assert not ground.watch.clean


async def test_before_its_first_look_it_is_neither_fresh_nor_clean_and_measures_nothing(ground: Ground) -> None:
    assert (ground.watch.fresh, ground.watch.clean, list(measured(ground.watch))) == (False, False, [])
    ground.found = LATE
    await ground.watch.look()
    shown = dict(measured(ground.watch))
    assert (shown['heli_deadlines_unfired{kind="clock"}'], shown['heli_deadlines_unfired{kind="rung"}'], shown["heli_audit_legs"]) == (
        1,
        1,
        3,
    )


def test_the_auditor_asks_nothing_of_the_domain() -> None:
    folder = Path(looking.__file__).parent
    assert not [path.name for path in folder.glob("*.py") if "services.referral.domain" in path.read_text(encoding="utf-8")]
