"""What does guardianship listen to? One event, one message."""

from collections.abc import Sequence
from typing import Annotated, Any

from faststream.kafka import KafkaRouter

from services.guardianship.handlers import CloseCase, RegradeCase
from shared.broker import Given, Listener, Read, Route, subscriber
from shared.contracts import referral, stories
from shared.messages import Message
from shared.room import Room

router = KafkaRouter()


@subscriber(router, "guardianship", referral.TOPIC, at_leisure=True)
async def on_referral(batch: Any, listener: Annotated[Any, Given("referral")]) -> None:
    await listener(batch)


def referral_listener(children: Room) -> Listener:
    routes = (
        Route(referral.CaseOpened, children, case_opened, "child"),
        Route(stories.CaseRaised, children, case_regraded, "child"),
        Route(stories.CaseLowered, children, case_regraded, "child"),
        Route(referral.CaseClosed, children, case_closed, "child"),
    )
    return Listener("guardianship", referral.TOPIC, routes, children)


def case_opened(event: referral.CaseOpened, _: Read) -> Sequence[Message]:
    return [Message(body=event, aggregate=event.child)]


def case_regraded(event: stories.CaseRaised | stories.CaseLowered, _: Read) -> Sequence[Message]:
    return [Message(body=RegradeCase(event.case, event.grade), aggregate=event.child)]


def case_closed(event: referral.CaseClosed, _: Read) -> Sequence[Message]:
    return [Message(body=CloseCase(event.case), aggregate=event.child)]
