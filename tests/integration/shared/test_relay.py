"""Do records get out through a real Kafka in their order, whoever refuses, dies or is slow?"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.cluster import ClusterMetadata

from deploy.topics import declared
from shared import outbox, parking, producer
from shared.messages import Outgoing
from shared.relay import BATCH, Relay
from tests.support.broker import admin, everything, make_topics, until


def relaying(pool: asyncpg.Pool, bootstrap: str) -> contextlib.AbstractAsyncContextManager[Relay]:
    return running(Relay(pool, bootstrap, asyncio.Event(), asyncio.Event()))


@contextlib.asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def put(pool: asyncpg.Pool, *letters: Outgoing) -> None:
    async with pool.acquire() as db, db.transaction():
        now = await db.fetchval("select now()")
        await outbox.save(db, [outbox.stamp(letter, actor="test", traceparent="", at=now) for letter in letters])


def letter(topic: str, key: str, value: str, **more: Any) -> Outgoing:
    return Outgoing(topic=topic, key=key.encode(), value=value.encode(), headers=(("a", b"1"),), **more)


async def empty(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("select count(*) from outbox")


async def test_the_relay_sends_each_key_in_order_and_clears_the_table(pool: asyncpg.Pool, kafka_bootstrap: str) -> None:
    topic = f"order-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic)
    await put(pool, *(letter(topic, f"k{n % 7}", str(n)) for n in range(700)))
    async with relaying(pool, kafka_bootstrap):
        await until(lambda: empty(pool))
    sent = await everything(kafka_bootstrap, topic)
    assert len(sent) == 700
    for key in {record.key for record in sent}:
        numbers = [int(record.value) for record in sent if record.key == key]
        assert numbers == sorted(numbers)


async def test_a_producer_that_the_broker_refuses_for_good_is_replaced_and_nothing_is_lost_or_out_of_order(
    pool: asyncpg.Pool, kafka_bootstrap: str
) -> None:
    """With a hole in its sequence an idempotent producer can send nothing any more: the broker itself refuses it."""
    topic = f"fatal-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, partitions=1)
    async with relaying(pool, kafka_bootstrap) as relay:
        await put(pool, letter(topic, "k", "0"))
        await until(lambda: empty(pool))
        broken: Any = relay.producer._inner  # noqa: SLF001 - to break it from outside is not possible otherwise
        broken._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 7)  # noqa: SLF001 - see above
        await put(pool, *(letter(topic, "k", str(n)) for n in range(1, 50)))
        await until(lambda: empty(pool))
        assert relay.producer._inner is not broken  # noqa: SLF001 - see above
    assert [int(record.value) for record in await everything(kafka_bootstrap, topic)] == list(range(50))


async def test_a_record_whose_topic_is_absent_holds_back_its_own_key_only(pool: asyncpg.Pool, kafka_bootstrap: str) -> None:
    topic, absent = f"there-{uuid4().hex}", f"absent-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic)
    await put(pool, letter(absent, "a", "1"), letter(topic, "b", "2"), letter(absent, "a", "3"))
    async with relaying(pool, kafka_bootstrap):
        await until(lambda: everything(kafka_bootstrap, topic))
        await make_topics(kafka_bootstrap, absent)
        await until(lambda: empty(pool))
    assert [record.value for record in await everything(kafka_bootstrap, absent)] == [b"1", b"3"]


async def test_what_a_stretch_has_passed_over_waits_for_the_next_although_its_topic_is_there_by_now(
    pool: asyncpg.Pool, kafka_bootstrap: str
) -> None:
    topic, late = f"there-{uuid4().hex}", f"late-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, late)
    filler = [letter(topic, f"k{n}", str(n)) for n in range(BATCH + 100)]
    await put(pool, letter(late, "a", "1"), *filler, letter(late, "a", "2"))
    relay = Relay(pool, kafka_bootstrap, asyncio.Event(), asyncio.Event())
    relay.producer.absent.add(late)  # it was, a moment ago
    async with running(relay):
        await until(lambda: empty(pool))
    assert [record.value for record in await everything(kafka_bootstrap, late)] == [b"1", b"2"]


async def test_a_dead_letter_of_the_largest_record_is_sent_and_a_larger_one_is_parked_once(
    pool: asyncpg.Pool, kafka_bootstrap: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic, small = f"large-{uuid4().hex}", f"small-{uuid4().hex}"
    (shape,) = (made for made in declared([]) if made.name == "heli.intake.v1.dlt")
    async with admin(kafka_bootstrap) as client:
        await client.create_topics([NewTopic(topic, 1, 1, topic_configs=shape.topic_configs)])
    await make_topics(kafka_bootstrap, small)
    largest, more = "1" * 1048000, "2" * (3 * 1024 * 1024)
    await put(pool, letter(topic, "a", more), letter(topic, "a", largest), letter(small, "b", "3" * 1500000), letter(small, "b", "4"))
    async with relaying(pool, kafka_bootstrap):
        await until(lambda: empty(pool))
    assert [record.value for record in await everything(kafka_bootstrap, topic)] == [largest.encode()]
    assert {record.value for record in await everything(kafka_bootstrap, small)} == {b"4"}
    parked = await pool.fetch("select consumer, topic, reason, record from parked order by seq")
    assert [tuple(row)[:3] for row in parked] == [("relay", topic, "too-large"), ("relay", small, "too-large")]
    assert parking.record_of(parked[0]).value == more.encode()
    assert len([entry for entry in caplog.records if "relay.too_large" in str(entry.msg)]) <= 2


async def test_a_partition_that_takes_nothing_holds_back_its_own_records_only(
    pool: asyncpg.Pool, kafka_bootstrap: str, refused: set[str]
) -> None:
    topic, good = f"refused-{uuid4().hex}", f"good-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, good, partitions=1)
    refused.add(topic)
    await put(pool, *(letter(topic, f"k{n % 3}", str(n)) for n in range(BATCH)))
    async with relaying(pool, kafka_bootstrap) as relay:
        for n in range(3):
            await put(pool, letter(good, "g", str(n)), letter(topic, "k0", str(BATCH + n)))
            relay.bell.set()
            async with asyncio.timeout(LONG):
                await until(partial(arrived, kafka_bootstrap, good, n + 1))
        assert await pool.fetchval("select count(*) from outbox") == BATCH + 3
        refused.clear()
        await until(lambda: empty(pool))
    values = [int(record.value) for record in await everything(kafka_bootstrap, topic)]
    assert list(dict.fromkeys(values)) == list(range(BATCH + 3))


async def arrived(bootstrap: str, topic: str, count: int) -> bool:
    return len(await everything(bootstrap, topic)) >= count


LONG = 8.0
"""Much longer than a healthy partition takes, and shorter than a request waits for its answer."""


async def test_what_waits_for_a_leader_does_not_overtake_what_has_failed_for_want_of_one(
    pool: asyncpg.Pool, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a batch of them: the first batch fails, then the leader is there again, and the second must not go out before it."""
    topic, real, began = f"leaderless-{uuid4().hex}", ClusterMetadata.leader_for_partition, time.monotonic()
    await make_topics(kafka_bootstrap, topic, partitions=1)
    monkeypatch.setattr(producer, "REQUEST_MS", 1000)

    def leader(cluster: ClusterMetadata, place: TopicPartition) -> Any:
        return -1 if place.topic == topic and time.monotonic() - began < 5 else real(cluster, place)

    monkeypatch.setattr(ClusterMetadata, "leader_for_partition", leader)
    large = "z" * 4000
    filler = [letter(topic, f"f{n}", large) for n in range(65)]
    await put(pool, letter(topic, "k", "1"), *filler, letter(topic, "k", f"2{large}"), letter(topic, "k", "3"))
    async with relaying(pool, kafka_bootstrap):
        await until(lambda: empty(pool))
    assert [record.value[:1] for record in await everything(kafka_bootstrap, topic) if record.key == b"k"] == [b"1", b"2", b"3"]


