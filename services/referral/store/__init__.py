"""How do rows become cases and agencies, and back? And what may an agency list?"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import ARRAY, ColumnElement, String, and_, any_, func, literal, not_, or_
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.referral.domain.agency import Agency, is_root
from services.referral.domain.case import Case
from services.referral.domain.chain import chain_of
from services.referral.domain.leg import CLOCKS, ENDS, FACTS, Leg
from services.referral.domain.paths import Ledger
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import RuleSet
from services.referral.tables import AgencyRow, CaseRow, LegRow
from shared.calendar import Calendar
from shared.contracts.directory import JOINT_CONFERENCE, AgencyChanged, Directory
from shared.database import Conflict, Upsert, columns_of, parts
from shared.reference import raise_version
from shared.regions import Regions

CASE, LEG = ", ".join(Case.__struct_fields__[:-1]), ", ".join(Leg.__struct_fields__)
"""In the order of the fields: a value built by position costs a fifth of one built by name."""
AGENCY = columns_of(AgencyRow)
LOCK = f"select {CASE} from case_file where id = any($1::uuid[]) order by id for update"
LEGS = f"select {LEG} from leg where case_id = any($1::uuid[]) order by case_id, number"
WHOSE = "select id, agency from leg where id = any($1::uuid[])"
DUE = f"select {CASE} from case_file where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"
LOCK_AGENCIES = f"select {AGENCY} from agency where id = any($1::uuid[]) order by id for update"
DUE_AGENCIES = f"select {AGENCY} from agency where next_due <= (select heli_now()) limit $1 for update skip locked"
ENTRIES = "select code, name, department, region, superior, phone, active, edition as version from agency"
ANY_ROOT = "select exists (select from agency where department = $1 and superior is null and active)"
RULES = "select hash, kind, data, current from rules"
REMEMBER = (
    "insert into rules as r (hash, kind, data, current) values ($1, $2, $3, true) on conflict (hash) do update set current = true"
    " where not r.current returning hash"
)
DOUBTFUL = (
    "select distinct c.id from leg l join case_file c on c.id = l.case_id where l.ended is null and l.doubts <> '[]'::bytea"
    " and c.id > $1 and c.calendar <> $2 order by c.id limit 500"
)
WAKE = (
    "update case_file set next_due = heli_now() where id in (select id from case_file where id = any($1::uuid[]) and next_due > heli_now()"
    " order by id for update skip locked)"
)
RETIRE = "update rules set current = false where kind = $1 and current and hash <> $2"

_write_cases, _write_legs, _write_agencies = Upsert(CaseRow, fenced=True), Upsert(LegRow), Upsert(AgencyRow, fenced=True)


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Case]:
    return await whole(db, await db.fetch(LOCK, ids))


async def due(db: Any, limit: int) -> dict[UUID, Case]:
    return await whole(db, await db.fetch(DUE, limit))


async def save(db: Any, loaded: dict[UUID, Case], changed: list[Case]) -> None:
    before = [loaded.get(case.id) for case in changed]
    await _write_cases(db, changed, before)
    await _write_legs(db, *parts("legs", changed, before))


async def whole(db: Any, rows: list[Any]) -> dict[UUID, Case]:
    """Legs in a second statement on purpose: joined to the first they would be read from before we got the lock."""
    legs: dict[UUID, dict[int, Leg]] = defaultdict(dict)
    if rows:
        for row in await db.fetch(LEGS, [row["id"] for row in rows]):
            legs[row["case_id"]][row["number"]] = Leg(*row)
    return {row["id"]: Case(*(*row, legs[row["id"]])) for row in rows}


async def load_agencies(db: Any, ids: list[UUID]) -> dict[UUID, Agency]:
    return {row["id"]: Agency(**row) for row in await db.fetch(LOCK_AGENCIES, ids)}


async def due_agencies(db: Any, limit: int) -> dict[UUID, Agency]:
    return {row["id"]: Agency(**row) for row in await db.fetch(DUE_AGENCIES, limit)}


async def save_agencies(db: Any, loaded: dict[UUID, Agency], changed: list[Agency]) -> None:
    await _write_agencies(db, changed, [loaded.get(agency.id) for agency in changed])
    if any(agency.id not in loaded or loaded[agency.id].entry() != agency.entry() for agency in changed):
        await raise_version(db)  # from here on no other change of the directory commits before this one
        ended = [agency for agency in changed if agency.id in loaded and is_root(loaded[agency.id].entry()) and not is_root(agency.entry())]
        if ended and not await db.fetchval(ANY_ROOT, JOINT_CONFERENCE):
            # Each of them saw another root that has just ended too: decide again with what is there now, one by one if they came together.
            raise Conflict if len(ended) == 1 else asyncpg.RestrictViolationError("the last joint-conference offices at the root")


async def remember(pool: Any, kind: str, hash_: str, data: bytes) -> None:
    """Keeps rules or a calendar for ever by hash, and puts it in force."""
    async with pool.acquire() as db, db.transaction():
        await db.execute("select pg_advisory_xact_lock(hashtext('rules'))")
        await db.execute(RETIRE, kind, hash_)
        if await db.fetchval(REMEMBER, hash_, kind, data):
            await raise_version(db)


async def wake_doubtful(pool: Any, calendar: str) -> None:
    """Makes due, a few at a time, what was counted through an unpublished year by another calendar than this: the time door counts it again."""
    after = UUID(int=0)
    while rows := await pool.fetch(DOUBTFUL, after, calendar):
        after = rows[-1]["id"]
        await pool.execute(WAKE, [row["id"] for row in rows])


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


async def entries(db: Any) -> Directory:
    rows = await db.fetch(ENTRIES)
    return Directory({row["code"]: AgencyChanged(agency=row["code"], **{k: row[k] for k in list(row.keys())[1:]}) for row in rows})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to. `places`: what the region of a case may be; None is any. `due_before`: a running clock ends before then."""

    agency: str | None = None
    state: str = "open"
    overdue: bool = False
    places: frozenset[str] | None = None
    grade: str | None = None
    due_before: datetime | None = None
    ledger: Ledger | None = None
    pressed: bool = False
    pressed_by: str | None = None


