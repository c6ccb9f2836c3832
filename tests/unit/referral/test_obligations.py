"""Is every numbered rule of the law carried or named as left out, does each period end when it must, is nothing shown as law that is not?"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import chinese_calendar
import msgspec
import pytest

from services.referral.domain.obligations import LEG_EVENTS, Limited, Obligation, validity
from services.referral.domain.rule_rows import Facts
from services.referral.domain.rules import RuleSet, RuleSetError
from shared.calendar import SHANGHAI, Calendar, Period
from tests.unit.referral.acting import CALENDAR, NOW, TICK, a_leg

FILE = Path(__file__).parents[3] / "services" / "referral" / "rules" / "2026-11.yaml"
RULES = RuleSet.parse(FILE.read_bytes())
ROWS = {row.id: row for row in RULES.obligations}
NUMBERED = {"R": 15, "P": 18, "T": 17, "E": 13, "G": 9, "C": 13, "H": 6}
"""How many rows each table of the law facts has: R reporters, P police, T township ..., H household registration."""
DOUBTED = {
    "P04",
    "P09",
    "P10",
    "P13",
    "P14",
    "T06",
    "T07",
    "T09",
    "T10",
    "T11",
    "T12",
    "E13",
    "C06",
    "C07",
    "C09",
    "C10",
    "C11",
    "C12",
    "H04",
    "H05",
    "R05",
}
NOT_READ = {"R04", "C13", "H02", "H06"}
STARTS = ("2026-02-11T10:00", "2026-02-13T23:59:59", "2026-02-14T00:00", "2026-02-16T03:00", "2026-02-24T16:00", "2026-02-28T12:00")
"""Before, on the eve of, on the made-up Saturday before, within and after the Spring Festival, and on the Saturday made up after it."""
LAW_SHOWN = {
    "P04": (24, "hours"), "P05": (3, "days"), "P07": (30, "days"), "P09": (3, "days"), "P14": (5, "working_days"), "P18": (6, "months"),
    "T09": (12, "months"), "T11": (3, "days"), "T13": (15, "working_days"), "T14": (15, "working_days"), "T15": (3, "months"),
    "T16": (24, "months"), "T17": (1, "months"), "E13": (10, "working_days"), "C01": (72, "hours"), "C02": (6, "months"), "C03": (5, "days"),
    "C06": (48, "hours"), "C07": (6, "months"), "C09": (1, "months"), "C10": (3, "months"), "C11": (6, "months"), "C12": (12, "months"),
    "C13": (7, "days"), "H01": (1, "months"), "H06": (3, "working_days"),
}  # fmt: skip


def test_each_numbered_rule_stands_once_as_obligation_or_as_left_out_with_a_reason() -> None:
    expected = [f"{letter}{number:02}" for letter, count in NUMBERED.items() for number in range(1, count + 1)]
    found = Counter([*ROWS, *RULES.out_of_scope])
    assert found == Counter(expected)
    assert all(len(reason) > 10 for reason in RULES.out_of_scope.values())


def test_every_number_of_the_law_is_the_one_that_was_read_and_no_other_row_has_one() -> None:
    assert {row.id: (row.limit, row.unit) for row in ROWS.values() if row.limit} == LAW_SHOWN
    variants = {row.id: [(other.limit, other.unit) for other in row.variants] for row in ROWS.values() if row.variants}
    assert variants == {
        "P04": [(3, "days")],
        "P05": [(7, "days"), (30, "days")],
        "P07": [(60, "days"), (90, "days")],
        "C01": [(24, "hours")],
        "C10": [(12, "months")],
        "C13": [(15, "days")],
        "H06": [(20, "working_days"), (15, "working_days"), (15, "working_days")],
    }


def test_what_was_not_read_or_is_doubted_is_never_shown_as_law() -> None:
    assert {row.id for row in ROWS.values() if row.basis != "statutory"} == DOUBTED | NOT_READ
    assert {row.id for row in ROWS.values() if row.doubt is not None} == DOUBTED
    assert all(row.mark in ("Q", "S") for row in ROWS.values() if row.basis == "statutory")


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.unit == "immediate"], ids=lambda row: row.id)
def test_at_once_has_no_number_of_law_and_a_county_that_sets_when_silence_is_raised(row: Obligation) -> None:
    assert (row.limit, row.county is not None, row.missed is not None) == (None, True, True)


def test_a_row_is_dated_by_its_own_days_or_by_its_text() -> None:
    assert validity(ROWS["P06"], RULES.texts) == (date(2026, 1, 1), date.max)
    assert validity(ROWS["T13"], RULES.texts) == (RULES.texts["S17"].valid_from, date.max)
    facts = Facts(frozenset({"L1a"}), frozenset(), 9)
    days = (date(2025, 12, 31), date(2026, 1, 1))
    assert [ROWS["P06"].stands(facts, day, RULES.texts) for day in days] == [False, True]
    ended = msgspec.structs.replace(ROWS["P06"], valid_to=date(2026, 12, 31))
    assert [ended.stands(facts, day, RULES.texts) for day in (date(2026, 12, 31), date(2027, 1, 1))] == [True, False]


@pytest.mark.parametrize(
    ("age", "sex", "expected"),
    [(13, "male", True), (14, "male", False), (14, "female", True), (17, "female", True), (13, "", True), (14, "", True)],
)
def test_a_missing_child_or_older_girl_is_a_criminal_case_at_once(age: int, sex: str, *, expected: bool) -> None:
    """Where the sex is not known nobody is ruled out."""
    assert ROWS["P08"].stands(Facts(frozenset({"L1b"}), frozenset(), age, sex), date(2026, 11, 24), RULES.texts) is expected


def periods() -> Iterator[Any]:
    """Every period of the file: of the law, its variants, the county's beside it, and the five clocks of each grade."""
    for row in ROWS.values():
        own = [Limited(row.limit, row.unit)] if row.limit and row.unit and row.unit != "immediate" else []
        beside = [row.county] if isinstance(row.county, Limited) else []
        for place, found in enumerate([*own, *row.variants, *beside]):
            yield pytest.param(Period(found.limit, found.unit), id=f"{row.id}-{place}")
    for grade, clocks in RULES.clocks.items():
        for name, clock in msgspec.structs.asdict(clocks).items():
            yield pytest.param(clock.period, id=f"{grade}-{name}")


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("period", list(periods()))
def test_the_moment_before_the_end_is_in_time_and_the_end_itself_is_late(period: Period, start: str) -> None:
    begun = datetime.fromisoformat(start).replace(tzinfo=SHANGHAI)
    due = CALENDAR.due(begun, period).at
    assert [in_time(begun, period, due + step) for step in (-TICK, timedelta(0), TICK)] == [True, False, False]
    shorter, longer = (CALENDAR.due(begun, Period(period.limit + step, period.unit)).at for step in (-1, 1))
    assert shorter <= due <= longer


