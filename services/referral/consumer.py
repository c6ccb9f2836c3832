"""What does referral listen to? Accepted reports, deliveries and used links, and what agencies answer on their own topics."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from faststream.kafka import KafkaRouter

from services.referral import store
from services.referral.domain.agency import agency_id
from services.referral.domain.leg import REASONS, Answer, DeclineReason, ForwardReason, HoldReason, Move, Outcome
from services.referral.domain.rule_rows import Code
from services.referral.handlers import NoteDelivery, NoteUndeliverable, OpenCase, RefuseUnreadable, TakeAnswer
from shared.broker import Batch, Given, Listener, Read, Route, subscriber
from shared.contracts import intake, notification
from shared.errors import Clash, NotFound, Problem
from shared.identifiers import case_id, case_of
from shared.lanes import hand
from shared.messages import Message, Record
from shared.patience import patiently
from shared.room import TRANSIENT, Room

REPLIES = r"heli\.agency\.[^.]+\.replies\.v1"
router = KafkaRouter()


@subscriber(router, "referral", intake.TOPIC)
async def on_intake(batch: Any, listener: Annotated[Any, Given("intake")]) -> None:
    await listener(batch)


@subscriber(router, "referral", notification.TOPIC)
async def on_notification(batch: Any, listener: Annotated[Any, Given("notification")]) -> None:
    await listener(batch)


@subscriber(router, "referral", REPLIES, pattern=True)
async def on_replies(batch: Any, replies: Annotated[Any, Given("replies")]) -> None:
    await replies(batch)


def intake_listener(cases: Room) -> Listener:
    return Listener("referral", intake.TOPIC, (Route(intake.ReportAccepted, cases, report_accepted),), cases)


def report_accepted(event: intake.ReportAccepted, _: Read) -> Sequence[Message]:
    """One case per child. Until it exists, what is parked of it waits under its own id: nothing else can arrive before it."""
    return [
        Message(body=OpenCase(key, event, child), aggregate=key, id=str(child.number))
        for child in event.children
        for key in (case_id(event.report, child.number),)
    ]


def notification_listener(cases: Room) -> Listener:
    routes = (
        Route(notification.NoticeDelivered, cases, notice_delivered, "case"),
        Route(notification.NoticeUndeliverable, cases, notice_undeliverable, "case"),
        Route(notification.LinkAnswered, cases, link_answered, "case"),
    )
    return Listener("referral", notification.TOPIC, routes, cases)


def notice_delivered(event: notification.NoticeDelivered, _: Read) -> Sequence[Message]:
    """Only the notice of a leg itself counts as the leg's delivery; what was told to others of it does not."""
    if event.about != "leg.issued" or event.leg is None:
        return []
    return [Message(body=NoteDelivery(event.leg, event.party), aggregate=case_of(event.leg))]


def notice_undeliverable(event: notification.NoticeUndeliverable, _: Read) -> Sequence[Message]:
    """The same holds of a notice that was given up."""
    if event.about != "leg.issued" or event.leg is None:
        return []
    return [Message(body=NoteUndeliverable(event.leg, event.party, event.error), aggregate=case_of(event.leg))]


def link_answered(event: notification.LinkAnswered, item: Read) -> Sequence[Message]:
    answer = TakeAnswer(leg=event.leg, agency=event.agency, answer=event.answer, via="link", claimed_at=event.at)
    return [Message(body=answer, aggregate=case_of(event.leg), actor=event.agency, received=item.record.timestamp)]


class Reply(msgspec.Struct, frozen=True):
    """What an agency writes on its replies topic. Its headers are not trusted: who speaks is known by the topic."""

    leg: UUID
    answer: Literal[Answer, Move]
    reason: Literal[DeclineReason, ForwardReason, HoldReason] | None = None
    outcome: Outcome | None = None
    at: datetime | None = None
    to: str | None = None
    step: Code | None = None
    details: dict[Code, tuple[Code, ...]] = {}
    until: datetime | None = None


