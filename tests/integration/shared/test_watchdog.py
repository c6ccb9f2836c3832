"""Does the watchdog see a handler that never returns, a commit that fails, an assignment that is lost?"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from faststream.kafka import KafkaBroker, KafkaRouter

from shared import broker, fetching, patience
from shared.broker import subscriber
from shared.watchdog import Progress
from tests.support.broker import admin, make_topics, send, until


class Consumer:
    """A consumer whose handler can be made to hang."""

    def __init__(self, kafka: KafkaBroker, topic: str) -> None:
        self.kafka, self.topic = kafka, topic
        self.gate = asyncio.Event()
        self.gate.set()
        self.handled = 0

    @property
    def raw(self) -> Any:
        return self.kafka.subscribers[0].consumer  # type: ignore[attr-defined]


@pytest.fixture
async def consumer(kafka_bootstrap: str) -> AsyncIterator[Consumer]:
    topic, router = f"watched-{uuid4().hex}", KafkaRouter()
    await make_topics(kafka_bootstrap, topic)
    kafka = broker.build(kafka_bootstrap)
    found = Consumer(kafka, topic)

    @subscriber(router, "watched", topic)
    async def on_topic(batch: Any) -> None:
        await found.gate.wait()
        found.handled += len(batch)

    kafka.include_router(router)
    await kafka.start()
    yield found
    found.gate.set()
    await kafka.stop()


async def watched(consumer: Consumer, seconds: float, *, waiting: str = "") -> bool:
    """Whether the watchdog calls it stuck within a bounded time."""
    progress = Progress(consumer.kafka, lambda group: waiting == group, seconds=0.6)
    try:
        await asyncio.wait_for(progress.run(), seconds)
    except TimeoutError:
        return False
    return True


async def test_a_consumer_that_works_or_has_nothing_to_do_is_not_stuck(consumer: Consumer, kafka_bootstrap: str) -> None:
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []))
    await until(lambda: consumer.handled)
    assert not await watched(consumer, 2)


async def test_a_handler_that_never_returns_is_stuck(consumer: Consumer, kafka_bootstrap: str) -> None:
    consumer.gate.clear()
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []))
    assert await watched(consumer, 20)


async def test_one_that_waits_for_its_database_is_left_alone(consumer: Consumer, kafka_bootstrap: str) -> None:
    consumer.gate.clear()
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []))
    assert not await watched(consumer, 2, waiting=f"watched.{consumer.topic}")
    assert await watched(consumer, 20, waiting="another group")


async def test_a_door_inside_that_meets_an_unknown_error_again_and_again_is_stuck(consumer: Consumer) -> None:
    async def door() -> None:
        raise failing.pop() if failing else LookupError("a bug")

    failing: list[Exception] = [ConnectionRefusedError()] * 4
    task = asyncio.create_task(patience.patiently("inside", door))
    assert await watched(consumer, 20)
    assert patience.hopeless(0.6) == "inside"
    task.cancel()
    patience._TROUBLES.pop("inside")  # noqa: SLF001 - else every later test is in trouble


async def test_one_look_asks_for_all_commits_at_once(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    coordinator: Any = consumer.raw._coordinator  # noqa: SLF001 - aiokafka shows it nowhere
    fetch = coordinator.fetch_committed_offsets

    async def counted(partitions: list[TopicPartition]) -> Any:
        asked.append(len(partitions))
        return await fetch(partitions)

    await until(lambda: len(consumer.raw.assignment()) == 2)
    monkeypatch.setattr(coordinator, "fetch_committed_offsets", counted)
    assert await Progress(consumer.kafka, lambda _: False).look() is None
    assert asked == [2]


async def test_a_commit_that_fails_again_and_again_is_stuck(
    consumer: Consumer, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(consumer.raw._coordinator, "commit_offsets", failing)  # noqa: SLF001 - aiokafka shows it nowhere
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []))
    await until(lambda: consumer.handled)
    assert await watched(consumer, 20)


async def test_commits_are_told_together_and_the_last_one_before_a_clean_stop(
    consumer: Consumer, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "COMMIT_SECONDS", 3600.0)
    place = TopicPartition(consumer.topic, 0)
    for number in range(1, 6):
        await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []), partition=0)
        await until(partial(handled, consumer, number))
    await until(lambda: told(consumer, place, 1))
    assert consumer.raw.open == {place}
    await consumer.kafka.stop()
    await consumer.kafka.start()
    assert await told(consumer, place, 5)
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []), partition=0)
    await until(lambda: consumer.handled == 6)


def handled(consumer: Consumer, number: int) -> bool:
    return consumer.handled == number


async def told(consumer: Consumer, place: TopicPartition, offset: int) -> bool:
    return bool(await consumer.raw.committed(place) == offset)


OTHER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer
async def main():
    consumer = AIOKafkaConsumer(sys.argv[2], bootstrap_servers=sys.argv[1], group_id=sys.argv[3], session_timeout_ms=6000)
    await consumer.start()
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_a_group_that_is_balanced_anew_under_load_goes_on(consumer: Consumer, kafka_bootstrap: str) -> None:
    """What is committed while others join and vanish must not make the group begin again and again."""
    load = asyncio.create_task(keep_sending(kafka_bootstrap, consumer.topic))
    command = [sys.executable, "-c", OTHER, kafka_bootstrap, consumer.topic, f"watched.{consumer.topic}"]
    others: list[asyncio.subprocess.Process] = []
    try:
        for _ in range(2):  # each killed one stays in the group until its session ends, and the next one joins while it does
            others.append(await asyncio.create_subprocess_exec(*command))
            await until(lambda: len(consumer.raw.assignment()) == 1, seconds=30)
            await until(partial(handled_more, consumer, consumer.handled + 20), seconds=30)
            others[-1].kill()
        await until(lambda: len(consumer.raw.assignment()) == 2, seconds=30)
        await until(partial(handled_more, consumer, consumer.handled + 20), seconds=30)
    finally:
        load.cancel()
        await asyncio.wait([load])
        for other in others:
            with contextlib.suppress(ProcessLookupError):
                other.kill()
            await other.wait()


async def keep_sending(bootstrap: str, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        while True:
            for partition in (0, 1):
                await producer.send(topic, b"1", partition=partition)
            await asyncio.sleep(0.02)
    finally:
        await producer.stop()


def handled_more(consumer: Consumer, number: int) -> bool:
    return consumer.handled >= number


async def test_a_lost_assignment_is_stuck(consumer: Consumer, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer.gate.clear()
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []))
    monkeypatch.setattr(consumer.raw, "assignment", frozenset)
    assert await watched(consumer, 20)


async def test_a_group_coordinator_that_died_is_stuck_at_once(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    died.set_result(None)
    coordinator = consumer.raw._coordinator  # noqa: SLF001 - aiokafka shows it nowhere
    with monkeypatch.context() as patch:
        patch.setattr(coordinator, "_coordination_task", died)
        assert await watched(consumer, 20)


@pytest.mark.parametrize("broker_answers", [True, False])
async def test_a_consumer_that_cannot_say_where_it_is_is_stuck_if_the_broker_answers_others(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, *, broker_answers: bool
) -> None:
    async def unknown(*_: Any) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(consumer.raw, "end_offsets", unknown)
    if not broker_answers:
        monkeypatch.setattr(AIOKafkaClient, "coordinator_lookup", unknown)
    assert await watched(consumer, 5) == broker_answers


async def test_a_client_that_learns_no_more_of_topics_and_leaders_is_stuck_at_once(consumer: Consumer) -> None:
    consumer.raw._client._sync_task.cancel()  # noqa: SLF001 - aiokafka names it nowhere else
    assert await watched(consumer, 5)


async def test_a_consumer_that_is_only_being_started_is_left_alone(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(consumer.kafka.subscribers[0], "running", False)
        patch.setattr(consumer.raw, "_fetcher", None)
        assert not await watched(consumer, 1)


async def transact(consumer: Consumer, bootstrap: str, *, abort: bool) -> None:
    """One record in a transaction; its marker is written when the consumer has read the record."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=uuid4().hex)
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(consumer.topic, b"1", partition=0)
        await until(lambda: consumer.handled)
        await (producer.abort_transaction() if abort else producer.commit_transaction())
    finally:
        await producer.stop()


