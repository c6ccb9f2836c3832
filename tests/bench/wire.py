"""Which records are read and written: accepted reports as intake publishes them, and the raw producer that puts them into Kafka."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared import telemetry
from shared.contracts import envelope
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.identifiers import uuid7
from shared.messages import Record
from tests.support import county
from tests.support.broker import admin

Wire = tuple[bytes | None, bytes, list[tuple[str, bytes]]]
"""Key, value, headers."""
PRODUCER: dict[str, Any] = {"enable_idempotence": True, "acks": "all", "linger_ms": 2, "max_batch_size": 262144}
"""As the relay sets it."""


def report(now: datetime) -> ReportAccepted:
    """One child of nine who lives alone, told by a hospital: three legs (police, civil affairs, township)."""
    key = uuid7()
    child = ChildNamed(number=1, child=uuid4(), age=9, sex="female")
    return ReportAccepted(
        report=key,
        code=key.hex[-9:].upper(),
        situations=("L1a",),
        groups=(),
        region=county.VILLAGE,
        reporter_kind="hospital",
        seen_at=now,
        received_at=now,
        children=(child,),
    )


def reports(count: int) -> list[Wire]:
    """So many accepted reports, each with the trace of the request that brought it, as the tracing of this process decides."""
    now, made = datetime.now(UTC), list[Wire]()
    for _ in range(count):
        event, span = report(now), telemetry.begin("POST", "server")
        headers = envelope.headers_of(event, id=uuid7(), at=now, traceparent=telemetry.traceparent_of(span))
        made.append((event.key.encode(), envelope.encode(event), headers))
    return made


def record(topic: str, offset: int, wire: Wire) -> Record:
    return Record(topic, 0, offset, wire[0], wire[1], tuple(wire[2]), datetime.now(UTC))


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **PRODUCER)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def produce(producer: AIOKafkaProducer, topic: str, wires: Sequence[Wire]) -> None:
    """Hands over one after the other, and waits for all acknowledgements."""
    acks = [await producer.send(topic, value, key=key, headers=headers) for key, value, headers in wires]
    await asyncio.gather(*acks)


async def ends(bootstrap: str, topic: str) -> dict[TopicPartition, int]:
    """Where each partition of a topic ends now."""
    async with admin(bootstrap) as client:
        (found,) = await client.describe_topics([topic])
    partitions = [TopicPartition(topic, entry["partition"]) for entry in found["partitions"]]
    async with reading(bootstrap, {}) as consumer:
        last: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return last


@asynccontextmanager
async def reading(bootstrap: str, places: dict[TopicPartition, int], group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """A raw consumer that begins at these places."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        if places:
            consumer.assign(list(places))
            for partition, offset in places.items():
                consumer.seek(partition, offset)
        yield consumer
    finally:
        await consumer.stop()
