"""Does every period end at the moment the law says, also across the Spring Festival and into an unknown year?"""

from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import SHANGHAI, Calendar, Due, Period, Unit, shipped
from shared.regions import Regions

CN = Calendar.national()
UNITS: list[Unit] = ["seconds", "minutes", "hours", "days", "working_days", "months"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def due(start: str, limit: int, unit: Unit) -> str:
    found = CN.due(at(start), Period(limit, unit))
    assert found.warnings == ()
    assert found.at.tzinfo is UTC
    return found.at.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(
    ("start", "limit", "unit", "end"),
    [
        ("2026-02-14T23:59:30", 45, "seconds", "2026-02-15T00:00:15"),
        ("2026-02-14T23:50", 30, "minutes", "2026-02-15T00:20:00"),
        ("2026-02-14T18:00", 24, "hours", "2026-02-15T18:00:00"),
        ("2026-02-16T03:00", 72, "hours", "2026-02-19T03:00:00"),
        ("2026-02-16T03:00", 0, "hours", "2026-02-16T03:00:00"),
    ],
)
def test_hours_and_less_run_through_nights_and_holidays(start: str, limit: int, unit: Unit, end: str) -> None:
    assert due(start, limit, unit) == end


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        ("2026-03-02T00:00", 3, "2026-03-06T00:00:00"),
        ("2026-03-02T23:59:59", 3, "2026-03-06T00:00:00"),
        ("2026-03-03T00:00", 3, "2026-03-07T00:00:00"),
        ("2026-03-04T10:00", 3, "2026-03-10T00:00:00"),
        ("2026-02-10T10:00", 3, "2026-02-14T00:00:00"),
        ("2026-02-11T10:00", 3, "2026-02-15T00:00:00"),
        ("2026-02-12T10:00", 3, "2026-02-25T00:00:00"),
        ("2026-02-20T10:00", 3, "2026-02-25T00:00:00"),
        ("2026-02-21T10:00", 3, "2026-02-25T00:00:00"),
        ("2026-02-22T10:00", 3, "2026-02-26T00:00:00"),
        ("2026-02-25T10:00", 3, "2026-03-01T00:00:00"),
        ("2026-02-26T10:00", 3, "2026-03-03T00:00:00"),
        ("2026-03-02T10:00", 0, "2026-03-03T00:00:00"),
        ("2026-03-01T10:00", 0, "2026-03-03T00:00:00"),
    ],
)
def test_days_end_at_midnight_and_roll_over_a_last_day_off(start: str, limit: int, end: str) -> None:
    assert due(start, limit, "days") == end


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        ("2026-02-13T10:00", 1, "2026-02-15T00:00:00"),
        ("2026-02-14T10:00", 1, "2026-02-25T00:00:00"),
        ("2026-02-13T10:00", 5, "2026-02-28T00:00:00"),
        ("2026-02-13T10:00", 6, "2026-03-01T00:00:00"),
        ("2026-02-13T10:00", 7, "2026-03-03T00:00:00"),
        ("2026-02-18T10:00", 1, "2026-02-25T00:00:00"),
        ("2026-09-17T10:00", 2, "2026-09-21T00:00:00"),
        ("2026-09-30T10:00", 3, "2026-10-11T00:00:00"),
        ("2026-11-02T10:00", 15, "2026-11-24T00:00:00"),
        ("2026-02-15T10:00", 0, "2026-02-25T00:00:00"),
    ],
)
def test_working_days_follow_the_made_up_weekends(start: str, limit: int, end: str) -> None:
    assert due(start, limit, "working_days") == end


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        ("2026-05-12T10:00", 1, "2026-06-13T00:00:00"),
        ("2026-05-31T10:00", 1, "2026-07-01T00:00:00"),
        ("2026-01-31T10:00", 1, "2026-03-01T00:00:00"),
        ("2024-01-31T10:00", 1, "2024-03-01T00:00:00"),
        ("2026-01-15T10:00", 1, "2026-02-25T00:00:00"),
        ("2025-12-24T10:00", 6, "2026-06-25T00:00:00"),
        ("2024-02-29T10:00", 24, "2026-03-01T00:00:00"),
        ("2026-03-31T10:00", 0, "2026-04-01T00:00:00"),
    ],
)
def test_months_end_on_the_same_date_or_the_months_end_then_roll(start: str, limit: int, end: str) -> None:
    assert due(start, limit, "months") == end


