"""What waits because it could not be applied, and how does it go on once the cause is gone? Asks all four services."""

import asyncio
import json
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from deploy.asking import INCOMPLETE, UNKNOWN, NotThere, Operator, Silent, asked, connected
from deploy.journey_words import when
from deploy.local.state import SERVICES

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="What waits, and letting it go on.")
MOST = 500
REASONS = ("duplicate", "obsolete", "test", "not_ours", "handled_by_hand")
COLUMNS = ("service", "seq", "stream", "topic", "reason", "error", "at")
OUTCOME = frozenset({"released", "parked", "stopped_by"})
Rows = list[dict[str, Any]]


@app.command("list")
def show(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what is parked, service by service, oldest first. Exit code 4 when a service did not answer."""
    rows, missing = asked(_listed())
    if as_json:
        print(json.dumps({"parked": rows, "missing": missing}, ensure_ascii=False))
    else:
        _print(rows, missing)
    _told(missing)


def _print(rows: Rows, missing: dict[str, str]) -> None:
    if rows:
        rows = [{**row, "at": when(row["at"])} for row in rows]
        widths = {name: max(len(str(row[name])) for row in [*rows, dict.fromkeys(COLUMNS, name)]) for name in COLUMNS}
        for row in [{name: name for name in COLUMNS}, *rows]:
            print("  ".join(f"{row[name]:<{widths[name]}}" for name in COLUMNS).rstrip())
        print(f"{len(rows)} parked. When the cause is gone: heli parked release STREAM")
    elif not missing:
        print("Nothing is parked.")


@app.command()
def release(
    stream: Annotated[str, typer.Argument(help="As `heli parked list` shows it.")],
    *,
    service: Annotated[str | None, typer.Option(help=f"Only there. One of: {', '.join(SERVICES)}.")] = None,
) -> None:
    """Apply a parked stream again, in order. Exit code 1 when something of it stays parked."""
    if service is not None and service not in SERVICES:
        raise typer.BadParameter(f"{service} is none of: {', '.join(SERVICES)}", param_hint="--service")
    outcomes, missing = asked(_released(stream, [service] if service else list(SERVICES)))
    for name, outcome in outcomes.items():
        print(f"{name}: {_said(outcome)}")
    if not outcomes and not missing:
        print(f"Nothing is parked under {stream}.")
    _told(missing, stuck=any(outcome["parked"] for outcome in outcomes.values()))


Service = Annotated[str, typer.Argument(help=f"Where it lies: {', '.join(SERVICES)}.")]
Number = Annotated[int, typer.Argument(help="Its number, as `heli parked list` shows it.")]


@app.command("show")
def look(service: Service, number: Number) -> None:
    """Show one parked record, redacted: its place, its event headers, the names of its fields. No value of its body."""
    print(json.dumps(_one(service, number, "GET"), ensure_ascii=False, indent=1))


@app.command()
def discard(
    service: Service,
    number: Number,
    *,
    reason: Annotated[str, typer.Option(help=f"Why it may go: {', '.join(REASONS)}.")],
) -> None:
    """Throw one parked message away, as an audited event. What waits behind it needs a release."""
    if reason not in REASONS:
        raise typer.BadParameter(f"{reason} is none of: {', '.join(REASONS)}", param_hint="--reason")
    gone = _one(service, number, "POST", "/discard", {"reason": reason})
    print(f"{service}: {number} is discarded. What waits behind it: heli parked release {gone['stream']}")


def _one(service: str, number: int, method: str, more: str = "", body: dict[str, Any] | None = None) -> dict[str, Any]:
    if service not in SERVICES:
        raise typer.BadParameter(f"{service} is none of: {', '.join(SERVICES)}", param_hint="SERVICE")
    try:
        found: dict[str, Any] = asked(_asked(f"/{service}/operator/parked/{number}{more}", method, body))
    except NotThere:
        print(f"{service} has nothing parked under {number}: see heli parked list", file=sys.stderr)
        raise typer.Exit(UNKNOWN) from None
    except Silent as how:
        print(f"{service} {how}. Repair: heli status", file=sys.stderr)
        raise typer.Exit(INCOMPLETE) from None
    return found


async def _asked(path: str, method: str, body: dict[str, Any] | None) -> dict[str, Any]:
    async with connected() as http:
        return await Operator(http).ask(path, method, body)


def _said(outcome: dict[str, Any]) -> str:
    if not outcome["parked"]:
        return f"{outcome['released']} released, nothing of it is parked any more."
    why = f"the first is refused again: {outcome['stopped_by']}" if outcome["stopped_by"] else "more came meanwhile: release once more"
    return f"{outcome['released']} released, {outcome['parked']} still parked; {why}."


def _told(missing: dict[str, str], *, stuck: bool = False) -> None:
    for name, how in missing.items():
        print(f"{name}: {how}. Repair: heli status", file=sys.stderr)
    if stuck or missing:
        raise typer.Exit(1 if stuck else INCOMPLETE)


async def _listed() -> tuple[Rows, dict[str, str]]:
    found, missing = await _each(list(SERVICES), f"operator/parked?limit={MOST}")
    return [{"service": name, **row} for name, answer in found.items() for row in answer["parked"]], missing


async def _released(stream: str, services: list[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """A service takes some at a time: it is asked again as long as there is less each time."""
    outcomes: dict[str, dict[str, Any]] = {}
    silent: dict[str, str] = {}
    while services:
        found, missing = await _each(services, f"operator/parked/{quote(stream, safe='')}/release", "POST")
        silent |= missing
        strange = {name for name, outcome in found.items() if not outcome.keys() >= OUTCOME}
        silent |= dict.fromkeys(strange, "answers something else than how many it released and how many wait")
        services = []
        for name, outcome in ((name, outcome) for name, outcome in found.items() if name not in strange):
            before = outcomes.get(name, {"released": 0, "parked": float("inf")})
            if outcome["released"] and 0 < outcome["parked"] < before["parked"] and not outcome["stopped_by"]:
                services.append(name)
            outcomes[name] = {**outcome, "released": before["released"] + outcome["released"]}
    return outcomes, silent


async def _each(services: list[str], path: str, method: str = "GET") -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What each service answers, without those that know nothing of it; and how the others failed to answer."""
    async with connected() as http:
        answers = await asyncio.gather(*(Operator(http).ask(f"/{name}/{path}", method) for name in services), return_exceptions=True)
    found, missing = {}, {}
    for name, answer in zip(services, answers, strict=True):
        if isinstance(answer, Silent):
            missing[name] = str(answer)
        elif isinstance(answer, dict):
            found[name] = answer
        elif not isinstance(answer, NotThere):
            raise answer
    return found, missing
