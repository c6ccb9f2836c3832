"""How do a report's rows become the report, and back? And what do its pages read?"""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Interval, String, and_, any_, case, func, literal
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import aliased
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.intake.domain.content import Content
from services.intake.domain.report import Kin, Leg, Report, Story
from services.intake.tables import ContentRow, LegRow, ReportRow, StoryRow
from shared.database import Upsert, columns_of, parts
from shared.identifiers import parse_short_code

REPORT = columns_of(ReportRow)
LEG = ", ".join(Leg.__struct_fields__)
LOCK = f"select {REPORT} from report where id = any($1::uuid[]) order by id for update"
LEGS = f"select {LEG} from report_leg where report_id = any($1::uuid[]) order by report_id, id"
STORIES = "select case_id, report_id, story from report_story where report_id = any($1::uuid[])"
DUE = f"select {REPORT} from report where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"

_write_reports, _write_legs, _write_contents = Upsert(ReportRow, fenced=True), Upsert(LegRow), Upsert(ContentRow)
_write_stories = Upsert(StoryRow)
_content = msgspec.json.Decoder(Content)


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Report]:
    return await _whole(db, await db.fetch(LOCK, ids))


async def due(db: Any, limit: int) -> dict[UUID, Report]:
    return await _whole(db, await db.fetch(DUE, limit))


async def save(db: Any, loaded: dict[UUID, Report], changed: list[Report]) -> None:
    before = [loaded.get(report.id) for report in changed]
    await _write_reports(db, [_row(report) for report in changed], [_row(report) if report else None for report in before])
    await _write_contents(db, [report for report in changed if report.content])
    await _write_legs(db, *parts("legs", changed, before))
    await _write_stories(db, *parts("stories", changed, before))


def _row(report: Report) -> Report:
    """Lists as text: `unnest` would flatten an array of arrays."""
    lists: dict[str, Any] = {name: " ".join(map(str, getattr(report, name))) for name in ("situations", "groups", "opened", "unreported")}
    return msgspec.structs.replace(report, **lists)


def _report(row: Any, legs: dict[UUID, Leg], stories: dict[UUID, Story]) -> Report:
    found = dict(row)
    opened = tuple(map(int, found.pop("opened").split()))
    situations, groups, unreported = (tuple(found.pop(name).split()) for name in ("situations", "groups", "unreported"))
    return Report(**found, situations=situations, groups=groups, unreported=unreported, opened=opened, legs=legs, stories=stories)


async def _whole(db: Any, rows: list[Any]) -> dict[UUID, Report]:
    """Legs in a second statement on purpose: joined to the first they would be read from before we got the lock."""
    legs: dict[UUID, dict[UUID, Leg]] = defaultdict(dict)
    stories: dict[UUID, dict[UUID, Story]] = defaultdict(dict)
    if rows:
        for row in await db.fetch(STORIES, [row["id"] for row in rows]):
            stories[row["report_id"]][row["case_id"]] = Story(*row)
        for row in await db.fetch(LEGS, [row["id"] for row in rows]):
            legs[row["report_id"]][row["id"]] = Leg(*row)
    return {row["id"]: _report(row, legs[row["id"]], stories[row["id"]]) for row in rows}


async def find(engine: AsyncEngine, name: str) -> ReportRow | None:
    """A report by its id or by its short code as a person writes it; None for what is neither."""
    query = select(ReportRow)
    try:
        query = query.where(col(ReportRow.id) == UUID(name))
    except ValueError:
        try:
            query = query.where(col(ReportRow.code) == parse_short_code(name))
        except ValueError:
            return None
    async with AsyncSession(engine) as session:
        return (await session.exec(query)).first()


async def legs(engine: AsyncEngine, report: UUID) -> list[LegRow]:
    """The legs of a report in the order in which they were issued."""
    query = select(LegRow).where(col(LegRow.report_id) == report).order_by(col(LegRow.issued_at), col(LegRow.id))
    async with AsyncSession(engine) as session:
        return list((await session.exec(query)).all())


