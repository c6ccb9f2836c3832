"""Does a fault break what it says, and is a broken round told from a sound one?"""

import asyncio
import sys
from pathlib import Path

import pytest

from deploy.local import service
from deploy.local.service import Service
from deploy.local.state import State
from tests.stories.faults import again
from tests.stories.faults.facts import Record, deadlocks_in
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


RECORDS = [Record("topic", 0, offset, None, b"", ()) for offset in range(20)]


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_same_seed_sends_the_same_records_again(shuffled: bool) -> None:  # noqa: FBT001 - a parameter of a test
    chosen = again.choose(RECORDS, 0.5, shuffled=shuffled, seed=1)
    assert chosen == again.choose(RECORDS, 0.5, shuffled=shuffled, seed=1) != again.choose(RECORDS, 0.5, shuffled=shuffled, seed=2)
    assert (chosen != sorted(chosen, key=lambda record: record.offset)) == shuffled


def test_at_least_one_record_is_sent_again() -> None:
    assert len(again.choose(RECORDS, 0.0, shuffled=False, seed=1)) == 1


async def test_a_repetition_that_repeats_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def empty(*_: object) -> dict[str, list[Record]]:
        return {}

    monkeypatch.setattr(again, "read_topics", empty)
    monkeypatch.setattr(again, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(RuntimeError, match=r"nothing of heli\.intake\.v1"):
        await again.publish("nowhere", "heli.intake.v1", 1.0, shuffled=False, seed=1)
