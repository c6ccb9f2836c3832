"""What goes into a room and what comes out? A message, the moment it is decided in, a decision, a response."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event
from shared.errors import Problem

PROBLEM_TYPE = "application/problem+json"
JSON_TYPE = "application/json"


class Record(msgspec.Struct, frozen=True):
    """A Kafka record (or a mailbox row) as it came, for parking and dead letters: bytes untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One wish, naming exactly one aggregate.

    `id`: key in the inbox, None for a move that is harmless twice. `source`: topic, calling unit or link.
    `received`: wall clock of the moment it reached us (None: now). `digest`: hash of an HTTP request, when its answer is kept.
    `stream`: parked together with what has the same stream (the aggregate, or its parent before it exists).
    """

    body: Any
    aggregate: UUID
    id: str | None = None
    source: str = ""
    actor: str = ""
    traceparent: str | None = None
    received: datetime | None = None
    digest: bytes | None = None
    record: Record | None = None
    stream: str = ""
    released: bool = False


class Moment(msgspec.Struct, frozen=True):
    """When and by what knowledge a decision is made. `now` and `received` are on the database's clock, UTC.

    `now` is never before the aggregate's last change; `received` never after `now`. `beside`: what the kind's `beside` found.
    """

    now: datetime
    received: datetime
    reference: Any = None
    actor: str = ""
    traceparent: str = ""
    beside: Any = None


class Response(msgspec.Struct, frozen=True):
    """What the caller gets. Kept as bytes: the same key gets the same bytes."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE

    @staticmethod
    def json(status: int, value: Any) -> "Response":
        return Response(status, msgspec.json.encode(value))

    @staticmethod
    def of(problem: Problem) -> "Response":
        return Response(problem.status, problem.body(), PROBLEM_TYPE)


NOBODY = UUID(int=0)
"""The aggregate of a message that concerns none, or none that we can tell."""
DONE = Response(200, b"{}")


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """An event that goes elsewhere than to its publisher's topic: a feed entry, a dead letter.

    `feed`: code of the agency whose gap-free number it takes. `on_ack`: bytes of a message of our own service,
    put into its mailbox when the broker has acknowledged.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    feed: str | None = None
    on_ack: bytes | None = None
    id: UUID | None = None


class Note(msgspec.Struct, frozen=True):
    """A message to another aggregate of the same service: into the mailbox with the decision that wrote it, taken from there once."""

    body: bytes


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler decides: the aggregate as it is now, what to tell the world, what to answer, what the send door shall do."""

    aggregate: Any
    events: tuple[Event | Outgoing | Note, ...] = ()
    response: Response = DONE
    sends: tuple[Any, ...] = ()
