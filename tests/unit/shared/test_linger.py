"""For how long does a door linger after a batch, so that the next one is bigger?"""

import asyncio
import time

import pytest

from shared.linger import ENOUGH, MOST_SECONDS, TIMES, linger


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were slept; the clock says 100."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    return found


@pytest.mark.parametrize(("took", "pause"), [(0.0, 0.0), (0.004, 0.004 * TIMES), (0.05, 0.05 * TIMES), (30.0, MOST_SECONDS)])
async def test_a_small_batch_is_followed_by_a_pause_in_proportion_to_its_work(slept: list[float], took: float, pause: float) -> None:
    await linger(100.0 - took, 1)
    await linger(100.0 - took, ENOUGH - 1)
    assert slept == pytest.approx([pause, pause])


async def test_nobody_waits_after_a_big_batch_or_after_none(slept: list[float]) -> None:
    await linger(99.0, ENOUGH)
    await linger(99.0, 0)
    await linger(float("-inf"), 0)
    assert slept == []
