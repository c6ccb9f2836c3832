"""How do rows become notices, endpoints and the directory, and back? And what may an operator list?"""

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.notification.domain import Channel, Delivery, Endpoint, Notice, State
from services.notification.tables import DeliveryRow, DirectoryRow, EndpointRow, NoticeRow
from shared import reference
from shared.contracts.directory import AgencyChanged, Directory
from shared.database import Upsert, columns_of, parts

NOTICE = ", ".join(name for name in Notice.__struct_fields__ if name != "deliveries")
DELIVERY, DIRECTORY = columns_of(DeliveryRow), columns_of(DirectoryRow)
ENDPOINT = ", ".join(Endpoint.__struct_fields__)
LOCK = f"select {NOTICE} from notice where id = any($1::uuid[]) order by id for update"
DUE = f"select {NOTICE} from notice where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"
DELIVERIES = (
    f"select {DELIVERY} from delivery where notice_id = any($1::uuid[]) and (notice_id, event) in"
    " (select notice_id, event from delivery where notice_id = any($1::uuid[]) and due is not null) order by id"
)
LOCK_ENDPOINTS = f"select {ENDPOINT} from endpoint where id = any($1::uuid[]) order by id for update"
DUE_ENDPOINTS = f"select {ENDPOINT} from endpoint where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"
ALL_ENDPOINTS = f"select {ENDPOINT} from endpoint"
ONE_ENDPOINT = f"select {ENDPOINT} from endpoint where party = $1"
WHOLE_DIRECTORY = f"select {DIRECTORY} from directory"

_write_notices, _write_deliveries = Upsert(NoticeRow, fenced=True), Upsert(DeliveryRow)
_write_endpoints = Upsert(EndpointRow, fenced=True)
_newer = Upsert(DirectoryRow)
NEWER = f"{_newer.sql} where old.version < excluded.version"


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Notice]:
    return await _whole(db, await db.fetch(LOCK, ids))


async def due(db: Any, limit: int) -> dict[UUID, Notice]:
    return await _whole(db, await db.fetch(DUE, limit))


async def save(db: Any, loaded: dict[UUID, Notice], changed: list[Notice]) -> None:
    before = [loaded.get(notice.id) for notice in changed]
    await _write_notices(db, changed, before)
    await _write_deliveries(db, *parts("deliveries", changed, before))


async def _whole(db: Any, rows: list[Any]) -> dict[UUID, Notice]:
    """Deliveries in a second statement on purpose: joined to the first they would be read from before we got the lock."""
    deliveries: dict[UUID, dict[UUID, Delivery]] = defaultdict(dict)
    if rows:
        for row in await db.fetch(DELIVERIES, [row["id"] for row in rows]):
            values = dict(row) | {"channel": Channel(row["channel"]), "state": State(row["state"])}
            deliveries[row["notice_id"]][row["id"]] = Delivery(**values)
    return {row["id"]: Notice(**dict(row), deliveries=deliveries[row["id"]]) for row in rows}


async def load_endpoints(db: Any, ids: list[UUID]) -> dict[UUID, Endpoint]:
    return {row["id"]: Endpoint(**dict(row)) for row in await db.fetch(LOCK_ENDPOINTS, ids)}


async def due_endpoints(db: Any, limit: int) -> dict[UUID, Endpoint]:
    return {row["id"]: Endpoint(**dict(row)) for row in await db.fetch(DUE_ENDPOINTS, limit)}


async def save_endpoints(db: Any, loaded: dict[UUID, Endpoint], changed: list[Endpoint]) -> None:
    """Endpoints are reference of every notice: a change is known from the next batch on."""
    if changed:
        await _write_endpoints(db, changed, [loaded.get(endpoint.id) for endpoint in changed])
        await reference.raise_version(db)


async def endpoints(db: Any) -> dict[str, Endpoint]:
    """Every endpoint, by party."""
    return {row["party"]: Endpoint(**dict(row)) for row in await db.fetch(ALL_ENDPOINTS)}


async def endpoint(db: Any, party: str) -> Endpoint | None:
    row = await db.fetchrow(ONE_ENDPOINT, party)
    return Endpoint(**dict(row)) if row is not None else None


async def directory(db: Any) -> Directory:
    """The whole directory, by agency."""
    return Directory({row["agency"]: AgencyChanged(**dict(row)) for row in await db.fetch(WHOLE_DIRECTORY)})


async def update_directory(pool: Any, entries: list[AgencyChanged]) -> None:
    """The newer version wins, whatever order or however often entries come."""
    newest = {entry.agency: entry for entry in sorted(entries, key=lambda entry: entry.version)}
    if newest:
        columns = _newer.columns(_newer.order(list(newest.values())))
        async with pool.acquire() as db, db.transaction():
            await db.execute(NEWER, *columns.values())
            await reference.raise_version(db)


async def deliveries_of(engine: AsyncEngine, report: UUID) -> list[tuple[NoticeRow, DeliveryRow]]:
    """Every delivery of a report and of its legs, in the order in which they were planned."""
    query = (
        select(NoticeRow, DeliveryRow)
        .join(DeliveryRow, col(DeliveryRow.notice_id) == col(NoticeRow.id))
        .where(NoticeRow.report == report)
        .order_by(col(DeliveryRow.created_at), col(DeliveryRow.id))
        .limit(2000)
    )
    async with AsyncSession(engine) as session:
        return [(notice, delivery) for notice, delivery in (await session.exec(query)).all()]


async def leg_notice(engine: AsyncEngine, leg: UUID) -> NoticeRow | None:
    """What the page behind a one-tap link shows; nothing is locked and nothing changes."""
    async with AsyncSession(engine) as session:
        return (await session.exec(select(NoticeRow).where(NoticeRow.id == leg))).first()
