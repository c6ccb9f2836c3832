"""Does this process make progress? Lag that nobody works off, a lost assignment, a stuck commit, a frozen loop: then it must be started again."""

import asyncio
import contextlib
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from shared import logs

STUCK_SECONDS = 60.0
FROZEN_SECONDS = 30.0
LOOK_SECONDS = 2.0


class Progress:
    """Watches the committed offsets of every subscriber: lag there, and no commit for so many seconds, is being stuck.

    Own assignment is looked at; without one, all partitions of the topic, because a lost assignment makes no progress either.
    A broker that does not answer is not being stuck: starting again would not help. Nor is a database that is away:
    `waiting` says so, and the clock starts anew.
    """

    def __init__(self, broker: KafkaBroker, waiting: Callable[[], bool], seconds: float = STUCK_SECONDS) -> None:
        self.broker, self.waiting, self.seconds = broker, waiting, seconds
        self._moved: dict[tuple[str, TopicPartition], tuple[int, float]] = {}

    async def run(self) -> None:
        """Returns when something is stuck; the runtime then ends the process."""
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self.seconds / 4))
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(10):
                    stuck = await self.look()
                if stuck:
                    logs.get("watchdog").error("consumer.stuck", group=stuck)
                    return

    async def look(self) -> str | None:
        """The group that is stuck, if one is."""
        now = time.monotonic()
        for subscriber in self.broker.subscribers:
            consumer: Any = getattr(subscriber, "consumer", None)
            if consumer is None or not getattr(subscriber, "running", False):  # being started or stopped: half of it is not there
                continue
            group = str(getattr(subscriber, "group_id", ""))
            if _coordinator_died(consumer):
                return group
            for partition, committed, end in await _offsets(consumer):
                before = self._moved.get((group, partition))
                idle = committed >= end or before is None or before[0] != committed or self.waiting()
                if idle:
                    self._moved[group, partition] = (committed, now)
                elif now - self._moved[group, partition][1] > self.seconds:
                    return group
        return None


def _coordinator_died(consumer: Any) -> bool:
    """Aiokafka's task that joins the group fails an assertion when a pattern's topics change in the wrong moment (a broker that starts again).

    Nothing brings it back, and the consumer goes on without records (aiokafka issue 796).
    """
    task = getattr(getattr(consumer, "_coordinator", None), "_coordination_task", None)
    return task is not None and task.done()


async def _offsets(consumer: Any) -> list[tuple[TopicPartition, int, int]]:
    partitions = sorted(consumer.assignment()) or [
        TopicPartition(topic, number)
        for topic in sorted(consumer.subscription() or ())
        for number in consumer.partitions_for_topic(topic) or ()
    ]
    ends = await consumer.end_offsets(partitions) if partitions else {}
    committed = [await consumer.committed(partition) for partition in partitions]
    return [(p, done or 0, ends[p]) for p, done in zip(partitions, committed, strict=True)]


class Heartbeat:
    """A thread that ends the process when its event loop has not turned for so long: nothing inside the loop could notice."""

    def __init__(self, seconds: float = FROZEN_SECONDS) -> None:
        self.seconds, self._beat = seconds, time.monotonic()

    async def run(self) -> None:
        threading.Thread(target=self._watch, daemon=True, name="heartbeat").start()
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(min(1.0, self.seconds / 4))

    def _watch(self) -> None:
        looked = time.monotonic()
        while True:
            time.sleep(min(1.0, self.seconds / 4))
            now = time.monotonic()
            paused = now - looked > self.seconds / 2  # the whole process was stopped, this thread too: the loop gets its time
            looked = now
            if paused:
                self._beat = now
            elif now - self._beat > self.seconds:
                sys.stdout.write('{"logger": "watchdog", "level": "error", "event": "loop.frozen"}\n')
                sys.stdout.flush()
                faulthandler.dump_traceback()  # functions and lines, no values
                os._exit(70)
