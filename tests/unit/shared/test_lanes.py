"""Does a big batch keep its orders when it goes in two lanes, and does a record of any time become one?"""

import random
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from shared.broker import record_of
from shared.lanes import lanes
from shared.messages import Message
from shared.parking import stream_of


def message(aggregate: int, stream: str = "") -> Message:
    return Message(body=None, aggregate=UUID(int=aggregate), stream=stream)


@pytest.mark.parametrize("seed", range(20))
def test_neither_an_aggregate_nor_a_stream_is_in_two_lanes(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a chance that can be repeated
    names = ["", "", "", *(f"s{n}" for n in range(30)), *(str(UUID(int=n)) for n in range(20))]
    given = [message(chance.randrange(60), chance.choice(names) if seed % 4 else "") for _ in range(250 if seed % 2 else 60)]
    one, other = lanes(given)
    assert len(one) + len(other) == len(given)
    assert not {m.aggregate for m in one} & {m.aggregate for m in other}
    assert not {stream_of(m) for m in one} & {stream_of(m) for m in other}
    for lane in (one, other):
        places = [next(place for place, m in enumerate(given) if m is found) for found in lane]
        assert places == sorted(places)


def test_messages_of_many_aggregates_fill_both_lanes() -> None:
    assert [len(lane) for lane in lanes([message(n % 100) for n in range(400)])] == [200, 200]


@pytest.mark.parametrize("time", [-(10**15), -1, 0, 10**15, 2**63 - 1, -(2**63)])
def test_a_record_of_any_time_is_read(time: int) -> None:
    raw: ConsumerRecord[bytes, bytes] = ConsumerRecord("t", 0, 0, time, 0, None, b"", None, -1, 0, ())
    assert 1970 <= record_of(raw).timestamp.year <= 9999
