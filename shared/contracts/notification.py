"""What does notification say? That a notice reached somebody, that it is late, and that a one-tap link was used."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event

TOPIC = "heli.notification.v1"


class NoticeEvent(Event, frozen=True, kw_only=True):
    """`about` is the type of the event that was to be told, `event` its id; `key` is the case, else the report, else the party."""

    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/notification"
    key_field: ClassVar[str] = "concerns"
    subject_field: ClassVar[str] = "notice"
    concerns: str
    notice: UUID
    party: str
    about: str
    report: UUID | None = None
    case: UUID | None = None
    leg: UUID | None = None


class NoticeDelivered(NoticeEvent, frozen=True, kw_only=True):
    """The receiver's 2xx or the broker's acknowledgement is in. `at` is when it came."""

    type_: ClassVar[str] = "heli.notice.delivered.v1"
    delivery: UUID
    channel: str
    attempt: int
    at: datetime


class NoticeDelayed(NoticeEvent, frozen=True, kw_only=True):
    """An attempt failed; the next one is due at `next_due`, or none is left (null)."""

    type_: ClassVar[str] = "heli.notice.delayed.v1"
    delivery: UUID
    channel: str
    attempt: int
    error: str
    next_due: datetime | None


class NoticeUnroutable(NoticeEvent, frozen=True, kw_only=True):
    """Nobody knows how to reach this party yet: the notice waits and is looked at again."""

    type_: ClassVar[str] = "heli.notice.unroutable.v1"


class LinkAnswered(Event, frozen=True, kw_only=True):
    """The button of a one-tap link was pressed by whoever holds it: an answer to a leg."""

    type_: ClassVar[str] = "heli.link.answered.v1"
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/notification"
    key_field: ClassVar[str] = "case"
    subject_field: ClassVar[str] = "leg"
    report: UUID
    case: UUID
    leg: UUID
    agency: str
    answer: str
    at: datetime


class EndpointChanged(Event, frozen=True, kw_only=True):
    """A party can be reached otherwise than before. Neither address nor secret is said."""

    type_: ClassVar[str] = "heli.endpoint.changed.v1"
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/notification"
    key_field: ClassVar[str] = "party"
    subject_field: ClassVar[str] = "party"
    party: str
    webhook: bool
    feed: bool
    enabled: bool


class NoticeData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a partner is told, by webhook and by topic alike. No age, no sex, no region below the county."""

    about: str
    agency: str
    delivery: UUID
    report: UUID | None = None
    code: str | None = None
    case: UUID | None = None
    leg: UUID | None = None
    department: str | None = None
    duty: str | None = None
    grade: str | None = None
    region: str | None = None
    clock: str | None = None
    rung: int | None = None
    due: datetime | None = None
    seen_due: datetime | None = None
    accepted_due: datetime | None = None
    active_due: datetime | None = None
    fact: str | None = None
    at: datetime | None = None
    answer: str | None = None
    reason: str | None = None
    state: str | None = None
    partition: int | None = None
    offset: int | None = None
    unassigned: bool = False
    link: str | None = None


class FeedEntry(Event, frozen=True, kw_only=True):
    """One entry of an agency's own topic; its type is `heli.notice.<what>.v1`, its number `ce_sequence`."""

    type_: ClassVar[str] = "heli.notice.told.v1"
    topic: ClassVar[str] = "heli.agency.{code}.v1"
    source: ClassVar[str] = "/notification/feeds/{code}"
    key_field: ClassVar[str] = "agency"
    subject_field: ClassVar[str] = "agency"
    agency: str
    data: NoticeData


EVENTS = (NoticeDelivered, NoticeDelayed, NoticeUnroutable, LinkAnswered, EndpointChanged)
