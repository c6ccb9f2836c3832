"""Which due times rest on a year whose calendar is not published yet, and what are they once it is?"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from services.referral.domain.leg import PAUSED, Leg
from shared.calendar import Calendar, Period

SURE = b"[]"
NO_TIME = timedelta(0)
UNPUBLISHED = "calendar-year-unpublished:"


class Doubt(msgspec.Struct, frozen=True):
    """A clock whose end was counted through such years, and what it was counted from."""

    clock: str
    start: datetime
    period: Period
    years: tuple[int, ...]


_doubts = msgspec.json.Decoder(tuple[Doubt, ...])


def doubts_of(leg: Leg) -> tuple[Doubt, ...]:
    return _doubts.decode(leg.doubts) if leg.doubts != SURE else ()


def kept(doubts: Iterable[Doubt]) -> bytes:
    return msgspec.json.encode(tuple(doubts))


def without(leg: Leg, clocks: Container[str]) -> bytes:
    """The doubts of a leg but for these clocks."""
    return kept(doubt for doubt in doubts_of(leg) if doubt.clock not in clocks) if leg.doubts != SURE else SURE


def scheduled(leg: Leg, calendar: Calendar, clocks: Mapping[str, tuple[datetime, Period | None]], *, never_later: bool = False) -> Leg:
    """The leg with these clocks counted from these moments and over its pauses, and with what makes each end doubtful. `never_later`: than it was."""
    doubts = {doubt.clock: doubt for doubt in doubts_of(leg)}
    dues: dict[str, datetime | None] = {}
    for name, (start, period) in clocks.items():
        before: datetime | None = getattr(leg, f"{name}_due")
        found = calendar.due(start, period) if period is not None else None
        due = found.at + (leg.held_since(start) if name in PAUSED else NO_TIME) if found is not None else None
        if never_later and before is not None and (due is None or due >= before):
            continue
        dues[f"{name}_due"] = due
        doubts.pop(name, None)
        if found is not None and period is not None and found.warnings:
            years = tuple(int(warning.removeprefix(UNPUBLISHED)) for warning in found.warnings)
            doubts[name] = Doubt(name, start, period, years)
    return msgspec.structs.replace(leg, **dues, doubts=kept(doubts.values()) if doubts else SURE)


def cleared(leg: Leg, calendar: Calendar) -> Leg:
    """The leg with every clock counted again whose years are published now; what was met or missed meanwhile stays as it was."""
    if leg.doubts == SURE or not leg.open:
        return leg
    doubts = doubts_of(leg)
    known = [doubt for doubt in doubts if calendar.years.issuperset(doubt.years)]
    if not known:
        return leg
    left = msgspec.structs.replace(leg, doubts=kept(doubt for doubt in doubts if doubt not in known))
    runs = [doubt for doubt in known if not leg.met(doubt.clock) and doubt.clock not in leg.missed.split()]
    return scheduled(left, calendar, {doubt.clock: (doubt.start, doubt.period) for doubt in runs})
