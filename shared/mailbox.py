"""How does a service hear from its own relay that the broker has acknowledged? From a table, in the room's own transaction."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.bells import rung
from shared.errors import Problem
from shared.linger import linger
from shared.messages import Message, Record
from shared.parking import unread
from shared.patience import patiently
from shared.room import Room, Settle

TAKE = "select seq, body from mailbox order by seq limit 500"
TAKEN = "delete from mailbox where seq = any($1::bigint[])"
TOPIC = "mailbox"


class Mailbox:
    """Hands the rows of `mailbox` to one room; a row goes in the transaction in which its message takes effect."""

    def __init__(self, room: Room, read: Callable[[bytes], Message]) -> None:
        self.room, self.read = room, read
        self._count = 0

    async def run(self) -> None:
        while True:
            self.room.bells.mailbox.clear()
            self._count, began = 0, time.monotonic()
            await patiently(TOPIC, self._take)
            await linger(began, self._count)
            if not self._count:
                await rung(self.room.bells.mailbox, 0.2)

    async def _take(self) -> None:
        self._count = await self.take()

    async def take(self) -> int:
        rows = await self.room.pool.fetch(TAKE)
        messages, unreadable = [], []
        for seq, body in rows:
            try:
                messages.append(self._message(seq, body))
            except (ValueError, RecursionError):  # msgspec's errors are such: a later release may have written it
                unreadable.append(unread(_record(seq, body), str(seq), f"{TOPIC}/{seq}"))  # nothing says what it belongs to
        settle = _taken({str(seq): seq for seq, _ in rows})
        if unreadable:
            await self.room.park(unreadable, settle)
        if messages:
            await self.room.handle(messages, settle)
        return len(rows)

    async def release(self, record: Record, _consumer: str, _message: str, settle: Settle) -> None:
        """Raises Problem for what still cannot be read, or is refused again."""
        try:
            message = self._message(record.offset, record.value or b"")
        except (ValueError, RecursionError) as reason:
            raise Problem(422, "contract", "This release cannot read the parked message.") from reason
        await self.room.handle([msgspec.structs.replace(message, released=True)], settle)

    def _message(self, seq: int, body: bytes) -> Message:
        return msgspec.structs.replace(self.read(body), id=str(seq), source=TOPIC, record=_record(seq, body))


def _record(seq: int, body: bytes) -> Record:
    return Record(TOPIC, 0, seq, None, body, (), datetime.now(UTC))


def _taken(numbers: dict[str, int]) -> Settle:
    async def settle(db: Any, messages: Sequence[Message]) -> None:
        await db.execute(TAKEN, [numbers[m.id or ""] for m in messages])

    return settle
