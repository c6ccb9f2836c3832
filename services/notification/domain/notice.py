"""What is a notice? One subject (leg, report or agency) that must be told, with the deliveries that carry it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from shared.contracts.notification import LEG_ISSUED
from shared.identifiers import named

_DELIVERIES = UUID("8d0c41c5-6f0f-4a5e-9a4e-3f0b6a1d6c01")
_AGENCIES = UUID("8d0c41c5-6f0f-4a5e-9a4e-3f0b6a1d6c02")


class Channel(StrEnum):
    """NONE: no way to the party is known yet."""

    NONE = "none"
    WEBHOOK = "webhook"
    TOPIC = "topic"


class State(StrEnum):
    """WAITING for a way, DUE for an attempt, LEASED to the send door, SENT to the outbox: open. The others are ends."""

    WAITING = "waiting"
    DUE = "due"
    LEASED = "leased"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    ENDED = "ended"


OPEN = frozenset({State.WAITING, State.DUE, State.LEASED, State.SENT})


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one party through one channel. `due` is set exactly while it is open.

    `body` is final when the event is heard: every attempt sends the same bytes. `traceparent` is that of the causing event.
    """

    id: UUID
    notice_id: UUID
    event: str
    about: str
    party: str
    channel: Channel
    state: State
    attempt: int = 0
    due: datetime | None
    body: bytes
    traceparent: str
    last_error: str | None = None
    delivered_at: datetime | None = None
    created_at: datetime

    @property
    def open(self) -> bool:
        return self.state in OPEN

    def end(self, state: State, error: str | None = None) -> "Delivery":
        return msgspec.structs.replace(self, state=state, due=None, last_error=error or self.last_error)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the leg, the report, or derived from the agency's code. Facts of the leg are there once `leg.issued` was heard.

    `deliveries`: those of every event of which one is still open; a settled event is history and is not loaded.
    `state`: open, accepted or ended, as far as referral has told. `refused_state`: what an answer by link met.
    """

    id: UUID
    report: UUID | None = None
    case_id: UUID | None = None
    code: str | None = None
    agency: str | None = None
    department: str | None = None
    duty: str | None = None
    grade: str | None = None
    region: str | None = None
    delivered_due: datetime | None = None
    seen_due: datetime | None = None
    accepted_due: datetime | None = None
    active_due: datetime | None = None
    done_due: datetime | None = None
    state: str = "open"
    link_answered_at: datetime | None = None
    refused_state: str | None = None
    changed_at: datetime
    version: int = 0
    trace: str = ""
    deliveries: dict[UUID, Delivery] = {}

    @property
    def leg(self) -> UUID | None:
        return self.id if self.agency is not None else None

    @property
    def pending(self) -> int:
        return sum(delivery.open for delivery in self.deliveries.values())

    @property
    def next_due(self) -> datetime | None:
        return min((delivery.due for delivery in self.deliveries.values() if delivery.due is not None), default=None)

    def having(self, deliveries: Iterable[Delivery]) -> "Notice":
        """The notice with these deliveries beside or in place of those it has."""
        new = {delivery.id: delivery for delivery in deliveries}
        return msgspec.structs.replace(self, deliveries={**self.deliveries, **new}) if new else self

    def due_by(self, now: datetime, *states: State) -> tuple[Delivery, ...]:
        return tuple(d for d in self.deliveries.values() if d.state in states and d.due is not None and d.due <= now)

    def moot(self, delivery: Delivery) -> bool:
        """An agency that has answered needs no further attempt to be told of the leg."""
        return delivery.about == LEG_ISSUED and self.state != "open"


def delivery_id(event: str, party: str, channel: Channel) -> UUID:
    """Derived, so that a retry decides the same, and the receiver sees one id however often it is told."""
    return named(_DELIVERIES, f"{event}/{party}/{channel}")


def agency_notice_id(code: str) -> UUID:
    """The notice of what concerns a party itself: a test."""
    return named(_AGENCIES, code)


def refusal_notice_id(agency: str, partition: int | None, offset: int | None) -> UUID:
    """One for each refused record: never the leg it names, which may be another's, nor one that all refusals of an agency would fill."""
    return named(_AGENCIES, f"refused:{agency}/{partition}/{offset}")
