"""What can stand in a rule file, and when does a row of it match?

The values of `services.referral.domain.rules`, which reads, checks and applies them. Words are those of the design,
section 5.
"""

from collections.abc import Collection
from typing import Annotated, Literal, get_args

import msgspec

from services.referral.domain.leg import Outcome
from shared.calendar import Period

Situation = Literal["L1a", "L1b", "L2", "L3", "L4", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9"]
Group = Literal["K1", "K2", "K3", "K4", "K5", "K6"]
Grade = Literal["red", "amber", "green"]
Basis = Literal["statutory", "local", "unconfirmed"]
Sex = Literal["male", "female"]
Reporter = Literal["school", "kindergarten", "hospital", "village_committee", "social_work", "rescue_station", "welfare_home", "other"]
Department = Literal[
    "police", "civil_affairs", "education", "township", "village", "health", "disabled_federation",
    "women_federation", "justice", "procuratorate", "court", "joint_conference",
]  # fmt: skip

CODES: tuple[str, ...] = get_args(Situation) + get_args(Group)
GRADES: tuple[Grade, ...] = get_args(Grade)

Text = Annotated[str, msgspec.Meta(min_length=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]*$")]
_Age = Annotated[int, msgspec.Meta(ge=0, le=17)]
_Region = Annotated[str, msgspec.Meta(pattern=r"^(nbs:)?\d{12}$")]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stands in the file: a misspelt column is an error, never a condition that is silently absent."""


class Clock(Strict, frozen=True):
    """The time for one step. No period = no limit. `basis` says whether law, the county or nobody stands behind it."""

    period: Period | None
    basis: Basis
    source: Text


class Clocks(Strict, frozen=True):
    """The five clocks of a leg. The first four start when the leg is issued, `done` when it became active."""

    delivered: Clock
    seen: Clock
    accepted: Clock
    active: Clock
    done: Clock


class ClockChanges(Strict, frozen=True):
    """Clocks that a row sets otherwise than the grade does; None = as the grade says."""

    delivered: Clock | None = None
    seen: Clock | None = None
    accepted: Clock | None = None
    active: Clock | None = None
    done: Clock | None = None


class Repeat(Strict, frozen=True):
    """The same rung again, until a person acknowledges it or it was told again `times` times."""

    every: Period
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Rung(Strict, frozen=True):
    """Who is told, and how long after the first missed clock of the leg; `joint_conference` is the county's office."""

    who: Literal["duty_officer", "superior", "joint_conference", "city_joint_conference"]
    after: Period
    repeat: Repeat | None = None


class Ladder(Strict, frozen=True):
    """The rungs in order. Two rungs never fire closer together than `minimum_gap`, however late the sweep comes."""

    minimum_gap: Period
    rungs: Annotated[tuple[Rung, ...], msgspec.Meta(min_length=1)]


class AgencyLadder(Strict, frozen=True):
    """What silence of these agencies sets off instead of the grade's ladder; no `grades` = all. The last row that fits wins."""

    row: Name
    agencies: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    ladder: Ladder
    grades: tuple[Grade, ...] = ()


_Clock = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class OfficeHours(Strict, frozen=True):
    """When offices are open on a working day; no `agencies` and no `regions` = everybody. The last row that fits wins."""

    row: Name
    opens: _Clock
    closes: _Clock
    basis: Basis
    agencies: tuple[Text, ...] = ()
    regions: tuple[_Region, ...] = ()


class Limit(Strict, frozen=True):
    """What the county allows a leg: how often its chain goes on to another agency, how long it is held in all. The last row that fits wins."""

    row: Name
    forwards: Annotated[int, msgspec.Meta(ge=0, le=100)]
    held: Period
    basis: Basis
    regions: tuple[_Region, ...] = ()


Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
"""A code that an answer may carry: no room for a word of a person's own."""


class StepKind(Strict, frozen=True):
    """One step on the way to the end of a duty. `after`: those that must have been taken before it.

    `repeats`: may be taken again at another time. `responsibility`: of which of the six it is, where it is not the duty's own.
    """

    step: Name
    title: Text
    basis: Basis
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    after: tuple[Name, ...] = ()
    repeats: bool = False
    responsibility: Name | None = None


class DetailKind(Strict, frozen=True):
    """A coded particular that a step or an end may tell. `many`: several codes at once. `needed_for`: outcomes that cannot do without."""

    detail: Name
    title: Text
    values: Annotated[tuple[Code, ...], msgspec.Meta(min_length=1)]
    basis: Basis
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    many: bool = False
    needed_for: tuple[Outcome, ...] = ()


class DutyKind(Strict, frozen=True):
    """A duty of a department: its title in the field's words, its basis and the ids of its sources in `domain.md`.

    `responsibility`: which of the six it serves, `steps` and `details` its path. `done`: what counts as done; `outcomes`: the codes with which its leg can end. `issue` false: the law knows the duty and this
    rule set names it, but no leg goes out, because the county has no agency of that department in its directory.
    """

    duty: Name
    department: Department
    title: Text
    basis: Basis
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    done: Text | None = None
    outcomes: tuple[Outcome, ...] = ()
    issue: bool = True
    responsibility: Name | None = None
    steps: tuple[StepKind, ...] = ()
    details: tuple[DetailKind, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """What the rules look at. `regions` holds the keys of the report's region and of everything above it."""

    situations: frozenset[str]
    groups: frozenset[str]
    age: int
    sex: str = ""
    reporter_kind: str = ""
    regions: frozenset[str] = frozenset()


class Columns(Strict, frozen=True, kw_only=True):
    """The conditions that every table knows."""

    situations: tuple[Situation, ...] = ()
    groups: tuple[Group, ...] = ()
    age_from: _Age = 0
    age_to: _Age = 17

    def matches(self, facts: Facts) -> bool:
        """Say whether every column is met: columns are joined by *and*, the values in one by *or*, an empty one means any."""
        return meets(self.situations, facts.situations) and meets(self.groups, facts.groups) and self.age_from <= facts.age <= self.age_to


class GradeRow(Columns, frozen=True, kw_only=True):
    """A reason for a grade. No official grading is known (`domain.md` b), so every one is the county's choice."""

    row: Name
    grade: Grade
    basis: Basis


class DutyRow(Columns, frozen=True, kw_only=True):
    """A reason for a duty. May change clocks or ladder: of several matching rows the last one in the file wins."""

    row: Name
    duty: Name
    sex: Sex | None = None
    reporters: tuple[Reporter, ...] = ()
    regions: tuple[_Region, ...] = ()
    clocks: ClockChanges = ClockChanges()
    ladder: Ladder | None = None

    def matches(self, facts: Facts) -> bool:
        """Say whether every column is met, also those of sex, reporter and region (at or below one of `regions`)."""
        return (
            super().matches(facts)
            and self.sex in (None, facts.sex)
            and meets(self.reporters, {facts.reporter_kind})
            and meets(self.regions, facts.regions)
        )

    def speaks_of(self, code: str) -> bool:
        """Say whether a report with this situation or group, and suitable other facts, can match."""
        return code in self.situations + self.groups or not (self.situations or self.groups)

    def conditions(self) -> str:
        """Return the conditions beside situation and group, for people; empty where there are none."""
        ages = "" if (self.age_from, self.age_to) == (0, 17) else f"{self.age_from}-{self.age_to}"
        both = "+".join(self.groups) if self.situations else ""
        return ", ".join(filter(None, (both, ages, self.sex, "/".join(self.reporters), "/".join(self.regions))))


def meets(column: Collection[str], facts: Collection[str]) -> bool:
    return not column or any(value in facts for value in column)
