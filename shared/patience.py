"""How is trouble waited out, and how does the rest of the process learn of it? With growing pauses, however long; nothing is skipped."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from shared import logs
from shared.parking import TooMuchParked
from shared.room import TRANSIENT


class _Trouble(msgspec.Struct, frozen=True):
    error: str
    transient: bool
    since: float


_TROUBLES: dict[str, _Trouble] = {}
TROUBLE_SECONDS = 10.0


def trouble() -> dict[str, str]:
    """Groups (and inner doors) whose batch has not been applied for so long, and the error: part of what `/ready` tells."""
    late = time.monotonic() - TROUBLE_SECONDS
    return {who: found.error for who, found in _TROUBLES.items() if found.since < late}


def waiting(who: str) -> bool:
    """Whether this consumer waits for what starting the process again would not bring: a database, an operator."""
    return who in _TROUBLES and _TROUBLES[who].transient


def hopeless(seconds: float) -> str | None:
    """Who has met an error that we do not know, again and again for so long; starting the process again may help."""
    late = time.monotonic() - seconds
    return next((who for who, found in _TROUBLES.items() if not found.transient and found.since < late), None)


async def patiently(who: str, apply: Callable[[], Awaitable[None]]) -> None:
    """Returns when a batch is applied, parked or dead-lettered. Waits out what is transient, however long: nothing is skipped."""
    pause = 0.05
    while True:
        try:
            await apply()
        except (*TRANSIENT, TooMuchParked) as reason:
            _note(who, reason, transient=True)
        except Exception as reason:  # noqa: BLE001 - an error that we do not know is never parked, never skipped; the watchdog ends it
            _note(who, reason, transient=False)
        else:
            _TROUBLES.pop(who, None)
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)


def _note(who: str, reason: Exception, *, transient: bool) -> None:
    known = _TROUBLES.get(who)
    since = known.since if known is not None and known.transient is transient else time.monotonic()
    _TROUBLES[who] = _Trouble(type(reason).__name__, transient, since)
    log = logs.get("consumer")
    (log.warning if transient else log.error)("consumer.waits" if transient else "consumer.stuck", topic=who, error=type(reason).__name__)
