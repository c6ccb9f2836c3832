"""What does intake listen to? One event, one message."""

from collections.abc import Sequence
from typing import Annotated, Any

from faststream.kafka import KafkaRouter

from shared.broker import Given, Listener, Read, Route, subscriber
from shared.contracts import moves, referral, stories
from shared.messages import Message
from shared.room import Room

EVENTS = (
    referral.CaseOpened,
    stories.CaseLinked,
    stories.CaseUnlinked,
    stories.LegCovered,
    referral.LegIssued,
    referral.LegDelivered,
    referral.LegSeen,
    referral.LegAccepted,
    referral.LegActive,
    referral.LegDeclined,
    moves.LegForwarded,
    referral.LegFulfilled,
    moves.LegWithdrawn,
    moves.LegVoided,
)

router = KafkaRouter()


@subscriber(router, "intake", referral.TOPIC)
async def on_referral(batch: Any, listener: Annotated[Any, Given("referral")]) -> None:
    await listener(batch)


def referral_listener(reports: Room) -> Listener:
    return Listener("intake", referral.TOPIC, [Route(event, reports, followed, "report") for event in EVENTS], reports)


def followed(event: referral.CaseEvent, _: Read) -> Sequence[Message]:
    return [Message(body=event, aggregate=event.report)]
