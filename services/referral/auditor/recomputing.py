"""What of one leg should have fired by now? Computed from its stored columns alone; what the ladder's own code says is not asked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

CLOCKS = ("delivered", "seen", "accepted", "active", "done")


class Unfired(NamedTuple):
    """One ring of one leg that is due. `what`: `clock seen`, `rung 2`, `repeat 2/1` (the rung and which repeat of it), `press 1`."""

    leg: UUID
    what: str
    due: datetime


def unfired(leg: Mapping[str, Any], now: datetime) -> list[Unfired]:
    """Everything of an open leg that is due at `now` and not recorded as done, oldest first."""
    found = [*_clocks(leg), *_rings(leg), *_press(leg), *_resuming(leg)]
    return sorted((one for one in found if one.due <= now), key=lambda one: one.due)


def _clocks(leg: Mapping[str, Any]) -> list[Unfired]:
    """A clock runs out once; nobody ends the last one but with the leg."""
    recorded = leg["missed"].split()
    return [
        Unfired(leg["id"], f"clock {clock}", leg[f"{clock}_due"])
        for clock in CLOCKS
        if leg[f"{clock}_due"] is not None and clock not in recorded and not _met(leg, clock)
    ]


def _resuming(leg: Mapping[str, Any]) -> list[Unfired]:
    """A held leg goes on when its time is over."""
    return [Unfired(leg["id"], "resume", leg["held_until"])] if leg["held_until"] is not None else []


def _rings(leg: Mapping[str, Any]) -> list[Unfired]:
    """The next rung and the next repeat of the last one. The ladder rests while every clock that ran out has been met since."""
    still = ("active", "done") if leg["held_until"] is not None else ()
    silent = [clock for clock in leg["missed"].split() if not _met(leg, clock) and clock not in still]
    if not silent or leg["ladder_from"] is None:
        return []
    terms = _terms(leg["terms"])
    gap = timedelta(seconds=terms["gap"])
    rung = _next_rung(leg, terms["rungs"], gap)
    repeat = _next_repeat(leg, terms["rungs"], gap, rung)
    opens = leg["quiet_until"] if _may_wait(terms, silent) else None
    planned = ((f"rung {leg['rung']}", rung), (f"repeat {leg['rung'] - 1}/{leg['repeats'] + 1}", repeat))
    return [Unfired(leg["id"], what, max(at, opens) if opens else at) for what, at in planned if at is not None]


def _press(leg: Mapping[str, Any]) -> list[Unfired]:
    """A press that is open rings once at its date, unless an answer was noted on it."""
    if leg["pressed_by"] is None:
        return []
    return [
        Unfired(leg["id"], f"press {press['number']}", datetime.fromisoformat(press["due"]))
        for press in msgspec.json.decode(leg["presses"])
        if not {"answered_at", "missed_at", "closed_at"} & {name for name, value in press.items() if value is not None}
    ]


def _next_rung(leg: Mapping[str, Any], rungs: list[dict[str, Any]], gap: timedelta) -> datetime | None:
    if leg["rung"] >= len(rungs):
        return None
    planned: datetime = leg["ladder_from"] + timedelta(seconds=rungs[leg["rung"]]["after"])
    return max(planned, leg["rung_at"] + gap) if leg["rung_at"] is not None else planned


def _next_repeat(leg: Mapping[str, Any], rungs: list[dict[str, Any]], gap: timedelta, after: datetime | None) -> datetime | None:
    """Not when a person has taken note, the limit is reached, or the next rung comes within the gap behind it."""
    last = leg["rung"] - 1
    if last < 0 or leg["rang_at"] is None or any(ack["rung"] == last for ack in msgspec.json.decode(leg["acks"])):
        return None
    fired = rungs[min(last, len(rungs) - 1)]
    if leg["repeats"] >= fired.get("times", 0):
        return None
    at: datetime = leg["rang_at"] + max(timedelta(seconds=fired.get("every", 0)), gap)
    return at if after is None or at + gap <= after else None


def _may_wait(terms: dict[str, Any], silent: list[str]) -> bool:
    """Only for an office that has hours, and only when every silent clock ended with a day."""
    return terms.get("hours") is not None and {*silent} <= {*terms.get("day_clocks", ())}


def _met(leg: Mapping[str, Any], clock: str) -> bool:
    return clock != "done" and leg[f"{clock}_at"] is not None


@lru_cache(maxsize=1024)
def _terms(data: bytes) -> dict[str, Any]:
    """The stored terms as plain JSON."""
    terms: dict[str, Any] = msgspec.json.decode(data)
    return terms
