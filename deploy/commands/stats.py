"""How many cases and duties of a region were there in a period, what came of them, and who reported late?"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.asking import INCOMPLETE, UNANSWERABLE, NotThere, Operator, Refused, Silent, asked, connected
from shared.calendar import SHANGHAI

COUNTED = ("responsibility", "duty", "outcome", "grade", "state")
DAY = ["%Y-%m-%d"]
Row = dict[str, Any]


def stats(
    *,
    region: Annotated[str, typer.Option(help="6, 9 or 12 digits: that place and everything in it.")],
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="The first day, in China.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY, help="The last day; it is counted too.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Count what was opened and reported in these days. Exit code 2: token refused, or a question without an answer; 4: a service did not answer."""
    period = (_start(first.date()), _start(last.date() + timedelta(days=1)))
    try:
        parts, missing = asked(_parts(region, period))
    except Refused as refusal:
        print(f"heli stats: {refusal}", file=sys.stderr)
        raise typer.Exit(UNANSWERABLE) from None
    found = {"region": region, "from": str(first.date()), "to": str(last.date()), **summed(parts), "missing": missing}
    print(json.dumps(found, ensure_ascii=False)) if as_json else _show(found)
    for name, why in missing.items():
        print(f"{name} {why}", file=sys.stderr)
    if missing:
        raise typer.Exit(INCOMPLETE)


def _start(day: date) -> str:
    return datetime.combine(day, time(), SHANGHAI).isoformat()


async def _parts(region: str, period: tuple[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    narrowed = {"region": region, "since": period[0], "until": period[1]}
    async with connected() as http:
        operator = Operator(http)
        asking = {"referral": operator.ask("/referral/joint/stats", narrowed=narrowed), "intake": _units(operator, narrowed)}
        answers = await asyncio.gather(*asking.values(), return_exceptions=True)
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, answer in zip(asking, answers, strict=True):
        if isinstance(answer, Refused):
            raise answer  # the question is wrong, and no part of an answer makes it right
        if isinstance(answer, Silent | NotThere):
            missing[name] = str(answer) or "knows no such counts"
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[name] = answer
    return found, missing


async def _units(operator: Operator, narrowed: dict[str, str]) -> Row:
    """Every page of the reporter units, and what is late on all of them."""
    pages = [page async for page in operator.pages("/intake/joint/reporters", narrowed)]
    return {"late_after": pages[0].get("late_after", {}), "units": [unit for page in pages for unit in page["units"]]}


def summed(parts: dict[str, Any]) -> Row:
    """The answers of the services as counts by each thing that is counted; what nobody answered is null, never zero."""
    referral, intake = parts.get("referral"), parts.get("intake")
    units = sorted(intake["units"], key=lambda unit: (-unit["late"], unit["party"])) if intake else []
    reports = {"reports": sum(unit["reports"] for unit in units), "late": sum(unit["late"] for unit in units)}
    return {
        "rules": referral["rules"] if referral else None,
        "cases": _cases(referral["cases"]) if referral else None,
        "legs": _legs(referral["legs"]) if referral else None,
        "responsibilities": [*_responsibilities(referral)] if referral else None,
        "reporting": {**reports, "late_after": intake["late_after"], "units": units} if intake else None,
    }


def _cases(rows: list[Row]) -> Row:
    return {"total": _sum(rows), **{name: _by(name, rows) for name in ("grade", "state")}}


def _legs(rows: list[Row]) -> Row:
    overdue, missed = ([row for row in rows if row[name]] for name in ("overdue", "missed"))
    return {"total": _sum(rows), "overdue": _sum(overdue), "missed": _sum(missed), **{name: _by(name, rows) for name in COUNTED}}


def _responsibilities(referral: Row) -> Iterator[Row]:
    """Each of the six, also one of which there was nothing: a zero is an answer."""
    for six in referral["responsibilities"]:
        rows = [row for row in referral["legs"] if row["responsibility"] == six["responsibility"]]
        yield {**_legs(rows), **six}  # its own code, not the count by code that all legs have


def _sum(rows: list[Row]) -> int:
    return sum(row["count"] for row in rows)


def _by(name: str, rows: list[Row]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for row in rows:
        if row[name] is not None:
            found[row[name]] += row["count"]
    return dict(sorted(found.items()))


def _show(found: Row) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{found['region']}   {found['from']} to {found['to']}", highlight=False)
    if found["cases"]:
        console.print(
            f"cases {found['cases']['total']}: {_words(found['cases']['grade'])}; {_words(found['cases']['state'])}", highlight=False
        )
        console.print(_six(found["responsibilities"], found["legs"]))
    if found["reporting"]:
        console.print(_reporters(found["reporting"]))


def _six(rows: list[Row], every: Row) -> Table:
    shown = Table("responsibility", "duties", "overdue", "ever late", "states", "outcomes")
    for row in [*rows, {"title": "all", **every}]:
        cells = (row["title"], row["total"], row["overdue"], row["missed"], _words(row["state"]), _words(row["outcome"]))
        shown.add_row(*map(str, cells))
    return shown


def _reporters(reporting: Row) -> Table:
    shown = Table(
        "reporter unit", "kind", "reports", "late", "longest, hours", title=f"reports {reporting['reports']}, late {reporting['late']}"
    )
    for unit in reporting["units"]:
        cells = (unit["party"], unit["reporter_kind"], unit["reports"], unit["late"], f"{unit['longest_seconds'] / 3600:.1f}")
        shown.add_row(*map(str, cells))
    return shown


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"
