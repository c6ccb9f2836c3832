"""What if the process that fires deadlines stands still? The auditor says so within a minute, and outside somebody misses its beat."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local import ports
from deploy.local.child import Child
from deploy.local.service import answers_ok
from deploy.local.state import AUDITOR, PROJECT
from shared.contracts import operations
from tests.support.broker import everything, until
from tests.support.world import World


class Outside:
    """Whoever waits for the beat: counts requests."""

    def __init__(self) -> None:
        self.port, self.beats = ports.pick_one(), 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", self.port)

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /beat "):
            self.beats += 1
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def stop(self) -> None:
        self._server.close()


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    found = Outside()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def quick(world: World, outside: Outside) -> AsyncIterator[str]:
    """A second auditor of the same stack, which looks and beats more often; its address."""
    port = ports.pick_one()
    more = {"HELI_PORT": str(port), "HELI_AUDIT_SECONDS": "1", "HELI_HEARTBEAT_SECONDS": "0.3"}
    more["HELI_HEARTBEAT_URL"] = f"http://127.0.0.1:{outside.port}/beat"
    child = Child(
        [sys.executable, "-m", "services.referral.auditor"],
        log=world.state.logs / "auditor-quick.log",
        env={**world.stack.env("referral"), **more},
        cwd=PROJECT,
    )
    url = f"http://127.0.0.1:{port}/auditor"
    await until(lambda: answers_ok(f"{url}/ready"))
    yield url
    await child.stop()


async def late_legs(world: World) -> set[str]:
    """Open legs with a clock that ends before now."""
    query = "select id from leg where ended is null and least(delivered_due, seen_due, accepted_due, active_due, done_due) < heli_now()"
    return {str(row["id"]) for row in await world.databases["referral"].fetch(query)}


async def last_look(world: World, url: str) -> float:
    lines = (await world.http.get(f"{url}/metrics")).text.splitlines()
    return float(next(line for line in lines if line.startswith("heli_audit_last_look_timestamp_seconds")).split()[1])


async def looked_since(world: World, url: str, at: float) -> bool:
    return await last_look(world, url) > at


async def said(world: World, kind: str, since: int) -> list[dict[str, Any]]:
    records = await everything(world.stack.bootstrap, operations.TOPIC)
    return [
        json.loads(record.value)
        for record in records[since:]
        if dict(record.headers).get("ce_type") == f"heli.deadlines.{kind}.v1".encode()
    ]


async def test_deadlines_that_nobody_fires_are_told_to_operations_within_a_minute_and_outside_the_beat_stops(
    world: World, quick: str, outside: Outside
) -> None:
    town = await world.town()
    place = world.receiver.url("ops-audit")
    await world.agency("ops-audit", "operations", town.region, None)
    made = await world.as_operator("PUT", "/notification/endpoints/ops-audit", json={"webhook": {"url": place}})
    world.receiver.secrets["ops-audit"] = made.json()["secret"]
    receipt = await world.reporter("hospital").files(town, "M6")
    await world.leg(receipt["report"], town.police)
    await until(lambda: outside.beats)
    before = len(await everything(world.stack.bootstrap, operations.TOPIC))
    await world.stack.kill("referral", signal.SIGSTOP)
    try:
        began = time.monotonic()
        await world.forward(minutes=3)
        told = (await until(lambda: world.receiver.of("ops-audit", "deadlines.stalled")))[0]["data"]
        assert time.monotonic() - began < 60
        assert (told["stream"], told["consumer"], told["reason"]) == ("referral.deadlines", "referral.auditor", "unfired")
        assert told["leg"] in await late_legs(world)
        event = (await said(world, "stalled", before))[0]
        assert (event["legs"] >= 1, event["since"] < event["at"]) == (True, True)
        assert not await answers_ok(f"{quick}/ready")
        assert await answers_ok(f"{quick}/live")
        silent, looked = outside.beats, await last_look(world, quick)
        await until(lambda: looked_since(world, quick, looked))
        assert outside.beats == silent
    finally:
        await world.stack.kill("referral", signal.SIGCONT)
    await until(lambda: answers_ok(f"{quick}/ready"))
    assert len(await said(world, "recovered", before)) >= 1
    await until(lambda: outside.beats > silent)


async def test_the_stack_runs_one_that_is_ready_and_measures_its_looks(world: World) -> None:
    url = f"{world.stack.service_url(AUDITOR)}/auditor"
    await until(lambda: answers_ok(f"{url}/ready"))
    shown = (await world.http.get(f"{url}/metrics")).text
    assert "heli_audit_look_seconds " in shown
    assert 'heli_deadlines_unfired{kind="clock"} 0' in shown
