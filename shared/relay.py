"""How do events reach Kafka in order, once acknowledged by it, whoever dies in between?"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from shared import logs, telemetry
from shared.aside import Aside
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


class Stretch(msgspec.Struct):
    """What is known while rows are read and sent without a rest.

    `busy`: rows that were read and are still in the table. `waiting`: of them, those that wait for their partition's turn.
    `under_way`: partitions that have a batch under way. `handed`: rows given to the producer. `drained`: nothing more was there.
    """

    busy: set[int] = msgspec.field(default_factory=set)
    waiting: dict[TopicPartition, deque[Any]] = msgspec.field(default_factory=dict)
    under_way: set[TopicPartition] = msgspec.field(default_factory=set)
    handed: int = 0
    drained: bool = False

    @property
    def takes_more(self) -> bool:
        return not self.drained and sum(map(len, self.waiting.values())) < BATCH

    def freed(self, batch: Batch, _sent: object = None) -> None:
        """The next batch of a partition may go when the one before it has arrived; when that has failed, none goes with this producer."""
        if batch.arrived:
            self.under_way.discard(batch.place)


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
        self._aside = Aside(bell)
        self._refusing: set[TopicPartition] = set()

    async def run(self) -> None:
        try:
            while True:
                self.bell.clear()
                began, stretch = time.monotonic(), Stretch()
                try:
                    more = await self._send_all(stretch)
                except (*AWAY, *AGAIN, *LOCKED, KafkaError) as reason:
                    logs.get("relay").warning("relay.waits", error=type(reason).__name__)
                    await self._begin_anew()
                    await asyncio.sleep(0.5)
                    continue
                if self.producer.broken:
                    await self._begin_anew()
                elif not more:
                    await linger(began, stretch.handed)
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
            self._aside.put(place, _forgiven)

    async def _let_go(self) -> None:
        self._aside.clear()
        await self.producer.drop()

    async def _send_all(self, stretch: Stretch) -> bool:
        """Sends for a while, or until nothing is left; True when something may be left.

        Every reading begins at the lowest row that is not under way, never behind the last one read: a slower transaction may
        have committed smaller numbers meanwhile, a topic may have appeared, a shard may have been taken over, and a later
        record of such a key must not overtake what was passed over. After a reading that found all there was, none until the rest.
        """
        flying: set[asyncio.Task[None]] = set()
        try:
            more = await self._send(stretch, flying)
        finally:
            ended = await asyncio.gather(*flying, return_exceptions=True)
        for reason in ended:
            if isinstance(reason, BaseException):
                raise reason
        return more

    async def _send(self, stretch: Stretch, flying: set[asyncio.Task[None]]) -> bool:
        began = time.monotonic()
        while time.monotonic() - began < STRETCH_SECONDS and not self.producer.broken:
            if await self._claim():
                return True  # what was read may be another's to send
            reads = stretch.takes_more
            if reads:
                await self._read(stretch)
            nothing_new = stretch.drained or not reads
            batches = await self._hand_over(stretch) if stretch.waiting else []
            if batches:
                flying.add(asyncio.create_task(self._settle(batches, stretch)))
            elif nothing_new and not flying:
                if self.producer.absent:
                    await self.producer.look()
                return False
            if flying and (nothing_new or len(flying) >= DEPTH):
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

    async def _read(self, stretch: Stretch) -> None:
        """The next rows, each into the line of its partition. Those of a partition that is set aside are passed over."""
        aside, passed = set(self._aside), self._aside.rows  # as it was when we asked: what is answered was chosen by it
        topics = {place.topic for place in aside} if len(passed) > PASSED else set()
        seen = [*stretch.busy, *passed]
        rows = await self.pool.fetch(NEXT, self._shards, seen, sorted(self.producer.absent | topics), BATCH) if self._shards else []
        stretch.drained = len(rows) < BATCH  # what comes now has company by the next stretch
        partitions = await self.producer.partitions(row["topic"] for row in rows) if rows else {}
        for row in rows:
            topic = row["topic"]
            if topic not in partitions:
                continue  # not busy: with its topic it is read again
            place = TopicPartition(topic, partition_of(row["key"], partitions[topic]))
            if place in self._aside or place in aside:  # also one that has just answered: what was passed over comes first
                aside.add(place)
                if place in self._aside:
                    self._aside.pass_over(place, [row["seq"]])
                continue
            stretch.busy.add(row["seq"])
            if len(row["value"] or b"") + len(row["headers"]) > RECORD_BYTES:
                await self._put_aside(row, MessageSizeTooLargeError())
            else:
                stretch.waiting.setdefault(place, deque()).append(row)

    async def _hand_over(self, stretch: Stretch) -> list[Batch]:
        """The first batch of every partition that has none under way."""
        producer, waiting = await self.producer.ready(), stretch.waiting
        if time.monotonic() - self._claimed > LEASE_SECONDS - 1:
            return []
        for place in waiting:
            if place not in stretch.under_way and place not in self._aside and not self.producer.leads(place):
                self._aside.put(place, partial(self._led, place))
        for place in waiting.keys() & self._aside:
            passed = [row["seq"] for row in waiting.pop(place)]
            self._aside.pass_over(place, passed)
            stretch.busy.difference_update(passed)
        full = [filled(producer, place, waiting[place]) for place in waiting if place not in stretch.under_way]
        with telemetry.relayed([row for one in full for row in one.rows], headers_of):
            batches = [await self.producer.send(one) for one in full]
        for batch in batches:
            stretch.handed += len(batch.rows)
            stretch.under_way.add(batch.place)
            batch.sent.add_done_callback(partial(stretch.freed, batch))
            if not waiting[batch.place]:
                del waiting[batch.place]
        return batches

    async def _led(self, place: TopicPartition) -> bool:
        """Returns when the partition has a leader."""
        while place in self.producer.leaderless:
            await asyncio.sleep(0.5)
            with contextlib.suppress(KafkaError, OSError):
                await self.producer.look()
        return True

    async def _settle(self, batches: Sequence[Batch], stretch: Stretch) -> None:
        """Waits a moment for the acknowledgements, and deletes what has them."""
        await asyncio.wait([batch.sent for batch in batches], timeout=SLOW_SECONDS)
        acked = [seq for batch in batches if batch.arrived for seq in batch.seqs]
        for batch in batches:
            if not batch.sent.done():
                self._set_aside(batch)
            elif not batch.arrived:
                await self._refused(batch)
        if acked and await self._gone(acked):
            stretch.busy.difference_update(acked)

    def _set_aside(self, batch: Batch) -> None:
        logs.get("relay").error("relay.partition_waits", topic=batch.place.topic, partition=batch.place.partition)
        self._aside.put(batch.place, partial(self._settled, batch), batch.seqs)

    async def _settled(self, batch: Batch) -> bool:
        """The library tries again until the broker answers or the partition has had no leader for too long."""
        await asyncio.wait([batch.sent])
        try:
            if not batch.arrived:
                await self._refused(batch)
                return False  # set aside until the producer is dropped
            await self._gone(batch.seqs)
        except Exception as reason:  # noqa: BLE001 - whatever it is: its rows are read again
            logs.get("relay").warning("relay.waits", error=type(reason).__name__)
        return True

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


async def _forgiven() -> bool:
    await asyncio.sleep(REFUSED_SECONDS)
    return True
