"""Who owes this child what, how urgent is it, and by when must each step be done?

A decision table with hit policy *collect*: every matching row adds its duty, and a duty named by several rows is owed once.
The table is a file (`services/referral/rules/*.yaml`), dated and versioned; this module reads and applies it and knows no
law of its own. The sources named in the file are the ids of `domain.md`.
"""

import hashlib
from collections.abc import Collection, Iterable
from datetime import date, time
from functools import lru_cache

import msgspec

from services.referral.domain.completeness import Completeness, completeness_problems
from services.referral.domain.ladder import Hours
from services.referral.domain.obligations import LawText, Obligation, obligation_problems
from services.referral.domain.paths import Ledger, Responsibility, path_problems
from services.referral.domain.rule_file import RuleError, RuleSetError, Section, read_sections
from services.referral.domain.rule_rows import (
    CODES,
    GRADES,
    AgencyLadder,
    Clock,
    Clocks,
    Department,
    DutyKind,
    DutyRow,
    Facts,
    Grade,
    GradeRow,
    Ladder,
    Limit,
    OfficeHours,
    Rung,
    Text,
    meets,
)
from shared.calendar import Period

__all__ = [
    "CODES", "GRADES", "Clock", "Clocks", "Department", "Duty", "DutyKind", "DutyRow", "Grade", "GradeRow", "Ladder", "Plan",
    "RuleError", "RuleSet", "RuleSetError", "Rung", "TableRow", "plan", "table",
]  # fmt: skip

USUAL = Limit("usual", 3, Period(30, "days"), "local")
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}


class Duty(msgspec.Struct, frozen=True):
    """What one department owes one child, its clocks and ladder, and the rows that say so; `hours` once its agency is known."""

    department: Department
    duty: str
    clocks: Clocks
    ladder: Ladder
    rows: tuple[str, ...]
    hours: Hours | None = None


class Plan(msgspec.Struct, frozen=True):
    """What follows from a report for one child: the grade and one duty per leg, in the order of the table."""

    grade: Grade
    duties: tuple[Duty, ...]


class TableRow(msgspec.Struct, frozen=True):
    """A situation or group with what each department owes: duty, and in brackets the conditions under which."""

    code: str
    title: str
    cells: dict[str, tuple[str, ...]]


class RuleSet(msgspec.Struct, frozen=True):
    """One dated version of the rules. `hash` is the SHA-256 (hex) of the bytes it was read from; `valid_to` is included.

    `obligations` are the periods of law (and the county's beside them) by id of `domain.md`, `out_of_scope` the ids that are
    none of this table's business with the reason, `texts` the sources, `events` the moments from which a period can run. A file
    from before they were known has none.
    """

    hash: str
    version: str
    valid_from: date
    valid_to: date | None
    titles: dict[str, str]
    clocks: dict[Grade, Clocks]
    ladders: dict[Grade, Ladder]
    duties: tuple[DutyKind, ...]
    grades: tuple[GradeRow, ...]
    rows: tuple[DutyRow, ...]
    texts: dict[str, LawText] = {}
    events: dict[str, str] = {}
    obligations: tuple[Obligation, ...] = ()
    out_of_scope: dict[str, str] = {}
    agency_ladders: tuple[AgencyLadder, ...] = ()
    office_hours: tuple[OfficeHours, ...] = ()
    completeness: Completeness | None = None
    limits: tuple[Limit, ...] = ()
    responsibilities: tuple[Responsibility, ...] = ()
    ledgers: tuple[Ledger, ...] = ()

    @staticmethod
    def parse(data: bytes) -> "RuleSet":
        """Read a rule file. Raises RuleSetError with every error found, each with its row."""
        return _parsed(data)

    def __hash__(self) -> int:
        return hash(self.hash)

    def valid_on(self, day: date) -> bool:
        return self.valid_from <= day <= (self.valid_to or date.max)

    def grade(self, situations: frozenset[str], groups: frozenset[str], age: int) -> Grade:
        """Return the most urgent grade for which a row speaks; green where none does."""
        facts = Facts(situations, groups, age)
        return min((row.grade for row in self.grades if row.matches(facts)), key=GRADES.index, default="green")

    def kind(self, duty: str) -> DutyKind | None:
        return next((kind for kind in self.duties if kind.duty == duty), None)

    def owed(self, duty: str, grade: Grade) -> Duty:
        """Return a duty as no row names it: with the clocks and the ladder of the grade. Raises KeyError for one that is not there."""
        return _duty(self, grade, {kind.duty: kind for kind in self.duties}[duty], [])

    def limit_in(self, regions: Collection[str]) -> Limit:
        """Return what is allowed in a place, given with everything above it; a file from before limits were known has the usual one."""
        return [USUAL, *(row for row in self.limits if meets(row.regions, regions))][-1]

    def held_by(self, duty: Duty, grade: Grade, agency: str, regions: frozenset[str]) -> Duty:
        """Return the duty as this agency owes it: with its own ladder, and its office hours unless the case is red."""
        own = [row.ladder for row in self.agency_ladders if agency in row.agencies and meets(row.grades, {grade})]
        hours = [row for row in self.office_hours if grade != "red" and meets(row.agencies, {agency}) and meets(row.regions, regions)]
        if not own and not hours:
            return duty
        opened = Hours(time.fromisoformat(hours[-1].opens), time.fromisoformat(hours[-1].closes)) if hours else None
        return msgspec.structs.replace(duty, ladder=own[-1] if own else duty.ladder, hours=opened)


