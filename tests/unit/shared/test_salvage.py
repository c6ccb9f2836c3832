"""What is still read of a batch that the Kafka library refuses?"""

import pytest
from aiokafka import TopicPartition
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as Builder

from shared.salvage import MARK, salvage
from tests.support.broker import RawName

PLACE = TopicPartition("t", 0)


def batch(*values: bytes, name: str = "ok", codec: int = 0, base: int = 0) -> bytes:
    builder = Builder(2, codec, 0, -1, -1, -1, 1048576)
    for number, value in enumerate(values):
        builder.append(number, None, b"k", value, [(RawName(name), b"x")])
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]


def test_good_batches_are_read_from_an_offset_to_a_limit() -> None:
    data = batch(b"0", b"1", b"2") + batch(b"3", b"4", base=3)
    found, following = salvage(PLACE, data, 1, 3)
    assert ([r.value for r in found], [r.offset for r in found], following) == ([b"1", b"2", b"3"], [1, 2, 3], 4)
    assert salvage(PLACE, data, 4, 500)[1] == 5
    assert salvage(PLACE, data, 5, 500) == ([], 5)


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_a_header_whose_name_is_no_text_loses_no_record(codec: int) -> None:
    found, following = salvage(PLACE, batch(b"0", b"1", name="\xff\xfe", codec=codec, base=7), 7, 500)
    assert [(r.offset, r.key, r.value) for r in found] == [(7, b"k", b"0"), (8, b"k", b"1")]
    assert following == 9
    assert all(r.headers[0][1] == b"x" for r in found)


def test_a_batch_that_no_codec_opens_becomes_a_mark_for_every_offset() -> None:
    whole = batch(b"0", b"1", codec=1)
    broken = bytearray(whole)
    broken[-3] ^= 0xFF
    found, following = salvage(PLACE, bytes(broken) + batch(b"2", base=2), 0, 500)
    assert [(r.offset, r.value, [name for name, _ in r.headers]) for r in found[:2]] == [(0, None, [MARK]), (1, None, [MARK])]
    assert (found[2].value, following) == (b"2", 3)


def test_half_a_batch_waits_for_the_rest_of_it() -> None:
    data = batch(b"0") + batch(b"1" * 50, base=1)
    assert salvage(PLACE, data[:-1], 0, 500)[1] == 1


def test_no_bytes_make_it_raise() -> None:
    good = batch(b"0", b"1", name="\xff")
    for place in range(12, len(good)):
        broken = bytearray(good)
        broken[place] ^= 0xFF
        salvage(PLACE, bytes(broken), 0, 500)
