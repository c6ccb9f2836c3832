"""How do events reach Kafka in order, once acknowledged by it, whoever dies in between?"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed, RecordListTooLargeError, RecordTooLargeError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared import logs, telemetry
from shared.bells import rung
from shared.database import AGAIN, AWAY, LOCKED
from shared.messages import Record

LEASE_SECONDS = 5.0
BATCH = 500
DEPTH = 3
"""Groups of batches under way at a time."""
STRETCH_SECONDS = 0.5
REQUEST_MS = 10_000
"""For an answer, and for a partition to have a leader again: then the batch has failed."""
SLOW_SECONDS = 1.0
"""A partition that has not acknowledged for so long is set aside: nobody waits for it any more."""
PASSED = 20_000
"""Rows of partitions set aside that are passed over one by one; with more, their whole topics are not read."""
CLAIM = (
    "update lease set owner = $1, until = clock_timestamp() + make_interval(secs => $2),"
    " fence = fence + case when owner = $1 then 0 else 1 end where shard in (select shard from lease"
    " where owner = $1 or until < clock_timestamp() order by shard for update skip locked) returning shard"
)
NEXT = (
    "select seq, topic, key, value, headers from outbox where shard = any($1::smallint[]) and seq <> all($2::bigint[])"
    " and topic <> all($3::text[]) order by seq limit $4"
)
GONE = (
    "with gone as (delete from outbox using lease where outbox.seq = any($1::bigint[]) and lease.shard = outbox.shard"
    " and lease.owner = $2 returning outbox.seq, outbox.on_ack), boxed as (insert into mailbox (body)"
    " select on_ack from gone where on_ack is not null order by seq returning 1) select (select count(*) from gone), (select count(*) from boxed)"
)
ASIDE = (
    "with gone as (delete from outbox using lease where outbox.seq = $1 and lease.shard = outbox.shard and lease.owner = $2"
    " returning outbox.seq) insert into parked (consumer, topic, stream, message, reason, error, record)"
    " select 'relay', $3, $4, seq::text, 'too-large', $5, $6 from gone"
)
RECORD_BYTES = 2 * 1024 * 1024
"""What a topic of dead letters takes; every other one takes half of it, and no event of ours comes near."""
BATCH_BYTES = 262144
TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError, RecordListTooLargeError)
_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])
_hash = lru_cache(maxsize=8192)(murmur2)
"""Of a key: in plain Python, so a third of what sending costs; and one case has many events."""


class _Batch(msgspec.Struct, frozen=True):
    """Rows of one partition that were handed to the producer as one batch: they arrive together, in their order, or none does."""

    place: TopicPartition
    rows: list[Any]
    sent: asyncio.Future[Any]

    @property
    def seqs(self) -> list[int]:
        return [row["seq"] for row in self.rows]

    @property
    def refusal(self) -> BaseException | None:
        return self.sent.exception() if self.sent.done() and not self.sent.cancelled() else None

    @property
    def arrived(self) -> bool:
        return self.sent.done() and not self.sent.cancelled() and self.sent.exception() is None


class Relay:
    """Sends the outbox of one database. Several may run: each shard has one owner, by a lease row with a fence number.

    Each partition has one batch under way at most, so that nothing can pass what may still fail before it. While batches wait for
    their acknowledgements the next rows are read and handed over (pipelined). A topic that is absent holds back its own
    records only, and a partition that does not answer its own; a record that is too large for any topic is parked. A
    broken producer is thrown away and a new one built; what it had not acknowledged is still in the table.
    """

    def __init__(self, pool: asyncpg.Pool, bootstrap: str, bell: asyncio.Event, mailbox: asyncio.Event) -> None:
        self.pool, self.bootstrap, self.bell, self.mailbox = pool, bootstrap, bell, mailbox
        self.owner = uuid4().hex
        self._producer: AIOKafkaProducer | None = None
        self._broken = False
        self._shards: list[int] = []
        self._claimed = self._listed = float("-inf")
        self._topics: set[str] = set()
        self._absent: set[str] = set()
        self._aside: dict[TopicPartition, set[int]] = {}  # partitions that do not answer: rows under way there, or passed over since
        self._late: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        log = logs.get("relay")
        try:
            while True:
                self.bell.clear()
                try:
                    more = await self._stretch()
                except (*AWAY, *AGAIN, *LOCKED, KafkaError) as reason:
                    log.warning("relay.waits", error=type(reason).__name__)
                    await self._drop_producer()
                    await asyncio.sleep(0.5)
                    continue
                if self._broken:
                    await self._drop_producer()
                elif not more:
                    await rung(self.bell, 0.1)
        finally:
            await self._drop_producer()
            with contextlib.suppress(Exception):
                await self.pool.execute("update lease set until = clock_timestamp() where owner = $1", self.owner)

    async def _stretch(self) -> bool:
        """Sends for a while, or until nothing is left; True when something may be left.

        Every reading begins at the lowest row that is not under way, never behind the last one read: a slower transaction may
        have committed smaller numbers meanwhile, a topic may have appeared, a shard may have been taken over, and a later
        record of such a key must not overtake what was passed over.
        """
        flying: set[asyncio.Task[None]] = set()
        try:
            more = await self._send(flying)
        finally:
            ended = await asyncio.gather(*flying, return_exceptions=True)
        for reason in ended:
            if isinstance(reason, BaseException):
                raise reason
        return more

    async def _send(self, flying: set[asyncio.Task[None]]) -> bool:
        began = time.monotonic()
        busy: set[int] = set()
        waiting: dict[TopicPartition, deque[Any]] = {}
        under_way: set[TopicPartition] = set()
        while time.monotonic() - began < STRETCH_SECONDS and not self._broken:
            if await self._claim():
                return True  # what was read may be another's to send
            rows = await self._read(busy, waiting) if sum(map(len, waiting.values())) < BATCH else []
            batches = await self._hand_over(busy, waiting, under_way) if waiting else []
            if batches:
                flying.add(asyncio.create_task(self._settle(batches, busy)))
            elif not rows and not flying:
                await self._look_for_absent()
                return False
            if flying and (not rows or len(flying) >= DEPTH):
                done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                flying -= done
                for task in done:
                    task.result()
        return True

    async def _claim(self) -> bool:
        """Takes and renews leases, and says whether one was lost.

        The start of the request counts, so that our idea of the end is never later than the database's.
        """
        began = time.monotonic()
        if began - self._claimed <= 1.0:
            return False
        before = self._shards
        rows = await self.pool.fetch(CLAIM, self.owner, LEASE_SECONDS)
        self._shards, self._claimed = [row["shard"] for row in rows], began
        return not set(before) <= set(self._shards)

    async def _read(self, busy: set[int], waiting: dict[TopicPartition, deque[Any]]) -> list[Any]:
        """The next rows, each into the line of its partition. Those of a partition that is set aside are passed over."""
        if not self._shards:
            return []
        aside = dict(self._aside)  # as it was when we asked: what is answered was chosen by it
        passed = [seq for seqs in aside.values() for seq in seqs]
        topics = {place.topic for place in aside} if len(passed) > PASSED else set()
        rows = await self.pool.fetch(NEXT, self._shards, [*busy, *passed], sorted(self._absent | topics), BATCH)
        if not rows:
            return []
        producer = await self._ready_producer()
        await self._list_topics(producer)
        partitions = {topic: sorted(await producer.partitions_for(topic)) for topic in {row["topic"] for row in rows} & self._topics}
        passing = set(aside)
        for row in rows:
            topic = row["topic"]
            if topic not in partitions:
                if topic not in self._absent:
                    self._absent.add(topic)
                    logs.get("relay").error("relay.topic_absent", topic=topic)
                continue  # not busy: with its topic it is read again
            place = TopicPartition(topic, _partition(row["key"], partitions[topic]))
            if place in self._aside or place in passing:  # also one that has just answered: what was passed over comes first
                passing.add(place)
                if place in self._aside:
                    self._aside[place].add(row["seq"])
                continue
            busy.add(row["seq"])
            if len(row["value"] or b"") + len(row["headers"]) > RECORD_BYTES:
                await self._put_aside(row, MessageSizeTooLargeError())
            else:
                waiting.setdefault(place, deque()).append(row)
        return rows

    async def _hand_over(self, busy: set[int], waiting: dict[TopicPartition, deque[Any]], under_way: set[TopicPartition]) -> list[_Batch]:
        """The first batch of every partition that has none under way."""
        producer = await self._ready_producer()
        if time.monotonic() - self._claimed > LEASE_SECONDS - 1:
            return []
        for place in waiting.keys() & self._aside.keys():
            passed = [row["seq"] for row in waiting.pop(place)]
            self._aside[place].update(passed)
            busy.difference_update(passed)
        free = [place for place in waiting if place not in under_way]
        filled = [(place, *_filled(producer, waiting[place])) for place in free]
        batches = []
        with telemetry.relayed([row for _, _, rows in filled for row in rows], _headers):
            for place, batch, rows in filled:
                if not waiting[place]:
                    del waiting[place]
                under_way.add(place)
                sent = await producer.send_batch(batch, place.topic, partition=place.partition)
                batches.append(_Batch(place, rows, sent))
                sent.add_done_callback(lambda _, batch=batches[-1]: under_way.discard(batch.place) if batch.arrived else None)
        return batches

    async def _settle(self, batches: Sequence[_Batch], busy: set[int]) -> None:
        """Waits a moment for the acknowledgements, and deletes what has them."""
        producer = self._producer
        await asyncio.wait([batch.sent for batch in batches], timeout=SLOW_SECONDS)
        acked = [seq for batch in batches if batch.arrived for seq in batch.seqs]
        for batch in batches:
            if not batch.sent.done():
                self._set_aside(batch)
            elif not batch.arrived:
                await self._refused(batch, producer)
        if acked and await self._gone(acked):
            busy.difference_update(acked)

    def _set_aside(self, batch: _Batch) -> None:
        logs.get("relay").error("relay.partition_waits", topic=batch.place.topic, partition=batch.place.partition)
        rows = self._aside[batch.place] = set(batch.seqs)
        task = asyncio.create_task(self._settle_late(batch, rows))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _settle_late(self, batch: _Batch, rows: set[int]) -> None:
        """The library tries again until the broker answers or the partition has had no leader for too long."""
        producer = self._producer
        await asyncio.wait([batch.sent])
        try:
            if batch.arrived:
                await self._gone(batch.seqs)
            else:
                await self._refused(batch, producer)
                return  # set aside until the producer is dropped
        except (*AWAY, *AGAIN, *LOCKED) as reason:
            logs.get("relay").warning("relay.waits", error=type(reason).__name__)
        if self._aside.get(batch.place) is rows:
            del self._aside[batch.place]
        self.bell.set()

    async def _refused(self, batch: _Batch, producer: AIOKafkaProducer | None) -> None:
        """With idempotence a failure is fatal for the producer: its sequence has a hole."""
        if producer is self._producer:
            self._broken = True
            self.bell.set()
        row, refusal = batch.rows[0], batch.refusal
        if isinstance(refusal, TOO_LARGE) and len(batch.rows) == 1:
            await self._put_aside(row, refusal)

    async def _gone(self, acked: list[int]) -> bool:
        """Deletes what arrived. False: somebody else has a lease of ours, and sends it again."""
        counts = await self.pool.fetchrow(GONE, acked, self.owner)
        if counts is not None and counts[1]:
            self.mailbox.set()
        return counts is not None and counts[0] == len(acked)

    async def _put_aside(self, row: Any, reason: Exception) -> None:
        """Parks what no broker of ours will ever take: tried again it would be refused again. Operations are told as of everything parked."""
        stream = f"{row['topic']}/{row['seq']}"
        logs.get("relay").error("relay.too_large", stream=stream, error=type(reason).__name__)
        headers = tuple(_headers.decode(row["headers"]))
        record = Record(row["topic"], -1, row["seq"], row["key"], row["value"], headers, datetime.now(UTC))
        await self.pool.execute(ASIDE, row["seq"], self.owner, row["topic"], stream, type(reason).__name__, msgspec.msgpack.encode(record))

    async def _look_for_absent(self) -> None:
        if self._absent:
            await self._list_topics(await self._ready_producer())

    async def _list_topics(self, producer: AIOKafkaProducer) -> None:
        """Asks which topics exist: `send` to an absent one would block everybody for its request time-out."""
        if time.monotonic() - self._listed > (1.0 if self._absent else 10.0):
            metadata = await producer.client.fetch_all_metadata()
            self._topics, self._listed = set(metadata.topics()), time.monotonic()
            self._absent -= self._topics

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
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
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(2):
                        await producer.stop()
                raise
            self._producer, self._listed = producer, float("-inf")
        return self._producer

    async def _drop_producer(self) -> None:
        """Nothing that is worth waiting for is under way: what arrived was waited for, and the rest must not be sent behind our back."""
        producer, self._producer = self._producer, None
        self._broken = False
        self._aside = {}
        if producer is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(3):
                if task := producer._sender.sender_task:  # noqa: SLF001 - `stop` would try for ever to send what is left
                    task.cancel()
                producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - see above
                await producer.client.close()
                await producer.stop()
        if self._late:
            await asyncio.wait(self._late, timeout=3)


def _partition(key: bytes | None, partitions: Sequence[int]) -> int:
    """As every Kafka client finds it: by key, else anywhere."""
    if key is None:
        return random.choice(partitions)  # noqa: S311 - which partition is no secret
    place: int = (_hash(key) & 0x7FFFFFFF) % len(partitions)
    return partitions[place]


def _filled(producer: AIOKafkaProducer, rows: deque[Any]) -> tuple[BatchBuilder, list[Any]]:
    """A batch of the first rows, as many as it takes: one at least, however large."""
    batch, taken = producer.create_batch(), []
    for row in rows:
        if batch.append(timestamp=None, key=row["key"], value=row["value"], headers=_headers.decode(row["headers"])) is None:
            break
        taken.append(row)
    for _ in taken:
        rows.popleft()
    batch.close()
    return batch, taken