class TakesOver(Relay):
    """In the second turn of its first stretch it gets the shard of key `a` as well."""

    async def _claim(self) -> bool:
        whole = self._shards
        lost = await super()._claim()
        if not whole:
            self._shards = [shard for shard in self._shards if shard != outbox.shard_of(b"a")]
        elif len(whole) < outbox.SHARDS:
            self._shards = list(range(outbox.SHARDS))
        return lost


async def test_a_shard_taken_over_within_a_stretch_begins_at_its_first_row(pool: asyncpg.Pool, kafka_bootstrap: str) -> None:
    topic = f"over-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, partitions=1)
    await put(pool, letter(topic, "a", "1"), *(letter(topic, f"k{n}", "0") for n in range(2 * BATCH)), letter(topic, "a", "2"))
    async with running(TakesOver(pool, kafka_bootstrap, asyncio.Event(), asyncio.Event())):
        await until(lambda: empty(pool))
    sent = [record.value for record in await everything(kafka_bootstrap, topic) if record.key == b"a"]
    assert sent == [b"1", b"2"]


class Meanwhile(Relay):
    """Between its first reading and its second something happens."""

    def __init__(self, pool: asyncpg.Pool, bootstrap: str, event: Callable[[], Awaitable[None]]) -> None:
        super().__init__(pool, bootstrap, asyncio.Event(), asyncio.Event())
        self._event: Callable[[], Awaitable[None]] | None = event

    async def _hand_over(self, *under: Any) -> Any:
        event, self._event = self._event, None
        if event is not None:
            await event()
        return await super()._hand_over(*under)


