"""Is every row's limit kept to the moment, by dates that nobody computed with the code under test?

The dates were counted by hand (民法典 art. 200-203, `domain.md` a9) from the official arrangement of 2026: off 15 to 23 February, made up
on Saturday 14 and Saturday 28 February; off 4 to 6 April, 1 to 5 May, 19 to 21 June; 9 May made up. 2027 and 2028: Monday to Friday.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.referral.domain.explaining import explain
from services.referral.domain.obligations import Limited
from services.referral.domain.rule_rows import Facts
from shared.calendar import SHANGHAI, Period
from tests.support import county
from tests.unit.referral.acting import AROUND, CALENDAR, KNOWN, RULES, a_leg

STARTS = ("2026-02-11T10:00", "2026-02-13T23:59:59", "2026-02-14T00:00", "2026-02-16T03:00", "2026-02-24T16:00", "2026-02-28T12:00")
"""Before the Spring Festival, in the last second before the made-up Saturday and in its first, within, on the first day after, made up after."""
ENDS = {
    # The moment itself: hours and less run through nights and holidays.
    "2 minutes": ("02-11T10:02", "02-14T00:01:59", "02-14T00:02", "02-16T03:02", "02-24T16:02", "02-28T12:02"),
    "10 minutes": ("02-11T10:10", "02-14T00:09:59", "02-14T00:10", "02-16T03:10", "02-24T16:10", "02-28T12:10"),
    "30 minutes": ("02-11T10:30", "02-14T00:29:59", "02-14T00:30", "02-16T03:30", "02-24T16:30", "02-28T12:30"),
    "1 hours": ("02-11T11:00", "02-14T00:59:59", "02-14T01:00", "02-16T04:00", "02-24T17:00", "02-28T13:00"),
    "2 hours": ("02-11T12:00", "02-14T01:59:59", "02-14T02:00", "02-16T05:00", "02-24T18:00", "02-28T14:00"),
    "8 hours": ("02-11T18:00", "02-14T07:59:59", "02-14T08:00", "02-16T11:00", "02-25T00:00", "02-28T20:00"),
    "24 hours": ("02-12T10:00", "02-14T23:59:59", "02-15T00:00", "02-17T03:00", "02-25T16:00", "03-01T12:00"),
    "48 hours": ("02-13T10:00", "02-15T23:59:59", "02-16T00:00", "02-18T03:00", "02-26T16:00", "03-02T12:00"),
    "72 hours": ("02-14T10:00", "02-16T23:59:59", "02-17T00:00", "02-19T03:00", "02-27T16:00", "03-03T12:00"),
    # The last day, which ends at 24:00: the day of the event is not counted, a last day off moves to the working day after it.
    "3 days": ("02-14", "02-24", "02-24", "02-24", "02-27", "03-03"),
    "5 days": ("02-24", "02-24", "02-24", "02-24", "03-02", "03-05"),
    "7 days": ("02-24", "02-24", "02-24", "02-24", "03-03", "03-09"),
    "15 days": ("02-26", "02-28", "03-02", "03-03", "03-11", "03-16"),
    "30 days": ("03-13", "03-16", "03-16", "03-18", "03-26", "03-30"),
    "60 days": ("04-13", "04-14", "04-15", "04-17", "04-27", "04-29"),
    "90 days": ("05-12", "05-14", "05-15", "05-18", "05-25", "05-29"),
    "3 working_days": ("02-14", "02-25", "02-26", "02-26", "02-27", "03-04"),
    "5 working_days": ("02-25", "02-27", "02-28", "02-28", "03-02", "03-06"),
    "10 working_days": ("03-03", "03-05", "03-06", "03-06", "03-09", "03-13"),
    "15 working_days": ("03-10", "03-12", "03-13", "03-13", "03-16", "03-20"),
    "20 working_days": ("03-17", "03-19", "03-20", "03-20", "03-23", "03-27"),
    "1 months": ("03-11", "03-13", "03-16", "03-16", "03-24", "03-30"),
    "3 months": ("05-11", "05-13", "05-14", "05-18", "05-25", "05-28"),
    "6 months": ("08-11", "08-13", "08-14", "08-17", "08-24", "08-28"),
    "12 months": ("2027-02-11", "2027-02-15", "2027-02-15", "2027-02-16", "2027-02-24", "2027-03-01"),
    "24 months": ("2028-02-11", "2028-02-14", "2028-02-14", "2028-02-16", "2028-02-24", "2028-02-28"),
}  # fmt: skip


def in_china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def end(length: str, start: str) -> datetime:
    """The end as the table has it; a length that it does not have is a limit without its dates: count them and write them down."""
    told = ENDS[length][STARTS.index(start)]
    whole = told if told.startswith("20") else f"2026-{told}"
    return in_china(whole) + (timedelta(0) if "T" in whole else timedelta(days=1))


def limits() -> Iterator[Any]:
    """Every limit in every row: of the law, its variants, the county's beside it, and the five clocks of each grade."""
    for row in RULES.obligations:
        own = [Limited(row.limit, row.unit)] if row.limit and row.unit and row.unit != "immediate" else []
        beside = [row.county] if isinstance(row.county, Limited) else []
        for place, found in enumerate([*own, *row.variants, *beside]):
            yield pytest.param(Period(found.limit, found.unit), id=f"{row.id}-{place}")
    for grade, clocks in RULES.clocks.items():
        for name in ("delivered", "seen", "accepted", "active", "done"):
            yield pytest.param(getattr(clocks, name).period, id=f"{grade}-{name}")


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("period", list(limits()))
def test_a_limit_is_kept_just_before_its_end_and_missed_at_it_and_just_after(period: Period, start: str) -> None:
    begun, ends = in_china(start), end(f"{period.limit} {period.unit}", start)
    due = CALENDAR.due(begun, period).at
    none = {f"{name}_due": None for name in ("delivered", "seen", "accepted", "active")}
    leg = a_leg(issued_at=begun, active_at=begun, **(none | {"done_due": due}))
    assert [leg.missing_at(ends + step) for step in AROUND] == [(), (("done", due),), (("done", due),)]


def test_no_date_stands_there_for_nothing() -> None:
    assert {f"{period.limit} {period.unit}" for period in (found.values[0] for found in limits())} == set(ENDS)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("situation", "group"), [("L1b", "K3"), ("L3", "K2"), ("M6", "K4")])
def test_what_is_explained_ends_on_the_same_dates(start: str, situation: str, group: str) -> None:
    facts = Facts(frozenset({situation}), frozenset({group}), 9, "female", "school")
    told = explain(KNOWN, facts, county.VILLAGE, in_china(start))
    clocks = [clock for leg in told.legs for clock in leg.clocks] + list(told.case_clocks)
    running = [clock for clock in clocks if clock.due is not None]
    assert len(running) > 5
    assert {clock.start for clock in running} == {"report_received", "leg_issued"}
    assert [(clock.id, clock.due) for clock in running] == [(c.id, end(f"{c.limit} {c.unit}", start)) for c in running]
