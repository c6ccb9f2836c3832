"""What follows from a report for one child, clock by clock: what is law, what the county set, what nobody confirmed?"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from services.referral.domain.agency import keys_up
from services.referral.domain.obligations import LawText, Obligation, sources
from services.referral.domain.routing import Holder, Knowledge, holder
from services.referral.domain.rule_rows import Clock, Facts
from services.referral.domain.rules import Duty, RuleSet, plan
from shared.calendar import SHANGHAI, Calendar, Period, Unit

COUNTY = "县级参数"
_PARTS_OF_AN_HOUR = {"seconds": 3600, "minutes": 60}
_REPORTED = ("report_received", "leg_issued")
"""What has happened at the moment of a report: the clocks that start with it have a due time."""


class ShownClock(msgspec.Struct, frozen=True):
    """One clock. `due` is None when its start has not happened, or when no number says how long.

    `title` and `variants` (other limits under conditions that only a person can judge) are for people.
    """

    id: str
    start: str
    limit: int | None
    unit: str
    due: datetime | None
    basis: str
    source: str
    title: str
    variants: tuple[str, ...] = ()

    def counted(self) -> tuple[float | None, str]:
        """Return limit and unit in the units of the law: the county's minutes and seconds are parts of an hour."""
        parts = _PARTS_OF_AN_HOUR.get(self.unit)
        if self.limit is None or parts is None:
            return self.limit, self.unit
        hours = self.limit / parts
        return int(hours) if hours.is_integer() else hours, "hours"


class ShownLeg(msgspec.Struct, frozen=True):
    """One duty of one department, and who holds it. No agency: the directory is not known."""

    department: str
    duty: str
    agency: str | None
    unassigned: bool
    clocks: tuple[ShownClock, ...]


class Explanation(msgspec.Struct, frozen=True):
    """What a report leads to, with the hashes of what it was computed with, and what makes the due times doubtful."""

    rules: str
    calendar: str
    grade: str
    legs: tuple[ShownLeg, ...]
    case_clocks: tuple[ShownClock, ...]
    warnings: tuple[str, ...]


class _Counting:
    """Due times at one moment in one place, and every warning met on the way."""

    def __init__(self, calendar: Calendar, at: datetime) -> None:
        self.warnings: dict[str, None] = {}
        self._calendar, self._at = calendar, at

    def due(self, start: str, limit: int | None, unit: Unit | None) -> datetime | None:
        if limit is None or unit is None or start not in _REPORTED:
            return None
        found = self._calendar.due(self._at, Period(limit, unit))
        self.warnings.update(dict.fromkeys(found.warnings))
        return found.at.astimezone(SHANGHAI)


def explain(known: Knowledge, facts: Facts, region: str, at: datetime) -> Explanation:
    """Explain the rules in force to a report received at `at` in `region`, about one child under 18.

    `facts.regions` may be empty: it is filled from `region`.
    """
    rules, keys = known.current, keys_up(known.regions, region)
    facts = msgspec.structs.replace(facts, regions=frozenset(keys))
    counting = _Counting(known.calendar.local(keys), at)
    owed = plan(
        rules,
        situations=facts.situations,
        groups=facts.groups,
        age=facts.age,
        sex=facts.sex,
        reporter_kind=facts.reporter_kind,
        regions=facts.regions,
    )
    day = at.astimezone(SHANGHAI).date()
    standing = [row for row in rules.obligations if row.stands(facts, day, rules.texts)]
    legs = tuple(_leg(known, duty, standing, region, counting) for duty in owed.duties)
    of_case = tuple(clock for row in standing if row.duty is None for clock in _clocks(row, rules, counting))
    return Explanation(rules.hash, known.calendar.hash, owed.grade, legs, of_case, tuple(counting.warnings))


def _leg(known: Knowledge, duty: Duty, standing: list[Obligation], region: str, counting: _Counting) -> ShownLeg:
    held = _held(known, duty.department, region)
    by_law = [clock for row in standing if row.duty == duty.duty for clock in _clocks(row, known.current, counting)]
    own = (_own(name, getattr(duty.clocks, name), counting) for name in TITLES)
    agency, unassigned = (held.agency, held.unassigned) if held else (None, False)
    return ShownLeg(duty.department, duty.duty, agency, unassigned, (*by_law, *(clock for clock in own if clock)))


def _held(known: Knowledge, department: str, region: str) -> Holder | None:
    try:
        return holder(known, department, region)
    except LookupError:  # a directory without a root, as a service would refuse it, or none at all
        return None


def _own(name: str, clock: Clock, counting: _Counting) -> ShownClock | None:
    if clock.period is None:
        return None
    start, period = "leg_active" if name == "done" else "leg_issued", clock.period
    due = counting.due(start, period.limit, period.unit)
    return ShownClock(f"local.{name}", start, period.limit, period.unit, due, clock.basis, clock.source, TITLES[name])


TITLES = {"delivered": "送达", "seen": "有人已看", "accepted": "受理", "active": "开始办理", "done": "办结"}


def _clocks(row: Obligation, rules: RuleSet, counting: _Counting) -> Iterable[ShownClock]:
    """Yield the clock of law, where the law sets a time, and the county's beside it."""
    if row.start is None:
        return
    if row.unit is not None:
        due = None if row.unit == "immediate" else counting.due(row.start, row.limit, row.unit)
        variants = tuple(f"{other.when}: {other.limit} {other.unit}" for other in row.variants)
        yield ShownClock(row.id, row.start, row.limit, row.unit, due, row.basis, named(row, rules.texts), row.title, variants)
    if row.county is not None and not isinstance(row.county, str):
        due = counting.due(row.start, row.county.limit, row.county.unit)
        source = f"{COUNTY} ({row.id})"
        yield ShownClock(f"local.{row.id}", row.start, row.county.limit, row.county.unit, due, "local", source, row.title)


def named(row: Obligation, texts: dict[str, LawText]) -> str:
    """Return the source with the title of each text behind its id: `S01 国发〔2016〕13号 4(2)`."""
    parts = [part.strip() for part in row.source.split(";")]
    titles = (texts[name].title if name in texts else "" for name in sources(row))
    return "; ".join(
        " ".join(filter(None, (*part.split()[:1], title, *part.split()[1:]))) for part, title in zip(parts, titles, strict=True)
    )
