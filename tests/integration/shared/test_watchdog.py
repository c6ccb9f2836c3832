"""Does the watchdog see a frozen loop, a handler that never returns, a commit that fails, an assignment that is lost?"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from faststream.kafka import KafkaBroker, KafkaRouter
from faststream.kafka.annotations import KafkaMessage

from shared import broker
from shared.broker import subscriber
from shared.watchdog import Progress
from tests.support.broker import make_topics, send, until

FROZEN = """
import asyncio, time
from shared.watchdog import Heartbeat
async def main():
    asyncio.create_task(Heartbeat(0.4).run())
    await asyncio.sleep(0.2)
    time.sleep({block})
    await asyncio.sleep(0.2)
asyncio.run(main())
"""


@pytest.mark.parametrize(("block", "code"), [(60, 70), (0, 0)])
def test_a_frozen_event_loop_ends_the_process(block: float, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", FROZEN.format(block=block)], check=False, timeout=30, capture_output=True)
    assert done.returncode == code
    assert (b"loop.frozen" in done.stdout) == bool(code)


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
    async def on_topic(message: KafkaMessage) -> None:
        await found.gate.wait()
        found.handled += len(await message.decode() or ())

    kafka.include_router(router)
    await kafka.start()
    yield found
    found.gate.set()
    await kafka.stop()


async def watched(consumer: Consumer, seconds: float, *, waiting: bool = False) -> bool:
    """Whether the watchdog calls it stuck within a bounded time."""
    progress = Progress(consumer.kafka, lambda: waiting, seconds=0.6)
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
    assert not await watched(consumer, 2, waiting=True)


async def test_a_commit_that_fails_again_and_again_is_stuck(
    consumer: Consumer, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(consumer.raw, "commit", failing)
    await send(kafka_bootstrap, consumer.topic, (b"k", b"1", []))
    await until(lambda: consumer.handled)
    assert await watched(consumer, 20)


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


async def test_a_consumer_that_is_only_being_started_is_left_alone(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(consumer.kafka.subscribers[0], "running", False)
        patch.setattr(consumer.raw, "_fetcher", None)
        assert not await watched(consumer, 1)
