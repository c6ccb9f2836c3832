"""Does a process whose event loop stands still end?"""

import subprocess
import sys

import pytest

FROZEN = """
import asyncio, time
from shared.watchdog import Heartbeat
async def main():
    asyncio.create_task(Heartbeat(0.4).run())
    await asyncio.sleep(0.2)
    time.sleep({block})
    await asyncio.sleep(0.2)
asyncio.run(main())
"""


@pytest.mark.parametrize(("block", "code"), [(60, 70), (0, 0)])
def test_a_frozen_event_loop_ends_the_process(block: float, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", FROZEN.format(block=block)], check=False, timeout=30, capture_output=True)
    assert done.returncode == code
    assert (b"loop.frozen" in done.stdout) == bool(code)