_reply = msgspec.json.Decoder(Reply)


class Replies:
    """Turns records of all replies topics into answers; what is none, or of another's leg, is refused on its agency's feed, never parked."""

    def __init__(self, cases: Room, agencies: Room) -> None:
        self.cases, self.agencies = cases, agencies

    async def __call__(self, batch: Batch) -> None:
        await patiently(f"referral.{REPLIES}", lambda: self.apply(batch))

    async def apply(self, batch: Batch) -> None:
        answers, refused = [], []
        for record in batch:
            try:
                answers.append(answer_of(record))
            except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
                refused.append(refusal_of(record, "contract" if isinstance(reason, msgspec.ValidationError) else "malformed"))
        own, strange = await self._apart(answers)
        refused += [*strange, *(await self._taken(own) if own else ())]
        if refused:
            await hand(self.agencies, refused)

    async def _taken(self, own: Sequence[Message]) -> list[Message]:
        """Applies answers. What the database refuses is refused to its agency: it must not keep back what the others say."""
        try:
            await hand(self.cases, own)
        except TRANSIENT:
            raise
        except (Problem, Clash):
            outcomes = await self.cases.outcomes(own)
            for outcome in outcomes:
                if isinstance(outcome, TRANSIENT):
                    raise outcome from None
            return [
                _refused(message, "refused-by-database")
                for message, found in zip(own, outcomes, strict=True)
                if isinstance(found, Exception)
            ]
        return []

    async def _apart(self, answers: Sequence[Message]) -> tuple[list[Message], list[Message]]:
        """Answers to legs of the agency that speaks, and refusals of the others: those are the agency's own fault, and limited there."""
        agencies = await store.agencies_of(self.cases.pool, [message.body.leg for message in answers]) if answers else {}
        own = [message for message in answers if agencies.get(message.body.leg) == message.body.agency]
        return own, [_refused(message, NotFound().slug) for message in answers if agencies.get(message.body.leg) != message.body.agency]


def speaker(record: Record) -> str:
    """The agency whose topic this is: heli.agency.<code>.replies.v1."""
    return record.topic.split(".")[2]


def answer_of(record: Record) -> Message:
    """Raises ValueError or msgspec's own errors for what is no answer."""
    reply, agency = _reply.decode(record.value or b""), speaker(record)
    if reply.answer in REASONS and reply.reason not in REASONS[reply.answer]:
        raise ValueError("reason-missing")
    if reply.answer == "held" and (reply.until is None or reply.until.tzinfo is None):
        raise ValueError("until-missing")
    claimed = reply.at if reply.at is not None and reply.at.tzinfo is not None else None
    answer = TakeAnswer(
        leg=reply.leg,
        agency=agency,
        answer=reply.answer,
        via="topic",
        claimed_at=claimed,
        code=reply.reason if reply.answer in REASONS else reply.outcome,
        to=reply.to,
        step=reply.step,
        details=reply.details,
        until=reply.until,
        partition=record.partition,
        offset=record.offset,
    )
    return Message(
        body=answer, aggregate=case_of(reply.leg), id=place_of(record), source=record.topic, actor=agency, received=record.timestamp
    )


def refusal_of(record: Record, reason: str) -> Message:
    agency = speaker(record)
    body = RefuseUnreadable(agency, reason, record.partition, record.offset)
    return Message(body=body, aggregate=agency_id(agency), id=place_of(record), source=record.topic, actor=agency)


def _refused(message: Message, reason: str) -> Message:
    said: TakeAnswer = message.body
    body = RefuseUnreadable(said.agency, reason, said.partition or 0, said.offset or 0, said.leg, said.answer)
    return msgspec.structs.replace(message, body=body, aggregate=agency_id(said.agency), received=None)


def place_of(record: Record) -> str:
    """Its place in the topic names a reply: an id in a header would be the partner's to repeat."""
    return f"{record.partition}/{record.offset}"
