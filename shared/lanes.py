"""How does one process work at a big batch while it waits for the database? In lanes that have nothing in common."""

import asyncio
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from shared.messages import Message
from shared.room import Room

LANES = 4
"""Transactions of a room's big batches at a time, whatever the number of its consumers: the other connections are for HTTP, time and relay."""
LANE = 250
"""Messages of one transaction, about."""
FULL = 200
"""So many messages make a batch that is worth two transactions."""
_open: WeakKeyDictionary[Room, asyncio.Semaphore] = WeakKeyDictionary()


async def hand(room: Room, messages: Sequence[Message]) -> None:
    """Applies a batch. A big one goes in lanes: while some wait for the database another is decided.

    The messages of an aggregate, and those of a stream that would wait behind each other, stay in one lane, in their order.
    Whatever becomes of one lane, the others are finished; what is tried again finds in the inbox what it has done.
    """
    if len(messages) < FULL:
        await room.handle(messages)
        return
    free = _open.setdefault(room, asyncio.Semaphore(LANES))

    async def apply(share: Sequence[Message]) -> None:
        async with free:
            await room.handle(share)

    shares = lanes(messages, max(2, -(-len(messages) // LANE)))
    for done in await asyncio.gather(*map(apply, shares), return_exceptions=True):
        if isinstance(done, BaseException):
            raise done


def lanes(messages: Sequence[Message], count: int) -> list[list[Message]]:
    """So many shares, or fewer, of about the same number of aggregates that have neither an aggregate nor a stream in common."""
    joined: dict[Any, Any] = {}

    def root(name: Any) -> Any:
        while name in joined:
            name = joined[name]
        return name

    for message in messages:
        if message.stream:  # else its stream is its aggregate
            one, other = root(message.stream), root(str(message.aggregate))
            if one != other:
                joined[one] = other
    names = [root(str(m.aggregate)) for m in messages] if joined else [m.aggregate for m in messages]
    kept = list(dict.fromkeys(names))
    lane = {name: place * count // len(kept) for place, name in enumerate(kept)}
    shares: dict[int, list[Message]] = {}
    for message, name in zip(messages, names, strict=True):
        shares.setdefault(lane[name], []).append(message)
    return list(shares.values())
