"""Does a big batch keep its orders when it goes in lanes, and does a record of any time become one?"""

import asyncio
import random
from collections.abc import Sequence
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from shared.broker import record_of
from shared.lanes import LANES, hand, lanes
from shared.messages import Message
from shared.parking import stream_of


def message(aggregate: int, stream: str = "") -> Message:
    return Message(body=None, aggregate=UUID(int=aggregate), stream=stream)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("seed", range(20))
def test_neither_an_aggregate_nor_a_stream_is_in_two_lanes(seed: int, count: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a chance that can be repeated
    names = ["", "", "", *(f"s{n}" for n in range(30)), *(str(UUID(int=n)) for n in range(20))]
    given = [message(chance.randrange(60), chance.choice(names) if seed % 4 else "") for _ in range(250 if seed % 2 else 60)]
    found = lanes(given, count)
    assert sum(map(len, found)) == len(given)
    for one, other in combinations(found, 2):
        assert not {m.aggregate for m in one} & {m.aggregate for m in other}
        assert not {stream_of(m) for m in one} & {stream_of(m) for m in other}
    for lane in found:
        places = [next(place for place, m in enumerate(given) if m is one) for one in lane]
        assert places == sorted(places)


@pytest.mark.parametrize(("count", "sizes"), [(2, [200, 200]), (4, [100] * 4), (3, [136, 132, 132])])
def test_messages_of_many_aggregates_fill_all_lanes(count: int, sizes: list[int]) -> None:
    assert [len(lane) for lane in lanes([message(n % 100) for n in range(400)], count)] == sizes


class Slow:
    """A room in which every batch waits until it is let go."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.inside, self.most = 0, 0
        self.go = asyncio.Event()

    async def handle(self, messages: Sequence[Message]) -> None:
        self.sizes.append(len(messages))
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.go.wait()
        self.inside -= 1


@pytest.mark.parametrize(("count", "sizes"), [(199, [199]), (200, [100] * 2), (1000, [250] * 4), (5000, [250] * 20)])
async def test_a_room_has_four_big_transactions_at_a_time_whatever_comes(count: int, sizes: list[int]) -> None:
    room: Any = Slow()
    under_way = [asyncio.create_task(hand(room, [message(n) for n in range(start, start + count)])) for start in (0, 10_000)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert room.inside == min(2 * len(sizes), LANES if len(sizes) > 1 else 2)
    room.go.set()
    await asyncio.gather(*under_way)
    assert (room.sizes, room.most <= LANES) == (sizes * 2, True)


def test_what_belongs_together_is_one_lane() -> None:
    given = [message(1) for _ in range(400)]
    assert lanes(given, 2) == [given]


@pytest.mark.parametrize("time", [-(10**15), -1, 0, 10**15, 2**63 - 1, -(2**63)])
def test_a_record_of_any_time_is_read(time: int) -> None:
    raw: ConsumerRecord[bytes, bytes] = ConsumerRecord("t", 0, 0, time, 0, None, b"", None, -1, 0, ())
    assert 1970 <= record_of(raw).timestamp.year <= 9999
