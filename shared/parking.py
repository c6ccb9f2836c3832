"""What happens to a message of our own services that cannot be applied? It waits, and what is of the same stream waits behind it, in order."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, func, text
from sqlmodel import Field, SQLModel

from shared.database import PLUMBING
from shared.messages import NOBODY, Message, Record


class ParkedRow(SQLModel, table=True):
    """A record that waits. `reason` is a class: contract, rule, constraint, behind, too-large."""

    __tablename__ = "parked"
    metadata = PLUMBING
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    consumer: str
    topic: str
    stream: str
    message: str
    reason: str
    error: str
    record: bytes
    told: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    __table_args__ = (Index("parked_stream", "consumer", "stream", "seq"),)


SHOWN = frozenset({"ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "traceparent", "content-type"})
LIMIT = 100
"""Streams of one consumer that may be parked; with one more it stops, instead of draining a topic into the parking lot."""
ONE_BY_ONE = "select pg_advisory_xact_lock(hashtext('parked ' || $1))"
"""Whoever counts sees what all others have parked: it is the last lock of its transaction, so nobody waits for another in a circle."""
WATCH = "select pg_advisory_xact_lock_shared(hashtext($1 || ' ' || stream)) from unnest($2::text[]) as stream"
HOLD = "select pg_advisory_xact_lock(hashtext($1 || ' ' || stream)) from unnest($2::text[]) as stream"
"""Of streams that are parked: who looks whether he must wait there waits first for whoever is just releasing what is parked."""
COUNT = "select count(distinct stream) from parked where consumer = $1"


class TooMuchParked(Exception):  # noqa: N818 - a state, not a fault of the message
    """The consumer stops: something is wrong with it rather than with so many messages."""


class Parked(msgspec.Struct, frozen=True):
    """A message that is to be parked, and why."""

    message: Message
    reason: str
    error: str


def unread(record: Record, message: str, stream: str) -> Parked:
    """A record that could not be turned into a message: which aggregate it concerns is known by its stream alone."""
    return Parked(
        Message(body=None, aggregate=NOBODY, id=message, source=record.topic, record=record, stream=stream), "contract", "contract"
    )


PARK = (
    "insert into parked (consumer, topic, stream, message, reason, error, record)"
    " select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])"
)
ANY = "select exists (select from parked where consumer = $1)"
BLOCKED = "select distinct stream from parked where consumer = $1 and stream = any($2::text[])"
LIST = "select seq, consumer, topic, stream, message, reason, error, at from parked order by seq limit $1"
MOST = 500
"""Messages released at a time."""
STREAM = f"select seq, consumer, topic, message, reason, record from parked where stream = $1 order by seq limit {MOST}"
WAITING = "select count(*) from parked where stream = $1"
ONE = "select seq, consumer, stream, message, reason, error, at, record from parked where seq = $1"
_record = msgspec.msgpack.Decoder(Record)


def record_of(row: Any) -> Record:
    return _record.decode(row["record"])


def redacted(record: Record) -> dict[str, Any]:
    """What may be shown of a record: its place, the headers of an event, and the shape of its body."""
    shown = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers if name in SHOWN}
    try:
        body = msgspec.json.decode(record.value or b"")
    except (msgspec.MsgspecError, RecursionError):
        body = None
    fields = {name: type(value).__name__ for name, value in body.items()} if isinstance(body, dict) else {}
    size = len(record.value or b"")
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "headers": shown,
        "bytes": size,
        "fields": fields,
    }


def stream_of(message: Message) -> str:
    return message.stream or str(message.aggregate)


def in_line(message: Message) -> bool:
    """Whether it waits behind what is parked of its stream. HTTP and time do not: they carry no record; nor does what is just released."""
    return message.record is not None and not message.released


async def behind(db: Any, consumer: str, messages: Sequence[Message]) -> tuple[list[Message], list[Parked]]:
    """Splits into what may go on and what must wait behind a parked one."""
    if released := sorted({stream_of(m) for m in messages if m.released}):
        await hold(db, consumer, released)
    blocked: list[str] = []
    own = [m for m in messages if in_line(m)]
    if own and await db.fetchval(ANY, consumer):  # as hardly ever: else no stream is named
        blocked = await _blocked(db, consumer, {stream_of(m) for m in own})
    if blocked:  # perhaps not for long
        await db.execute(WATCH, consumer, blocked)
        blocked = await _blocked(db, consumer, blocked)
    if not blocked:
        return list(messages), []
    waits = [in_line(m) and stream_of(m) in blocked for m in messages]
    going = [m for m, waiting in zip(messages, waits, strict=True) if not waiting]
    return going, [Parked(m, "behind", "behind") for m, waiting in zip(messages, waits, strict=True) if waiting]


async def hold(db: Any, consumer: str, streams: Sequence[str]) -> None:
    """Before anything of these streams leaves the parking lot, and before any aggregate is locked."""
    await db.execute(HOLD, consumer, streams)


async def _blocked(db: Any, consumer: str, streams: Collection[str]) -> list[str]:
    return sorted(row["stream"] for row in await db.fetch(BLOCKED, consumer, sorted(streams)))


def stuck(message: Message, parked: Sequence[Parked]) -> bool:
    """Whether this very batch has parked a message of the same stream: what comes behind it waits too."""
    return bool(parked) and in_line(message) and stream_of(message) in {stream_of(p.message) for p in parked}


async def park(db: Any, consumer: str, parked: Sequence[Parked]) -> None:
    """Raises TooMuchParked, and parks nothing, when that would be more streams than may lie there."""
    rows = [(p, p.message.record) for p in parked if p.message.record is not None]
    if rows:
        await db.execute(
            PARK,
            consumer,
            [record.topic for _, record in rows],
            [stream_of(p.message) for p, _ in rows],
            [p.message.id or "" for p, _ in rows],
            [p.reason for p, _ in rows],
            [p.error for p, _ in rows],
            [msgspec.msgpack.encode(record) for _, record in rows],
        )
        await db.execute(ONE_BY_ONE, consumer)
        if await db.fetchval(COUNT, consumer) > LIMIT:
            raise TooMuchParked
