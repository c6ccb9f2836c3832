"""When does silence ring next, and whom? The ladder of one leg: rungs with their repeats, as the rules fixed them."""

from datetime import datetime, time, timedelta

import msgspec

from shared.calendar import Period


class RungOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is told, and how many seconds after the first missed clock; told again every so many seconds, so many times at most."""

    who: str
    after: float
    every: float = 0.0
    times: int = 0


class Hours(msgspec.Struct, frozen=True):
    """When an office is open on a working day (Asia/Shanghai)."""

    opens: time
    closes: time


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rules fixed when the leg was issued and a later tick needs: the period `done`, the ladder and its gap in seconds.

    `day_clocks` end with a day; of them alone nobody is told outside `hours`. A red leg has none.
    """

    done: Period | None
    rungs: tuple[RungOf, ...]
    gap: float
    day_clocks: tuple[str, ...] = ()
    hours: Hours | None = None


class Acknowledged(msgspec.Struct, frozen=True):
    """A person of the agency that a rung told has taken note: who and when."""

    rung: int
    by: str
    at: datetime


class Climb(msgspec.Struct, frozen=True):
    """How far a ladder has come: `rung` fired so far, the last of them at `rung_at` and told again `repeats` times, last at `rang_at`."""

    since: datetime
    rung: int
    rung_at: datetime | None
    repeats: int
    rang_at: datetime | None
    acknowledged: bool
    not_before: datetime | None


def next_rung(terms: Terms, climb: Climb) -> datetime | None:
    """Never closer to the rung below than the gap, however late the sweep is; what was acknowledged or repeated does not move it."""
    if climb.rung >= len(terms.rungs):
        return None
    planned = climb.since + timedelta(seconds=terms.rungs[climb.rung].after)
    if climb.rung_at is not None:
        planned = max(planned, climb.rung_at + timedelta(seconds=terms.gap))
    return _opened(planned, climb)


def next_repeat(terms: Terms, climb: Climb) -> datetime | None:
    """The last rung that fired, again: until a person acknowledges it, its limit is reached, or the next rung is so near that it speaks instead."""
    if climb.rung == 0 or climb.acknowledged or climb.rang_at is None:
        return None
    fired = terms.rungs[min(climb.rung, len(terms.rungs)) - 1]
    if climb.repeats >= fired.times:
        return None
    at = _opened(climb.rang_at + timedelta(seconds=max(fired.every, terms.gap)), climb)
    after = next_rung(terms, climb)
    return at if after is None or at + timedelta(seconds=terms.gap) <= after else None


def _opened(at: datetime, climb: Climb) -> datetime:
    return at if climb.not_before is None else max(at, climb.not_before)
