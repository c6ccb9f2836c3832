"""How do a child's rows become its file, and back? And what may a township list?"""

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.guardianship.domain import CaseOfChild, Child
from services.guardianship.tables import CaseRow, ChildRow
from shared.database import Upsert, columns_of, parts

CHILD = columns_of(ChildRow)
CASE = columns_of(CaseRow)
LOCK = f"select {CHILD} from child where id = any($1::uuid[]) order by id for update"
CASES = f"select {CASE} from child_case where child_id = any($1::uuid[]) order by child_id, case_id"
DUE = f"select {CHILD} from child where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"

_write_children, _write_cases = Upsert(ChildRow, fenced=True), Upsert(CaseRow)


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Child]:
    return await _whole(db, await db.fetch(LOCK, ids))


async def due(db: Any, limit: int) -> dict[UUID, Child]:
    return await _whole(db, await db.fetch(DUE, limit))


async def save(db: Any, loaded: dict[UUID, Child], changed: list[Child]) -> None:
    before = [loaded.get(child.id) for child in changed]
    await _write_children(db, changed, before)
    await _write_cases(db, *parts("cases", changed, before))


async def _whole(db: Any, rows: list[Any]) -> dict[UUID, Child]:
    """Cases in a second statement on purpose: joined to the first they would be read from before we got the lock."""
    cases: dict[UUID, dict[UUID, CaseOfChild]] = defaultdict(dict)
    if rows:
        for row in await db.fetch(CASES, [row["id"] for row in rows]):
            cases[row["child_id"]][row["case_id"]] = CaseOfChild(**dict(row))
    return {row["id"]: Child(**dict(row), cases=cases[row["id"]]) for row in rows}


async def page(
    engine: AsyncEngine, regions: list[str], after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[ChildRow, list[CaseRow]]]:
    """Files of children in some regions, oldest first, from a cursor on."""
    query = select(ChildRow).where(col(ChildRow.region).in_(regions)).order_by(col(ChildRow.opened_at), col(ChildRow.id)).limit(limit)
    if after is not None:
        query = query.where(tuple_(col(ChildRow.opened_at), col(ChildRow.id)) > after)
    async with AsyncSession(engine) as session:
        children = (await session.exec(query)).all()
        cases = (await session.exec(select(CaseRow).where(col(CaseRow.child_id).in_([child.id for child in children])))).all()
    return [(child, [case for case in cases if case.child_id == child.id]) for child in children]
