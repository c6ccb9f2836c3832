"""How does an event leave? It is written into a table in the transaction that caused it; the relay sends it from there."""

import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, SmallInteger, func
from sqlmodel import Field, SQLModel

from shared.contracts import envelope
from shared.contracts.envelope import Event
from shared.database import PLUMBING, Upsert
from shared.identifiers import uuid7
from shared.messages import Note, Outgoing

SHARDS = 16
"""Fixed in data: the rows of the table `lease`. A key always falls into the same shard."""


class OutboxRow(SQLModel, table=True):
    """The final bytes of one record, sent in order of `seq` within its shard and deleted when acknowledged."""

    __tablename__ = "outbox"
    metadata = PLUMBING
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    shard: int = Field(sa_type=SmallInteger)
    topic: str
    key: bytes | None = None
    value: bytes | None = None
    headers: bytes
    on_ack: bytes | None = None
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    __table_args__ = (Index("outbox_shard", "shard", "seq"),)


class Lease(SQLModel, table=True):
    """Who sends a shard, by database time. Not an advisory lock: a stopped process keeps its session."""

    __tablename__ = "lease"
    metadata = PLUMBING
    shard: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    owner: str = ""
    fence: int = Field(default=0, sa_type=BigInteger)
    until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))


class MailboxRow(SQLModel, table=True):
    """A message of our own service, put here by the relay when the broker acknowledged, or by a decision for another aggregate."""

    __tablename__ = "mailbox"
    metadata = PLUMBING
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    body: bytes


class JournalRow(SQLModel, table=True):
    """Every saved event, for journeys, statistics and checkers. Never loaded by a room."""

    __tablename__ = "journal"
    metadata = PLUMBING
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    id: UUID
    type: str
    subject: str
    report: UUID | None = Field(default=None, index=True)
    actor: str
    traceparent: str
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    data: bytes


class Feed(SQLModel, table=True):
    """The last number drawn for an agency's own topic: gap-free, because it is drawn in the transaction that writes the entry."""

    __tablename__ = "feed"
    metadata = PLUMBING
    code: str = Field(primary_key=True)
    last: int = Field(sa_type=BigInteger)


class Stamped(msgspec.Struct, frozen=True):
    """An event with what `save` gives it: id, actor, trace."""

    event: Event | Outgoing | Note
    id: UUID
    actor: str
    traceparent: str
    at: datetime


class _Out(msgspec.Struct):
    shard: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: bytes
    on_ack: bytes | None
    at: datetime


class _Journal(msgspec.Struct):
    id: UUID
    type: str
    subject: str
    report: UUID | None
    actor: str
    traceparent: str
    at: datetime
    data: bytes


_write_outbox, _write_journal = Upsert(OutboxRow), Upsert(JournalRow)
POST = "insert into mailbox (body) select body from unnest($1::bytea[]) with ordinality as new(body, place) order by place"
DRAW = (
    "insert into feed as f (code, last) select * from unnest($1::text[], $2::bigint[])"
    " on conflict (code) do update set last = f.last + excluded.last returning code, last"
)


def shard_of(key: bytes | None) -> int:
    return zlib.crc32(key or b"") % SHARDS


def stamp(event: Event | Outgoing | Note, *, actor: str, traceparent: str, at: datetime) -> Stamped:
    wanted = event.id if type(event) is Outgoing else None
    return Stamped(event, wanted or uuid7(), actor, traceparent, at)


async def save(db: Any, events: Sequence[Stamped]) -> None:
    """Saving is publishing. Feed numbers are drawn last, in sorted order: that row is the one everybody wants.

    Asked by `type`: a struct's class is an ABC, and `isinstance` of one costs more than encoding the event.
    """
    notes = [s.event.body for s in events if type(s.event) is Note]
    if notes:
        await db.execute(POST, notes)
        events = [s for s in events if type(s.event) is not Note]
    values = [b"" if type(s.event) is Outgoing else envelope.encode(cast("Event", s.event)) for s in events]
    entries = [_entry(s, cast("Event", s.event), value) for s, value in zip(events, values, strict=True) if type(s.event) is not Outgoing]
    numbers = await _draw(db, events)
    await _write_outbox(db, [_row(stamped, numbers, value) for stamped, value in zip(events, values, strict=True)])
    await _write_journal(db, entries)


async def _draw(db: Any, events: Sequence[Stamped]) -> dict[str, int]:
    wanted = Counter(s.event.feed for s in events if type(s.event) is Outgoing and s.event.feed)
    if not wanted:
        return {}
    codes = sorted(wanted)
    rows = await db.fetch(DRAW, codes, [wanted[code] for code in codes])
    return {row["code"]: row["last"] - wanted[row["code"]] for row in rows}


def _row(stamped: Stamped, numbers: dict[str, int], value: bytes) -> _Out:
    event: Any = stamped.event
    if type(event) is not Outgoing:
        key: bytes | None = event.key.encode()
        headers: Sequence[tuple[str, bytes | None]] = envelope.headers_of(
            event, id=stamped.id, at=stamped.at, traceparent=stamped.traceparent
        )
        return _Out(shard_of(key), event.topic, key, value, msgspec.msgpack.encode(headers), None, stamped.at)
    headers = event.headers
    if event.feed:
        numbers[event.feed] += 1
        headers = (*headers, ("ce_sequence", b"%020d" % numbers[event.feed]), ("traceparent", stamped.traceparent.encode()))
    return _Out(shard_of(event.key), event.topic, event.key, event.value, msgspec.msgpack.encode(headers), event.on_ack, stamped.at)


def _entry(stamped: Stamped, event: Event, value: bytes) -> _Journal:
    report = getattr(event, "report", None)
    return _Journal(stamped.id, event.type_, event.subject, report, stamped.actor, stamped.traceparent, stamped.at, value)
