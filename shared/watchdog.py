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

import msgspec
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker

from shared import logs, patience

STUCK_SECONDS = 60.0
FROZEN_SECONDS = 30.0
LOOK_SECONDS = 2.0


class Progress:
    """Watches every subscriber: records that it has not read, or read and not committed, and no movement for so many seconds, is being stuck.

    What counts is the consumer's own position, not its distance from the end by committed offsets: a transaction's marker is no
    record, and what retention has deleted is none any more, so the committed offset may stay behind the end for ever. Only of
    a batch that was handed out is a commit expected.
    Own assignment is looked at; without one, all partitions of the topic, because a lost assignment makes no progress either.
    A broker that does not answer is not being stuck: starting again would not help. But a consumer that cannot say where it
    is for so long, while the broker tells a new client who coordinates its group, is. Nor is a database that is away:
    `waiting` says so of a group, and its clock starts anew. A door inside that reads no topic is stuck when `patience` calls it hopeless.
    """

    def __init__(self, broker: KafkaBroker, waiting: Callable[[str], bool], seconds: float = STUCK_SECONDS) -> None:
        self.broker, self.waiting, self.seconds = broker, waiting, seconds
        self._moved: dict[tuple[str, TopicPartition], tuple[_Place, float]] = {}
        self._looked_at: tuple[str, Any] = ("", None)
        self._dumb: tuple[str, float] | None = None

    async def run(self) -> None:
        """Returns when something is stuck; the runtime then ends the process."""
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self.seconds / 4))
            try:
                async with asyncio.timeout(10):
                    stuck = await self.look() or patience.hopeless(self.seconds)
                self._dumb = None
            except (KafkaError, TimeoutError):
                stuck = await self._dumb_for_long()
            if stuck:
                logs.get("watchdog").error("consumer.stuck", group=stuck)
                return

    async def look(self) -> str | None:
        """The group that is stuck, if one is."""
        now = time.monotonic()
        before, self._moved = self._moved, {}  # a partition that is not ours now is forgotten: when it comes back, its clock starts anew
        found: str | None = None
        for subscriber in self.broker.subscribers:
            consumer: Any = getattr(subscriber, "consumer", None)
            if consumer is None or not getattr(subscriber, "running", False):  # being started or stopped: half of it is not there
                continue
            group = str(getattr(subscriber, "group_id", ""))
            self._looked_at = (group, consumer)
            if _task_died(consumer):
                return group
            for partition, place in await _places(consumer):
                known, since = before.get((group, partition), (None, now))
                if known is None or not place.stands(known) or self.waiting(group):
                    since = now
                self._moved[group, partition] = (place, since)
                if now - since > self.seconds:
                    found = group
        return found

    async def _dumb_for_long(self) -> str | None:
        """The group at which looks have failed for too long, although the broker answers others."""
        (group, consumer), now = self._looked_at, time.monotonic()
        if self._dumb is None or self._dumb[0] != group:
            self._dumb = (group, now)
        if now - self._dumb[1] <= self.seconds:
            return None
        if await _coordinated(consumer, group):
            return group
        self._dumb = None
        return None


class _Place(msgspec.Struct, frozen=True):
    """Where a consumer is in one partition. No position: the partition is not assigned, or the position is being looked up."""

    position: int | None
    committed: int
    end: int
    open: bool
    """A batch was handed out and is not committed."""

    def stands(self, before: "_Place") -> bool:
        """Whether there was something to do, and nothing of it is done."""
        behind = self.committed if self.position is None else self.position
        unread = behind < self.end and (self.position or self.committed) == (before.position or before.committed)
        return unread or (self.open and before.open and self.committed == before.committed)


def _task_died(consumer: Any) -> bool:
    """Aiokafka's task that joins the group fails an assertion when a pattern's topics change in the wrong moment (a broker that starts again).

    Nothing brings it back, and the consumer goes on without records (aiokafka issue 796). The same holds for its fetching task,
    and for the one that learns of topics and leaders: whoever asks for news afterwards waits for ever.
    """
    tasks = (
        getattr(getattr(consumer, "_client", None), "_sync_task", None),
        getattr(getattr(consumer, "_coordinator", None), "_coordination_task", None),
        getattr(getattr(consumer, "_fetcher", None), "_fetch_task", None),
    )
    return any(task is not None and task.done() for task in tasks)


async def _coordinated(consumer: Any, group: str) -> bool:
    """Whether the broker tells a new client who coordinates this group."""
    client = AIOKafkaClient(bootstrap_servers=consumer._client._bootstrap_servers)  # noqa: SLF001 - aiokafka tells it nowhere else
    try:
        async with asyncio.timeout(10):
            await client.bootstrap()
            await client.coordinator_lookup(CoordinationType.GROUP, group)
    except (KafkaError, TimeoutError, OSError):
        return False
    finally:
        await client.close()
    return True


async def _places(consumer: Any) -> list[tuple[TopicPartition, _Place]]:
    mine = consumer.assignment()
    partitions = sorted(mine) or [
        TopicPartition(topic, number)
        for topic in sorted(consumer.subscription() or ())
        for number in consumer.partitions_for_topic(topic) or ()
    ]
    if not partitions:
        return []
    ends = await consumer.end_offsets(partitions)
    committed = await consumer._coordinator.fetch_committed_offsets(partitions)  # noqa: SLF001 - `committed` asks for one at a time
    begun = getattr(consumer, "open", ())
    return [
        (p, _Place(await _position(consumer, p) if p in mine else None, _offset(committed.get(p)), ends[p], p in begun)) for p in partitions
    ]


def _offset(committed: Any) -> int:
    """Of a partition in which the group has committed nothing it is absent, or negative."""
    return max(committed.offset, 0) if committed is not None else 0


async def _position(consumer: Any, partition: TopicPartition) -> int | None:
    """The library waits for a position that it does not know yet; we look again later."""
    with contextlib.suppress(TimeoutError, IllegalStateError):
        async with asyncio.timeout(0.2):
            found: int = await consumer.position(partition)
            return found
    return None


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
