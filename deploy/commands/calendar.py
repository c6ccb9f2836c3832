"""When does a period end, by the counting of the law and the days of the place?

The commands `heli calendar ...`; no service needs to run.
"""

import json
import sys
from typing import Annotated

import typer

from deploy.explaining import UnfitQuestionError, moment, warn
from services.referral.domain.agency import keys_up
from shared.calendar import SHANGHAI, Calendar, Due, Period, Unit, shipped
from shared.regions import Regions

app = typer.Typer(help="Working days, make-up days, and the end of periods.", no_args_is_help=True)
_LONGEST = 100_000


@app.callback()
def calendar() -> None:
    """Keep `due` a subcommand although it is the only one."""


@app.command("due")
def due(
    *,
    start: Annotated[str, typer.Option("--from", help="When the period starts (RFC 3339).")],
    hours: Annotated[int | None, typer.Option(help="Run through nights and holidays.")] = None,
    days: Annotated[int | None, typer.Option(help="Calendar days; a last day off moves to the next working day.")] = None,
    working_days: Annotated[int | None, typer.Option(help="Days on which offices work, with made-up weekends.")] = None,
    months: Annotated[int | None, typer.Option(help="The same date, or that month's last day.")] = None,
    region: Annotated[str | None, typer.Option(help="6, 9 or 12 digits: an area may have days of its own.")] = None,
    as_data: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the end of a period. One that ends with a day ends at its 24:00, written as 00:00 of the next."""
    given: dict[Unit, int | None] = {"hours": hours, "days": days, "working_days": working_days, "months": months}
    periods = [(unit, limit) for unit, limit in given.items() if limit is not None]
    whole = Calendar.parse(shipped())
    try:
        found = _due(start, periods, region, whole)
    except UnfitQuestionError as reason:
        print(f"heli calendar due: {reason}", file=sys.stderr)
        raise typer.Exit(2) from None
    end = found.at.astimezone(SHANGHAI).isoformat()
    if as_data:
        print(json.dumps({"due": end, "calendar": whole.hash, "warnings": list(found.warnings)}))
        return
    print(f"{end}   calendar {whole.hash}")
    warn(found.warnings)


def _due(start: str, periods: list[tuple[Unit, int]], region: str | None, whole: Calendar) -> Due:
    if len(periods) != 1:
        raise UnfitQuestionError("one of --hours, --days, --working-days and --months is needed")
    unit, limit = periods[0]
    if not 0 <= limit <= _LONGEST:
        raise UnfitQuestionError(f"a period has 0 to {_LONGEST} {unit}")
    regions = Regions.load() if region else None
    if regions is not None and regions.find(region or "") is None:
        raise UnfitQuestionError(f"unknown region {region}")
    place, began = whole.local(keys_up(regions, region or "")) if regions else whole, moment(start)
    try:
        return place.due(began, Period(limit, unit))
    except (OverflowError, ValueError) as beyond:
        raise UnfitQuestionError(f"the end lies beyond what a calendar can say: {beyond}") from beyond
