"""What does every service say about itself? What lies parked, what an operator did with it, and which deadlines pass unwatched."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event

TOPIC = "heli.operations.v1"


class OperationsEvent(Event, frozen=True, kw_only=True):
    """`consumer` is the kind that could not apply it, `stream` what waits behind it, `reason` the class of the error."""

    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/operations"
    key_field: ClassVar[str] = "stream"
    subject_field: ClassVar[str] = "stream"
    stream: str
    consumer: str
    reason: str


class StreamParked(OperationsEvent, frozen=True, kw_only=True):
    """A stream has been parked for longer than two minutes: a person must look, because a red case may wait in it."""

    type_: ClassVar[str] = "heli.stream.parked.v1"
    since: datetime


class StreamReleased(OperationsEvent, frozen=True, kw_only=True):
    """An operator has applied a parked message again."""

    type_: ClassVar[str] = "heli.stream.released.v1"
    message: str


class MessageDiscarded(OperationsEvent, frozen=True, kw_only=True):
    """An operator has thrown a parked message away; `why` is a code."""

    type_: ClassVar[str] = "heli.message.discarded.v1"
    message: str
    why: str


class DeadlinesStalled(OperationsEvent, frozen=True, kw_only=True):
    """An independent auditor has found, twice, deadlines that are due and have not fired: `legs` of them at least, `leg` the oldest, due `since`."""

    type_: ClassVar[str] = "heli.deadlines.stalled.v1"
    since: datetime
    at: datetime
    legs: int
    leg: UUID


class DeadlinesRecovered(OperationsEvent, frozen=True, kw_only=True):
    """Nothing that is due is unfired any more; the oldest was due `since`."""

    type_: ClassVar[str] = "heli.deadlines.recovered.v1"
    since: datetime
    at: datetime


EVENTS = (StreamParked, StreamReleased, MessageDiscarded, DeadlinesStalled, DeadlinesRecovered)