@lru_cache(maxsize=256)  # a service reads every set that it ever used again whenever an agency changes
def _parsed(data: bytes) -> RuleSet:
    errors: list[RuleError] = []
    found = RuleSet(hashlib.sha256(data).hexdigest(), **read_sections(data, _SECTIONS, errors))
    errors.extend(_row_problems(found))
    # What is missing can only be told of a file whose rows can all be read.
    errors = errors or list(_gaps(found))
    if errors:
        raise RuleSetError(errors)
    return found


def plan(
    ruleset: RuleSet,
    *,
    situations: frozenset[str],
    groups: frozenset[str],
    age: int,
    sex: str,
    reporter_kind: str,
    regions: frozenset[str] = frozenset(),
    at_least: Grade = "green",
) -> Plan:
    """Return grade and duties for one child under 18 (older people open no case: the caller leaves them out).

    `age` is in years, `regions` the keys (`shared.regions`) of the report's region and everything above it: a region in a
    row means that place and all below. `at_least`: the grade that another case of the child has already.
    """
    return _planned(ruleset, Facts(situations, groups, age, sex, reporter_kind, regions & _places(ruleset)), at_least)


@lru_cache(maxsize=4096)
def _planned(ruleset: RuleSet, facts: Facts, at_least: Grade) -> Plan:
    """Reports differ in children and places, and little in what the rules look at: the table is gone through once for each kind."""
    grade = min(ruleset.grade(facts.situations, facts.groups, facts.age), at_least, key=GRADES.index)
    kinds = {kind.duty: kind for kind in ruleset.duties}
    rows = [row for row in ruleset.rows if kinds[row.duty].issue and row.matches(facts)]
    owed = dict.fromkeys(row.duty for row in rows)
    return Plan(grade, tuple(_duty(ruleset, grade, kinds[duty], [row for row in rows if row.duty == duty]) for duty in owed))


@lru_cache(maxsize=256)
def _places(ruleset: RuleSet) -> frozenset[str]:
    """The regions that a row names; no other can matter."""
    return frozenset(region for row in ruleset.rows for region in row.regions)


def table(ruleset: RuleSet) -> tuple[TableRow, ...]:
    """Return every situation and group with what each department owes that gets legs by these rules."""
    named = {row.duty for row in ruleset.rows}
    departments = tuple(dict.fromkeys(kind.department for kind in ruleset.duties if kind.issue and kind.duty in named))
    return tuple(
        TableRow(code, ruleset.titles[code], {department: _cell(ruleset, code, department) for department in departments}) for code in CODES
    )


def _duty(ruleset: RuleSet, grade: Grade, kind: DutyKind, rows: list[DutyRow]) -> Duty:
    clocks, ladder = ruleset.clocks[grade], ruleset.ladders[grade]
    for row in rows:
        changes = {name: clock for name, clock in msgspec.structs.asdict(row.clocks).items() if clock}
        clocks = msgspec.structs.replace(clocks, **changes)
        ladder = row.ladder or ladder
    return Duty(kind.department, kind.duty, clocks, ladder, tuple(row.row for row in rows))


def _cell(ruleset: RuleSet, code: str, department: str) -> tuple[str, ...]:
    entries = []
    for kind in ruleset.duties:
        conditions = [row.conditions() for row in ruleset.rows if row.duty == kind.duty and row.speaks_of(code)]
        if kind.department == department and kind.issue and conditions:
            entries.append(kind.duty if "" in conditions else f"{kind.duty} ({'; '.join(conditions)})")
    return tuple(entries)


