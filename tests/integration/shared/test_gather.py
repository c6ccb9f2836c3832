"""Do requests that wait share a transaction, each with its own outcome?"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from shared import gather
from shared.errors import NotFound, Problem, Unavailable
from shared.gather import Gather
from shared.messages import Response
from shared.room import Room
from tests.integration.shared.test_room import add, count, total
from tests.support.broker import until


@pytest.fixture
def batches(room: Room, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each transaction had."""
    sizes: list[int] = []
    outcomes = room.outcomes

    async def counted(messages: Any, settle: Any = None) -> Any:
        sizes.append(len(messages))
        return await outcomes(messages, settle)

    monkeypatch.setattr(room, "outcomes", counted)
    return sizes


async def test_who_waits_while_a_transaction_runs_shares_the_next(room: Room, pool: asyncpg.Pool, batches: list[int]) -> None:
    door, counter = Gather(room), uuid4()
    await asyncio.gather(*(door.enter(add(uuid4(), id=str(n), digest=b"d")) for n in range(100)))
    assert (sum(batches), len(batches) < 10) == (100, True)
    await door.enter(add(counter, id="alone", digest=b"d"))
    assert batches[-1] == 1
    assert await count(pool, "counter") == 101


class Held:
    """A room in which each transaction stays until it is let go; how many it had at once."""

    def __init__(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ends: list[asyncio.Event] = []
        self.sizes: list[int] = []
        self._outcomes = room.outcomes
        monkeypatch.setattr(room, "outcomes", self._held)

    def begun(self, count: int) -> bool:
        return len(self.ends) == count

    async def _held(self, messages: Any, settle: Any = None) -> Any:
        end = asyncio.Event()
        self.ends.append(end)
        self.sizes.append(len(messages))
        await end.wait()
        return await self._outcomes(messages, settle)


def _entering(door: Gather, counters: Sequence[UUID]) -> list[asyncio.Task[Response]]:
    return [asyncio.create_task(door.enter(add(counter, id=str(counter), digest=b"d"))) for counter in counters]


async def test_one_transaction_runs_at_a_time_while_it_is_quick(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "SLOW_SECONDS", 60.0)
    door, held = Gather(room), Held(room, monkeypatch)
    first = _entering(door, [uuid4()])
    await until(lambda: held.sizes == [1])
    rest = _entering(door, [uuid4() for _ in range(30)])
    await asyncio.sleep(0.1)  # nothing tells that nothing begins
    assert held.sizes == [1]
    held.ends[0].set()
    await until(lambda: held.sizes == [1, 30])
    held.ends[1].set()
    assert all(response.status == 200 for response in await asyncio.gather(*first, *rest))


async def test_nobody_waits_for_a_transaction_that_is_slow(room: Room, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not who stood in line before it was known to be slow, and of many slow ones only so many run at once."""
    monkeypatch.setattr(gather, "SLOW_SECONDS", 0.05)
    door, held, counters = Gather(room), Held(room, monkeypatch), [uuid4() for _ in range(6)]
    tasks = _entering(door, counters[:1])
    await until(lambda: len(held.ends) == 1)
    tasks += _entering(door, counters[1:2])
    await until(lambda: len(held.ends) == 2)
    held.ends[1].set()
    assert (await tasks[1]).status == 200
    assert not tasks[0].done()
    for counter in counters[2:5]:
        tasks += _entering(door, [counter])
        await until(partial(held.begun, len(tasks)))
    tasks += _entering(door, counters[5:])
    await asyncio.sleep(0.2)  # nothing tells that nothing begins
    assert len(held.ends) == gather.WORKERS + 1
    held.ends[3].set()  # whoever has time again takes what waits
    await until(lambda: len(held.ends) == 6)
    for end in held.ends:
        end.set()
    assert all(response.status == 200 for response in await asyncio.gather(*tasks))
    assert [await total(pool, counter) for counter in counters] == [1] * 6


async def test_each_caller_gets_its_own_outcome_also_when_one_is_refused_by_the_database(room: Room, pool: asyncpg.Pool) -> None:
    door, counters = Gather(room), [uuid4() for _ in range(20)]
    amounts = [99 if n == 7 else -1 if n == 8 else 1 for n in range(20)]
    messages = [add(c, amount, id=str(n), digest=b"d") for n, (c, amount) in enumerate(zip(counters, amounts, strict=True))]
    told = await asyncio.gather(*(door.enter(m) for m in messages), return_exceptions=True)
    assert [type(t) for t in told] == [Problem if n == 7 else Response for n in range(20)]
    assert [t.status for t in told if isinstance(t, Response)] == [409 if n == 8 else 200 for n in range(20) if n != 7]
    assert [await total(pool, c) for c in counters] == [None if n in (7, 8) else 1 for n in range(20)]


async def test_the_same_key_twice_in_one_batch_is_one_effect_and_the_same_bytes(room: Room, pool: asyncpg.Pool) -> None:
    door, counter = Gather(room), uuid4()
    one = [door.enter(add(counter, id="k", digest=b"one")) for _ in range(10)]
    told = await asyncio.gather(*one, door.enter(add(counter, 5, id="k", digest=b"two")))
    assert len({response.body for response in told[:10]}) == 1
    assert (told[10].status, b"idempotency-key-reused" in told[10].body) == (422, True)
    assert await total(pool, counter) == 1


async def test_a_caller_that_goes_away_takes_nobody_with_it_and_its_effect_stands(room: Room, pool: asyncpg.Pool) -> None:
    door, counters = Gather(room), [uuid4() for _ in range(10)]
    tasks = [asyncio.create_task(door.enter(add(c, id=str(c), digest=b"d"))) for c in counters]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[9].cancel()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(t, Response) for t in told] == [n not in (0, 9) for n in range(10)]
    await door.enter(add(uuid4(), id="last", digest=b"d"))
    assert [await total(pool, c) for c in counters[1:9]] == [1] * 8


async def test_the_queue_is_bounded_and_its_limit_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "WAITING", 5)
    door = Gather(room)
    told = await asyncio.gather(*(door.enter(add(uuid4(), id=str(n), digest=b"d")) for n in range(9)), return_exceptions=True)
    assert [isinstance(t, Unavailable) for t in told] == [n >= 5 for n in range(9)]


async def test_when_the_database_is_away_every_caller_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(room, "outcomes", away)
    door = Gather(room)
    told = await asyncio.gather(*(door.enter(add(uuid4())) for _ in range(4)), return_exceptions=True)
    assert [type(t) for t in told] == [ConnectionRefusedError] * 4


async def test_what_does_not_exist_for_one_caller_is_not_found_for_that_caller_alone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = room.kind.decide

    def picky(counter: Any, message: Any, at: Any) -> Any:
        if message.id == "3":
            raise NotFound
        return decide(counter, message, at)

    kind = msgspec.structs.replace(room.kind, decide=picky)
    monkeypatch.setattr(room, "kind", kind)
    door = Gather(room)
    told = await asyncio.gather(*(door.enter(add(uuid4(), id=str(n), digest=b"d")) for n in range(6)))
    assert [response.status for response in told] == [404 if n == 3 else 200 for n in range(6)]


async def test_a_fault_of_our_own_at_one_message_is_its_callers_alone(
    room: Room, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = room.kind.decide

    def faulty(counter: Any, message: Any, at: Any) -> Any:
        if message.id == "3":
            raise LookupError
        return decide(counter, message, at)

    monkeypatch.setattr(room, "kind", msgspec.structs.replace(room.kind, decide=faulty))
    door, counters = Gather(room), [uuid4() for _ in range(6)]
    messages = [add(key, id=str(n), digest=b"d") for n, key in enumerate(counters)]
    told = await asyncio.gather(*(door.enter(m) for m in messages), return_exceptions=True)
    assert [type(t) for t in told] == [LookupError if n == 3 else Response for n in range(6)]
    assert [await total(pool, key) for key in counters] == [None if n == 3 else 1 for n in range(6)]
