"""How does one process work at a big batch while it waits for the database? In two lanes that have nothing in common."""

import asyncio
from collections.abc import Sequence
from typing import Any

from shared.messages import Message
from shared.room import Room

FULL = 200
"""So many messages make a batch that is worth two transactions."""


async def hand(room: Room, messages: Sequence[Message]) -> None:
    """Applies a batch. A big one goes in two lanes: while one waits for the database the other is decided.

    The messages of an aggregate, and those of a stream that would wait behind each other, stay in one lane, in their order.
    Whatever becomes of one lane, the other is finished; what is tried again finds in the inbox what it has done.
    """
    if len(messages) < FULL:
        await room.handle(messages)
        return
    for done in await asyncio.gather(*(room.handle(lane) for lane in lanes(messages) if lane), return_exceptions=True):
        if isinstance(done, BaseException):
            raise done


def lanes(messages: Sequence[Message]) -> list[list[Message]]:
    """Two shares of about the same number of aggregates that have neither an aggregate nor a stream in common."""
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
    first = set(kept[: len(kept) // 2])
    return [[m for m, name in zip(messages, names, strict=True) if (name in first) is lane] for lane in (True, False)]
