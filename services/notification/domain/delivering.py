"""How does a delivery go on? From being told, over its attempts, to an end; every step leaves a deadline in the future."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.notification.domain.known import Known
from services.notification.domain.notice import Channel, Delivery, Notice, State, delivery_id
from shared.contracts.directory import OPERATIONS
from shared.contracts.envelope import Event
from shared.contracts.notification import (
    LEG_ISSUED,
    NOTICE_TYPES,
    NoticeData,
    NoticeDelayed,
    NoticeDelivered,
    NoticeUnroutable,
    WebhookBody,
    feed_headers,
    feed_topic,
)
from shared.messages import Moment, Outgoing

LEASE = timedelta(seconds=45)
"""For so long an attempt may be under way unheard; then another one is made, under the same id."""
KEPT = timedelta(days=5)
"""For so long it is tried; then the delivery has failed and a person must act."""
LOOK = (timedelta(seconds=1), timedelta(seconds=30))
"""A delivery without a way is looked at again after 1, 2, 4 ... 30 seconds: as long as it has waited, within these."""
ACKNOWLEDGED = (timedelta(minutes=1), timedelta(hours=1))
"""A broker that has not acknowledged is said to be late after 1, 2, 4 ... 60 minutes; the relay itself never gives up."""


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that the send door shall perform, after the commit that leased it. `cause`: trace of the event that is told."""

    notice: UUID
    delivery: UUID
    party: str
    number: int
    url: str
    secrets: tuple[str, ...]
    body: bytes
    cause: str
    report: UUID | None
    case: UUID | None

    def __repr__(self) -> str:
        """Show neither address, secret nor body."""
        return f"Sending({self.delivery}, number={self.number})"


class Step(msgspec.Struct, frozen=True):
    """Deliveries as they are now, what is published of it, what the send door shall do."""

    deliveries: tuple[Delivery, ...] = ()
    events: tuple[Event | Outgoing, ...] = ()
    sends: tuple[Sending, ...] = ()


def _joined(steps: Iterable[Step]) -> Step:
    taken = tuple(steps)
    return Step(
        tuple(delivery for step in taken for delivery in step.deliveries),
        tuple(event for step in taken for event in step.events),
        tuple(send for step in taken for send in step.sends),
    )


def tell(notice: Notice, told: Iterable[NoticeData], at: Moment) -> Step:
    """Plans one delivery per channel of each party; a party that cannot be reached yet gets one that waits, and says so."""
    return _joined(_tell(notice, data, at) for data in told)


def _tell(notice: Notice, data: NoticeData, at: Moment) -> Step:
    wish = Delivery(
        id=delivery_id(data.event, data.party, Channel.NONE),
        notice_id=notice.id,
        event=data.event,
        about=data.about,
        party=data.party,
        channel=Channel.NONE,
        state=State.WAITING,
        due=at.now + LOOK[0],
        body=msgspec.json.encode(data),
        traceparent=at.traceparent,
        created_at=at.now,
    )
    return _routed(notice, wish, at) or Step((wish,), (NoticeUnroutable(**concerning(notice, wish)),))


def _routed(notice: Notice, wish: Delivery, at: Moment) -> Step | None:
    """The wish through every way that is open now and not yet taken, or None while there is none."""
    known: Known = at.reference
    parties = known.operations() if wish.party == OPERATIONS else (wish.party,)
    ways = [(party, channel) for party in parties for channel in known.channels(wish.about, party)]
    return _joined(_through(notice, wish, party, channel, at) for party, channel in ways) if ways else None


def _through(notice: Notice, wish: Delivery, party: str, channel: Channel, at: Moment) -> Step:
    key = delivery_id(wish.event, party, channel)
    if key != wish.id and key in notice.deliveries:
        return Step()
    planned = msgspec.structs.replace(wish, id=key, party=party, channel=channel)
    if channel is Channel.WEBHOOK:
        return Step((msgspec.structs.replace(planned, state=State.DUE, due=at.now),))
    sent = msgspec.structs.replace(planned, state=State.SENT, attempt=1, due=at.now + ACKNOWLEDGED[0])
    return Step((sent,), (_entry(notice, sent, at),))


def _entry(notice: Notice, sent: Delivery, at: Moment) -> Outgoing:
    """An entry of the agency's own topic; the acknowledgement comes back through the mailbox."""
    subject = str(notice.leg or notice.report or sent.party)
    return Outgoing(
        topic=feed_topic(sent.party),
        key=sent.party.encode(),
        value=sent.body,
        headers=feed_headers(about=sent.about, code=sent.party, delivery=sent.id, subject=subject, at=at.now),
        feed=sent.party,
        on_ack=msgspec.json.encode({"notice": notice.id, "delivery": sent.id, "traceparent": at.traceparent}),
        id=sent.id,
    )


def tick(notice: Notice, at: Moment) -> tuple[Notice, Step]:
    """Looks for ways, then makes the attempts that are due, then says what the broker has not acknowledged in time."""
    looked = _joined(_look(notice, waiting, at) for waiting in notice.due_by(at.now, State.WAITING))
    notice = notice.having(looked.deliveries)
    tried = _joined(_attempt(notice, delivery, at) for delivery in notice.due_by(at.now, State.DUE, State.LEASED))
    silent = _joined(_unacknowledged(notice, delivery, at) for delivery in notice.due_by(at.now, State.SENT))
    step = _joined((looked, tried, silent))
    return notice.having((*tried.deliveries, *silent.deliveries)), step


