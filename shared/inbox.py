"""Has this message had its effect already, and what was answered then?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, Index, func
from sqlmodel import Field, SQLModel

from shared.database import PLUMBING, by_key
from shared.errors import Problem
from shared.messages import Message, Response


class InboxRow(SQLModel, table=True):
    """One message that had its effect. The source is a topic, a calling unit or a link, never a header that a stranger can set."""

    __tablename__ = "inbox"
    metadata = PLUMBING
    consumer: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    digest: bytes | None = None
    status: int | None = None
    response: bytes | None = None
    content_type: str | None = None
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    __table_args__ = (Index("inbox_at", "at"),)


FIRST = (
    "insert into inbox (consumer, source, id, digest) select $1, * from unnest($2::text[], $3::text[], $4::bytea[])"
    " on conflict do nothing returning source, id"
)
ANSWERED = (
    "select source, id, digest, status, response, content_type from inbox join unnest($2::text[], $3::text[]) as wanted(source, id)"
    " using (source, id) where consumer = $1"
)
ANSWER = (
    "update inbox set status = given.status, response = given.response, content_type = given.content_type"
    " from unnest($2::text[], $3::text[], $4::int[], $5::bytea[], $6::text[]) as given(source, id, status, response, content_type)"
    f", {by_key('inbox', {'consumer': '$1', 'source': 'given.source', 'id': 'given.id'})} where inbox.ctid = found.ctid"
)
NONE = Response(200, b"{}")
REUSED = Problem(422, "idempotency-key-reused", "This Idempotency-Key was used for another request. Use a new key for a new request.")


Answered = tuple[bytes | None, Response]
"""The digest of the request that had the effect, and what was answered to it."""


async def first_time(db: Any, consumer: str, messages: Sequence[Message]) -> tuple[list[Message], dict[tuple[str, str], Answered]]:
    """The messages that are new, in their order, and for the others what was answered then, to which request.

    A message without an id is always new: it is a move that is harmless the second time. So is one released from parking.
    The ids go in sorted, or two consumers that share events deadlock here. An id that another
    transaction is just writing makes this wait: that wait is the exactly-once.
    """
    keyed = {(m.source, m.id): m for m in reversed(messages) if m.id is not None and not m.released}
    if not keyed:
        return list(messages), {}
    wanted = sorted(keyed)
    rows = await db.fetch(FIRST, consumer, [s for s, _ in wanted], [i for _, i in wanted], [keyed[key].digest for key in wanted])
    new = {(row["source"], row["id"]) for row in rows}
    fresh = [m for m in messages if m.id is None or m.released or ((m.source, m.id) in new and keyed[m.source, m.id] is m)]
    callers = {(m.source, m.id) for m in messages if m.digest is not None}
    asked = [key for key in wanted if key not in new and key in callers]
    old: dict[tuple[str, str], Answered] = {}
    if asked:
        for row in await db.fetch(ANSWERED, consumer, [s for s, _ in asked], [i for _, i in asked]):
            old[row["source"], row["id"]] = (row["digest"], Response(row["status"], row["response"], row["content_type"]))
    return fresh, old


async def used_otherwise(db: Any, consumer: str, source: str, ids: Sequence[str], digest: bytes | None) -> bool:
    """Whether one of these keys stands for another request: asked before a request of many messages touches anything."""
    sql = "select exists (select from inbox where consumer = $1 and source = $2 and id = any($3) and digest <> $4)"
    return bool(await db.fetchval(sql, consumer, source, list(ids), digest))


async def answer(db: Any, consumer: str, answers: Sequence[tuple[Message, Response]]) -> None:
    """Keeps the response beside the key, so that the same key gets the same bytes, also after a lost COMMIT."""
    kept = [(m, r) for m, r in answers if m.id is not None and m.digest is not None]
    if kept:
        await db.execute(
            ANSWER,
            consumer,
            [m.source for m, _ in kept],
            [m.id for m, _ in kept],
            [r.status for _, r in kept],
            [r.body for _, r in kept],
            [r.content_type for _, r in kept],
        )


def given(messages: Sequence[Message], answers: Sequence[tuple[Message, Response]], old: dict[tuple[str, str], Answered]) -> list[Response]:
    """Each caller's response: its own, or that of its twin in the same batch, or what was answered then; a parked message has none.

    Compared with each message for itself: of two that share a key in one batch, one may be the old request and the other a new one.
    """
    own = {id(message): response for message, response in answers}
    twins = {(m.source, m.id): (m.digest, response) for m, response in answers if m.id is not None}
    known = {**old, **twins}
    return [own.get(id(m)) or _same(m, known.get((m.source, m.id or ""))) or NONE for m in messages]


def _same(message: Message, twin: Answered | None) -> Response | None:
    if twin is None:
        return None
    return twin[1] if twin[0] == message.digest else Response.of(REUSED)
