"""How do events reach Kafka in order, once acknowledged by it, whoever dies in between?"""

import asyncio
import contextlib
import random
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError, RecordTooLargeError
from aiokafka.partitioner import murmur2

from shared import logs, telemetry
from shared.bells import rung
from shared.database import AGAIN, AWAY, LOCKED
from shared.messages import Record

LEASE_SECONDS = 5.0
BATCH = 500
HAND_OVER_SECONDS = 20.0
"""For all records of a batch: a timer for each would cost as much as sending it."""
DEPTH = 3
"""Batches under way at a time."""
STRETCH_SECONDS = 0.5
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


def _partition(key: bytes | None, everywhere: list[int], available: list[int]) -> int:
    """As every Kafka client does it: by key, else anywhere."""
    if key is None:
        return random.choice(available or everywhere)  # noqa: S311 - which partition is no secret
    place: int = (_hash(key) & 0x7FFFFFFF) % len(everywhere)
    return everywhere[place]


class Relay:
    """Sends the outbox of one database. Several may run: each shard has one owner, by a lease row with a fence number.

    While a batch waits for its acknowledgements the next one is read and handed over (pipelined). A record whose topic is
    absent or refuses it holds back its own key only; one that is too large for any topic is parked. A broken producer is thrown away and a new one built; what it had
    not acknowledged is still in the table.
    """

    def __init__(self, pool: asyncpg.Pool, bootstrap: str, bell: asyncio.Event, mailbox: asyncio.Event) -> None:
        self.pool, self.bootstrap, self.bell, self.mailbox = pool, bootstrap, bell, mailbox
        self.owner = uuid4().hex
        self.healthy = False
        self._producer: AIOKafkaProducer | None = None
        self._shards: list[int] = []
        self._claimed = self._listed = float("-inf")
        self._topics: set[str] = set()
        self._absent: set[str] = set()

    async def run(self) -> None:
        log = logs.get("relay")
        try:
            while True:
                self.bell.clear()
                try:
                    more = await self._stretch()
                    self.healthy = True
                except (*AWAY, *AGAIN, *LOCKED, KafkaError) as reason:
                    self.healthy = False
                    log.warning("relay.waits", error=type(reason).__name__)
                    await self._drop_producer()
                    await asyncio.sleep(0.5)
                    continue
                if not more:
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
        began = time.monotonic()
        busy: set[int] = set()
        held: set[tuple[str, bytes | None]] = set()
        flying: deque[asyncio.Task[bool]] = deque()
        try:
            while time.monotonic() - began < STRETCH_SECONDS:
                await self._claim()
                rows = await self.pool.fetch(NEXT, self._shards, list(busy), sorted(self._absent), BATCH) if self._shards else []
                if not rows:
                    await self._look_for_absent()
                    return False
                producer = await self._ready_producer()
                await self._list_topics(producer)
                busy.update(row["seq"] for row in rows)
                pending = await self._hand_over(producer, rows, held)
                flying.append(asyncio.create_task(self._settle(pending, held, busy)))
                if len(flying) >= DEPTH and not await flying.popleft():
                    break
            return True
        finally:
            await asyncio.gather(*flying)

    async def _claim(self) -> None:
        """Takes and renews leases. The start of the request counts, so that our idea of the end is never later than the database's."""
        began = time.monotonic()
        if began - self._claimed > 1.0:
            rows = await self.pool.fetch(CLAIM, self.owner, LEASE_SECONDS)
            self._shards, self._claimed = [row["shard"] for row in rows], began

    async def _hand_over(
        self, producer: AIOKafkaProducer, rows: list[Any], held: set[tuple[str, bytes | None]]
    ) -> list[tuple[Any, asyncio.Future[Any]]]:
        """One coroutine hands over in order: several would race when the producer's buffer is full."""
        pending: list[tuple[Any, asyncio.Future[Any]]] = []
        with telemetry.relayed(rows, _headers):
            async with asyncio.timeout(HAND_OVER_SECONDS):
                for row in rows:
                    topic, key = place = (row["topic"], row["key"])
                    if place in held or time.monotonic() - self._claimed > LEASE_SECONDS - 1:
                        held.add(place)
                        continue
                    if topic not in self._topics:
                        self._absent.add(topic)
                        held.add(place)
                        logs.get("relay").error("relay.topic_absent", topic=topic)
                        continue
                    try:
                        pending.append((row, await producer.send(topic, row["value"], key=key, headers=_headers.decode(row["headers"]))))
                    except TOO_LARGE as reason:
                        held.add(place)
                        await self._put_aside(row, reason)
                    except KafkaError as reason:
                        held.add(place)
                        logs.get("relay").error("relay.refused", topic=topic, error=type(reason).__name__)
        return pending

    async def _settle(self, pending: list[tuple[Any, asyncio.Future[Any]]], held: set[tuple[str, bytes | None]], busy: set[int]) -> bool:
        """Waits for the acknowledgements and deletes what has them, unless an earlier record of its key has none. False: something failed."""
        if pending:
            await asyncio.wait([future for _, future in pending], timeout=60)
        acked: list[int] = []
        whole = True
        for row, future in pending:
            if not future.done() or future.cancelled() or future.exception() is not None:
                held.add((row["topic"], row["key"]))
                whole = False
                refusal = future.exception() if future.done() and not future.cancelled() else None
                if isinstance(refusal, TOO_LARGE) and len(row["value"] or b"") + len(row["headers"]) > BATCH_BYTES:  # a batch by itself
                    await self._put_aside(row, refusal)
            elif (row["topic"], row["key"]) not in held:
                acked.append(row["seq"])
        if acked:
            counts = await self.pool.fetchrow(GONE, acked, self.owner)
            if counts is not None and counts[1]:
                self.mailbox.set()
            if counts is not None and counts[0] == len(acked):  # else somebody has the lease, and sends them again
                busy.difference_update(acked)
        if not whole:  # with idempotence a failure is fatal for the producer: its sequence has a hole
            await self._drop_producer()
        return whole

    async def _put_aside(self, row: Any, reason: Exception) -> None:
        """Parks what no broker of ours will ever take: tried again it would be refused again. Operations are told as of everything parked."""
        logs.get("relay").error("relay.too_large", topic=row["topic"], seq=row["seq"], error=type(reason).__name__)
        headers = tuple(_headers.decode(row["headers"]))
        record = Record(row["topic"], -1, row["seq"], row["key"], row["value"], headers, datetime.now(UTC))
        stream = f"{row['topic']}/{row['seq']}"
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
                linger_ms=2,
                max_batch_size=BATCH_BYTES,
                max_request_size=RECORD_BYTES,
                request_timeout_ms=10000,
                metadata_max_age_ms=10000,
                partitioner=_partition,
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
        """`stop` of an idempotent producer waits for a broker that may never come: bounded, then abandoned."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(3):
                    await producer.stop()
