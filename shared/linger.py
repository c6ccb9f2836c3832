"""How do batches grow under load, while nobody waits when there is none? A door lingers after each, for as long as the work itself says."""

import asyncio
import time

ENOUGH = 300
"""So many share a transaction well: a batch of more costs hardly less for each."""
TIMES = 2
MOST_SECONDS = 0.2


async def linger(began: float, count: int) -> None:
    """After a small batch: twice as long as it took since `began` (of `time.monotonic`), and 0.2 s at most.

    What comes meanwhile shares the next transaction, request to Kafka and commit of offsets. On an idle machine a batch takes some
    milliseconds; on a busy one it takes long because of all the others, and then to be fewer is what helps everybody.
    """
    if 0 < count < ENOUGH:
        await asyncio.sleep(min(TIMES * (time.monotonic() - began), MOST_SECONDS))
