"""Does a record that the Kafka library cannot read lose or delay the records of others?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiokafka.codec
import pytest
from aiokafka import TopicPartition
from faststream.kafka import KafkaRouter

from shared import broker
from shared.broker import Unreadable, subscriber
from shared.messages import Record
from tests.support.broker import make_topics, send, send_raw, until

BAD_NAME = "\xff\xfe"
BATCH: list[bytes | None] = [b"%d" % n * 200 for n in range(4)]
"""Long enough to be compressed."""


class Heard:
    """Every record of a pattern of topics, as a handler gets them."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.items: list[Record] = []
        self.raw: Any = None

    def topic(self, name: str) -> str:
        return f"{self.prefix}.{name}.replies"

    def of(self, name: str) -> list[bytes | None]:
        return [item.value for item in self.items if item.topic == self.topic(name)]

    def reasons(self, name: str) -> set[str]:
        found = [broker.read(item) for item in self.items if item.topic == self.topic(name)]
        return {item.reason for item in found if isinstance(item, Unreadable)}


@contextlib.asynccontextmanager
async def hearing(bootstrap: str, heard: Heard) -> AsyncIterator[None]:
    router = KafkaRouter()

    @subscriber(router, "hostile", rf"{heard.prefix}\.[^.]+\.replies", pattern=True)
    async def on_any(batch: Any) -> None:
        heard.items += batch

    kafka = broker.build(bootstrap)
    kafka.include_router(router)
    await kafka.start()
    heard.raw = kafka.subscribers[0].consumer  # type: ignore[attr-defined]
    try:
        yield
    finally:
        await kafka.stop()


@pytest.fixture
async def heard(kafka_bootstrap: str) -> Heard:
    found = Heard(f"hostile{uuid4().hex}")
    await make_topics(kafka_bootstrap, *(found.topic(name) for name in ("bad", *GOOD)), partitions=1)
    return found


GOOD = [f"good{number}" for number in range(6)]


async def fill(bootstrap: str, heard: Heard, begin: int, end: int) -> None:
    for name in GOOD:
        await send(bootstrap, heard.topic(name), *((None, b"%d" % n, []) for n in range(begin, end)))


@pytest.mark.parametrize("trouble", ["header", "codec"])
async def test_records_that_cannot_be_read_take_nobody_elses_and_hold_up_nobody(
    kafka_bootstrap: str, heard: Heard, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    await fill(kafka_bootstrap, heard, 0, 40)
    bad: Any = {"name": BAD_NAME} if trouble == "header" else {"codec": 4}
    await send(kafka_bootstrap, heard.topic("bad"), (None, b"before", []))
    await send_raw(kafka_bootstrap, heard.topic("bad"), *BATCH, **bad)
    await send(kafka_bootstrap, heard.topic("bad"), (None, b"after", []))
    monkeypatch.setattr(aiokafka.codec, "cramjam", None)
    async with hearing(kafka_bootstrap, heard):
        await until(lambda: all(len(heard.of(name)) >= 40 for name in GOOD))
        await until(lambda: heard.of("bad")[-1:] == [b"after"])
        await fill(kafka_bootstrap, heard, 40, 50)
        await until(lambda: all(len(heard.of(name)) >= 50 for name in GOOD))
        await until(lambda: caught_up(heard))
        await send(kafka_bootstrap, heard.topic("bad"), (None, b"later", []))
        await until(lambda: heard.of("bad")[-1:] == [b"later"])
        assert not heard.raw.paused()
    for name in GOOD:
        assert heard.of(name) == [b"%d" % n for n in range(50)], name
    middle = BATCH if trouble == "header" else [None] * len(BATCH)
    assert heard.of("bad") == [b"before", *middle, b"after", b"later"]
    assert ("unfetchable" in heard.reasons("bad")) == (trouble == "codec")


async def caught_up(heard: Heard) -> bool:
    place = TopicPartition(heard.topic("bad"), 0)
    return await heard.raw.committed(place) == 6 and not heard.raw.paused()


async def test_one_who_goes_on_sending_them_holds_up_nobody(kafka_bootstrap: str, heard: Heard) -> None:
    enough = asyncio.Event()

    async def hostile() -> None:
        while not enough.is_set():
            await send_raw(kafka_bootstrap, heard.topic("bad"), b"0", b"1", name=BAD_NAME)

    pest = asyncio.create_task(hostile())
    try:
        async with hearing(kafka_bootstrap, heard):
            for n in range(10):
                await fill(kafka_bootstrap, heard, n, n + 1)
                await until(lambda n=n: all(len(heard.of(name)) > n for name in GOOD), 10)  # type: ignore[misc]
            await until(lambda: heard.of("bad"))
    finally:
        enough.set()
        await pest
    for name in GOOD:
        assert heard.of(name) == [b"%d" % n for n in range(10)], name


async def test_an_error_that_belongs_to_no_partition_loses_nothing(
    kafka_bootstrap: str, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(kafka_bootstrap, heard, 0, 10)
    async with hearing(kafka_bootstrap, heard):
        turns: list[Any] = []
        fetcher = heard.raw._fetcher  # noqa: SLF001 - aiokafka shows it nowhere
        fetched = fetcher.fetched_records

        async def failing(*given: Any, **more: Any) -> Any:
            found = await fetched(*given, **more)
            if found and len(turns) < 3:
                turns.append(found)
                fetcher._records.clear()  # noqa: SLF001
                raise LookupError(len(turns))
            return found

        monkeypatch.setattr(fetcher, "fetched_records", failing)
        await fill(kafka_bootstrap, heard, 10, 20)
        await until(lambda: all(len(heard.of(name)) >= 20 for name in GOOD))
        assert len(turns) == 3
    for name in GOOD:
        assert heard.of(name) == [b"%d" % n for n in range(20)], name
