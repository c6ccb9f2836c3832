"""Who owes this child what, how urgent is it, and by when must each step be done?

A decision table with hit policy *collect*: every matching row adds its duty, and a duty named by several rows is owed once.
The table is a file (`services/referral/rules/*.yaml`), dated and versioned; this module reads and applies it and knows no
law of its own. The sources named in the file are the ids of `domain.md`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Self

import msgspec
import yaml

from services.referral.domain.rule_rows import (
    CODES,
    GRADES,
    Clock,
    Clocks,
    Department,
    DutyKind,
    DutyRow,
    Facts,
    Grade,
    GradeRow,
    Ladder,
    Rung,
    Text,
)

__all__ = [
    "CODES", "GRADES", "Clock", "Clocks", "Department", "Duty", "DutyKind", "DutyRow", "Grade", "GradeRow", "Ladder", "Plan",
    "RuleError", "RuleSet", "RuleSetError", "Rung", "TableRow", "plan", "table",
]  # fmt: skip

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}


class Duty(msgspec.Struct, frozen=True):
    """What one department owes one child, its clocks and ladder, and the rows that say so."""

    department: Department
    duty: str
    clocks: Clocks
    ladder: Ladder
    rows: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True):
    """What follows from a report for one child: the grade and one duty per leg, in the order of the table."""

    grade: Grade
    duties: tuple[Duty, ...]


class TableRow(msgspec.Struct, frozen=True):
    """A situation or group with what each department owes: duty, and in brackets the conditions under which."""

    code: str
    title: str
    cells: dict[str, tuple[str, ...]]


class RuleError(msgspec.Struct, frozen=True):
    """What is wrong, and in which row (or section) of the file."""

    row: str
    problem: str


class RuleSetError(ValueError):
    """A rule file that cannot be used, with all its errors."""

    def __init__(self, errors: Iterable[RuleError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.row}: {error.problem}" for error in self.errors))


class RuleSet(msgspec.Struct, frozen=True):
    """One dated version of the rules. `hash` is the SHA-256 (hex) of the bytes it was read from; `valid_to` is included."""

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

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a rule file. Raises RuleSetError with every error found, each with its row."""
        errors: list[RuleError] = []
        found = cls(hashlib.sha256(data).hexdigest(), **_sections(data, errors))
        errors.extend(_row_problems(found))
        # What is missing can only be told of a file whose rows can all be read.
        errors = errors or list(_gaps(found))
        if errors:
            raise RuleSetError(errors)
        return found

    def valid_on(self, day: date) -> bool:
        return self.valid_from <= day <= (self.valid_to or date.max)

    def grade(self, situations: frozenset[str], groups: frozenset[str], age: int) -> Grade:
        """Return the most urgent grade for which a row speaks; green where none does."""
        facts = Facts(situations, groups, age)
        return min((row.grade for row in self.grades if row.matches(facts)), key=GRADES.index, default="green")


def plan(
    ruleset: RuleSet,
    *,
    situations: frozenset[str],
    groups: frozenset[str],
    age: int,
    sex: str,
    reporter_kind: str,
    regions: frozenset[str] = frozenset(),
) -> Plan:
    """Return grade and duties for one child under 18 (older people open no case: the caller leaves them out).

    `age` is in years, `regions` the keys (`shared.regions`) of the report's region and everything above it: a region in a
    row means that place and all below.
    """
    facts = Facts(situations, groups, age, sex, reporter_kind, regions)
    grade = ruleset.grade(situations, groups, age)
    rows = [row for row in ruleset.rows if row.matches(facts)]
    kinds = {kind.duty: kind for kind in ruleset.duties}
    owed = dict.fromkeys(row.duty for row in rows)
    return Plan(grade, tuple(_duty(ruleset, grade, kinds[duty], [row for row in rows if row.duty == duty]) for duty in owed))


def table(ruleset: RuleSet) -> tuple[TableRow, ...]:
    """Return every situation and group with what each department that occurs in the rules owes."""
    departments = tuple(dict.fromkeys(kind.department for kind in ruleset.duties))
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
        if kind.department == department and conditions:
            entries.append(kind.duty if "" in conditions else f"{kind.duty} ({'; '.join(conditions)})")
    return tuple(entries)