def _look(notice: Notice, waiting: Delivery, at: Moment) -> Step:
    routed = _routed(notice, waiting, at)
    if routed is not None:
        goes_on = any(delivery.id == waiting.id for delivery in routed.deliveries)
        return routed if goes_on else _joined((routed, Step((waiting.end(State.ENDED),))))
    if at.now >= waiting.created_at + KEPT:
        return _given_up(notice, waiting, "unroutable")
    return Step((msgspec.structs.replace(waiting, due=at.now + _backoff(waiting, at.now, LOOK)),))


def _backoff(delivery: Delivery, now: datetime, limits: tuple[timedelta, timedelta]) -> timedelta:
    """As long again as it has waited so far, so that the pauses double without a counter."""
    return min(max(now - delivery.created_at, limits[0]), limits[1])


def _attempt(notice: Notice, delivery: Delivery, at: Moment) -> Step:
    known: Known = at.reference
    endpoint = known.endpoints.get(delivery.party)
    if at.now >= delivery.created_at + KEPT:
        return _given_up(notice, delivery, delivery.last_error or "unheard")
    if notice.moot(delivery):
        return Step((delivery.end(State.ENDED),))
    if endpoint is None or endpoint.url is None or not endpoint.enabled:
        waiting = msgspec.structs.replace(delivery, state=State.WAITING, due=at.now + LOOK[0])
        return Step((waiting,), (NoticeUnroutable(**concerning(notice, delivery)),))
    unheard = (_delayed(notice, delivery, "unheard", at.now),) if delivery.state is State.LEASED else ()
    leased = msgspec.structs.replace(delivery, state=State.LEASED, attempt=delivery.attempt + 1, due=at.now + LEASE)
    return Step((leased,), unheard, (_sending(notice, leased, endpoint.url, endpoint.secrets),))


def _sending(notice: Notice, leased: Delivery, url: str, secrets: tuple[str, ...]) -> Sending:
    body = WebhookBody(NOTICE_TYPES[leased.about], leased.created_at, msgspec.Raw(leased.body))
    return Sending(
        notice=notice.id,
        delivery=leased.id,
        party=leased.party,
        number=leased.attempt,
        url=url,
        secrets=secrets,
        body=msgspec.json.encode(body),
        cause=leased.traceparent,
        report=notice.report,
        case=notice.case_id,
    )


def _unacknowledged(notice: Notice, sent: Delivery, at: Moment) -> Step:
    late = msgspec.structs.replace(sent, due=at.now + _backoff(sent, at.now, ACKNOWLEDGED), last_error="unacknowledged")
    return Step((late,), (_delayed(notice, late, "unacknowledged", late.due),))


def attempt_ended(notice: Notice, delivery: Delivery, attempt: int, error: str, retry_after: float, at: Moment) -> Step:
    """An attempt failed: another one when the schedule (or the receiver, if later) says so. A stale attempt changes nothing."""
    if delivery.state is not State.LEASED or delivery.attempt != attempt:
        return Step()
    known: Known = at.reference
    due = at.now + max(known.pause(attempt), timedelta(seconds=retry_after))
    if due >= delivery.created_at + KEPT:
        return _given_up(notice, delivery, error)
    if notice.moot(delivery):
        return Step((delivery.end(State.ENDED, error),), (_delayed(notice, delivery, error, None),))
    again = msgspec.structs.replace(delivery, state=State.DUE, due=due, last_error=error)
    return Step((again,), (_delayed(notice, delivery, error, due),))


def _given_up(notice: Notice, delivery: Delivery, error: str) -> Step:
    return Step((delivery.end(State.FAILED, error),), (_delayed(notice, delivery, error, None),))


def arrived(notice: Notice, delivery: Delivery, attempt: int, at: Moment) -> Step:
    """The receiver took it. That counts however late it is heard, unless the delivery has ended."""
    if not delivery.open:
        return Step()
    delivered = msgspec.structs.replace(delivery.end(State.DELIVERED), delivered_at=at.now)
    event = NoticeDelivered(**concerning(notice, delivery), delivery=delivery.id, channel=str(delivery.channel), attempt=attempt, at=at.now)
    return Step((delivered,), (event,))


def acknowledged(notice: Notice, delivery: Delivery, at: Moment) -> Step:
    return arrived(notice, delivery, delivery.attempt, at)


def end_waiting(notice: Notice) -> Step:
    """What still waits to tell an agency of a leg that it has answered is over. An attempt under way may still arrive."""
    over = [d for d in notice.deliveries.values() if d.about == LEG_ISSUED and d.state in (State.WAITING, State.DUE)]
    return Step(tuple(delivery.end(State.ENDED) for delivery in over))


def _delayed(notice: Notice, delivery: Delivery, error: str, next_due: datetime | None) -> NoticeDelayed:
    return NoticeDelayed(
        **concerning(notice, delivery),
        delivery=delivery.id,
        channel=str(delivery.channel),
        attempt=delivery.attempt,
        error=error,
        next_due=next_due,
    )


def concerning(notice: Notice, delivery: Delivery) -> dict[str, Any]:
    return {
        "concerns": str(notice.case_id or notice.report or delivery.party),
        "notice": notice.id,
        "party": delivery.party,
        "about": delivery.about,
        "report": notice.report,
        "case": notice.case_id,
        "leg": notice.leg,
    }
