"""What do the rules say, and is a rule file fit for use?

The commands `heli rules ...`; no service needs to run.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.referral.domain.rules import RuleSet, RuleSetError, table

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
    print(f"ok: version {rules.version}, {len(rules.rows)} rows, hash {rules.hash}")


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
    shown = Table("duty", "department", "meaning", "basis", "sources")
    for kind in rules.duties:
        shown.add_row(kind.duty, kind.department, escape(kind.title), kind.basis, escape(", ".join(kind.sources)))
    return shown
