"""What does a pool send to PostgreSQL, counted per transaction?"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import asyncpg

OURS = "/* not the service's */"
"""Begins a statement of the test itself."""


async def sent_by(pool: asyncpg.Pool) -> list[str]:
    """Every statement that any connection of the pool sends from now on, transactions and the pool's housekeeping included."""
    sent: list[str] = []
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    for connection in held:
        connection.add_query_logger(lambda query: sent.append(query.query))
    await asyncio.gather(*(pool.release(connection) for connection in held))
    return sent


async def per_transaction(sent: Sequence[str], most: int) -> dict[str, float]:
    """How often a transaction sends each statement, named by its first words. At most so many transactions may have been begun."""
    await asyncio.sleep(0)  # asyncpg calls its loggers in the next turn of the loop
    begun = Counter(" ".join(query.split()[:4]) for query in sent if not query.startswith(OURS))
    assert 1 <= begun["BEGIN;"] <= most, begun
    return {text: number / begun["BEGIN;"] for text, number in begun.items()}
