"""Does one outcome that cannot be recorded keep the send door from recording the others?"""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from services.notification.sweep import Sender
from shared.errors import Problem, Unavailable
from shared.messages import DONE, Message
from tests.support.broker import until

REFUSED, BROKEN, LATE, GOOD = (UUID(int=n) for n in range(4))


class Room:
    """Refuses one, breaks over another as a bug would, is away for a third at first."""

    kind = SimpleNamespace(name="notification.notice")

    def __init__(self) -> None:
        self.recorded: list[UUID] = []
        self.turns = 0

    async def outcomes(self, messages: Sequence[Message]) -> list[Any]:
        self.turns += 1
        if any(m.aggregate == BROKEN for m in messages):
            raise LookupError("a bug")
        return [self._outcome(m.aggregate) for m in messages]

    def _outcome(self, key: UUID) -> Any:
        if key == REFUSED:
            return Problem(422, "refused-by-database", "No.")
        if key == LATE and self.turns < 8:
            return Unavailable()
        self.recorded.append(key)
        return DONE

    async def handle(self, messages: Sequence[Message]) -> list[Any]:
        found = await self.outcomes(messages)
        for outcome in found:
            if isinstance(outcome, Exception):
                raise outcome
        return found


async def test_what_is_refused_or_breaks_is_dropped_and_what_is_late_is_waited_for() -> None:
    room: Any = Room()
    sender = Sender(room, room, None)  # type: ignore[arg-type]
    sender.take(())
    for key in (REFUSED, BROKEN, LATE, GOOD):
        sender._outcomes.put_nowait(Message(body=None, aggregate=key))  # noqa: SLF001 - as an attempt that ended does
    async with asyncio.timeout(10):
        await sender._outcomes.join()  # noqa: SLF001 - the drain waits for the same
    await until(lambda: LATE in room.recorded)
    assert sorted(room.recorded) == [LATE, GOOD]
    bringing: Any = sender._bringing  # noqa: SLF001
    assert not bringing.done()
    bringing.cancel()
    await asyncio.gather(bringing, return_exceptions=True)
