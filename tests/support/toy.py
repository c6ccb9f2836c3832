"""The smallest kind of aggregate that shows what a room promises: a counter that must not go above ten."""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import CheckConstraint, Column, DateTime, MetaData
from sqlmodel import Field, SQLModel

from shared.bells import Bells
from shared.contracts.envelope import Event
from shared.database import Upsert, columns_of
from shared.errors import RuleBroken
from shared.messages import Decision, Message, Moment, Response
from shared.reference import Reference
from shared.room import Room
from shared.work import Kind


class Added(Event, frozen=True, kw_only=True):
    type_: ClassVar[str] = "heli.counter.added.v1"
    topic: ClassVar[str] = "heli.toy.v1"
    source: ClassVar[str] = "/toy"
    key_field: ClassVar[str] = "counter"
    subject_field: ClassVar[str] = "counter"
    counter: UUID
    total: int


class Add(msgspec.Struct, frozen=True):
    amount: int
    note: str = ""


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    total: int
    note: str
    changed_at: datetime
    version: int = 0
    trace: str = ""
    next_due: datetime | None = None


class CounterRow(SQLModel, table=True):
    __tablename__ = "counter"
    metadata = MetaData()
    id: UUID = Field(primary_key=True)
    total: int
    note: str
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    version: int
    trace: str
    next_due: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))
    __table_args__ = (CheckConstraint("total <= 10", name="counter_small"),)


TABLE = (
    "create table counter (id uuid primary key, total integer not null check (total <= 10), note varchar not null,"
    " changed_at timestamptz not null, version integer not null, trace varchar not null, next_due timestamptz)"
)
COLUMNS = columns_of(CounterRow)
_write = Upsert(CounterRow, fenced=True)


async def load(db: Any, ids: list[UUID]) -> dict[UUID, Counter]:
    rows = await db.fetch(f"select {COLUMNS} from counter where id = any($1::uuid[]) order by id for update", ids)
    return {row["id"]: Counter(**row) for row in rows}


async def due(db: Any, limit: int) -> dict[UUID, Counter]:
    query = f"select {COLUMNS} from counter where next_due <= (select heli_now()) order by next_due limit $1 for update skip locked"
    return {row["id"]: Counter(**row) for row in await db.fetch(query, limit)}


async def save(db: Any, loaded: dict[UUID, Counter], changed: list[Counter]) -> None:
    await _write(db, changed, [loaded.get(counter.id) for counter in changed])


def decide(counter: Counter | None, message: Message, at: Moment) -> Decision:
    body: Add = message.body
    before = counter or Counter(id=message.aggregate, total=0, note="", changed_at=at.now)
    if body.amount < 0:
        raise RuleBroken("negative", "A counter only grows.", state=str(before.total))
    after = msgspec.structs.replace(before, total=before.total + body.amount, note=body.note)
    return Decision(
        aggregate=after, events=(Added(counter=after.id, total=after.total),), response=Response.json(200, {"total": after.total})
    )


def tick(counter: Counter, at: Moment) -> Decision:
    if counter.note == "broken":
        raise LookupError("a bug")
    later = at.now if counter.note == "spins" else None
    after = msgspec.structs.replace(counter, total=counter.total + 1, next_due=later and later - timedelta(seconds=1))
    return Decision(aggregate=after, events=(Added(counter=after.id, total=after.total),))


KIND = Kind(name="toy.counter", table="counter", load=load, save=save, due=due, decide=decide, tick=tick)


def room(pool: asyncpg.Pool) -> Room:
    return Room(KIND, pool, Reference(), Bells())
