"""How is one imagined report put to the rules, without any service, and how is the answer shown?"""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from deploy.local import directory
from deploy.local.state import State
from services.referral.domain.agency import entry_of
from services.referral.domain.explaining import Explanation, ShownClock, explain
from services.referral.domain.importing import placed
from services.referral.domain.routing import Knowledge
from services.referral.domain.rule_rows import Facts, Group, Reporter, Sex, Situation
from services.referral.domain.rules import RuleSet
from shared import calendar
from shared.calendar import SHANGHAI, Calendar
from shared.contracts.directory import AgencyChanged, Directory
from shared.regions import Regions

ADULT = 18
OLDEST = 150
WIDTH_WITHOUT_TERMINAL = 180


class Question(NamedTuple):
    """What is asked, as it was typed."""

    situations: tuple[str, ...]
    groups: tuple[str, ...]
    age: int
    sex: str | None
    reporter: str | None
    region: str
    at: datetime


class UnfitQuestionError(ValueError):
    """A question that has no answer, and why."""


def moment(text: str | None) -> datetime:
    """Read a time of RFC 3339; one without an offset is meant in China. None = now."""
    if text is None:
        return datetime.now(SHANGHAI)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as reason:
        raise UnfitQuestionError(f"'{text}' is no time like 2026-02-13T10:00:00+08:00") from reason
    return found if found.tzinfo else found.replace(tzinfo=SHANGHAI)


def answer(question: Question, rules: RuleSet, directory_file: Path | None) -> Explanation:
    """Put the question. Raises UnfitQuestionError with the reason when there is nothing to explain."""
    regions = Regions.load()
    reason = next(_unfit(question, regions), None)
    if reason:
        raise UnfitQuestionError(reason)
    days = Calendar.parse(calendar.shipped())
    known = Knowledge({rules.hash: rules}, rules, {days.hash: days}, days, regions, Directory(_directory(directory_file, regions)))
    place = regions.find(question.region)
    facts = Facts(
        frozenset(question.situations), frozenset(question.groups), question.age, question.sex or "", question.reporter or "other"
    )
    try:
        return explain(known, facts, place.key if place else "", question.at)
    except (OverflowError, ValueError) as beyond:
        raise UnfitQuestionError(f"no due time can be told from {question.at}: {beyond}") from beyond


def _unfit(question: Question, regions: Regions) -> Iterator[str]:
    yield from (f"unknown situation {code}" for code in question.situations if code not in get_args(Situation))
    yield from (f"unknown group {code}" for code in question.groups if code not in get_args(Group))
    if question.sex is not None and question.sex not in get_args(Sex):
        yield f"unknown sex {question.sex}: male or female"
    if question.reporter is not None and question.reporter not in get_args(Reporter):
        yield f"unknown reporter {question.reporter}: one of {', '.join(get_args(Reporter))}"
    if regions.find(question.region) is None:
        yield f"unknown region {question.region}"
    if not 0 <= question.age <= OLDEST:
        yield f"{question.age} is no age in years"
    if question.age >= ADULT:
        yield "nobody under 18: no case is opened"
    if not question.situations and not question.groups:
        yield "nothing to report: name a situation or a group"


def _directory(file: Path | None, regions: Regions) -> dict[str, AgencyChanged]:
    """The agencies of the file, else of the one with which `.heli/` was last started, else none."""
    last = State().directory_file
    found = file or (last if last.exists() else None)
    if found is None:
        return {}
    rows = directory.agencies(found)
    try:
        entries = [placed(entry_of({**row, "region": str(row["region"])}), regions) for row in rows]
    except (msgspec.ValidationError, KeyError) as reason:
        raise RuntimeError(f"The agency directory {found} cannot be read: {reason}") from reason
    return {entry.agency: entry for entry in entries}


def warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(f"WARNING {warning}: holidays not published, every day of that year is counted as plain Monday to Friday.", file=sys.stderr)


def as_json(found: Explanation) -> str:
    """The answer as issue and partners know it: nothing in it that is only for people."""
    legs = [
        {"department": leg.department, "duty": leg.duty, "agency": leg.agency, "clocks": [_clock(clock) for clock in leg.clocks]}
        for leg in found.legs
    ]
    case_clocks = [_clock(clock) for clock in found.case_clocks]
    told = {"rules": found.rules, "calendar": found.calendar, "grade": found.grade, "legs": legs, "case_clocks": case_clocks}
    return json.dumps(told, ensure_ascii=False, indent=1)


def _clock(clock: ShownClock) -> dict[str, Any]:
    limit, unit = clock.counted()
    due = clock.due.isoformat() if clock.due else None
    return {"id": clock.id, "start": clock.start, "limit": limit, "unit": unit, "due": due, "basis": clock.basis, "source": clock.source}


def show(found: Explanation) -> None:
    """For people: one table per leg, then the clocks of the whole case."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
    console.print(f"grade {found.grade}   rules {found.rules}   calendar {found.calendar}", soft_wrap=True)
    for leg in found.legs:
        held = f"{leg.agency or 'agency not known'}{' (joint conference: nobody else is responsible)' if leg.unassigned else ''}"
        console.print(_table(f"{leg.department}: {leg.duty}, {held}", leg.clocks))
    console.print(_table("the whole case", found.case_clocks))


def _table(title: str, clocks: Iterable[ShownClock]) -> Table:
    columns = ("id", "what", "from", "within", "due", "basis", "source")
    shown = Table(*(Column(name, overflow="fold") for name in columns), title=escape(title), title_justify="left")
    for clock in clocks:
        limit = "at once" if clock.unit == "immediate" else f"{clock.limit} {clock.unit}"
        within = "\n".join((limit, *clock.variants))
        due = clock.due.strftime("%Y-%m-%d %H:%M") if clock.due else "-"
        shown.add_row(*(escape(cell) for cell in (clock.id, clock.title, clock.start, within, due, clock.basis, clock.source)))
    return shown
