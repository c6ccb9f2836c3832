"""Do records get in through a real Kafka one by one, whatever a stranger writes into them?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaRouter

from shared import broker, fetching
from shared.broker import Given, Listener, Read, Route, subscriber
from shared.contracts.envelope import headers_of
from shared.identifiers import uuid7
from shared.messages import Message
from shared.room import Room
from tests.integration.shared.test_relay import relaying
from tests.support.broker import everything, make_topics, send, until
from tests.support.toy import Add, Added, room


@pytest.fixture
async def listening(pool: asyncpg.Pool, kafka_bootstrap: str) -> AsyncIterator[tuple[str, Room, UUID]]:
    """A consumer of a fresh topic that adds what it hears to one counter per event."""
    topic = f"heard-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic, f"{topic}.dlt", partitions=1)
    counters, router = room(pool), KafkaRouter()
    listener = Listener("toy", topic, (Route(Added, counters, heard),), counters)

    @subscriber(router, "toy", topic)
    async def on_topic(batch: Any, listener: Annotated[Any, Given("toy")]) -> None:
        await listener(batch)

    kafka = broker.build(kafka_bootstrap)
    kafka.include_router(router)
    kafka.context.set_global("toy", listener)
    await kafka.start()
    yield topic, counters, uuid4()
    await kafka.stop()


def heard(event: Added, _: Read) -> list[Message]:
    return [Message(body=Add(event.total), aggregate=event.counter)]


def wire(counter: UUID, amount: int, id_: Any = None, **change: bytes | None) -> tuple[bytes, bytes, list[tuple[str, Any]]]:
    event = Added(counter=counter, total=amount)
    from datetime import UTC, datetime

    headers: list[tuple[str, Any]] = list(headers_of(event, id=uuid7(), at=datetime.now(UTC), traceparent=""))
    if id_ is not None:
        headers = [(k, v) for k, v in headers if k != "ce_id"] + [("ce_id", id_)]
    return str(counter).encode(), b'{"counter":"%s","total":%d}' % (str(counter).encode(), amount), [*headers, *change.items()]


async def test_bad_records_in_the_middle_of_a_batch_take_nobody_with_them(
    listening: tuple[str, Room, UUID], pool: asyncpg.Pool, kafka_bootstrap: str
) -> None:
    topic, _, counter = listening
    good = [wire(uuid4(), 1) for _ in range(4)]
    records = [
        good[0],
        wire(counter, 1, note=None),  # a null header: FastStream's own parser skips the batch and commits past it
        wire(counter, 1, note=b"\xff\xfe"),  # a header that is not UTF-8
        (b"k", b"{bad json", wire(counter, 1)[2]),
        good[1],
        wire(counter, 1, id_=b"not-a-uuid; a stranger's id"),
        (b"k", b"hello", []),
        (b"k", b'{"counter": 5}', wire(uuid4(), 1)[2]),  # an event of ours that breaks its contract
        wire(counter, 1, reply_to=topic.encode()),
        good[2],
        good[3],
    ]
    await send(kafka_bootstrap, topic, *records)
    await until(lambda: pool.fetchval("select count(*) = 5 from counter"))
    await until(lambda: pool.fetchval("select total = 4 from counter where id = $1", counter))
    assert [tuple(row) for row in await pool.fetch("select reason, topic from parked")] == [("contract", topic)]
    async with relaying(pool, kafka_bootstrap):
        letters = await until(lambda: at_least(2, kafka_bootstrap, f"{topic}.dlt"))
    assert [(r.key, r.value) for r in letters] == [(b"k", b"{bad json"), (b"k", b"hello")]
    assert dict(letters[0].headers)["x-dlt-error"] == b"json-malformed"
    assert len(await everything(kafka_bootstrap, topic)) == len(records)


async def at_least(count: int, bootstrap: str, topic: str) -> list[Any]:
    found = await everything(bootstrap, topic)
    return found if len(found) >= count else []


async def test_a_database_that_is_away_loses_no_record(
    listening: tuple[str, Room, UUID], pool: asyncpg.Pool, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, counters, counter = listening
    handle, turns = counters.handle, []

    async def failing(*given: Any) -> Any:
        turns.append(1)
        if len(turns) < 4:
            raise ConnectionRefusedError
        return await handle(*given)

    monkeypatch.setattr(counters, "handle", failing)
    await send(kafka_bootstrap, topic, wire(counter, 3))
    await until(lambda: pool.fetchval("select total = 3 from counter where id = $1", counter))
    assert len(turns) == 4


async def test_a_consumer_lingers_for_what_it_was_handed_last_and_only_once(
    listening: tuple[str, Room, UUID], pool: asyncpg.Pool, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, _, counter = listening
    lingered: list[int] = []

    async def noted(_began: float, count: int) -> None:
        lingered.append(count)

    monkeypatch.setattr(fetching, "linger", noted)
    await send(kafka_bootstrap, topic, *(wire(counter, 1) for _ in range(3)))
    await until(lambda: sum(lingered) == 3)
    await until(lambda: lingered[-5:] == [0] * 5)
    assert (sum(lingered), await pool.fetchval("select total from counter where id = $1", counter)) == (3, 3)


async def test_a_consumer_without_records_waits_for_one_instead_of_asking_again_and_again(
    listening: tuple[str, Room, UUID], pool: asyncpg.Pool, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, _, counter = listening
    await send(kafka_bootstrap, topic, wire(counter, 1))
    await until(lambda: pool.fetchval("select total = 1 from counter where id = $1", counter))
    polls: list[int] = []
    getmany = AIOKafkaConsumer.getmany

    async def counted(self: AIOKafkaConsumer, *given: Any, timeout_ms: int, max_records: int) -> Any:
        polls.append(timeout_ms)
        return await getmany(self, *given, timeout_ms=timeout_ms, max_records=max_records)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", counted)
    await asyncio.sleep(1.5)  # how often it asks meanwhile is the question
    assert 1 <= len(polls) <= 4  # FastStream asks fifty times
    await send(kafka_bootstrap, topic, wire(counter, 2))
    await until(lambda: pool.fetchval("select total = 3 from counter where id = $1", counter))