def in_time(start: datetime, period: Period, moment: datetime) -> bool:
    """The counting of 民法典 art. 200-203 read once more, from the moment asked about and with another list of days off."""
    if period.unit in ("seconds", "minutes", "hours"):
        return moment - start < timedelta(**{period.unit: period.limit})
    event, day = start.date(), moment.astimezone(SHANGHAI).date()
    if period.unit == "working_days":
        return sum(works(event + timedelta(days=past)) for past in range(1, (day - event).days)) < period.limit
    last = event + timedelta(days=period.limit) if period.unit == "days" else months_on(event, period.limit)
    return not any(works(last + timedelta(days=past)) for past in range((day - last).days))


def works(day: date) -> bool:
    """The package knows published years only; others are plain Monday to Friday."""
    return chinese_calendar.is_workday(day) if day.year in (2025, 2026) else day.weekday() < 5


def months_on(day: date, months: int) -> date:
    year, month = day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1
    after = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=day.day - 1), after - timedelta(days=1))


@pytest.mark.parametrize("clock", ["delivered", "seen", "accepted", "active", "done"])
@pytest.mark.parametrize("grade", ["red", "amber", "green"])
def test_a_leg_misses_each_clock_of_the_rules_at_its_end_and_not_before(grade: Any, clock: str) -> None:
    due = CALENDAR.due(NOW, getattr(RULES.clocks[grade], clock).period).at
    none = {f"{name}_due": None for name in ("delivered", "seen", "accepted", "active", "done")}
    leg = a_leg(**(none | {f"{clock}_due": due}))
    assert [leg.missing_at(due + step) for step in (-TICK, timedelta(0), TICK)] == [(), ((clock, due),), ((clock, due),)]


