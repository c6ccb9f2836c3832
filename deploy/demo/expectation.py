"""Which legs must the sample lead to, and whom must silence wake?

Computed from the sample, the rule file, the directory file and the division tables by a reading of its own: this module and
what it imports use nothing of the services and of what they share, whose work it judges.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from deploy.sample.divisions import load, padded

ADULT = 18
GRADES = ("red", "amber", "green")
JOINT_CONFERENCE = "joint_conference"
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
Row = dict[str, Any]


class Leg(NamedTuple):
    """One duty of one agency for one child; `report` is the key under which the report is filed."""

    report: str
    child: int
    department: str
    duty: str
    agency: str
    unassigned: bool
    grade: str


class Ladder(NamedTuple):
    """Who is told, rung by rung, when the leg's agency stays silent; two rungs are never closer than `gap` seconds."""

    told: tuple[str, ...]
    gap: float


class Expectation(NamedTuple):
    """`children`: how many different people the guardians must be found for; an ID number that comes twice is one person."""

    legs: dict[Leg, Ladder]
    cases: frozenset[tuple[str, int]]
    children: int


def read_reports(path: Path, count: int | None = None) -> list[Row]:
    """The first `count` reports of a sample file, each with its key, its unit and its body."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:count]


def read_agencies(path: Path) -> dict[str, Row]:
    return {row["code"]: row for row in yaml.safe_load(path.read_text(encoding="utf-8"))["agencies"]}


def expect(reports: list[Row], rules: Path, agencies: dict[str, Row], today: date) -> Expectation:
    """`today` is the day on which the reports are filed, in Shanghai: the ages of children with a birth date hang on it."""
    table = yaml.safe_load(rules.read_text(encoding="utf-8"))
    legs: dict[Leg, Ladder] = {}
    cases, people = set(), set()
    for report in reports:
        for number, child in minors(report["body"], today):
            cases.add((report["key"], number))
            people.add(child.get("id_number") or (report["key"], number))
            legs |= dict(_legs(report, number, child, table, agencies, today))
    return Expectation(legs, frozenset(cases), len(people))


def minors(body: Row, today: date) -> Iterator[tuple[int, Row]]:
    """Who gets a case: everybody under 18, by the number that the report gives each."""
    return ((number, child) for number, child in enumerate(body["children"], 1) if years(child, today) < ADULT)


def years(child: Row, today: date) -> int:
    if "age" in child:
        return int(child["age"])
    born = date.fromisoformat(child["birth_date"])
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _legs(report: Row, number: int, child: Row, table: Row, agencies: dict[str, Row], today: date) -> Iterator[tuple[Leg, Ladder]]:
    body, places = report["body"], load().above(report["body"]["region"])
    facts = {
        "situations": set(body["situations"]),
        "groups": {*body["groups"], *child.get("groups", ())},
        "age": years(child, today),
        "sex": {child["sex"]},
        "reporters": {report["kind"]},
        "regions": set(places),
    }
    departments = {kind["duty"]: kind["department"] for kind in table["duties"]}
    grade = min((row["grade"] for row in table["grades"] if _meets(row, facts)), key=GRADES.index, default="green")
    issued = {kind["duty"] for kind in table["duties"] if kind.get("issue", True)}
    matching = [row for row in table["rows"] if row["duty"] in issued and _meets(row, facts)]
    for duty in dict.fromkeys(row["duty"] for row in matching):
        agency = _responsible(agencies, departments[duty], places)
        office = _responsible(agencies, JOINT_CONFERENCE, places) or ""
        leg = Leg(report["key"], number, departments[duty], duty, agency or office, agency is None, grade)
        steps = [row["ladder"] for row in matching if row["duty"] == duty and "ladder" in row]
        yield leg, _ladder((steps or [table["ladders"][grade]])[-1], leg.agency, office, agencies)


def _meets(row: Row, facts: Row) -> bool:
    """Columns are joined by and, the values in one by or; an empty column means any."""
    if not row.get("age_from", 0) <= facts["age"] <= row.get("age_to", ADULT - 1):
        return False
    sexes = [row["sex"]] if row.get("sex") else []
    wanted = {**row, "sex": sexes}
    columns = ("situations", "groups", "sex", "reporters", "regions")
    return all(not wanted.get(column) or facts[column].intersection(wanted[column]) for column in columns)


def _responsible(agencies: dict[str, Row], department: str, places: tuple[str, ...]) -> str | None:
    """The agency of a department for the place itself, else for the nearest place above that has one."""
    serving = {
        padded(str(row["region"])): code for code, row in agencies.items() if row["department"] == department and row.get("active", True)
    }
    return next((serving[place] for place in places if place in serving), None)


def _ladder(steps: Row, agency: str, office: str, agencies: dict[str, Row]) -> Ladder:
    """Where a rung has nobody, or somebody who was told, it is the joint-conference office's, then that of those above it."""
    told: list[str] = []
    for rung in steps["rungs"]:
        planned = {"duty_officer": agency, "superior": agencies[agency]["superior"]}.get(rung["who"], office)
        line = [code for code in (planned, *_upward(office, agencies)) if code]
        told.append(next((code for code in line if code not in told), line[-1]))
    gap = steps["minimum_gap"]
    return Ladder(tuple(told), gap["limit"] * UNITS[gap["unit"]])


def _upward(office: str, agencies: dict[str, Row]) -> Iterator[str]:
    step: str | None = office
    while step:
        yield step
        step = agencies[step]["superior"]
