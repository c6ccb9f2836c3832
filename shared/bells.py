"""How does one door wake another without polling? A bell, rung after a commit, inside this process only; polling is the safety net."""

import asyncio
import contextlib

import msgspec


class Bells(msgspec.Struct, frozen=True):
    """One for each door that sleeps."""

    relay: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    time: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    mailbox: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


async def rung(bell: asyncio.Event, seconds: float) -> None:
    """Sleeps until the bell rings, so many seconds at most.

    Trap: `asyncio.wait_for` of Python 3.11 forgets a cancellation that comes in the same turn as the ring, and a door that
    was told to stop went on for ever (cpython issue 86296). `asyncio.timeout` forgets none.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()
