"""Does every subscriber state how it reads, so that nothing is skipped and nobody else's header is obeyed (design, section 2)?"""

# ruff: noqa: SLF001 - FastStream tells nowhere else how a subscriber was declared

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
from fast_depends.library import CustomField
from faststream import AckPolicy, Context
from faststream.kafka import KafkaRouter
from faststream.kafka.subscriber.usecase import BatchSubscriber

from services.referral.consumer import REPLIES
from shared.broker import BATCH, Given, subscriber
from shared.contracts import directory, intake, notification, referral
from tests.guards.sources import ROOT, SERVICES, Fault, shown


def routers_of(service: str) -> list[KafkaRouter]:
    module = import_module(f"services.{service}.consumer")
    return [found for found in vars(module).values() if isinstance(found, KafkaRouter)]


def faults_in(service: str, routers: Sequence[KafkaRouter]) -> Iterator[Fault]:
    found: list[Any] = [one for router in routers for one in router.subscribers]
    for one in found:
        yield from (Fault(*place_of(one), rule) for rule in _rules(service, one))
    twice = Counter(topic for one in found for topic in _topics(one))
    for one in found:
        yield from (Fault(*place_of(one), f"{topic} has two subscribers") for topic in _topics(one) if twice[topic] > 1)


def _rules(service: str, one: Any) -> Iterator[str]:
    topics = _topics(one)
    if one.ack_policy is not AckPolicy.NACK_ON_ERROR:
        yield f"{topics}: ack_policy is {one.ack_policy.name}"
    if not one._no_reply:
        yield f"{topics}: replies to whom a header names"
    if not isinstance(one, BatchSubscriber):
        yield f"{topics}: reads one by one"
    if len(topics) != 1:
        yield f"{topics}: one subscriber per topic"
    elif one.group_id != f"{service}.{topics[0]}":
        yield f"{topics}: group id is {one.group_id}"
    if one._connection_args["auto_offset_reset"] != "earliest":
        yield f"{topics}: a new group would begin at {one._connection_args['auto_offset_reset']}"
    yield from (f"{topics}: takes a thread for {name}" for name, field in _fields(one) if not inspect.iscoroutinefunction(field.use))


def _fields(one: Any) -> Iterator[tuple[str, CustomField]]:
    """What FastStream is to give the handler beside the batch."""
    for name, hint in get_type_hints(inspect.unwrap(one.calls[0].handler._original_call), include_extras=True).items():
        yield from ((name, found) for found in getattr(hint, "__metadata__", ()) if isinstance(found, CustomField))


def _topics(one: Any) -> list[str]:
    return [*one.topic_names]


def place_of(one: Any) -> tuple[str, int]:
    function = inspect.unwrap(one.calls[0].handler._original_call)
    path = Path(inspect.getsourcefile(function) or "?")
    return str(path.relative_to(ROOT)), inspect.getsourcelines(function)[1]


@pytest.mark.parametrize("service", SERVICES)
def test_every_subscriber_states_how_it_reads(service: str) -> None:
    assert shown(faults_in(service, routers_of(service))) == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_guard_sees_subscribers_of_every_service(service: str) -> None:
    assert sum(len(router.subscribers) for router in routers_of(service)) > 0


AT_ONCE = {
    "intake": {referral.TOPIC},  # the right to read a report
    "referral": {intake.TOPIC, notification.TOPIC, REPLIES},
    "notification": {referral.TOPIC, directory.TOPIC},
}
"""The way of a report to its agencies, and of their answers, also those by link: nothing on it waits for company."""


@pytest.mark.parametrize("service", SERVICES)
def test_what_an_agency_waits_for_is_read_at_once(service: str) -> None:
    found: list[Any] = [one for router in routers_of(service) for one in router.subscribers]
    read = {str(one._pattern or _topics(one)[0]): one for one in found}
    at_once = {topic for topic, one in read.items() if one._connection_args["fetch_min_bytes"] == 1 and one.batch_timeout_ms == 10}
    assert at_once == AT_ONCE.get(service, set())


def test_what_all_of_them_state_is_said_once() -> None:
    assert (BATCH["ack_policy"], BATCH["no_reply"], BATCH["batch"]) == (AckPolicy.NACK_ON_ERROR, True, True)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"ack_policy": AckPolicy.ACK_FIRST}, "ack_policy is ACK_FIRST"),
        ({"ack_policy": AckPolicy.MANUAL}, "ack_policy is MANUAL"),
        ({"no_reply": False}, "replies to whom a header names"),
        ({"auto_offset_reset": "latest"}, "a new group would begin at latest"),
        ({"group_id": "toy"}, "group id is toy"),
        ({"group_id": None}, "group id is None"),
        ({"batch": False, "max_records": None}, "reads one by one"),
    ],
)
def test_a_planted_subscriber_is_named(changed: dict[str, Any], rule: str) -> None:
    router = KafkaRouter()
    stated = {name: value for name, value in ({**BATCH, "group_id": "toy.t"} | changed).items() if value is not None or name == "group_id"}

    async def planted(message: str) -> None: ...

    router.subscriber("t", **stated)(planted)
    line = inspect.getsourcelines(planted)[1]
    assert shown(faults_in("toy", [router])) == [f"tests/guards/test_subscribers.py:{line}: ['t']: {rule}"]


def test_a_handler_that_takes_a_thread_for_every_batch_is_named() -> None:
    router = KafkaRouter()

    async def planted(batch: Any, quick: Annotated[Any, Given("a")], slow: Annotated[Any, Context("a")]) -> None: ...

    router.subscriber("t", group_id="toy.t", **BATCH)(planted)
    assert [fault.rule for fault in faults_in("toy", [router])] == ["['t']: takes a thread for slow"]


def test_a_bare_subscriber_breaks_every_rule() -> None:
    router = KafkaRouter()

    @router.subscriber("t")
    async def planted(message: str) -> None: ...

    assert len(list(faults_in("toy", [router]))) == 5


def test_two_topics_of_one_subscriber_and_two_subscribers_of_one_topic_are_named() -> None:
    both, twice = KafkaRouter(), KafkaRouter()

    async def planted(message: str) -> None: ...

    both.subscriber("t", "u", group_id="toy.t", **BATCH)(planted)
    for _ in range(2):

        @subscriber(twice, "toy", "t")
        async def again(message: str) -> None: ...

    assert [fault.rule for fault in faults_in("toy", [both])] == ["['t', 'u']: one subscriber per topic"]
    assert {fault.rule for fault in faults_in("toy", [twice])} == {"t has two subscribers"}
