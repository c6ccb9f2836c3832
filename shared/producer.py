"""How do rows get into a partition of Kafka together and in order, or not at all?"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, ProducerClosed, RecordListTooLargeError, RecordTooLargeError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared import logs

BATCH_BYTES = 262144
REQUEST_MS = 10_000
"""For an answer, and for a partition to have a leader again: then the batch has failed."""
RECORD_BYTES = 2 * 1024 * 1024
"""What a topic of dead letters takes; every other one takes half of it, and no event of ours comes near."""
TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError, RecordListTooLargeError)
headers_of = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]]).decode
_hash = lru_cache(maxsize=8192)(murmur2)
"""Of a key: in plain Python, so a third of what sending costs; and one case has many events."""


class Batch(msgspec.Struct, frozen=True):
    """Rows of one partition that were handed over as one batch: they arrive together, in their order, or none does."""

    place: TopicPartition
    rows: list[Any]
    sent: asyncio.Future[Any]
    by: AIOKafkaProducer

    @property
    def seqs(self) -> list[int]:
        return [row["seq"] for row in self.rows]

    @property
    def refusal(self) -> BaseException | None:
        return self.sent.exception() if self.sent.done() and not self.sent.cancelled() else None

    @property
    def arrived(self) -> bool:
        return self.sent.done() and not self.sent.cancelled() and self.sent.exception() is None


class Producer:
    """An idempotent producer of aiokafka, built when it is needed and thrown away when a batch has failed: its sequence has a hole then.

    `absent`: topics that rows want and the broker does not have. `leaderless`: partitions that had no leader when we looked.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.broken = False
        self.absent: set[str] = set()
        self.leaderless: set[TopicPartition] = set()
        self._listed = float("-inf")
        self._inner: AIOKafkaProducer | None = None

    async def ready(self) -> AIOKafkaProducer:
        if self._inner is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.bootstrap,
                enable_idempotence=True,
                acks="all",
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=REQUEST_MS,
                metadata_max_age_ms=10000,
            )
            try:
                async with asyncio.timeout(15):
                    await producer.start()
            except BaseException:
                await _ended(producer)
                raise
            self._inner, self._listed = producer, float("-inf")
        return self._inner

    async def look(self) -> None:
        """Asks which topics exist, and where: to send to an absent one would block everybody for its request time-out.

        Of all of them, into the library's own picture: one that it must ask for by name makes it forget the others. Somebody who
        does not answer is not waited for while there is an older picture.
        """
        client = (await self.ready()).client  # a new one knows nothing yet, and has never been listed
        if time.monotonic() - self._listed <= (1.0 if self.absent or self.leaderless else 10.0):
            return
        self._listed = time.monotonic()
        try:
            async with asyncio.timeout(1.0 if client.cluster.topics() else REQUEST_MS / 1000):
                found = await client.set_topics(())
        except TimeoutError:
            found = False
        if not found and not client.cluster.topics():
            raise KafkaConnectionError
        self.absent = {topic for topic in self.absent if not client.cluster.partitions_for_topic(topic)}
        self.leaderless = {p for p in self.leaderless if client.cluster.partitions_for_topic(p.topic) and self._led(p) is None}

    def leads(self, place: TopicPartition) -> bool:
        """Whether a partition has a leader, as far as we know: without one the library asks for it without a pause."""
        if self._led(place) is None:
            self.leaderless.add(place)
        return place not in self.leaderless

    def _led(self, place: TopicPartition) -> int | None:
        leader = self._inner.client.cluster.leader_for_partition(place) if self._inner else None
        return None if leader is None or leader < 0 else int(leader)

    async def partitions(self, topics: Iterable[str]) -> dict[str, list[int]]:
        """Of those topics that exist; the others are absent from now on."""
        await self.look()
        cluster = (await self.ready()).client.cluster
        known = {topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in set(topics)}
        missing = {topic for topic, partitions in known.items() if not partitions}
        for topic in missing - self.absent:
            logs.get("relay").error("relay.topic_absent", topic=topic)
        self.absent |= missing
        return {topic: partitions for topic, partitions in known.items() if partitions}

    async def send(self, filled: "Filled") -> Batch:
        """No other batch of this partition may be under way."""
        producer = await self.ready()
        sent = await producer.send_batch(filled.batch, filled.place.topic, partition=filled.place.partition)
        return Batch(filled.place, filled.rows, sent, producer)

    def failed(self, batch: Batch) -> None:
        self.broken = self.broken or batch.by is self._inner

    async def drop(self) -> None:
        """Nothing that is worth waiting for is under way: what arrived was waited for, and the rest must not be sent behind our back."""
        producer, self._inner, self.broken, self.leaderless = self._inner, None, False, set()
        if producer is not None:
            await _ended(producer)


async def _ended(producer: AIOKafkaProducer) -> None:
    """In a task of its own: the library cancels its sender twice, and what comes of that must not end who waits."""
    await asyncio.wait([asyncio.create_task(_end(producer))], timeout=4)


async def _end(producer: AIOKafkaProducer) -> None:
    with contextlib.suppress(Exception):
        sender = producer._sender.sender_task  # noqa: SLF001 - `stop` would try for ever to send what is left
        if sender is not None:
            sender.cancel()
        producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - see above
        await producer.client.close()
        if sender is not None:
            await asyncio.wait([sender], timeout=1)
        await producer.stop()


class Filled(NamedTuple):
    """A batch as it will be sent, and its rows."""

    place: TopicPartition
    batch: BatchBuilder
    rows: list[Any]


def filled(producer: AIOKafkaProducer, place: TopicPartition, rows: deque[Any]) -> Filled:
    """Takes the first rows, as many as a batch holds: one at least, however large."""
    batch, taken = producer.create_batch(), list[Any]()
    for row in rows:
        if batch.append(timestamp=None, key=row["key"], value=row["value"], headers=headers_of(row["headers"])) is None:
            break
        taken.append(row)
    for _ in taken:
        rows.popleft()
    batch.close()
    return Filled(place, batch, taken)


def partition_of(key: bytes | None, partitions: Sequence[int]) -> int:
    """As every Kafka client finds it: by key, else anywhere."""
    if key is None:
        return random.choice(partitions)  # noqa: S311 - which partition is no secret
    place: int = (_hash(key) & 0x7FFFFFFF) % len(partitions)
    return partitions[place]
