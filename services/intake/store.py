"""How do a report's rows become the report, and back? And what do its pages read?"""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.intake.domain.content import Content
from services.intake.domain.report import Leg, Report
from services.intake.tables import ContentRow, LegRow, ReportRow
from shared.database import Upsert, columns_of
from shared.identifiers import parse_short_code

REPORT = columns_of(ReportRow)
LEG = columns_of(LegRow)
LOCK = f"select {REPORT} from report where id = any($1::uuid[]) order by id for update"
LEGS = f"select {LEG} from report_leg where report_id = any($1::uuid[]) order by report_id, id"
DUE = f"select {REPORT} from report where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"

_write_reports, _write_legs, _write_contents = Upsert(ReportRow, fenced=True), Upsert(LegRow), Upsert(ContentRow)
_content = msgspec.json.Decoder(Content)


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Report]:
    return await _whole(db, await db.fetch(LOCK, ids))


async def due(db: Any, limit: int) -> dict[UUID, Report]:
    return await _whole(db, await db.fetch(DUE, limit))


async def save(db: Any, loaded: dict[UUID, Report], changed: list[Report]) -> None:
    await _write_reports(db, [_row(report) for report in changed])
    await _write_contents(db, [report for report in changed if report.content])
    before = {report.id: loaded[report.id].legs if report.id in loaded else {} for report in changed}
    await _write_legs(db, [leg for report in changed for key, leg in report.legs.items() if leg is not before[report.id].get(key)])


def _row(report: Report) -> Any:
    """Lists as text: `unnest` would flatten an array of arrays."""
    lists = {name: " ".join(map(str, getattr(report, name))) for name in ("situations", "groups", "opened")}
    return SimpleNamespace(**{**msgspec.structs.asdict(report), **lists})


def _report(row: Any, legs: dict[UUID, Leg]) -> Report:
    found = dict(row)
    opened = tuple(map(int, found.pop("opened").split()))
    situations, groups = (tuple(found.pop(name).split()) for name in ("situations", "groups"))
    return Report(**found, situations=situations, groups=groups, opened=opened, legs=legs)


async def _whole(db: Any, rows: list[Any]) -> dict[UUID, Report]:
    """Legs in a second statement on purpose: joined to the first they would be read from before we got the lock."""
    legs: dict[UUID, dict[UUID, Leg]] = defaultdict(dict)
    if rows:
        for row in await db.fetch(LEGS, [row["id"] for row in rows]):
            legs[row["report_id"]][row["id"]] = Leg(**dict(row))
    return {row["id"]: _report(row, legs[row["id"]]) for row in rows}


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


async def content(engine: AsyncEngine, report: UUID) -> Content:
    """Only after the reading was recorded."""
    async with AsyncSession(engine) as session:
        return _content.decode((await session.exec(select(ContentRow.content).where(col(ContentRow.id) == report))).one())
