"""Does one outcome that cannot be recorded, or one party that is slow, keep the send door from the others?"""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from services.notification.channels.webhook import BUSY, Outcome
from services.notification.domain import Sending
from services.notification.sweep import UNDER_WAY, Sender
from shared.errors import Problem, Unavailable
from shared.messages import DONE, Message
from shared.room import SWEEP
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


class Slow:
    """A channel whose attempts wait for their host."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def perform(self, attempt: Any) -> Any:
        self.asked.append(attempt.url)
        await asyncio.Event().wait()


async def test_a_party_whose_host_is_slow_does_not_take_the_places_of_all_others() -> None:
    channel: Any = Slow()
    sender = Sender(None, None, channel)  # type: ignore[arg-type]
    slow = [f"slow-{number}" for number in range(5)]
    for party in slow:
        for _ in range(UNDER_WAY // SWEEP):
            sender.take([sending(party)] * SWEEP)
    sender.take([sending("quick")] * 200)
    await until(lambda: "quick" in channel.asked)
    assert channel.asked.count("slow-0") == UNDER_WAY // 4, "alone, it leaves three times as many"
    assert [channel.asked.count(party) for party in slow] == sorted((channel.asked.count(party) for party in slow), reverse=True)
    assert channel.asked.count("quick") == 200
    left: list[Any] = [*sender._attempts, sender._bringing]  # noqa: SLF001
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    assert not sender._attempts  # noqa: SLF001


class Busy:
    """A channel that has no place for one party's attempt in time."""

    async def perform(self, attempt: Any) -> Any:
        return Outcome("retry", error=BUSY) if attempt.url == "busy" else Outcome("delivered", 200)


async def test_an_attempt_for_which_there_was_no_place_is_left_to_its_lease_and_is_no_failed_one() -> None:
    room: Any = Room()
    sender = Sender(room, room, Busy())  # type: ignore[arg-type]
    sender.take([sending("busy"), sending("free")])
    async with asyncio.timeout(10):
        await sender.settled()
    assert len(room.recorded) == 1
    left: list[Any] = [sender._bringing]  # noqa: SLF001
    left[0].cancel()
    await asyncio.gather(*left, return_exceptions=True)


def sending(party: str) -> Sending:
    key = UUID(int=9)
    return Sending(notice=key, delivery=key, party=party, number=1, url=party, secrets=(), body=b"{}", cause="", report=None, case=None)
