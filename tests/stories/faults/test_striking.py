"""Does a fault break what it says, and is a broken round told from a sound one?"""

import asyncio
import contextlib
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition

from deploy.local import ports, postgres_home, service
from deploy.local.infrastructure import GivenKafka
from deploy.local.postgres import PostgresNode
from deploy.local.service import Service
from deploy.local.state import SERVICES, State
from shared import database
from tests.stories.faults import again
from tests.stories.faults.facts import Record, deadlocks_in
from tests.stories.faults.faults import Faults
from tests.stories.faults.plan import Fault
from tests.stories.faults.rounds import Ground
from tests.stories.faults.stack import KAFKA, FaultStack
from tests.stories.faults.wire import Wire


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


def test_a_group_that_has_committed_nothing_is_behind() -> None:
    first, second = TopicPartition("heli.referral.v1", 0), TopicPartition("heli.referral.v1", 1)
    everybody = {f"{service}.heli.referral.v1": {first: 3, second: 1} for service in ("intake", "guardianship", "notification")}
    assert again.behind({first: 3, second: 1}, everybody) == {}
    assert again.behind({first: 3, second: 1}, {**everybody, "intake.heli.referral.v1": {}}) == {"intake.heli.referral.v1": 4}
    assert again.behind({first: 3, second: 1}, {**everybody, "intake.heli.referral.v1": {first: 3}}) == {"intake.heli.referral.v1": 1}


async def test_rewinding_waits_until_there_is_something_to_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, Any]] = [{"referral.heli.intake.v1": {}}, {"referral.heli.intake.v1": {TopicPartition("heli.intake.v1", 0): 7}}]
    set_back: list[Any] = []

    async def offsets(*_: object) -> dict[str, Any]:
        return said.pop(0)

    async def commit(*given: Any) -> None:
        set_back.append(given[2])

    monkeypatch.setattr(again, "offsets", offsets)
    monkeypatch.setattr(again, "_commit", commit)
    await again.rewind("nowhere", "referral")
    assert set_back == [{TopicPartition("heli.intake.v1", 0): 0}]


def striking(stack: Any) -> Faults:
    """On a world of which these faults touch nothing but its stack."""
    world: Any = SimpleNamespace(stack=stack)
    nobody: Any = None
    return Faults(world, nobody)


async def test_who_is_cut_off_and_slow_is_slow_when_it_is_mended() -> None:
    wires = {name: Wire(lambda: 1, port) for name, port in zip(SERVICES, ports.pick(len(SERVICES)), strict=True)}
    faults = striking(SimpleNamespace(wire=wires.__getitem__))
    began = time.monotonic()
    cut, slow = Fault(0.0, "cut", "every service", 0.2), Fault(0.1, "delay", "referral", 0.4, 0.5)
    struck = asyncio.gather(faults.strike(began, cut), faults.strike(began, slow))
    await asyncio.sleep(0.35)  # the cut is over, the delay is not
    assert wires["referral"].delay == 0.25
    await struck
    assert wires["referral"].delay == 0.0
    for wire in wires.values():
        await wire.cut()


async def test_no_wire_to_a_kafka_that_is_reached_without_one(stack: FaultStack) -> None:
    stack._kafka = GivenKafka("127.0.0.1:9")  # noqa: SLF001 - as if it had been started
    with pytest.raises(RuntimeError, match="neither cut off nor made slow"):
        await striking(stack).strike(0.0, Fault(0.0, "cut", KAFKA))


def test_what_needs_such_a_wire_is_left_out_and_said() -> None:
    said: list[str] = []
    ground = Ground(said.append)
    ground.world.stack._kafka = GivenKafka("127.0.0.1:9")  # noqa: SLF001 - as above
    cut, kill = Fault(1.0, "cut", KAFKA, 1.0), Fault(2.0, "kill", "intake", 1.0)
    assert ground.possible((cut, kill)) == (kill,)
    shutil.rmtree(ground.folder)
    assert said == ["  left out, for no service reaches this Kafka through a wire: cut kafka for 1.0 s at 1.0 s"]


async def test_an_exhausted_server_has_no_connection_left_for_a_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    node = PostgresNode(tmp_path_factory.mktemp("exhausted") / "postgres")
    await asyncio.to_thread(node.start)
    await node.wait_ready()
    pool = await database.connect(node.url(), 8, "referral")
    served: list[float] = []

    async def serve() -> None:
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await pool.execute("select pg_sleep(0.01)")
                served.append(time.monotonic())
            await asyncio.sleep(0.01)

    busy = [asyncio.create_task(serve()) for _ in range(8)]
    try:
        await striking(SimpleNamespace(postgres=node)).strike(0.0, Fault(0.0, "exhaust", "postgres", 1.0))
        over = time.monotonic()
    finally:
        for task in busy:
            task.cancel()
        pool.terminate()
        await node.stop()
        postgres_home.remove(node.data)
    assert served
    assert not [at for at in served if over - 0.9 < at < over - 0.1]
