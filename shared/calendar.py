"""When does a period end that began at this moment?

Counting follows 民法典 art. 200-204 (`domain.md` a9). Seconds, minutes and hours run from the moment set, through nights and
holidays. Days and longer are counted in Asia/Shanghai: the day of the event is not counted, the period ends at 24:00 of its
last day, written as 00:00 of the next, and a last day off moves to the first working day after it.

A calendar is a stream of YAML documents: first the country, then one document for each area that differs (national days of
minority areas, 全国年节及纪念日放假办法 art. 4). One stream has one hash, so a case that pins it pins the days of its area too.
"""

import hashlib
from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import yaml

Unit = Literal["seconds", "minutes", "hours", "days", "working_days", "months"]

# One zone for the country and no daylight saving: a fixed offset does not depend on the machine's zone data.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
_SATURDAY = 5
_DAY = timedelta(days=1)
_FOLDER = Path(__file__).parent / "calendars"
NATIONAL = _FOLDER / "cn.yaml"
_BETWEEN = b"\n---\n"


class Period(msgspec.Struct, frozen=True):
    """A length of time as a rule states it. `limit` counts units; 0 means at once (days: on the day itself)."""

    limit: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    unit: Unit


class Due(msgspec.Struct, frozen=True):
    """The end of a period, in UTC, and what makes it doubtful.

    A warning `calendar-year-unpublished:2027` says that a day of that year was judged as plain Monday to Friday because its
    holidays are not known yet: compute it again when they are.
    """

    at: datetime
    warnings: tuple[str, ...] = ()


class _Year(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    holidays: tuple[tuple[date, date], ...]
    working: tuple[date, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    years: dict[int, _Year]


class _Local(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    region: Annotated[str, msgspec.Meta(pattern=r"^(nbs:)?\d{12}$")]
    title: str
    years: dict[int, _Year]


class Area(msgspec.Struct, frozen=True):
    """The days on which an area differs from the country: it decides about them, whatever the country says."""

    off: frozenset[date]
    working: frozenset[date]


class Calendar(msgspec.Struct, frozen=True):
    """Published years, their days off and their made-up working weekend days. `hash` is the SHA-256 (hex) of its source.

    `areas`, by key of the region: the days on which offices there do otherwise. See `local`.
    """

    hash: str
    years: frozenset[int]
    off: frozenset[date]
    working: frozenset[date]
    areas: Mapping[str, Area] = {}

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a calendar (YAML as `calendars/cn.yaml`, areas in documents of their own behind it).

        Raises ValueError when it is not such a file, or a day stands under another year, or is both off and working, or an
        area stands twice.
        """
        try:
            first, *others = yaml.safe_load_all(data)
        except (yaml.YAMLError, ValueError) as error:  # ValueError: no document, or a date that does not exist
            raise ValueError("calendar-unreadable") from error
        years = msgspec.convert(first, _File, strict=False).years
        found = [msgspec.convert(other, _Local, strict=False) for other in others]
        areas = {local.region: Area(*_days(local.years)) for local in found}
        if len(areas) < len(found):
            raise ValueError("calendar-area-twice")
        return cls(hashlib.sha256(data).hexdigest(), frozenset(years), *_days(years), areas)

    @classmethod
    def national(cls) -> Self:
        """Read the country's calendar shipped with the package."""
        return cls.parse(NATIONAL.read_bytes())

    def local(self, regions: Iterable[str]) -> Self:
        """Return the calendar of a place: `regions` are its key and those above it; the nearest area decides about its days."""
        found = self
        for area in [self.areas[key] for key in regions if key in self.areas][::-1]:
            off, working = (found.off - area.working) | area.off, (found.working - area.off) | area.working
            found = msgspec.structs.replace(found, off=off, working=working)
        return found

    def is_working_day(self, day: date) -> bool:
        """Say whether offices work; plain Monday to Friday in a year that is not published."""
        return _works(self.off, self.working, day)

    def due(self, start: datetime, period: Period) -> Due:
        """Return the end of a period, never before `start`. Raises ValueError for a start without zone."""
        if start.tzinfo is None:
            raise ValueError("a period starts at a moment, which needs a zone")
        if period.unit in ("seconds", "minutes", "hours"):
            return Due(start.astimezone(UTC) + _length(period))
        event = start.astimezone(SHANGHAI).date()
        if period.unit == "working_days":
            return self._end(event + _DAY, period.limit) if period.limit else self._end(event, 1)
        return self._end(event + period.limit * _DAY if period.unit == "days" else _months_later(event, period.limit), 1)

    def opening(self, at: datetime, opens: time, closes: time) -> datetime:
        """Return the first moment from `at` on (UTC) at which an office with these hours is open."""
        day = at.astimezone(SHANGHAI).date()
        while not (self.is_working_day(day) and at < datetime.combine(day, closes, SHANGHAI)):
            day += _DAY
        return max(at, datetime.combine(day, opens, SHANGHAI).astimezone(UTC))

    def _end(self, day: date, count: int) -> Due:
        """Return 24:00 of working day number `count`, where `day` itself can be number 1."""
        return _counted(self.years, self.off, self.working, day, count)


def _works(off: frozenset[date], working: frozenset[date], day: date) -> bool:
    return day in working or (day.weekday() < _SATURDAY and day not in off)


@lru_cache(maxsize=4096)
def _counted(years: frozenset[int], off: frozenset[date], working: frozenset[date], day: date, count: int) -> Due:
    """Counted once for all that begins on the same day; a set keeps its hash, so the question costs nothing."""
    judged = {day.year}
    while (count := count - _works(off, working, day)) > 0:
        day += _DAY
        judged.add(day.year)
    at = datetime.combine(day + _DAY, time(), SHANGHAI).astimezone(UTC)
    return Due(at, tuple(f"calendar-year-unpublished:{year}" for year in sorted(judged - years)))


@lru_cache(maxsize=1024)
def _length(period: Period) -> timedelta:
    return timedelta(**{period.unit: period.limit})


def shipped() -> bytes:
    """Return the calendar shipped with the package: the country, and every area that has a file of its own beside it."""
    areas = sorted(file for file in _FOLDER.glob("*.yaml") if file != NATIONAL)
    return _BETWEEN.join(file.read_bytes() for file in (NATIONAL, *areas))


def _months_later(day: date, months: int) -> date:
    """Return the same day of the month, or that month's last day where it is shorter (art. 202)."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _days(years: Mapping[int, _Year]) -> tuple[frozenset[date], frozenset[date]]:
    off: set[date] = set()
    working: set[date] = set()
    for number, year in years.items():
        spans = [*year.holidays, *((day, day) for day in year.working)]
        if any(first > last or {first.year, last.year} != {number} for first, last in spans):
            raise ValueError(f"calendar-day-outside-year:{number}")
        off.update(first + place * _DAY for first, last in year.holidays for place in range((last - first).days + 1))
        working.update(year.working)
    if off & working:
        raise ValueError("calendar-day-off-and-working")
    return frozenset(off), frozenset(working)
