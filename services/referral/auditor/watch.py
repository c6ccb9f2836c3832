"""When does the auditor complain, say so again, and take it back? What two looks find unfired, the second some seconds later."""

import asyncio
import time
from datetime import datetime

import asyncpg
import msgspec
from aiokafka.errors import KafkaError

from services.referral.auditor import looking, telling
from services.referral.auditor.recomputing import Unfired
from shared import logs
from shared.contracts.envelope import Event
from shared.settings import Settings

BLIND = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""A look that fails: the database is away, or answers too slowly."""
UNSENT = (KafkaError, OSError, TimeoutError)
AGAIN_SECONDS = 600.0
"""A complaint that stands is said again."""
LOAD = 4
"""The pause is at least so many times as long as the look took, so that looking never becomes the load; at most `LONGEST` seconds."""
LONGEST = 20.0
STALE_SECONDS = 60.0
"""A look that is older says nothing: not ready, and no beat."""
TELL_SECONDS = 20.0


class Seen(msgspec.Struct, frozen=True):
    """The last complete look: what it found, what of that was unfired twice; `at` by the database, `clock` of this process."""

    look: looking.Look
    confirmed: tuple[Unfired, ...]
    clock: float
    at: datetime


class Watch:
    """The one loop of the auditor. `seconds`: between two looks, and between a suspicion and its confirmation."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        self.settings, self.pool, self.seconds = settings, pool, settings.audit_seconds
        self.seen: Seen | None = None
        self.since: datetime | None = None
        self._place = looking.START
        self._told = float("-inf")
        self._log = logs.get("auditor")

    async def run(self) -> None:
        while True:
            pause = self.seconds
            try:
                pause = min(max(self.seconds, LOAD * (await self.look()).look.seconds), max(LONGEST, self.seconds))
            except BLIND as reason:
                self._log.error("audit.blind", error=type(reason).__name__)
            await asyncio.sleep(pause)

    async def look(self) -> Seen:
        """Looks once, at suspects twice, and says what has changed. A complaint is taken back by a look at all legs alone."""
        start, found = self._place, await looking.look(self.pool, self._place)
        self._place, whole = found.place, start == found.place == looking.START
        at, confirmed = found.at, tuple[Unfired, ...]()
        if found.suspects:
            await asyncio.sleep(self.seconds)
            at, confirmed = await looking.again(self.pool, found.suspects)
        self.seen = Seen(found, confirmed, time.monotonic(), at)
        if confirmed:
            await self._complain(self.seen)
        elif self.since is not None and whole:
            await self._recover(self.since, at)
        return self.seen

    @property
    def fresh(self) -> bool:
        """A look was completed lately."""
        return self.seen is not None and time.monotonic() - self.seen.clock < max(STALE_SECONDS, 4 * self.seconds)

    @property
    def clean(self) -> bool:
        """It found nothing unfired, and no complaint waits to be taken back."""
        return self.fresh and self.seen is not None and not self.seen.confirmed and self.since is None

    async def _complain(self, seen: Seen) -> None:
        oldest = seen.confirmed[0]
        self.since = min(self.since or oldest.due, oldest.due)
        self._log.error(
            "deadlines.stalled", count=len(seen.confirmed), seconds=round((seen.at - oldest.due).total_seconds()), leg=str(oldest.leg)
        )
        if time.monotonic() - self._told >= AGAIN_SECONDS and await self._said(telling.stalled(seen.confirmed, seen.at)):
            self._told = time.monotonic()

    async def _recover(self, since: datetime, at: datetime) -> None:
        """Taken back where it was said; what nobody has heard is only over."""
        self._log.warning("deadlines.recovered")
        if self._told == float("-inf") or await self._said(telling.recovered(since, at)):
            self.since, self._told = None, float("-inf")

    async def _said(self, event: Event) -> bool:
        """False while Kafka does not take it: the next look tries again, and the heartbeat is silent meanwhile."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await telling.publish(self.settings.kafka, event)
        except UNSENT as reason:
            self._log.error("audit.unsaid", error=type(reason).__name__)
            return False
        return True
