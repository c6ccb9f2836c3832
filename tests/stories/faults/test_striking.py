"""Does a fault break what it says, and is a broken round told from a sound one?"""

import asyncio
import sys
from pathlib import Path

import pytest

from deploy.local import service
from deploy.local.service import Service
from deploy.local.state import State
from tests.stories.faults.facts import deadlocks_in
from tests.stories.faults.stack import FaultStack


@pytest.fixture
def stack(tmp_path: Path) -> FaultStack:
    """One that is not started."""
    state = State(tmp_path)
    state.prepare()
    return FaultStack(state)


def test_deadlocks_are_read_from_the_log_of_the_round(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("ERROR:  deadlock detected\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("LOG:  started\nERROR:  deadlock detected\n")
    assert deadlocks_in(log, since) == ["ERROR:  deadlock detected"]
    assert deadlocks_in(None, 0) == []


async def test_a_service_that_was_given_up_is_named(stack: FaultStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BACKOFF_SECONDS", (0.0,))
    ends = Service("intake", [sys.executable, "-c", "raise SystemExit(1)"], env={}, cwd=tmp_path, log=tmp_path / "log", ready_url=None)
    ends.start()
    stack._watchers = [asyncio.create_task(ends.keep_up(lambda _: None))]  # noqa: SLF001 - what `start_services` does
    assert stack.given_up() == []
    await asyncio.wait(stack._watchers, timeout=20)  # noqa: SLF001
    assert stack.given_up() == ["intake died 5 times within a minute, last with code 1:"]
