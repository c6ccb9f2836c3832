"""Does a door that sleeps wake up, and stop when it is told to?"""

import asyncio

import pytest

from shared.bells import rung


async def test_a_ring_ends_the_sleep() -> None:
    bell = asyncio.Event()
    sleeper = asyncio.create_task(rung(bell, 60))
    await asyncio.sleep(0)
    bell.set()
    await asyncio.wait_for(sleeper, 5)


async def test_without_a_ring_the_sleep_ends_by_itself() -> None:
    await asyncio.wait_for(rung(asyncio.Event(), 0.01), 5)


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancellation_about_the_turn_of_the_ring_is_not_forgotten(turns: int) -> None:
    """Whenever it comes: a sleep that goes on after it, without having ended before, would be a door that never stops."""
    bell, woken = asyncio.Event(), 0

    async def door() -> None:
        nonlocal woken
        while True:
            bell.clear()
            await rung(bell, 60)
            woken += 1

    sleeper = asyncio.create_task(door())
    await asyncio.sleep(0)
    bell.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    sleeper.cancel()
    done, _ = await asyncio.wait([sleeper], timeout=5)
    assert done, f"went on after waking {woken} times"
