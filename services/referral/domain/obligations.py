"""What is owed by law by when, who hears of a miss, and what has the county set beside it?

The leg's own five clocks watch that somebody answers. An obligation is what the law (or the county) wants done: it hangs on a
leg (`duty`) or on the whole case, starts at an event, and names its source. `check` refuses to call anything law that was not
read in one, or that is doubted (`domain.md` f).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Annotated, Literal

import msgspec

from services.referral.domain.rule_rows import Basis, Columns, Department, Facts, Name, Reporter, Sex, Strict, Text, meets

LEG_EVENTS = ("leg_issued", "leg_active")
"""From which a leg's own clocks run; every other event is named in the file."""
ClockId = Annotated[str, msgspec.Meta(pattern=r"^([RPTEGCH]\d{2}|local\.[A-Za-z0-9_-]+)$")]
Unit = Literal["immediate", "hours", "days", "working_days", "months"]
Counted = Literal["hours", "days", "working_days", "months"]
Mark = Literal["Q", "S", "M", "L"]
Owing = Department | Literal["reporter", "school", "guardian", "shelter", "any"]
Receiver = Literal["superior", "joint_conference", "supervising_department", "procuratorate"]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1200)]
Step = Literal["delivered", "seen", "accepted", "active", "done"]


class LawText(Strict, frozen=True):
    """A text of law or policy, as it is named, and from when to when it holds (both days included)."""

    title: Text
    valid_from: date
    valid_to: date | None = None


class Limited(Strict, frozen=True):
    """A period that is counted."""

    limit: Limit
    unit: Counted


class Variant(Limited, frozen=True):
    """Another limit under a condition that no column can tell (a complex case, an urgent one)."""

    when: Text


class When(Columns, frozen=True, kw_only=True):
    """Conditions under which an obligation stands. Where a child's sex is not known, none is ruled out."""

    sex: Sex | None = None
    reporters: tuple[Reporter, ...] = ()

    def holds(self, facts: Facts) -> bool:
        sexes = () if self.sex is None or facts.sex not in ("male", "female") else (self.sex,)
        return self.matches(facts) and meets(sexes, {facts.sex}) and meets(self.reporters, {facts.reporter_kind})


class Obligation(Strict, frozen=True, kw_only=True):
    """One row. `unit` immediate: the law says at once and gives no number; no unit: the law sets no time at all.

    `county`: the county's own period beside it, or the step of the leg whose clock stands for it. `mark` says how sure the
    source is, `doubt` which open doubt concerns it (`domain.md` 0 and f). `when`: any of them holds; none = always.
    """

    id: ClockId
    who: Owing
    title: Text
    duty: Name | None = None
    start: Name | None = None
    unit: Unit | None = None
    limit: Limit | None = None
    variants: tuple[Variant, ...] = ()
    county: Limited | Step | None = None
    basis: Basis
    mark: Mark | None = None
    doubt: int | None = None
    source: Text
    valid_from: date | None = None
    valid_to: date | None = None
    missed: Receiver | None = None
    when: tuple[When, ...] = ()

    def stands(self, facts: Facts, day: date, texts: Mapping[str, LawText]) -> bool:
        """Say whether it is in force that day, by its own dates or those of its first source, and concerns this child."""
        first, last = validity(self, texts)
        return first <= day <= last and (not self.when or any(when.holds(facts) for when in self.when))


def validity(row: Obligation, texts: Mapping[str, LawText]) -> tuple[date, date]:
    """Return the first and the last day on which it holds."""
    text = next((texts[name] for name in sources(row) if name in texts), None)
    first = row.valid_from or (text.valid_from if text else date.min)
    return first, row.valid_to or (text.valid_to if text else None) or date.max


def sources(row: Obligation) -> tuple[str, ...]:
    """Return the ids of the texts it names: `S02 8; S23 110` is article 8 of one and 110 of another."""
    return tuple(part.split()[0] for part in row.source.split(";") if part.strip())


def obligation_problems(
    rows: Collection[Obligation],
    outside: Mapping[str, str] | None,
    texts: Mapping[str, LawText] | None,
    events: Mapping[str, str] | None,
    duties: Collection[str],
) -> Iterable[tuple[str, str]]:
    """Yield (row, problem) for what a single row's form cannot show."""
    ids = [row.id for row in rows] + list(outside or {})
    yield from ((name, "id used twice") for name in dict.fromkeys(ids) if ids.count(name) > 1)
    for row in rows:
        problems = (*_time(row), *_basis(row), *_references(row, texts or {}, events or {}, duties))
        yield from ((row.id, problem) for problem in problems)


def _time(row: Obligation) -> Iterable[str]:
    if (row.limit is None) != (row.unit in (None, "immediate")):
        yield "a limit needs a unit that counts, and such a unit a limit"
    if row.unit is not None and (row.start is None or row.missed is None):
        yield "a clock needs its start and who hears of a miss"
    if row.county is not None and row.start is None:
        yield "the county's period needs a start"
    if row.valid_to and row.valid_from and row.valid_to < row.valid_from:
        yield "valid_to is before valid_from"


def _basis(row: Obligation) -> Iterable[str]:
    own = row.id.startswith("local.")
    if own != (row.basis == "local"):
        yield "what the county sets is named local., and nothing else is"
    if row.basis == "statutory" and (row.mark not in ("Q", "S") or row.doubt is not None):
        yield "not read in a text, or doubted: it cannot be statutory"
    if row.basis == "statutory" and row.unit == "immediate" and row.county is None:
        yield "at once without a number: the county must set when silence is raised"
    if isinstance(row.county, str) and row.duty is None:
        yield "only a leg has clocks that could stand for it"


def _references(row: Obligation, texts: Mapping[str, LawText], events: Mapping[str, str], duties: Collection[str]) -> Iterable[str]:
    if row.duty is not None and row.duty not in duties:
        yield f"unknown duty {row.duty}"
    if row.start is not None and row.start not in (*events, *LEG_EVENTS):
        yield f"unknown event {row.start}"
    if row.basis != "local":
        yield from (f"unknown text {name}" for name in sources(row) if name not in texts)
    yield from ("age_from is above age_to" for when in row.when if when.age_from > when.age_to)
