"""Does every door send PostgreSQL the same number of statements, however many messages come at once?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared import gather, outbox
from shared.broker import Listener, Read, Route
from shared.gather import Gather
from shared.mailbox import Mailbox
from shared.messages import Message, Outgoing
from shared.relay import GONE, Relay
from shared.room import Room
from tests.support.broker import make_topics, until
from tests.support.records import arrived
from tests.support.statements import OURS, per_transaction, sent_by
from tests.support.toy import Add, Added

SIZES, LANES = (1, 10, 500), 2
FILL = f"{OURS} insert into"
Door = Callable[[Sequence[UUID]], Awaitable[None]]


@pytest.fixture
async def sent(pool: asyncpg.Pool) -> list[str]:
    return await sent_by(pool)


def heard(event: Added, _: Read) -> list[Message]:
    return [Message(body=Add(event.total), aggregate=event.counter)]


def events(room: Room) -> Door:
    listener = Listener("toy", Added.topic, (Route(Added, room, heard),), room)

    async def door(counters: Sequence[UUID]) -> None:
        await listener.apply([arrived(Added(counter=counter, total=1), place) for place, counter in enumerate(counters)])

    return door


def http(room: Room) -> Door:
    gathering = Gather(room)

    async def door(counters: Sequence[UUID]) -> None:
        batch = [Message(body=Add(1), aggregate=key, id=str(key), source="unit", digest=b"d") for key in counters]
        await asyncio.gather(*(gathering.enter(message) for message in batch))

    return door


def time(room: Room) -> Door:
    async def door(counters: Sequence[UUID]) -> None:
        await room.pool.execute(
            f"{FILL} counter (id, total, note, changed_at, version, trace, next_due) select id, 1, '', now(), 1, '', now()"
            " from unnest($1::uuid[]) as id",
            list(counters),
        )
        assert (await room.sweep()).ticked == len(counters)

    return door


def mailbox(room: Room) -> Door:
    def told(body: bytes) -> Message:
        return Message(body=Add(1), aggregate=UUID(bytes=body))

    async def door(counters: Sequence[UUID]) -> None:
        await room.pool.execute(f"{FILL} mailbox (body) select unnest($1::bytea[])", [counter.bytes for counter in counters])
        assert await Mailbox(room, told).take() == len(counters)

    return door


DOORS = {"events": events, "http": http, "time": time, "mailbox": mailbox}


@pytest.mark.parametrize("name", DOORS)
async def test_a_door_sends_so_many_statements_per_transaction_whatever_the_number_of_messages(
    name: str, room: Room, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST", SIZES[-1])
    door = DOORS[name](room)
    for size in reversed(SIZES):  # what a new connection or an empty reference costs once is no batch's
        await door([uuid4() for _ in range(size)])
    found = [await statements(door, size, sent) for size in SIZES]
    assert found == [found[0]] * len(SIZES)


async def statements(door: Door, size: int, sent: list[str]) -> dict[str, float]:
    """How often a transaction of a batch of this size sends each statement. A big batch may take two."""
    sent.clear()
    await door([uuid4() for _ in range(size)])
    return await per_transaction(sent, LANES)


async def test_the_relay_reads_and_deletes_a_batch_with_one_statement_each(
    pool: asyncpg.Pool, sent: list[str], kafka_bootstrap: str
) -> None:
    topic = f"counted-{uuid4().hex}"
    await make_topics(kafka_bootstrap, topic)
    relay = Relay(pool, kafka_bootstrap, asyncio.Event(), asyncio.Event())
    task = asyncio.create_task(relay.run())
    for size in SIZES:
        sent.clear()
        await put(pool, topic, size)
        relay.bell.set()
        await until(lambda: pool.fetchval("select not exists (select from outbox)"))
        assert [query for query in sent if "delete from outbox" in query] == [GONE]
        assert sum(query.startswith("insert into outbox") for query in sent) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def put(pool: asyncpg.Pool, topic: str, count: int) -> None:
    letters = [Outgoing(topic=topic, key=b"%d" % number, value=b"{}", headers=()) for number in range(count)]
    async with pool.acquire() as db, db.transaction():
        now = await db.fetchval("select now()")
        await outbox.save(db, [outbox.stamp(letter, actor="test", traceparent="", at=now) for letter in letters])
