"""How do tests speak to Kafka without our own code in between?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make_topics(bootstrap: str, *names: str, partitions: int = 2) -> None:
    async with admin(bootstrap) as client:
        await client.create_topics([NewTopic(name, partitions, 1) for name in names])


async def send(
    bootstrap: str, topic: str, *records: tuple[bytes | None, bytes | None, list[tuple[str, Any]]], partition: int | None = None
) -> None:
    """Sends key, value, headers as they are: also what no honest producer would."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key=key, headers=headers, partition=partition)
    finally:
        await producer.stop()


async def everything(bootstrap: str, topic: str) -> list[Any]:
    """All records of a topic as they lie there now, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or await _partitions(consumer, topic))
        ]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        found: list[Any] = []
        wanted = sum(ends[p] - begins[p] for p in partitions)
        while len(found) < wanted:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
        return sorted(found, key=lambda r: (r.partition, r.offset))
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - the public call knows subscribed topics only
    return set(metadata.partitions_for_topic(topic) or ())


async def until(fact: Callable[[], Any], seconds: float = 30) -> Any:
    """Waits for a fact: returns the first true answer of `fact` (which may be a coroutine function)."""
    async with asyncio.timeout(seconds):
        while True:
            found = fact()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.03)