class Reporting(msgspec.Struct, frozen=True, kw_only=True):
    """How one reporter unit reported in a period; delays are from `seen_at` to `received_at`. `id`: its first report, which came at `since`."""

    id: UUID
    since: datetime
    party: str
    reporter_kind: str
    reports: int
    late: int
    median_seconds: float
    longest_seconds: float


async def reporting(
    engine: AsyncEngine,
    places: frozenset[str] | None,
    period: tuple[datetime, datetime],
    limits: tuple[timedelta, timedelta],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Reporting]:
    """By reporter unit, in the order in which they first reported in the period. `limits`: with a situation, and with key groups alone."""
    delay = col(ReportRow.received_at) - col(ReportRow.seen_at)
    seconds = func.extract("epoch", delay)
    late = delay > case((col(ReportRow.situations) != "", literal(limits[0], Interval)), else_=literal(limits[1], Interval))
    since = func.min(col(ReportRow.received_at))
    first = func.array_agg(aggregate_order_by(col(ReportRow.id), col(ReportRow.received_at), col(ReportRow.id)))[1]
    query = (
        select(  # type: ignore[call-overload]
            first,
            since,
            ReportRow.party,
            func.min(col(ReportRow.reporter_kind)),
            func.count(),
            func.count().filter(late),
            func.percentile_cont(0.5).within_group(seconds),
            func.max(seconds),
        )
        .where(col(ReportRow.received_at) >= period[0], col(ReportRow.received_at) < period[1])
        .group_by(ReportRow.party)
        .order_by(since, first)
        .limit(limit)
    )
    if places is not None:
        query = query.where(col(ReportRow.region) == any_(literal(sorted(places), ARRAY(String))))
    if after is not None:
        query = query.having(tuple_(since, first) > after)
    async with AsyncSession(engine) as session:
        rows = (await session.exec(query)).all()
    names = Reporting.__struct_fields__
    return [msgspec.convert(dict(zip(names, map(_plain, row), strict=True)), Reporting) for row in rows]


async def unreported(
    engine: AsyncEngine, places: frozenset[str] | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[ReportRow]:
    """Reports that some unit owed and another one made, oldest first."""
    query = select(ReportRow).where(col(ReportRow.unreported) != "").order_by(col(ReportRow.received_at), col(ReportRow.id)).limit(limit)
    if places is not None:
        query = query.where(col(ReportRow.region) == any_(literal(sorted(places), ARRAY(String))))
    if after is not None:
        query = query.where(tuple_(col(ReportRow.received_at), col(ReportRow.id)) > after)
    async with AsyncSession(engine) as session:
        return list((await session.exec(query)).all())


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


async def kin(engine: AsyncEngine, report: UUID, agency: str) -> tuple[Kin, ...]:
    """Open legs of an agency in cases that are linked with those of this report."""
    mine, other = aliased(StoryRow), aliased(StoryRow)
    query = (
        select(LegRow.id, mine.case_id, mine.story, LegRow.department)
        .join(other, and_(col(other.report_id) == col(LegRow.report_id), col(other.case_id) == col(LegRow.case_id)))
        .join(mine, and_(col(mine.story) == col(other.story), col(mine.case_id) != col(other.case_id)))
        .where(col(mine.report_id) == report, LegRow.agency == agency, col(LegRow.ended).is_(None))
        .order_by(col(LegRow.id))
    )
    async with AsyncSession(engine) as session:
        return tuple(Kin(leg, case, story, owing) for leg, case, story, owing in (await session.exec(query)).all() if story is not None)


async def content(engine: AsyncEngine, report: UUID) -> Content:
    """Only after the reading was recorded."""
    async with AsyncSession(engine) as session:
        return _content.decode((await session.exec(select(ContentRow.content).where(col(ContentRow.id) == report))).one())