@pytest.mark.parametrize("abort", [False, True])
async def test_a_marker_of_a_transaction_is_no_record_that_waits(consumer: Consumer, kafka_bootstrap: str, *, abort: bool) -> None:
    await transact(consumer, kafka_bootstrap, abort=abort)
    place = TopicPartition(consumer.topic, 0)
    assert (await consumer.raw.end_offsets([place]))[place] == 2
    assert not await watched(consumer, 2)


async def test_what_retention_has_deleted_is_no_record_that_waits(consumer: Consumer, kafka_bootstrap: str) -> None:
    place = TopicPartition(consumer.topic, 0)
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []), partition=0)
    await until(lambda: consumer.handled)
    await consumer.kafka.stop()
    await send(kafka_bootstrap, consumer.topic, *[(b"k", b"1", [])] * 3, partition=0)
    async with admin(kafka_bootstrap) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=4)})
    await consumer.kafka.start()
    assert not await watched(consumer, 2)
    assert consumer.handled == 1
    assert await consumer.raw.committed(place) == 1


async def test_a_partition_that_comes_back_has_its_time_again(
    consumer: Consumer, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer.gate.clear()
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []), partition=0)
    progress = Progress(consumer.kafka, lambda _: False, seconds=0.3)
    await until(lambda: consumer.raw.open)
    assert await progress.look() is None
    with monkeypatch.context() as patch:
        patch.setattr(consumer.raw, "assignment", lambda: frozenset({TopicPartition(consumer.topic, 1)}))
        later = time.monotonic() + 0.4
        await until(lambda: time.monotonic() > later)
        assert await progress.look() is None
    assert await progress.look() is None
