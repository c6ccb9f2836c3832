"""How do events reach Kafka in order, once acknowledged by it, whoever dies in between?"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from shared import logs, telemetry
from shared.bells import rung
from shared.database import AGAIN, AWAY, LOCKED
from shared.linger import linger
from shared.messages import Record
from shared.producer import RECORD_BYTES, TOO_LARGE, Batch, Producer, filled, headers_of, partition_of

LEASE_SECONDS = 5.0
BATCH = 500
DEPTH = 3
"""Groups of batches under way at a time."""
STRETCH_SECONDS = 0.5
REFUSED_SECONDS = 3.0
"""Before a partition that refused a batch is tried again."""
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


class Relay:
    """Sends the outbox of one database. Several may run: each shard has one owner, by a lease row with a fence number.

    Each partition has one batch under way at most, so that nothing can pass what may still fail before it. While batches wait for
    their acknowledgements the next rows are read and handed over (pipelined). A topic that is absent holds back its own
    records only, and a partition that does not answer its own; a record that is too large for any topic is parked. A
    broken producer is thrown away and a new one built; what it had not acknowledged is still in the table.
    """

    def __init__(self, pool: asyncpg.Pool, bootstrap: str, bell: asyncio.Event, mailbox: asyncio.Event) -> None:
        self.pool, self.bell, self.mailbox = pool, bell, mailbox
        self.producer = Producer(bootstrap)
        self.owner = uuid4().hex
        self._shards: list[int] = []
        self._claimed = float("-inf")
        self._handed = 0  # rows, since the last rest
        self._aside: dict[TopicPartition, set[int]] = {}  # partitions that do not answer: rows under way there, or passed over since
        self._refusing: set[TopicPartition] = set()
        self._late: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            while True:
                self.bell.clear()
                began, self._handed = time.monotonic(), 0
                try:
                    more = await self._stretch()
                except (*AWAY, *AGAIN, *LOCKED, KafkaError) as reason:
                    logs.get("relay").warning("relay.waits", error=type(reason).__name__)
                    await self._begin_anew()
                    await asyncio.sleep(0.5)
                    continue
                if self.producer.broken:
                    await self._begin_anew()
                elif not more:
                    await linger(began, self._handed)
                    await rung(self.bell, 0.1)
        finally:
            try:
                await self._let_go()
            finally:
                with contextlib.suppress(Exception):
                    await self.pool.execute("update lease set until = clock_timestamp() where owner = $1", self.owner)

    async def _begin_anew(self) -> None:
        """With another producer. A partition that refused stays set aside for a while: tried at once it would end the next one too."""
        refused, self._refusing = self._refusing, set()
        await self._let_go()
        for place in refused:
            self._aside[place] = set()
            self._keep(self._forgiven(place, self._aside[place]))

    async def _let_go(self) -> None:
        for task in self._late:
            task.cancel()
        self._aside = {}
        await self.producer.drop()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _forgiven(self, place: TopicPartition, rows: set[int]) -> None:
        await asyncio.sleep(REFUSED_SECONDS)
        self._back(place, rows)

    async def _until_led(self, place: TopicPartition, rows: set[int]) -> None:
        """Until the partition has a leader."""
        while self._aside.get(place) is rows and place in self.producer.leaderless:
            await asyncio.sleep(0.5)
            with contextlib.suppress(KafkaError, OSError):
                await self.producer.look()
        self._back(place, rows)

    def _back(self, place: TopicPartition, rows: set[int]) -> None:
        """A partition is read again, from the first row that was passed over."""
        if self._aside.get(place) is rows:
            del self._aside[place]
            self.bell.set()

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
        while time.monotonic() - began < STRETCH_SECONDS and not self.producer.broken:
            if await self._claim():
                return True  # what was read may be another's to send
            rows = await self._read(busy, waiting) if sum(map(len, waiting.values())) < BATCH else []
            batches = await self._hand_over(busy, waiting, under_way) if waiting else []
            if batches:
                flying.add(asyncio.create_task(self._settle(batches, busy)))
            elif not rows and not flying:
                if self.producer.absent:
                    await self.producer.look()
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
        rows = await self.pool.fetch(NEXT, self._shards, [*busy, *passed], sorted(self.producer.absent | topics), BATCH)
        partitions = await self.producer.partitions(row["topic"] for row in rows) if rows else {}
        passing = set(aside)
        for row in rows:
            topic = row["topic"]
            if topic not in partitions:
                continue  # not busy: with its topic it is read again
            place = TopicPartition(topic, partition_of(row["key"], partitions[topic]))
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

    async def _hand_over(self, busy: set[int], waiting: dict[TopicPartition, deque[Any]], under_way: set[TopicPartition]) -> list[Batch]:
        """The first batch of every partition that has none under way."""
        producer = await self.producer.ready()
        if time.monotonic() - self._claimed > LEASE_SECONDS - 1:
            return []
        for place in waiting:
            if place not in under_way and place not in self._aside and not self.producer.leads(place):
                self._aside[place] = set()
                self._keep(self._until_led(place, self._aside[place]))
        for place in waiting.keys() & self._aside.keys():
            passed = [row["seq"] for row in waiting.pop(place)]
            self._aside[place].update(passed)
            busy.difference_update(passed)
        full = [filled(producer, place, waiting[place]) for place in waiting if place not in under_way]
        with telemetry.relayed([row for one in full for row in one.rows], headers_of):
            batches = [await self.producer.send(one) for one in full]
        self._handed += sum(len(batch.rows) for batch in batches)
        for batch in batches:
            under_way.add(batch.place)
            batch.sent.add_done_callback(partial(_freed, under_way, batch))
            if not waiting[batch.place]:
                del waiting[batch.place]
        return batches

    async def _settle(self, batches: Sequence[Batch], busy: set[int]) -> None:
        """Waits a moment for the acknowledgements, and deletes what has them."""
        await asyncio.wait([batch.sent for batch in batches], timeout=SLOW_SECONDS)
        acked = [seq for batch in batches if batch.arrived for seq in batch.seqs]
        for batch in batches:
            if not batch.sent.done():
                self._set_aside(batch)
            elif not batch.arrived:
                await self._refused(batch)
        if acked and await self._gone(acked):
            busy.difference_update(acked)

    def _set_aside(self, batch: Batch) -> None:
        logs.get("relay").error("relay.partition_waits", topic=batch.place.topic, partition=batch.place.partition)
        rows = self._aside[batch.place] = set(batch.seqs)
        self._keep(self._settle_late(batch, rows))

    async def _settle_late(self, batch: Batch, rows: set[int]) -> None:
        """The library tries again until the broker answers or the partition has had no leader for too long."""
        await asyncio.wait([batch.sent])
        try:
            if batch.arrived:
                await self._gone(batch.seqs)
            else:
                await self._refused(batch)
                return  # set aside until the producer is dropped
        except Exception as reason:  # noqa: BLE001 - whatever it is: its rows are read again
            logs.get("relay").warning("relay.waits", error=type(reason).__name__)
        self._back(batch.place, rows)

    async def _refused(self, batch: Batch) -> None:
        self.producer.failed(batch)
        self.bell.set()
        row, refusal = batch.rows[0], batch.refusal
        if isinstance(refusal, TOO_LARGE) and len(batch.rows) == 1:
            await self._put_aside(row, refusal)
        elif not isinstance(refusal, ProducerClosed):
            self._refusing.add(batch.place)

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
        headers = tuple(headers_of(row["headers"]))
        record = Record(row["topic"], -1, row["seq"], row["key"], row["value"], headers, datetime.now(UTC))
        await self.pool.execute(ASIDE, row["seq"], self.owner, row["topic"], stream, type(reason).__name__, msgspec.msgpack.encode(record))


def _freed(under_way: set[TopicPartition], batch: Batch, _sent: object) -> None:
    """The next batch of a partition may go when the one before it has arrived; when that has failed, none goes with this producer."""
    if batch.arrived:
        under_way.discard(batch.place)
