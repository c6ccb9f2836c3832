"""What does notification say: to our services, that a notice arrived, is late, or was answered by link; to partners, what they must know?"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event

TOPIC = "heli.notification.v1"

LEG_ISSUED, LEG_ESCALATED, LEG_DECLINED = "leg.issued", "leg.escalated", "leg.declined"
LEG_REMINDED = "leg.reminded"
LEG_PRESSED, PRESS_ANSWERED, PRESS_MISSED = "leg.pressed", "press.answered", "press.missed"
LEG_VOIDED, LEG_WITHDRAWN = "leg.voided", "leg.withdrawn"
LEG_COVERED, LEG_RESCHEDULED = "leg.covered", "leg.rescheduled"
WITHDRAWAL_ASKED, WITHDRAWAL_REFUSED = "withdrawal.asked", "withdrawal.refused"
ANSWER_REFUSED, ENDPOINT_TESTED = "answer.refused", "endpoint.tested"
REPORT_STALLED, REPORT_PROGRESSED = "report.stalled", "report.progressed"
STREAM_PARKED, DEADLINES_STALLED = "stream.parked", "deadlines.stalled"
NOTICE_TYPES = {
    LEG_ISSUED: "heli.notice.issued.v1",
    LEG_ESCALATED: "heli.notice.escalated.v1",
    LEG_REMINDED: "heli.notice.reminded.v1",
    LEG_DECLINED: "heli.notice.declined.v1",
    LEG_PRESSED: "heli.notice.pressed.v1",
    PRESS_ANSWERED: "heli.notice.answered.v1",
    PRESS_MISSED: "heli.notice.unanswered.v1",
    LEG_VOIDED: "heli.notice.voided.v1",
    LEG_WITHDRAWN: "heli.notice.withdrawn.v1",
    LEG_COVERED: "heli.notice.covered.v1",
    LEG_RESCHEDULED: "heli.notice.rescheduled.v1",
    WITHDRAWAL_ASKED: "heli.notice.asked.v1",
    WITHDRAWAL_REFUSED: "heli.notice.kept.v1",
    ANSWER_REFUSED: "heli.notice.refused.v1",
    REPORT_STALLED: "heli.notice.stalled.v1",
    REPORT_PROGRESSED: "heli.notice.progressed.v1",
    ENDPOINT_TESTED: "heli.notice.tested.v1",
    STREAM_PARKED: "heli.notice.parked.v1",
    DEADLINES_STALLED: "heli.notice.unfired.v1",
}
"""What a notice is about, and the type under which its party is told: `ce_type` on a feed, `type` in a webhook."""


class NoticeEvent(Event, frozen=True, kw_only=True):
    """`about` is a key of NOTICE_TYPES; `concerns` (the record's key) is the case, else the report, else the party.

    Only `about=leg.issued` to the leg's own agency counts as the leg's delivery.
    """

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


class NoticeUndeliverable(NoticeEvent, frozen=True, kw_only=True):
    """Every way to this party was given up: the notice was not delivered, and will not be. `error` is the last one's."""

    type_: ClassVar[str] = "heli.notice.undeliverable.v1"
    error: str


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
    """What a partner is told, the same by webhook and by topic: an absent field is null. No age, no sex, no region below the county.

    `event` is the id of what is told, the same through every channel (a delivery's own id is `webhook-id` or `ce_id`).
    `party` is who is told, `agency` whose leg it is, `covered_by` the leg by which it owes the same already. `region` has 12 digits. Times are UTC.
    """

    about: str
    event: str
    party: str
    agency: str | None = None
    report: UUID | None = None
    code: str | None = None
    case: UUID | None = None
    leg: UUID | None = None
    department: str | None = None
    duty: str | None = None
    grade: str | None = None
    region: str | None = None
    unassigned: bool = False
    replaces: UUID | None = None
    covered_by: UUID | None = None
    due: datetime | None = None
    delivered_due: datetime | None = None
    seen_due: datetime | None = None
    accepted_due: datetime | None = None
    active_due: datetime | None = None
    clock: str | None = None
    rung: int | None = None
    who: str | None = None
    fact: str | None = None
    at: datetime | None = None
    answer: str | None = None
    reason: str | None = None
    state: str | None = None
    partition: int | None = None
    offset: int | None = None
    stream: str | None = None
    consumer: str | None = None
    link: str | None = None


class WebhookBody(msgspec.Struct, frozen=True):
    """The body of a signed webhook (Standard Webhooks): `timestamp` is when the notice was made, the same on every attempt."""

    type: str
    timestamp: datetime
    data: msgspec.Raw


def feed_topic(code: str) -> str:
    """An agency's own topic: what it is told."""
    return f"heli.agency.{code}.v1"


def feed_headers(*, about: str, code: str, delivery: UUID, subject: str, at: datetime) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents headers of an entry of an agency's own topic. Its number `ce_sequence` and `traceparent` are given when it is saved."""
    pairs = {
        "ce_specversion": "1.0",
        "ce_id": str(delivery),
        "ce_type": NOTICE_TYPES[about],
        "ce_source": f"/notification/feeds/{code}",
        "ce_subject": subject,
        "ce_time": at.isoformat(timespec="microseconds"),
        "ce_dataschema": f"urn:heli:schema:{NOTICE_TYPES[about]}",
        "content-type": "application/json",
    }
    return tuple((name, value.encode()) for name, value in pairs.items())


EVENTS = (NoticeDelivered, NoticeDelayed, NoticeUnroutable, NoticeUndeliverable, LinkAnswered, EndpointChanged)
