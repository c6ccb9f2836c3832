"""How do rows become cases and agencies, and back? And what may an agency list?"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.referral.domain.agency import Agency
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import RuleSet
from services.referral.tables import AgencyRow, CaseRow, LegRow
from shared.calendar import Calendar
from shared.contracts.directory import AgencyChanged
from shared.database import Upsert, columns_of
from shared.reference import raise_version
from shared.regions import Regions

CASE, LEG, AGENCY = columns_of(CaseRow), columns_of(LegRow), columns_of(AgencyRow)
LOCK = f"select {CASE} from case_file where id = any($1::uuid[]) order by id for update"
LEGS = f"select {LEG} from leg where case_id = any($1::uuid[]) order by case_id, number"
DUE = f"select {CASE} from case_file where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"
LOCK_AGENCIES = f"select {AGENCY} from agency where id = any($1::uuid[]) order by id for update"
DUE_AGENCIES = f"select {AGENCY} from agency where next_due <= (select heli_now()) limit $1 for update skip locked"
ENTRIES = "select code, name, department, region, superior, phone, active, version from agency"
RULES = "select hash, kind, data, current from rules"
REMEMBER = (
    "insert into rules as r (hash, kind, data, current) values ($1, $2, $3, true) on conflict (hash) do update set current = true"
    " where not r.current returning hash"
)
RETIRE = "update rules set current = false where kind = $1 and current and hash <> $2"

_write_cases, _write_legs, _write_agencies = Upsert(CaseRow, fenced=True), Upsert(LegRow), Upsert(AgencyRow, fenced=True)


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Case]:
    return await _whole(db, await db.fetch(LOCK, ids))


async def due(db: Any, limit: int) -> dict[UUID, Case]:
    return await _whole(db, await db.fetch(DUE, limit))


async def save(db: Any, loaded: dict[UUID, Case], changed: list[Case]) -> None:
    await _write_cases(db, changed)
    await _write_legs(db, [leg for case in changed for leg in _changed_legs(case, loaded.get(case.id))])


def _changed_legs(case: Case, before: Case | None) -> Iterable[Leg]:
    known = before.legs if before else {}
    return (leg for number, leg in case.legs.items() if leg is not known.get(number))


async def _whole(db: Any, rows: list[Any]) -> dict[UUID, Case]:
    """Legs in a second statement on purpose: joined to the first they would be read from before we got the lock."""
    legs: dict[UUID, dict[int, Leg]] = defaultdict(dict)
    if rows:
        for row in await db.fetch(LEGS, [row["id"] for row in rows]):
            legs[row["case_id"]][row["number"]] = Leg(**row)
    return {row["id"]: Case(**row, legs=legs[row["id"]]) for row in rows}


async def load_agencies(db: Any, ids: list[UUID]) -> dict[UUID, Agency]:
    return {row["id"]: Agency(**row) for row in await db.fetch(LOCK_AGENCIES, ids)}


async def due_agencies(db: Any, limit: int) -> dict[UUID, Agency]:
    return {row["id"]: Agency(**row) for row in await db.fetch(DUE_AGENCIES, limit)}


async def save_agencies(db: Any, loaded: dict[UUID, Agency], changed: list[Agency]) -> None:
    await _write_agencies(db, changed)
    if any(agency.id not in loaded or loaded[agency.id].entry() != agency.entry() for agency in changed):
        await raise_version(db)


async def remember(pool: Any, kind: str, hash_: str, data: bytes) -> None:
    """Keeps rules or a calendar for ever by hash, and puts it in force."""
    async with pool.acquire() as db, db.transaction():
        await db.execute("select pg_advisory_xact_lock(hashtext('rules'))")
        await db.execute(RETIRE, kind, hash_)
        if await db.fetchval(REMEMBER, hash_, kind, data):
            await raise_version(db)


async def knowledge(db: Any) -> Knowledge:
    """The reference of every decision."""
    rules, calendars, current = {}, {}, {}
    for row in await db.fetch(RULES):
        if row["kind"] == "rules":
            rules[row["hash"]] = RuleSet.parse(row["data"])
        else:
            calendars[row["hash"]] = Calendar.parse(row["data"])
        if row["current"]:
            current[row["kind"]] = row["hash"]
    return Knowledge(
        rules=rules,
        current=rules[current["rules"]],
        calendars=calendars,
        calendar=calendars[current["calendar"]],
        regions=Regions.load(),
        directory=await entries(db),
    )


async def entries(db: Any) -> dict[str, AgencyChanged]:
    return {row["code"]: AgencyChanged(agency=row["code"], **{k: row[k] for k in list(row.keys())[1:]}) for row in await db.fetch(ENTRIES)}


async def legs_of(engine: AsyncEngine, agency: str, after: tuple[datetime, UUID] | None, limit: int) -> list[tuple[LegRow, CaseRow]]:
    """Open legs of an agency, oldest first, with their cases."""
    query = (
        select(LegRow, CaseRow)
        .join(CaseRow, col(LegRow.case_id) == col(CaseRow.id))
        .where(LegRow.agency == agency, col(LegRow.ended).is_(None))
        .order_by(col(LegRow.issued_at), col(LegRow.id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(col(LegRow.issued_at), col(LegRow.id)) > after)
    async with AsyncSession(engine) as session:
        return list((await session.exec(query)).all())


async def leg(engine: AsyncEngine, key: UUID) -> tuple[LegRow, CaseRow] | None:
    query = select(LegRow, CaseRow).join(CaseRow, col(LegRow.case_id) == col(CaseRow.id)).where(LegRow.id == key)
    async with AsyncSession(engine) as session:
        return (await session.exec(query)).first()


async def cases_of(engine: AsyncEngine, report: UUID) -> list[tuple[CaseRow, list[LegRow]]]:
    """Every case of a report with its legs, for an operator."""
    async with AsyncSession(engine) as session:
        cases = (await session.exec(select(CaseRow).where(CaseRow.report == report).order_by(col(CaseRow.number)))).all()
        legs = (await session.exec(select(LegRow).where(col(LegRow.case_id).in_([case.id for case in cases])))).all()
    return [(case, sorted((row for row in legs if row.case_id == case.id), key=lambda row: row.number)) for case in cases]
