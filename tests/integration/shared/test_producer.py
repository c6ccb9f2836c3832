"""Does a producer that is thrown away leave nothing behind, and end nobody who waits for it?"""

import asyncio
from collections import deque
from uuid import uuid4

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import ProducerClosed

from shared.producer import Producer, filled
from tests.integration.shared.test_relay import empty, letter, put, relaying
from tests.support.broker import make_topics, until

ROW = {"seq": 1, "key": b"k", "value": b"1", "headers": b"\x90"}


def library() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if "aiokafka" in repr(task)}


async def test_it_is_dropped_while_the_broker_refuses_again_and_again(kafka_bootstrap: str, refused: set[str]) -> None:
    topic, before = f"refused-{uuid4().hex}", library()
    await make_topics(kafka_bootstrap, topic)
    refused.add(topic)
    producer = Producer(kafka_bootstrap)
    batch = await producer.send(filled(await producer.ready(), TopicPartition(topic, 0), deque([ROW])))
    await asyncio.wait([batch.sent], timeout=0.5)
    assert not batch.sent.done()
    await producer.drop()
    assert isinstance(batch.refusal, ProducerClosed)
    assert library() == before
    assert not producer.broken


async def test_a_relay_goes_on_with_another_one(pool: asyncpg.Pool, kafka_bootstrap: str, refused: set[str]) -> None:
    topic = f"refused-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic)
    refused.add(topic)
    await put(pool, letter(topic, "k", "1"))
    async with relaying(pool, kafka_bootstrap) as relay:
        await until(lambda: bool(set(relay._aside)))  # noqa: SLF001 - what it waits for is not to be seen from outside
        relay.producer.broken = True
        relay.bell.set()
        await until(lambda: not relay.producer.broken)
        refused.clear()
        relay.bell.set()
        await until(lambda: empty(pool))
    assert not {task for task in library() if "sender" in repr(task).lower()}


async def test_it_knows_all_topics_also_new_ones_and_after_it_was_dropped(kafka_bootstrap: str) -> None:
    old, new = f"old-{uuid4().hex}", f"new-{uuid4().hex}"
    await make_topics(kafka_bootstrap, old)
    producer = Producer(kafka_bootstrap)
    assert await producer.partitions([old, new]) == {old: [0, 1]}
    assert producer.absent == {new}
    await make_topics(kafka_bootstrap, new)
    await until(lambda: found(producer, old, new))
    inner = await producer.ready()
    assert await inner.client.force_metadata_update()
    assert {old, new} <= set(inner.client.cluster.topics())
    late = f"late-{uuid4().hex}"
    inner.client.add_topic(old)  # as the library does when it must ask for one by name
    assert await producer.partitions([late]) == {}
    await make_topics(kafka_bootstrap, late)
    await until(lambda: found(producer, old, new, late))
    await producer.drop()
    assert await producer.partitions([old, new, late]) == {old: [0, 1], new: [0, 1], late: [0, 1]}
    await producer.drop()


async def found(producer: Producer, *topics: str) -> bool:
    return len(await producer.partitions(topics)) == len(topics)