class _Loader(yaml.SafeLoader):
    """YAML, except that a key written twice is an error: plain YAML lets the second one silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _read(data: bytes) -> dict[Any, Any]:
    try:
        raw = yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise RuleSetError([RuleError("file", " ".join(str(error).split()))]) from None
    if not isinstance(raw, dict):
        raise RuleSetError([RuleError("file", "not a mapping")])
    return raw


def _sections(data: bytes, errors: list[RuleError]) -> dict[str, Any]:
    """Convert each section, and each row of the lists on its own, so that one error does not hide the next."""
    raw = _read(data)
    errors.extend(RuleError(str(name), "unknown section") for name in raw if name not in _SINGLE.keys() | _LISTS.keys())
    single = {name: _convert(raw.get(name), kind, name, errors) for name, kind in _SINGLE.items()}
    return single | {name: _rows(name, raw.get(name), kind, errors) for name, kind in _LISTS.items()}


_SINGLE: Mapping[str, Any] = {
    "version": Text,
    "valid_from": date,
    "valid_to": date | None,
    "titles": dict[str, Text],
    "clocks": dict[Grade, Clocks],
    "ladders": dict[Grade, Ladder],
}
_LISTS: Mapping[str, Any] = {"duties": DutyKind, "grades": GradeRow, "rows": DutyRow}


def _rows(section: str, raw: Any, kind: Any, errors: list[RuleError]) -> tuple[Any, ...]:
    if not isinstance(raw, list) or not raw:
        errors.append(RuleError(section, "needs a list of rows"))
        return ()
    converted = [_convert(row, kind, _label(section, place, row), errors) for place, row in enumerate(raw, 1)]
    return tuple(row for row in converted if row is not None)


def _label(section: str, place: int, row: Any) -> str:
    name = (row.get("row") or row.get("duty")) if isinstance(row, dict) else None
    return f"{section}[{place}]" + (f" {name}" if name else "")


def _convert(raw: Any, kind: Any, label: str, errors: list[RuleError]) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        errors.append(RuleError(label, str(error)))
        return None


def _row_problems(rules: RuleSet) -> Iterable[RuleError]:
    rows, duties = (*rules.grades, *rules.rows), [kind.duty for kind in rules.duties]
    for names in ([row.row for row in rows], duties):
        yield from (RuleError(name, "name used twice") for name in dict.fromkeys(names) if names.count(name) > 1)
    yield from (RuleError(row.row, f"unknown duty {row.duty}") for row in rules.rows if row.duty not in duties)
    yield from (RuleError(row.row, "age_from is above age_to") for row in rows if row.age_from > row.age_to)
    ladders = {f"ladders {grade}": ladder for grade, ladder in (rules.ladders or {}).items()}
    ladders |= {row.row: row.ladder for row in rules.rows if row.ladder}
    yield from (RuleError(label, problem) for label, ladder in ladders.items() for problem in _ladder_problems(ladder))


def _gaps(rules: RuleSet) -> Iterable[RuleError]:
    """Yield what no single row shows, above all a situation or group that would open a case without any duty."""
    if rules.valid_to and rules.valid_to < rules.valid_from:
        yield RuleError("valid_to", "before valid_from")
    yield from (RuleError("titles", f"none for {code}") for code in CODES if code not in rules.titles)
    yield from (RuleError("clocks", f"none for {grade}") for grade in GRADES if grade not in rules.clocks)
    yield from (RuleError("ladders", f"none for {grade}") for grade in GRADES if grade not in rules.ladders)
    for code in CODES:
        if not any(row.speaks_of(code) and not row.conditions() for row in rules.rows):
            yield RuleError(code, "no duty without further conditions: such a report could reach nobody")


def _ladder_problems(ladder: Ladder) -> Iterable[str]:
    # Silence is noticed by the clock on the wall, so rungs are never counted in days that a holiday can move.
    periods = [ladder.minimum_gap, *(rung.after for rung in ladder.rungs)]
    if any(period.unit not in _SECONDS for period in periods):
        yield "a ladder is counted in seconds, minutes or hours"
        return
    if not ladder.minimum_gap.limit:
        yield "without a minimum_gap a late sweep would ring everybody at once"
    seconds = [period.limit * _SECONDS[period.unit] for period in periods[1:]]
    if seconds != sorted(seconds):
        yield "a rung comes before the one below it"
    if len({rung.who for rung in ladder.rungs}) < len(ladder.rungs):
        yield "somebody stands on two rungs"
