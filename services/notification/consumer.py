"""What does notification listen to? One event, one message; the directory goes straight into its table."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from faststream.kafka import KafkaRouter

from services.notification import store
from services.notification.domain import agency_notice_id, refusal_notice_id
from services.notification.domain.known import Known
from shared.broker import Batch, Given, Listener, Read, Route, Unreadable, subscriber
from shared.contracts import directory, envelope, intake, moves, operations, referral, stories
from shared.contracts.directory import AgencyChanged
from shared.contracts.notification import REPORT_PROGRESSED
from shared.messages import Message, Record
from shared.room import Room, Settle

router = KafkaRouter()


@subscriber(router, "notification", referral.TOPIC)
async def on_referral(batch: Any, listener: Annotated[Any, Given("referral")]) -> None:
    await listener(batch)


@subscriber(router, "notification", intake.TOPIC, at_leisure=True)
async def on_intake(batch: Any, listener: Annotated[Any, Given("intake")]) -> None:
    await listener(batch)


@subscriber(router, "notification", directory.TOPIC)
async def on_directory(batch: Any, listener: Annotated[Any, Given("directory")]) -> None:
    await listener(batch)


@subscriber(router, "notification", operations.TOPIC, at_leisure=True)
async def on_operations(batch: Any, listener: Annotated[Any, Given("operations")]) -> None:
    await listener(batch)


LEG_EVENTS = (
    referral.LegIssued,
    referral.LegEscalated,
    referral.LegReminded,
    referral.LegDeclined,
    referral.LegAccepted,
    referral.LegActive,
    moves.LegForwarded,
    referral.LegFulfilled,
    referral.LegPressed,
    referral.PressAnswered,
    referral.PressMissed,
    stories.LegCovered,
    stories.LegRescheduled,
    moves.LegWithdrawn,
    moves.LegVoided,
    moves.WithdrawalAsked,
    moves.WithdrawalRefused,
)


def referral_listener(notices: Room) -> Listener:
    routes = [Route(event, notices, of_leg) for event in LEG_EVENTS]
    return Listener("notification", referral.TOPIC, [*routes, Route(referral.AnswerRefused, notices, answer_refused)], notices)


def operations_listener(notices: Room) -> Listener:
    routes = [Route(operations.StreamParked, notices, stream_parked), Route(operations.DeadlinesStalled, notices, deadlines_stalled)]
    return Listener("notification", operations.TOPIC, routes, notices)


def stream_parked(event: operations.StreamParked, _: Read) -> Sequence[Message]:
    return [Message(body=event, aggregate=agency_notice_id(f"stream:{event.consumer}:{event.stream}"))]


def deadlines_stalled(event: operations.DeadlinesStalled, _: Read) -> Sequence[Message]:
    return [Message(body=event, aggregate=agency_notice_id(f"deadlines:{event.stream}"))]


def of_leg(event: referral.LegEvent, _: Read) -> Sequence[Message]:
    return [Message(body=event, aggregate=event.leg)]


def answer_refused(event: referral.AnswerRefused, _: Read) -> Sequence[Message]:
    """Whoever answered by HTTP has been told in the response. By topic every record is a subject of its own; by link the leg's page shows it."""
    if event.via == "topic":
        return [Message(body=event, aggregate=refusal_notice_id(event.agency, event.partition, event.offset))]
    return [Message(body=event, aggregate=event.leg)] if event.via == "link" and event.leg is not None else []


def of_report(event: intake.ReportStalled | intake.ReportProgressed, _: Read) -> Sequence[Message]:
    return [Message(body=event, aggregate=event.report)]


class ReportListener(Listener):
    """Progress becomes a message only for a reporter that has registered: it is a sixth of all records, and most reporters look by themselves.

    Asked before the transaction: who registers meanwhile hears of what comes then.
    """

    def __init__(self, notices: Room) -> None:
        routes = [Route(intake.ReportStalled, notices, of_report), Route(intake.ReportProgressed, notices, self._of_progress)]
        super().__init__("notification", intake.TOPIC, routes, notices)
        self._known: Known | None = None

    async def apply(self, batch: Batch) -> None:
        self._known = await self.rescue.reference.value(self.rescue.pool)
        await super().apply(batch)

    async def release(self, record: Record, consumer: str, message: str, settle: Settle) -> None:
        self._known = await self.rescue.reference.value(self.rescue.pool)
        await super().release(record, consumer, message, settle)

    def _of_progress(self, event: intake.ReportProgressed, read: Read) -> Sequence[Message]:
        heard = self._known is None or self._known.channels(REPORT_PROGRESSED, event.party)
        return of_report(event, read) if heard else []


class DirectoryListener(Listener):
    """A compacted topic needs no inbox: a newer version wins. An entry of another form is a dead letter; its next version repairs it."""

    def __init__(self, rescue: Room) -> None:
        super().__init__("notification", directory.TOPIC, (), rescue)
        self.types = {AgencyChanged.type_.encode()}
        self._decoder = msgspec.json.Decoder(AgencyChanged)

    async def apply(self, batch: Batch) -> None:
        dead: list[Unreadable] = []
        items = [self._entry(item) for item in self._wanted(batch, dead)]
        await self._bury([*dead, *(item for item in items if isinstance(item, Unreadable))])
        await store.update_directory(self.rescue.pool, [item for item in items if isinstance(item, AgencyChanged)])

    async def release(self, record: Record, consumer: str, message: str, settle: Settle) -> None:
        """Nothing of this topic is ever parked."""

    def _entry(self, item: Read) -> AgencyChanged | Unreadable:
        try:
            return self._decoder.decode(item.incoming.data)
        except (ValueError, RecursionError):
            return Unreadable(item.record, envelope.fault(item.incoming.data) or "contract")
