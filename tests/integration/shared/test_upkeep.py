"""Does what nobody looks after get looked after: old inbox rows, parked streams, a parking lot that fills up?"""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from shared import parking, upkeep
from shared.bells import Bells
from shared.errors import Problem
from shared.mailbox import Mailbox
from shared.messages import Message, Record
from shared.parking import Parked, TooMuchParked
from shared.room import Room
from shared.upkeep import Upkeep
from tests.integration.shared.test_room import add, count, record
from tests.support.toy import Add


async def test_inbox_rows_past_their_time_go_and_younger_ones_stay(room: Room, pool: asyncpg.Pool) -> None:
    await room.handle([add(uuid4(), id="old"), add(uuid4(), id="young")])
    days = upkeep.INBOX_DAYS
    await pool.execute("update inbox set at = now() - make_interval(days => $1, mins => 1) where id = 'old'", days)
    await pool.execute("update inbox set at = now() - make_interval(days => $1, mins => -1) where id = 'young'", days)
    assert await Upkeep(pool, Bells()).forget() == 1
    assert await pool.fetchval("select id from inbox") == "young"


async def test_a_stream_parked_for_two_minutes_is_told_once(room: Room, pool: asyncpg.Pool) -> None:
    stuck = uuid4()
    await room.handle([add(stuck, -1, id="1", record=record(1)), add(stuck, id="2", record=record(2))])
    keeper = Upkeep(pool, Bells())
    assert await keeper.tell() == 0
    await pool.execute("update parked set at = at - interval '121 seconds'")
    assert (await keeper.tell(), await keeper.tell()) == (1, 0)
    told = msgspec.json.decode(await pool.fetchval("select data from journal where type = 'heli.stream.parked.v1'"))
    assert (told["stream"], told["consumer"], told["reason"]) == (str(stuck), "toy.counter", "rule")


async def test_above_the_limit_of_parked_streams_the_consumer_stops_and_parks_nothing_more(
    room: Room, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "LIMIT", 3)
    for turn in range(3):
        await room.handle([add(uuid4(), -1, id=str(turn), record=record(turn))])
    with pytest.raises(TooMuchParked):
        await room.handle([add(uuid4(), -1, id="9", record=record(9))])
    assert (await count(pool, "parked"), await pool.fetchval("select count(*) from inbox where id = '9'")) == (3, 0)


async def test_whoever_parks_counts_what_another_transaction_is_just_parking(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "LIMIT", 1)
    one, two = ([Parked(add(uuid4(), record=record(turn)), "rule", "rule")] for turn in range(2))
    async with pool.acquire() as here, pool.acquire() as there:
        async with here.transaction():
            await parking.park(here, "toy", one)
            second = asyncio.create_task(parking.park(there, "toy", two))
            await asyncio.wait([second], timeout=0.5)
        with pytest.raises(TooMuchParked):
            await second


async def test_a_parked_record_of_several_messages_is_released_whole_or_not_at_all(room: Room, pool: asyncpg.Pool) -> None:
    async def forget(db: Any, _: Any) -> None:
        assert await db.fetchval("delete from parked returning seq")

    good, bad = uuid4(), uuid4()
    await room.park([Parked(add(good, id="1", record=record(1)), "contract", "contract")])
    with pytest.raises(Problem, match="refused-by-database"):
        await room.handle(
            [add(good, id="1", record=record(1), released=True), add(bad, 99, id="2", record=record(1), released=True)], forget
        )
    assert (await count(pool, "counter"), await count(pool, "parked")) == (0, 1)
    await room.handle([add(good, id="1", record=record(1), released=True), add(bad, id="2", record=record(1), released=True)], forget)
    assert (await count(pool, "counter"), await count(pool, "parked")) == (2, 0)


async def test_a_row_of_the_mailbox_that_cannot_be_read_is_parked_alone_and_those_behind_it_are_taken(
    room: Room, pool: asyncpg.Pool
) -> None:
    counter = uuid4()

    def read(body: bytes) -> Message:
        return Message(body=Add(1), aggregate=msgspec.json.decode(body, type=UUID))

    await pool.execute("insert into mailbox (body) values ($1), ($2)", b'{"of": "a later release"}', msgspec.json.encode(counter))
    box = Mailbox(room, read)
    assert (await box.take(), await box.take()) == (2, 0)
    assert (await count(pool, "counter"), await count(pool, "mailbox")) == (1, 0)
    (row,) = await pool.fetch("select consumer, reason, stream, message, record from parked")
    assert (row["consumer"], row["reason"], row["stream"]) == ("toy.counter", "contract", f"mailbox/{row['message']}")
    with pytest.raises(Problem, match="contract"):
        await box.release(parking.record_of(row), row["consumer"], row["message"], lambda *_: asyncio.sleep(0))


def test_what_is_shown_of_a_parked_record_has_names_and_kinds_but_no_value() -> None:
    headers = (("ce_type", b"heli.x.v1"), ("secret", b"canary"), ("ce_subject", b"s"))
    shown = parking.redacted(Record("t", 0, 7, b"canary", b'{"facts": "canary", "age": 9}', headers, record().timestamp))
    assert shown["fields"] == {"facts": "str", "age": "int"}
    assert shown["headers"] == {"ce_type": "heli.x.v1", "ce_subject": "s"}
    assert "canary" not in str(shown)
    assert parking.redacted(Record("t", 0, 7, None, b"\xff", (), record().timestamp))["fields"] == {}