def test_the_day_of_the_event_is_the_day_in_china() -> None:
    before, after = datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC), datetime(2026, 3, 2, 16, tzinfo=UTC)
    ends = [CN.due(start, Period(1, "days")).at for start in (before, after)]
    assert ends == [datetime(2026, 3, 3, 16, tzinfo=UTC), datetime(2026, 3, 4, 16, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("start", "limit", "unit", "years"),
    [
        ("2026-12-31T10:00", 24, "hours", []),
        ("2026-12-30T10:00", 1, "days", []),
        ("2026-12-31T10:00", 1, "days", [2027]),
        ("2026-12-30T10:00", 1, "working_days", []),
        ("2026-12-30T10:00", 2, "working_days", [2027]),
        ("2026-12-31T10:00", 12, "months", [2027]),
        ("2023-12-29T10:00", 1, "working_days", [2023]),
        ("2026-12-30T10:00", 300, "working_days", [2027, 2028]),
    ],
)
def test_a_day_of_an_unpublished_year_is_a_warning(start: str, limit: int, unit: Unit, years: list[int]) -> None:
    assert CN.due(at(start), Period(limit, unit)).warnings == tuple(f"calendar-year-unpublished:{year}" for year in years)


def test_an_unpublished_year_is_plain_monday_to_friday() -> None:
    assert CN.due(at("2026-12-31T10:00"), Period(1, "working_days")).at.astimezone(SHANGHAI).date() == date(2027, 1, 2)


def test_a_start_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        CN.due(datetime(2026, 3, 2), Period(1, "days"))  # noqa: DTZ001 - this is the fault


def test_2026_has_248_working_days_and_each_published_weekend_day_is_one() -> None:
    assert sum(CN.is_working_day(date(2026, 1, 1) + timedelta(days=day)) for day in range(365)) == 248
    assert CN.years == {2024, 2025, 2026}
    assert all(day.weekday() >= 5 and CN.is_working_day(day) for day in CN.working)


def test_the_hash_is_that_of_the_source() -> None:
    one, other = (Calendar.parse(b"years: {}" + tail) for tail in (b"", b"\n"))
    assert one.hash != other.hash
    assert len(one.hash) == 64


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"years: {2026: {holidays: [], working: [], more: 1}}",
        b"years: {2026: {holidays: [[2027-01-01, 2027-01-01]], working: []}}",
        b"years: {2026: {holidays: [[2026-01-03, 2026-01-01]], working: []}}",
        b"years: {2026: {holidays: [], working: [2025-01-04]}}",
        b"years: {2026: {holidays: [[2026-01-01, 2026-01-04]], working: [2026-01-04]}}",
        b"",
        b"years: {}\n---\nyears: {}",
        b"years: {}\n---\nregion: '2399'\ntitle: x\nyears: {}",
        b"years: {}\n---\nregion: '239900000000'\ntitle: x\nyears: {2026: {holidays: [[2027-01-01, 2027-01-01]], working: []}}",
        b"years: {}\n---\nregion: '239900000000'\ntitle: x\nyears: {}\n---\nregion: '239900000000'\ntitle: x\nyears: {}",
    ],
)
def test_a_wrong_calendar_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"calendar-|Expected|unknown field|missing required field"):
        Calendar.parse(data)


SHIPPED = Calendar.parse(shipped())
COUNTRY = b"years: {2026: {holidays: [[2026-01-01, 2026-01-03]], working: [2026-01-04]}}"
CITY = b"region: '239900000000'\ntitle: x\nyears: {2026: {holidays: [[2026-01-04, 2026-01-06]], working: [2026-01-02]}}"
COUNTY = b"region: '239901000000'\ntitle: x\nyears: {2026: {holidays: [], working: [2026-01-05]}}"


def test_the_nearest_area_decides_and_the_country_about_the_rest() -> None:
    whole = Calendar.parse(b"\n---\n".join((COUNTRY, CITY, COUNTY)))
    days = [date(2026, 1, day) for day in range(1, 7)]
    for keys, working in (((), [4, 5, 6]), (("239900000000",), [2]), (("239901000000", "239900000000"), [2, 5])):
        assert [day.day for day in days if whole.local(keys).is_working_day(day)] == working
        assert whole.local(keys).hash == whole.hash


def test_the_shipped_calendar_is_the_countrys_but_in_areas_with_a_file_of_their_own() -> None:
    assert (SHIPPED.off, SHIPPED.working, SHIPPED.years) == (CN.off, CN.working, CN.years)
    assert set(SHIPPED.areas) == {"239903000000"}
    assert all(Regions.load().find(key) for key in SHIPPED.areas)


@pytest.mark.parametrize("year", sorted(CN.years))
def test_two_packages_that_others_keep_say_the_same_of_every_day(year: int) -> None:
    off, made_up = holidays.country_holidays("CN", years=year), set(CN.working)
    for number in range(366 if year % 4 == 0 else 365):
        day = date(year, 1, 1) + timedelta(days=number)
        assert CN.is_working_day(day) == chinese_calendar.is_workday(day), day
        # The package knows days off and not the weekend days that are worked for them.
        assert CN.is_working_day(day) == (day in made_up or (day.weekday() < 5 and day not in off)), day


moments = st.datetimes(datetime(2023, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract


@given(moments, st.integers(0, 400), st.sampled_from(UNITS))
def test_a_period_never_ends_before_it_starts(start: datetime, limit: int, unit: Unit) -> None:
    found = CN.due(start, Period(limit, unit))
    assert found.at >= start
    assert found == CN.due(start.astimezone(SHANGHAI), Period(limit, unit))


@given(moments, st.integers(0, 400), st.sampled_from(UNITS))
def test_a_longer_period_never_ends_earlier(start: datetime, limit: int, unit: Unit) -> None:
    assert CN.due(start, Period(limit, unit)).at <= CN.due(start, Period(limit + 1, unit)).at


@given(moments, st.integers(0, 400), st.sampled_from(["days", "working_days", "months"]))
def test_the_last_day_is_a_working_day_that_ends_at_midnight(start: datetime, limit: int, unit: Unit) -> None:
    end: Due = CN.due(start, Period(limit, unit))
    local = end.at.astimezone(SHANGHAI)
    assert (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
    assert CN.is_working_day(local.date() - timedelta(days=1))
