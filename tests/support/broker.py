"""How do tests speak to Kafka without our own code in between?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as DefaultRecordBatchBuilder


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


class RawName(str):
    """A header's name of any bytes: a well-behaved client makes UTF-8 only."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        del encoding, errors
        return super().encode("latin-1")


async def send_raw(bootstrap: str, topic: str, *values: bytes | None, name: str = "", codec: int = 0) -> None:
    """One batch for partition 0; every second record carries a header of this name, byte for byte."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = DefaultRecordBatchBuilder(  # noqa: SLF001 - the one in C makes UTF-8 of every name
            magic=2, compression_type=codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=1048576
        )
        for number, value in enumerate(values):
            headers = [(RawName(name), b"x")] if name and number % 2 else []
            assert batch.append(key=None, value=value, timestamp=None, headers=headers) is not None
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()
