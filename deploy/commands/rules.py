"""What do the rules say, and is a rule file fit for use?

The commands `heli rules ...`; no service needs to run.
"""

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from deploy.explaining import Question, UnfitQuestionError, answer, as_json, moment, show, warn
from services.referral.domain.rule_diff import Change, differences
from services.referral.domain.rules import RuleSet, RuleSetError, table
from shared.calendar import SHANGHAI

app = typer.Typer(help="The decision table: who owes a reported child what.", no_args_is_help=True)

_SHIPPED = Path(__file__).parents[2] / "services" / "referral" / "rules"
_WIDTH_WITHOUT_TERMINAL = 160

RuleFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A rule file (YAML).")]
OtherRuleFile = Annotated[Path | None, typer.Option("--file", exists=True, dir_okay=False, help="Default: the newest one shipped.")]


@app.command("table")
def show_table(file: OtherRuleFile = None) -> None:
    """Print situation and group x department; what a duty means and rests on stands below."""
    rules = _parsed(file or max(_SHIPPED.glob("*.yaml")))
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)
    console.print(
        f"rules {escape(rules.version)}, from {rules.valid_from} to {rules.valid_to or 'open'}, hash {rules.hash}", soft_wrap=True
    )
    console.print(_duties_by_code(rules))
    console.print(_meanings(rules))


@app.command("check")
def check(file: RuleFile) -> None:
    """Read a rule file; print every error with its row and exit 1, or its version and hash."""
    rules = _parsed(file)
    print(f"ok: version {rules.version}, {len(rules.rows)} rows, {len(rules.obligations)} obligations, hash {rules.hash}")


@app.command("diff")
def diff(one: RuleFile, other: RuleFile) -> None:
    """Print what would change, for which duty, if ONE gave way to OTHER; a case keeps what it pinned until a person moves it."""
    found = differences(_parsed(one), _parsed(other))
    for change in found:
        print(_change(change))
    print(f"{len(found)} changes" if found else "no change: both say the same")


@app.command("explain")
def explain(  # an option each: this is what can be asked
    *,
    age: Annotated[int, typer.Option(help="Years; an estimate will do.")],
    region: Annotated[str, typer.Option(help="6, 9 or 12 digits.")],
    situation: Annotated[list[str] | None, typer.Option(help="L1a ... M9; may be given several times.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="K1 ... K6; may be given several times.")] = None,
    sex: Annotated[str | None, typer.Option(help="male or female; left out: not known.")] = None,
    reporter: Annotated[str | None, typer.Option(help="school, kindergarten, hospital ...; left out: other.")] = None,
    at: Annotated[str | None, typer.Option(help="When the report was received (RFC 3339); left out: now.")] = None,
    directory: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Agencies; left out: those last started here.")
    ] = None,
    file: OtherRuleFile = None,
    as_data: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say who would owe what by when, and on what basis. Exit 2, with the reason, where no case would open."""
    try:
        when = moment(at)
        rules = _parsed(file) if file else _in_force(when.astimezone(SHANGHAI).date())
        found = answer(Question(tuple(situation or ()), tuple(group or ()), age, sex, reporter, region, when), rules, directory)
    except UnfitQuestionError as reason:
        print(f"heli rules explain: {reason}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(as_json(found)) if as_data else show(found)
    warn(found.warnings)


def _in_force(day: date) -> RuleSet:
    """The newest shipped set in force that day; where none is, the newest, said aloud."""
    shipped = [_parsed(file) for file in sorted(_SHIPPED.glob("*.yaml"))]
    found = next((rules for rules in reversed(shipped) if rules.valid_on(day)), None)
    if found is None:
        print(f"WARNING no rule set was in force on {day}: explained by {shipped[-1].version}.", file=sys.stderr)
    return found or shipped[-1]


def _change(change: Change) -> str:
    sides = [change.before, change.after]
    if change.before is None and isinstance(change.after, dict):
        return f"{change.duty}: {change.what} is new: {_brief(change.after)}"
    if change.after is None and isinstance(change.before, dict):
        return f"{change.duty}: {change.what} is gone: {_brief(change.before)}"
    return f"{change.duty}: {change.what}: {' -> '.join(_brief(side) for side in sides)}"


def _brief(value: Any) -> str:
    """A value on one line, without the columns that say nothing."""
    if isinstance(value, dict):
        value = {name: part for name, part in value.items() if part not in (None, [], {}, "")}
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parsed(file: Path) -> RuleSet:
    try:
        return RuleSet.parse(file.read_bytes())
    except RuleSetError as found:
        for error in found.errors:
            print(f"{error.row}: {error.problem}", file=sys.stderr)
        raise typer.Exit(1) from None


def _duties_by_code(rules: RuleSet) -> Table:
    rows = table(rules)
    departments = list(rows[0].cells)
    shown = Table("code", Column("situation or group", overflow="fold"), *departments)
    for row in rows:
        shown.add_row(row.code, escape(row.title), *(escape("\n".join(row.cells[department]) or "-") for department in departments))
    return shown


def _meanings(rules: RuleSet) -> Table:
    shown = Table("duty", "department", "meaning", "basis", "sources", "leg")
    for kind in rules.duties:
        issued = "issued" if kind.issue else "not issued"
        shown.add_row(kind.duty, kind.department, escape(kind.title), kind.basis, escape(", ".join(kind.sources)), issued)
    return shown
