"""What can still be read of Kafka batches that the library cannot read? Record by record: what is unreadable becomes a mark in its place."""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition, codec
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c, decode_varint

MARK = "heli-unfetchable"
"""Header of the record that stands where one could not be read; its value names the error."""
_HEAD = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH, _BEFORE_CRC_ENDS = 12, 21
_CONTROL, _APPEND_TIME, _CODECS = 0x20, 0x08, 0x07
_OPEN = {1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode}
_MODERN = 2


class _Batch:
    """One record batch of format 2: its head, and where each of its records stands."""

    def __init__(self, partition: TopicPartition, data: bytes) -> None:
        self.partition, self.data = partition, data
        head = _HEAD.unpack_from(data)
        self.base, self.magic, self.crc, self.attributes, self.last, self.first_time, self.max_time = head[0], *head[3:9]
        self.count = head[12]

    def records(self) -> Iterator[ConsumerRecord[Any, Any]]:
        if self.attributes & _CONTROL:
            return
        try:
            found = list(DefaultRecordBatch(self.data)) if self._whole() else None
        except Exception:  # noqa: BLE001 - which record it is shows below
            found = None
        if found is not None:
            yield from (self._record(r.offset, r.timestamp, r.key, r.value, r.headers) for r in found)
            return
        try:
            body = self._opened()
        except Exception as reason:  # noqa: BLE001 - a codec that is not there, or bytes that no codec opens
            yield from (self._mark(offset, reason) for offset in range(self.base, self.base + self.last + 1))
            return
        yield from self._one_by_one(body)

    def _opened(self) -> bytes:
        if not self._whole():
            raise ValueError("checksum")
        number, body = self.attributes & _CODECS, self.data[_HEAD.size :]
        return _OPEN[number](body) if number else body

    def _whole(self) -> bool:
        return bool(calc_crc32c(self.data[_BEFORE_CRC_ENDS:]) == self.crc)

    def _one_by_one(self, body: bytes) -> Iterator[ConsumerRecord[Any, Any]]:
        place = 0
        for number in range(self.count):
            try:
                begins, place = _extent(body, place)
            except (ValueError, IndexError) as reason:  # nobody knows where the next one begins
                yield from (self._mark(self.base + rest, reason) for rest in range(number, self.last + 1))
                return
            try:
                yield self._read(bytearray(body[begins:place]))
            except (ValueError, IndexError) as reason:
                yield self._mark(self.base + number, reason)

    def _read(self, data: bytearray) -> ConsumerRecord[Any, Any]:
        """Attributes, time, offset, key, value, headers. A name that is not UTF-8 is no reason to lose a record."""
        later, at = decode_varint(data, 1)
        offset, at = decode_varint(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        count, at = decode_varint(data, at)
        headers: list[tuple[str, bytes | None]] = []
        for _ in range(count):
            name, at = _bytes(data, at)
            content, at = _bytes(data, at)
            headers.append(((name or b"").decode("utf-8", "replace"), content))
        time = self.max_time if self.attributes & _APPEND_TIME else self.first_time + later
        return self._record(self.base + offset, time, key, value, headers)

    def _mark(self, offset: int, reason: Exception) -> ConsumerRecord[Any, Any]:
        return self._record(offset, self.max_time, None, None, [(MARK, type(reason).__name__.encode())])

    def _record(self, offset: int, time: int, key: bytes | None, value: bytes | None, headers: Any) -> ConsumerRecord[Any, Any]:
        kind = int(bool(self.attributes & _APPEND_TIME))
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value))
        return ConsumerRecord(*self.partition, offset, time, kind, key, value, None, *sizes, tuple(headers))


def salvage(partition: TopicPartition, data: bytes, start: int, limit: int) -> tuple[list[ConsumerRecord[Any, Any]], int]:
    """At most so many records of raw batches from an offset on, and the offset at which to go on. Never raises for what stands in them."""
    found: list[ConsumerRecord[Any, Any]] = []
    position, place = start, 0
    while place + _HEAD.size <= len(data) and len(found) < limit:
        end = place + _BEFORE_LENGTH + struct.unpack_from(">i", data, place + 8)[0]
        if end > len(data) or end < place + _HEAD.size:
            break  # the rest of it comes with the next answer
        batch = _Batch(partition, data[place:end])
        place = end
        if batch.magic != _MODERN or batch.base + batch.last < position:
            continue
        for record in batch.records():
            if record.offset >= position:
                found.append(record)
                position = record.offset + 1
                if len(found) >= limit:
                    return found, position
        position = batch.base + batch.last + 1
    return found, position


def _extent(body: bytes, place: int) -> tuple[int, int]:
    """Where the record at this place begins and ends, by the length before it."""
    length, used = decode_varint(bytearray(body[place : place + 10]), 0)
    begins, ends = place + used, place + used + length
    if length <= 0 or ends > len(body):
        raise ValueError("length")
    return begins, ends


def _bytes(data: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data):
        raise ValueError("length")
    return bytes(data[at : at + length]), at + length