def test_an_area_with_days_of_its_own_moves_the_end() -> None:
    begun, period = datetime(2026, 7, 21, 10, tzinfo=SHANGHAI), Period(3, "days")
    area = Calendar.parse(
        b"years: {2026: {holidays: [], working: []}}\n---\n"
        b"region: '239903000000'\ntitle: x\nyears: {2026: {holidays: [[2026-07-24, 2026-07-24]], working: []}}"
    )
    ends = [area.local(keys).due(begun, period).at.astimezone(SHANGHAI).day for keys in ((), ("239903000000",))]
    assert ends == [25, 28]


def problems(old: str, new: str) -> dict[str, str]:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(RuleSetError) as caught:
        RuleSet.parse(text.replace(old, new, 1).encode())
    return {error.row: error.problem for error in caught.value.errors}


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("mark: S, source: S23, missed: procuratorate", "mark: M, source: S23, missed: procuratorate", "P05"),
        ("mark: S, source: S23, missed: procuratorate", "mark: S, doubt: 3, source: S23, missed: procuratorate", "P05"),
        ('county: active,\n     basis: statutory, mark: Q, source: "S01 4(2)"', 'basis: statutory, mark: Q, source: "S01 4(2)"', "P02"),
        ("start: case_filed, limit: 3, unit: days", "start: case_filed, unit: days", "P09"),
        ("start: case_filed, limit: 3, unit: days", "start: case_filed, limit: 3", "P09"),
        ("start: case_filed, limit: 3, unit: days", "limit: 3, unit: days", "P09"),
        ("start: case_filed", "start: case_field", "P09"),
        ("start: case_filed, limit: 3, unit: days", "start: case_filed, limit: 0, unit: days", "obligations[22] P09"),
        ("start: case_filed, limit: 3, unit: days", "start: case_filed, limit: 3, unit: weeks", "obligations[22] P09"),
        ("id: P10, who: police", "id: P09, who: police", "P09"),
        ("  R13:", "  R12:", "R12"),
        ("id: P10, who: police", "id: X10, who: police", "obligations[23] X10"),
        ("id: P10, who: police", "id: local.P10, who: police", "local.P10"),
        ("id: P10, who: police", "id: P10, who: polices", "obligations[23] P10"),
        ("id: E04, who: education, duty: school_return", "id: E04, who: education, duty: school", "E04"),
        ('source: "S03 92", missed', 'source: "S99 92", missed', "T08"),
        ("id: G09, who: civil_affairs, duty: guardianship_protection", "id: G09, who: civil_affairs", "G09"),
        ("situations: [L1a], age_to: 15}, {groups", "situations: [L1a], age_from: 16, age_to: 15}, {groups", "G05"),
        ("missed: superior, valid_from: 2026-01-01}", "missed: superior, valid_from: 2026-01-01, valid_to: 2025-12-31}", "P06"),
    ],
)  # fmt: skip
def test_check_finds_each_fault_in_its_row(old: str, new: str, row: str) -> None:
    assert row in problems(old, new)


def test_a_file_from_before_obligations_is_still_read() -> None:
    text = FILE.read_text(encoding="utf-8")
    older = RuleSet.parse(text[: text.index("# The texts behind")].encode())
    assert (older.obligations, older.texts, older.rows) == ((), {}, RULES.rows)


def test_every_event_is_used_and_every_text_named() -> None:
    assert {row.start for row in ROWS.values() if row.start} - set(LEG_EVENTS) == set(RULES.events)
    named = {part.split()[0] for row in ROWS.values() for part in row.source.split(";")}
    assert named == set(RULES.texts)