LAPSED = and_(col(LegRow.lapsed_at).is_not(None), col(LegRow.active_at).is_(None))
UNDELIVERABLE = and_(col(LegRow.undeliverable_at).is_not(None), col(LegRow.delivered_at).is_(None))
BESIDE = {
    "covered": col(LegRow.covered_by).is_not(None),
    "held": col(LegRow.held_until).is_not(None),
    "lapsed": LAPSED,
    "undeliverable": UNDELIVERABLE,
}
LEG_STATES = ("open", "ended", "any", "issued", *FACTS, *BESIDE, *ENDS)
"""What a list of legs may be narrowed to: whether it runs, its furthest fact while it does, what stands beside that, or its end."""
Position = tuple[datetime, UUID] | None
NOW = select(func.heli_now()).scalar_subquery()


async def list_legs(engine: AsyncEngine, wanted: Wanted, after: Position, limit: int) -> list[tuple[LegRow, CaseRow]]:
    """Legs with their cases, oldest first."""
    query = (
        select(LegRow, CaseRow)
        .join(CaseRow, col(LegRow.case_id) == col(CaseRow.id))
        .where(*of_leg(wanted), *_in_state(wanted.state), *of_case(wanted))
        .order_by(col(LegRow.issued_at), col(LegRow.id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(col(LegRow.issued_at), col(LegRow.id)) > after)
    async with AsyncSession(engine) as session:
        return list((await session.exec(query)).all())


async def list_cases(engine: AsyncEngine, wanted: Wanted, after: Position, limit: int) -> list[tuple[CaseRow, list[LegRow]]]:
    """Cases, oldest first, with those of their legs that were asked for."""
    query = select(CaseRow).where(*of_case(wanted)).order_by(col(CaseRow.opened_at), col(CaseRow.id)).limit(limit)
    legs_of = of_leg(wanted)
    if wanted.overdue:  # few among many: they are gathered first, or every case is looked at in its order until enough are found
        query = query.where(col(CaseRow.id) == any_(func.array(select(LegRow.case_id).where(*legs_of).scalar_subquery())))
    elif legs_of:
        query = query.where(select(LegRow.id).where(col(LegRow.case_id) == col(CaseRow.id), *legs_of).exists())
    if wanted.state != "any":
        query = query.where(col(CaseRow.closed_at).is_(None) == (wanted.state == "open"))
    if after is not None:
        query = query.where(tuple_(col(CaseRow.opened_at), col(CaseRow.id)) > after)
    async with AsyncSession(engine) as session:
        cases = list((await session.exec(query)).all())
        own = select(LegRow).where(col(LegRow.case_id).in_([case.id for case in cases]), *legs_of)
        legs = (await session.exec(own)).all() if cases else []
    return _grouped(cases, legs)


def of_case(wanted: Wanted) -> list[ColumnElement[bool]]:
    found = []
    if wanted.grade is not None:
        found.append(col(CaseRow.grade) == wanted.grade)
    if wanted.places is not None:
        found.append(col(CaseRow.region) == any_(literal(sorted(wanted.places), ARRAY(String))))
    return found


def of_leg(wanted: Wanted) -> list[ColumnElement[bool]]:
    found = []
    if wanted.agency is not None:
        found.append(col(LegRow.agency) == wanted.agency)
    if wanted.overdue:  # `ladder_from` is when its first clock ran out: an index holds only such legs
        found += [col(LegRow.ended).is_(None), col(LegRow.ladder_from).is_not(None), _unmet(NOW, including=True)]
    if wanted.ledger is not None:
        at = col(LegRow.step).in_(wanted.ledger.steps)
        found += [col(LegRow.duty).in_(wanted.ledger.duties), or_(at, col(LegRow.step).is_(None)) if wanted.ledger.new else at]
    if wanted.pressed:
        found.append(col(LegRow.pressed_by).is_not(None))
    if wanted.pressed_by is not None:
        found.append(col(LegRow.pressed_by) == wanted.pressed_by)
    if wanted.due_before is not None:
        found += [col(LegRow.ended).is_(None), _unmet(literal(wanted.due_before), including=False)]
    return found


def _unmet(moment: Any, *, including: bool) -> ColumnElement[bool]:
    """A clock that nobody has met runs out before a moment (or has at it)."""
    clocks = ((col(getattr(LegRow, f"{clock}_due")), None if clock == "done" else col(getattr(LegRow, f"{clock}_at"))) for clock in CLOCKS)
    return or_(*(and_(due <= moment if including else due < moment, *([] if met is None else [met.is_(None)])) for due, met in clocks))


def _in_state(state: str) -> list[ColumnElement[bool]]:
    if state == "any":
        return []
    if state == "ended":
        return [col(LegRow.ended).is_not(None)]
    if state in ENDS:
        return [col(LegRow.ended) == state]
    if state in BESIDE:
        return [col(LegRow.ended).is_(None), BESIDE[state]]
    return [col(LegRow.ended).is_(None), col(LegRow.covered_by).is_(None), *_furthest(state)]


def _furthest(state: str) -> list[ColumnElement[bool]]:
    """This fact and not the one beyond it; a later fact implies the earlier ones."""
    if state == "open":
        return []
    reached = FACTS.index(state) + 1 if state in FACTS else 0
    known = [col(getattr(LegRow, f"{FACTS[reached - 1]}_at")).is_not(None)] if reached else []
    beyond = [col(getattr(LegRow, f"{FACTS[reached]}_at")).is_(None)] if reached < len(FACTS) else []
    own_word = {"issued": [not_(UNDELIVERABLE)], "accepted": [not_(LAPSED)]}.get(state, [])
    return [*known, *beyond, *own_word]


async def legs_held(engine: AsyncEngine, agency: str, keys: list[UUID]) -> set[UUID]:
    """Which of these legs are this agency's."""
    query = select(LegRow.id).where(col(LegRow.id).in_(keys), LegRow.agency == agency)
    async with AsyncSession(engine) as session:
        return set((await session.exec(query)).all())


async def agencies_of(db: Any, keys: list[UUID]) -> dict[UUID, str]:
    """Whose these legs are; that never changes, so it may be asked before the room locks anything."""
    return {row["id"]: row["agency"] for row in await db.fetch(WHOSE, keys)}


async def leg(engine: AsyncEngine, key: UUID) -> tuple[LegRow, CaseRow] | None:
    query = select(LegRow, CaseRow).join(CaseRow, col(LegRow.case_id) == col(CaseRow.id)).where(LegRow.id == key)
    async with AsyncSession(engine) as session:
        return (await session.exec(query)).first()


async def chain(engine: AsyncEngine, row: LegRow) -> tuple[Leg, ...]:
    """The legs through which a duty went, from the first agency that owed it to the last."""
    query = select(LegRow).where(LegRow.case_id == row.case_id, LegRow.duty == row.duty)
    async with AsyncSession(engine) as session:
        return chain_of([Leg(**found.model_dump()) for found in (await session.exec(query)).all()], row.id)


async def cases_of(engine: AsyncEngine, report: UUID) -> list[tuple[CaseRow, list[LegRow]]]:
    """Every case of a report with its legs, for an operator."""
    async with AsyncSession(engine) as session:
        cases = (await session.exec(select(CaseRow).where(CaseRow.report == report).order_by(col(CaseRow.number)))).all()
        legs = (await session.exec(select(LegRow).where(col(LegRow.case_id).in_([case.id for case in cases])))).all()
    return _grouped(cases, legs)


def _grouped(cases: Sequence[CaseRow], legs: Sequence[LegRow]) -> list[tuple[CaseRow, list[LegRow]]]:
    of: dict[UUID, list[LegRow]] = defaultdict(list)
    for row in sorted(legs, key=lambda row: row.number):
        of[row.case_id].append(row)
    return [(case, of[case.id]) for case in cases]
