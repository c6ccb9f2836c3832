"""What does a joint-conference office read of its region? What is overdue by agency and rung, how agencies answered, what is pressed for, counts."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, case, cast, false, func, literal, true
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.referral.domain.leg import CLOCKS, FACTS
from services.referral.store import Position, Wanted, of_case, of_leg
from services.referral.tables import AgencyRow, CaseRow, LegRow


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """One agency with legs that are overdue now; `since` when the first clock of the oldest ran out. `rungs`: legs by how many rungs have fired."""

    id: Any
    agency: str
    department: str
    since: datetime
    overdue: int
    pressed: int
    rungs: dict[str, int]
    grades: dict[str, int]


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """How one agency answered the legs of cases that were opened in a period; `since`: the first of them was.

    `missed`: legs by clock that ran out, whether it was met later or never. `silent`: legs with a clock that nobody has met yet.
    """

    id: Any
    agency: str
    department: str
    since: datetime
    legs: int
    late: int
    silent: int
    missed: dict[str, int]
    presses: int
    presses_missed: int


async def overdue_by_agency(engine: AsyncEngine, wanted: Wanted, after: Position, limit: int) -> list[Overdue]:
    """Agencies, the longest silent first. `wanted.overdue` must be set: an index holds only such legs."""
    since, found = func.min(col(LegRow.ladder_from)), [*of_leg(wanted), *of_case(wanted)]
    own = (
        select(AgencyRow.id, AgencyRow.code, AgencyRow.department, since)
        .join(LegRow, col(LegRow.agency) == col(AgencyRow.code))
        .join(CaseRow, col(LegRow.case_id) == col(CaseRow.id))
        .where(*found)
        .group_by(col(AgencyRow.id))
        .order_by(since, col(AgencyRow.id))
        .limit(limit)
    )
    if after is not None:
        own = own.having(tuple_(since, col(AgencyRow.id)) > after)
    parts = (
        select(  # type: ignore[call-overload]
            LegRow.agency, LegRow.rung, CaseRow.grade, func.count(), func.count(col(LegRow.pressed_by))
        )
        .join(CaseRow, col(LegRow.case_id) == col(CaseRow.id))
        .group_by(LegRow.agency, LegRow.rung, CaseRow.grade)
    )
    async with AsyncSession(engine) as session:
        agencies = (await session.exec(own)).all()
        codes = [code for _, code, _, _ in agencies]
        counted = (await session.exec(parts.where(*found, col(LegRow.agency).in_(codes)))).all() if agencies else []
    of: dict[str, list[Any]] = defaultdict(list)
    for row in counted:
        of[row[0]].append(row[1:])
    return [_overdue(*agency, of[agency[1]]) for agency in agencies]


def _overdue(key: Any, code: str, department: str, since: Any, parts: list[Any]) -> Overdue:
    rungs, grades = defaultdict[str, int](int), defaultdict[str, int](int)
    for rung, grade, count, _ in parts:
        rungs[str(rung)] += count
        grades[grade] += count
    return Overdue(
        id=key,
        agency=code,
        department=department,
        since=since,
        overdue=sum(part[2] for part in parts),
        pressed=sum(part[3] for part in parts),
        rungs=dict(sorted(rungs.items())),
        grades=dict(grades),
    )


async def answers_by_agency(
    engine: AsyncEngine, wanted: Wanted, period: tuple[datetime, datetime], after: Position, limit: int
) -> list[Answers]:
    """Agencies in the order in which they first got a leg in the period."""
    since = func.min(col(CaseRow.opened_at))
    late = {clock: func.count().filter(func.strpos(col(LegRow.missed), clock) > 0) for clock in CLOCKS}
    overdue: list[ColumnElement[bool]] = of_leg(Wanted(overdue=True))
    query = (
        select(  # type: ignore[call-overload]
            AgencyRow.id,
            AgencyRow.code,
            AgencyRow.department,
            since,
            func.count(),
            func.count().filter(col(LegRow.missed) != ""),
            func.count().filter(*overdue),
            *late.values(),
            *_presses(),
        )
        .join(LegRow, col(LegRow.agency) == col(AgencyRow.code))
        .join(CaseRow, col(LegRow.case_id) == col(CaseRow.id))
        .where(col(CaseRow.opened_at) >= period[0], col(CaseRow.opened_at) < period[1], *of_case(wanted), *of_leg(wanted))
        .group_by(col(AgencyRow.id))
        .order_by(since, col(AgencyRow.id))
        .limit(limit)
    )
    if after is not None:
        query = query.having(tuple_(since, col(AgencyRow.id)) > after)
    async with AsyncSession(engine) as session:
        rows = (await session.exec(query)).all()
    return [_answers(row) for row in rows]


def _presses() -> tuple[Any, Any]:
    """How many there were, and how many of them passed their date without an answer."""
    presses = cast(func.convert_from(col(LegRow.presses), "UTF8"), JSONB)
    missed = func.jsonb_path_query_array(presses, cast(literal("$[*].missed_at"), JSONPATH))
    return func.sum(func.jsonb_array_length(presses)), func.sum(func.jsonb_array_length(missed))


def _answers(row: Any) -> Answers:
    key, code, department, since, legs, late, silent, *rest = row
    return Answers(
        id=key,
        agency=code,
        department=department,
        since=since,
        legs=legs,
        late=late,
        silent=silent,
        missed={clock: count for clock, count in zip(CLOCKS, rest, strict=False) if count},
        presses=rest[-2],
        presses_missed=rest[-1],
    )


class Cases(msgspec.Struct, frozen=True):
    """So many cases of this grade are open or closed."""

    grade: str
    state: str
    count: int


class Legs(msgspec.Struct, frozen=True):
    """So many legs of a duty are alike. `outcome`: of a fulfilled one; `overdue`: a clock has run out that nobody has met; `missed`: one ever has."""

    duty: str
    step: str | None
    grade: str
    state: str
    outcome: str | None
    overdue: bool
    missed: bool
    count: int


async def counted(
    engine: AsyncEngine, places: frozenset[str] | None, period: tuple[datetime, datetime]
) -> tuple[tuple[Cases, ...], tuple[Legs, ...]]:
    """What came of the cases that were opened in the period: the index of cases by time bounds what is read, whatever else is stored.

    A leg that another case of the same child covers is no second duty: it is counted there.
    """
    within = [col(CaseRow.opened_at) >= period[0], col(CaseRow.opened_at) < period[1], *of_case(Wanted(places=places))]
    closed = case((col(CaseRow.closed_at).is_(None), literal("open")), else_=literal("closed"))
    by_case = (CaseRow.grade, closed)
    overdue = case((and_(*of_leg(Wanted(overdue=True))), true()), else_=false())
    outcome = case((col(LegRow.ended) == "fulfilled", col(LegRow.end_code)), else_=None)
    by_leg = (LegRow.duty, LegRow.step, CaseRow.grade, _state(), outcome, overdue, col(LegRow.missed) != "")
    cases = select(*by_case, func.count()).where(*within).group_by(*_places(by_case))
    legs = select(*by_leg, func.count()).where(*within, col(LegRow.covered_by).is_(None)).group_by(*_places(by_leg))  # type: ignore[call-overload]
    legs = legs.join(CaseRow, col(LegRow.case_id) == col(CaseRow.id))
    async with AsyncSession(engine) as session:
        return tuple(Cases(*row) for row in await session.exec(cases)), tuple(Legs(*row) for row in await session.exec(legs))


def _places(columns: tuple[object, ...]) -> list[ColumnElement[int]]:
    """Grouped by place in the list: an expression written twice has its parameters twice, and PostgreSQL takes it for two."""
    return [literal(place, literal_execute=True) for place in range(1, len(columns) + 1)]


def _state() -> ColumnElement[str]:
    """The end, else the furthest fact, as a leg says of itself."""
    facts = [(col(getattr(LegRow, f"{fact}_at")).is_not(None), literal(fact)) for fact in reversed(FACTS)]
    return case((col(LegRow.ended).is_not(None), col(LegRow.ended)), *facts, else_=literal("issued"))
