"""What does the joint-conference office see: what is overdue by agency, who answered late, who reported late?"""

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from deploy.asking import INCOMPLETE, UNANSWERABLE, NotThere, Operator, Refused, Silent, asked, connected

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Overdue, late answers, late reports.")
Region = Annotated[str | None, typer.Option(help="A division code of 6, 9 or 12 digits: that place and everything in it.")]
Since = Annotated[str | None, typer.Option(help="RFC 3339; the last 30 days unless said.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def overdue(*, region: Region = None, as_json: Json = False) -> None:
    """What is overdue now, by agency, the longest silent first. Exit code 2: token or question refused, 4: referral does not answer."""
    rows = _all("referral/joint/overdue", "agencies", region=region)
    _print(
        "agencies",
        rows,
        as_json,
        lambda row: f"{row['overdue']} since {row['since']}, rungs {_counts(row['rungs'])}, pressed {row['pressed']}",
    )


@app.command()
def answers(*, region: Region = None, since: Since = None, until: Since = None, as_json: Json = False) -> None:
    """Who answered late, by agency."""
    rows = _all("referral/joint/answers", "agencies", region=region, since=since, until=until)
    _print(
        "agencies",
        rows,
        as_json,
        lambda row: f"{row['late']} of {row['legs']} late, {row['silent']} silent, missed {_counts(row['missed'])}",
    )


@app.command()
def reporters(*, region: Region = None, since: Since = None, until: Since = None, as_json: Json = False) -> None:
    """Who reported late, by reporter unit."""
    rows = _all("intake/joint/reporters", "units", region=region, since=since, until=until)
    _print("units", rows, as_json, lambda row: f"{row['late']} of {row['reports']} late, half within {row['median_seconds'] / 3600:.1f} h")


@app.command()
def unreported(*, region: Region = None, as_json: Json = False) -> None:
    """Reports that a unit owed and another one made, as a joint-conference office has named them."""
    rows = _all("intake/joint/unreported", "reports", region=region)
    _print("reports", rows, as_json, lambda row: ", ".join(f"{one['unit']}: {one['reason']}" for one in row["unreported"]))


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in found.items()) or "-"


def _all(path: str, name: str, **narrowed: str | None) -> list[dict[str, Any]]:
    """Every page. Ends the command with 2 when the service does not take the question, with 4 when it does not answer as it should."""
    try:
        return asked(_rows(path, name, {key: value for key, value in narrowed.items() if value is not None}))
    except Refused as why:
        print(f"{path.split('/', maxsplit=1)[0]} {why}", file=sys.stderr)
        raise typer.Exit(UNANSWERABLE) from None
    except (Silent, NotThere) as how:
        print(f"{path.split('/', maxsplit=1)[0]} {how}. Repair: heli status", file=sys.stderr)
        raise typer.Exit(INCOMPLETE) from None


async def _rows(path: str, name: str, narrowed: dict[str, str]) -> list[dict[str, Any]]:
    async with connected() as http:
        return [row async for page in Operator(http).pages(path, narrowed) for row in page[name]]


def _print(name: str, rows: list[dict[str, Any]], as_json: bool, told: Callable[[dict[str, Any]], str]) -> None:  # noqa: FBT001 - inner
    if as_json:
        print(json.dumps({name: rows}, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row.get('agency') or row.get('party') or row['code']:<28} {told(row)}")
    if not rows:
        print("Nothing.")
