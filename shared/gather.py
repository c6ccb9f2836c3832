"""How do many requests share one transaction? While one runs, whoever waits goes into the next: no timer, no linger."""

import asyncio
from collections import deque
from collections.abc import Sequence

from shared.errors import Unavailable
from shared.messages import Message, Response
from shared.room import TRANSIENT, Outcome, Room

MOST = 200
"""Messages of one transaction."""
WAITING = 5_000
"""Messages that may wait; one more is told to come again."""
SLOW_SECONDS = 0.2
"""A transaction that takes longer waits for a lock, or for the database: nobody waits for it any more."""
WORKERS = 4
"""Transactions at a time, all but one of them slow."""


class Gather:
    """The HTTP door to a room. Each caller gets its own outcome; one that goes away takes nobody with it."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._waiting: deque[tuple[Message, asyncio.Future[Response]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._next: asyncio.Task[None] | None = None
        """The worker that takes the next batch; the others have a slow one and rest after it."""

    async def enter(self, message: Message) -> Response:
        """Returns the response to this message. Raises what became of it, or what keeps the database away."""
        if len(self._waiting) >= WAITING:
            raise Unavailable("Too many requests wait. Send the same request again.")
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, future))
        self._begin()
        return await future

    def _begin(self) -> None:
        if self._waiting and self._next is None and len(self._workers) < WORKERS:
            self._next = asyncio.create_task(self._work())
            self._workers.add(self._next)

    def _slow(self) -> None:
        self._next = None
        self._begin()

    async def _work(self) -> None:
        me = asyncio.current_task()
        while self._waiting and self._next in (None, me):
            self._next = me
            batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._slow)
            outcomes = await self._outcomes([message for message, _ in batch])
            slow.cancel()
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():  # its caller went away: the effect stands all the same
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
        # Here, not in a callback one turn later: who enters in that turn would wait for nobody.
        self._workers -= {me}
        if self._next is me:
            self._next = None

    async def _outcomes(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        try:
            return await self.room.outcomes(messages)
        except TRANSIENT as reason:  # each tries it again by itself
            return [reason] * len(messages)
        except Exception as reason:  # noqa: BLE001 - a fault of our own; halved, until only its own caller is told of it
            if len(messages) == 1:
                return [reason]
            middle = len(messages) // 2
            return [*await self._outcomes(messages[:middle]), *await self._outcomes(messages[middle:])]