_SECTIONS = {
    "version": Section(Text),
    "valid_from": Section(date),
    "valid_to": Section(date | None),
    "titles": Section(dict[str, Text]),
    "clocks": Section(dict[Grade, Clocks]),
    "ladders": Section(dict[Grade, Ladder]),
    "duties": Section(DutyKind, rows=True),
    "grades": Section(GradeRow, rows=True),
    "rows": Section(DutyRow, rows=True),
    "texts": Section(dict[str, LawText], needed=False),
    "events": Section(dict[str, Text], needed=False),
    "obligations": Section(Obligation, rows=True, needed=False),
    "out_of_scope": Section(dict[str, Text], needed=False),
    "agency_ladders": Section(AgencyLadder, rows=True, needed=False),
    "office_hours": Section(OfficeHours, rows=True, needed=False),
    "completeness": Section(Completeness, needed=False),
    "limits": Section(Limit, rows=True, needed=False),
    "responsibilities": Section(Responsibility, rows=True, needed=False),
    "ledgers": Section(Ledger, rows=True, needed=False),
}


def _row_problems(rules: RuleSet) -> Iterable[RuleError]:
    rows: tuple[GradeRow | DutyRow, ...] = (*rules.grades, *rules.rows)
    duties = [kind.duty for kind in rules.duties]
    own = [row.row for row in rules.agency_ladders] + [row.row for row in rules.office_hours] + [row.row for row in rules.limits]
    for names in ([row.row for row in rows] + own, duties):
        yield from (RuleError(name, "name used twice") for name in dict.fromkeys(names) if names.count(name) > 1)
    yield from (RuleError(row.row, f"unknown duty {row.duty}") for row in rules.rows if row.duty not in duties)
    yield from (RuleError(row.row, "age_from is above age_to") for row in rows if row.age_from > row.age_to)
    ladders = {f"ladders {grade}": ladder for grade, ladder in (rules.ladders or {}).items()}
    ladders |= {row.row: row.ladder for row in rules.rows if row.ladder} | {row.row: row.ladder for row in rules.agency_ladders}
    yield from (RuleError(label, problem) for label, ladder in ladders.items() for problem in _ladder_problems(ladder))
    yield from (RuleError(row.row, "opens no earlier than it closes") for row in rules.office_hours if row.opens >= row.closes)
    kinds = {kind.duty: kind for kind in rules.duties}
    found = completeness_problems(rules.completeness, kinds) if rules.completeness else ()
    yield from (RuleError("completeness", problem) for problem in found)
    doubted = {row.id for row in rules.obligations if row.basis == "unconfirmed"}
    of_paths = path_problems(rules.duties, rules.responsibilities, rules.ledgers, doubted)
    yield from (RuleError(name, problem) for name, problem in of_paths)
    problems = obligation_problems(rules.obligations, rules.out_of_scope, rules.texts, rules.events, duties)
    yield from (RuleError(name, problem) for name, problem in problems)


def _gaps(rules: RuleSet) -> Iterable[RuleError]:
    """Yield what no single row shows, above all a situation or group that would open a case without any duty."""
    if rules.valid_to and rules.valid_to < rules.valid_from:
        yield RuleError("valid_to", "before valid_from")
    yield from (RuleError("titles", f"none for {code}") for code in CODES if code not in rules.titles)
    yield from (RuleError("clocks", f"none for {grade}") for grade in GRADES if grade not in rules.clocks)
    yield from (RuleError("ladders", f"none for {grade}") for grade in GRADES if grade not in rules.ladders)
    issued = {kind.duty for kind in rules.duties if kind.issue}
    for code in CODES:
        if not any(row.duty in issued and row.speaks_of(code) and not row.conditions() for row in rules.rows):
            yield RuleError(code, "no duty without further conditions: such a report could reach nobody")


def _ladder_problems(ladder: Ladder) -> Iterable[str]:
    # Silence is noticed by the clock on the wall, so rungs are never counted in days that a holiday can move.
    periods = [ladder.minimum_gap, *(rung.after for rung in ladder.rungs)]
    repeats = [rung.repeat.every for rung in ladder.rungs if rung.repeat]
    if any(period.unit not in _SECONDS for period in (*periods, *repeats)):
        yield "a ladder is counted in seconds, minutes or hours"
        return
    if not ladder.minimum_gap.limit:
        yield "without a minimum_gap a late sweep would ring everybody at once"
    if any(every.limit * _SECONDS[every.unit] < ladder.minimum_gap.limit * _SECONDS[ladder.minimum_gap.unit] for every in repeats):
        yield "a rung is repeated faster than the minimum_gap"
    seconds = [period.limit * _SECONDS[period.unit] for period in periods[1:]]
    if seconds != sorted(seconds):
        yield "a rung comes before the one below it"
    if len({rung.who for rung in ladder.rungs}) < len(ladder.rungs):
        yield "somebody stands on two rungs"