async def test_a_record_does_not_overtake_one_whose_slower_transaction_drew_a_smaller_number(
    pool: asyncpg.Pool, kafka_bootstrap: str
) -> None:
    topic = f"slow-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, partitions=1)
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        now = await slow.fetchval("select now()")
        await outbox.save(slow, [outbox.stamp(letter(topic, "a", "1"), actor="test", traceparent="", at=now)])
        await put(pool, *(letter(topic, f"k{n}", "0") for n in range(BATCH + 100)))

        async def committed() -> None:
            await transaction.commit()
            await put(pool, letter(topic, "a", "2"))

        async with running(Meanwhile(pool, kafka_bootstrap, committed)):
            await until(lambda: empty(pool))
    sent = [record.value for record in await everything(kafka_bootstrap, topic) if record.key == b"a"]
    assert sent == [b"1", b"2"]


async def test_two_relays_share_no_shard_and_a_dead_owners_shards_are_taken_over(pool: asyncpg.Pool, kafka_bootstrap: str) -> None:
    topic = f"owners-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic)
    await pool.execute("update lease set owner = 'dead', until = clock_timestamp() + interval '1 second'")
    async with relaying(pool, kafka_bootstrap), relaying(pool, kafka_bootstrap):
        await put(pool, *(letter(topic, f"k{n % 20}", str(n)) for n in range(400)))
        await until(lambda: empty(pool))
        owners = await pool.fetch("select owner, count(*) from lease group by owner")
    assert "dead" not in {row["owner"] for row in owners}
    sent = await everything(kafka_bootstrap, topic)
    assert len({record.value for record in sent}) == 400
    for key in {record.key for record in sent}:
        first = list(dict.fromkeys(int(record.value) for record in sent if record.key == key))
        assert first == sorted(first)


async def test_feed_numbers_have_no_gap_and_an_acknowledgement_comes_back_by_the_mailbox(pool: asyncpg.Pool, kafka_bootstrap: str) -> None:
    topic = f"feed-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, partitions=1)
    await asyncio.gather(*(put(pool, *(letter(topic, "ag", str(n), feed="ag", on_ack=b"{}") for _ in range(5))) for n in range(10)))
    async with relaying(pool, kafka_bootstrap):
        await until(lambda: empty(pool))
    sent = await everything(kafka_bootstrap, topic)
    assert [dict(record.headers)["ce_sequence"] for record in sent] == [b"%020d" % n for n in range(1, 51)]
    assert await pool.fetchval("select count(*) from mailbox") == 50
