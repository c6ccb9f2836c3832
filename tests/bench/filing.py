"""How many reports a second does intake accept by HTTP, and how soon is a lone caller answered, against one transaction per request?"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from statistics import median

import msgspec

from deploy.keys import Claims
from deploy.local import ports
from deploy.local.service import Service
from deploy.local.state import PROJECT
from shared.identifiers import uuid7
from tests.bench.client import Client, clients
from tests.bench.figure import Figure, Sample, compare
from tests.bench.ground import Ground
from tests.support import county

CLIENTS, WARMING_SECONDS = 64, 1.5
OURS, FLOOR = ("services.intake", "--doors", "http"), ("tests.bench.plain", "--doors", "http")


class Served(msgspec.Struct, frozen=True):
    """One intake, as a process of its own."""

    port: int
    pid: int
    token: str


def body() -> bytes:
    """A report as a reporter sends it: one child of nine."""
    told = {
        "situations": ["L1a"],
        "groups": [],
        "seen_at": datetime.now(UTC).isoformat(),
        "region": county.VILLAGE,
        "children": [{"name": "测试甲", "sex": "female", "age": 9}],
        "facts": "合成情况,仅供测试。" * 6,
        "received_by": "测试员",
    }
    return msgspec.json.encode(told)


def reporter(ground: Ground) -> str:
    return ground.state.token(Claims(kind="reporter", party="bench-unit", reporter_kind="hospital", region="239900000000"))


async def intake_64(ground: Ground, _: frozenset[str]) -> list[Figure]:
    async with _both(ground) as (mine, theirs):

        async def side(served: Served, number: int) -> Sample:
            async with clients(served.port, served.token, CLIENTS) as callers:
                seconds = ground.sizes.filing_seconds if number else WARMING_SECONDS
                meter = ground.meter(served.pid)
                count = sum(await asyncio.gather(*(_file(caller, time.monotonic() + seconds) for caller in callers)))
                return Sample(count, *meter.stop())

        return [
            await compare(
                "intake_64", lambda number: side(mine, number), lambda number: side(theirs, number), unit="requests/s", aim=">= 2"
            )
        ]


async def _file(caller: Client, until: float) -> int:
    count, told = 0, body()
    while time.monotonic() < until:
        await filed(caller, told)
        count += 1
    return count


async def filed(caller: Client, told: bytes) -> bytes:
    status, answer = await caller.call("POST", "/intake/reports", told, key=str(uuid7()))
    if status != 202:
        raise RuntimeError(f"intake answered {status}: {answer[:300]!r}")
    return answer


async def intake_1_p50(ground: Ground, _: frozenset[str]) -> list[Figure]:
    """One caller at a time; the unit is ms, so a smaller ratio is better."""
    async with _both(ground) as (mine, theirs):

        async def side(served: Served, number: int) -> Sample:
            async with clients(served.port, served.token, 1) as (caller,):
                meter, took = ground.meter(served.pid), []
                for _ in range(ground.sizes.alone if number else 20):
                    began = time.perf_counter()
                    await filed(caller, body())
                    took.append(time.perf_counter() - began)
                return Sample(len(took), *meter.stop(), own=median(took) * 1000)

        return [
            await compare("intake_1_p50", lambda number: side(mine, number), lambda number: side(theirs, number), unit="ms", aim="<= 1.2")
        ]


@asynccontextmanager
async def _both(ground: Ground) -> AsyncIterator[list[Served]]:
    """Intake twice, each on a database of its own: as it is, and the floor. Only the HTTP door is open."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_served(ground, program)) for program in (OURS, FLOOR)]


@asynccontextmanager
async def _served(ground: Ground, program: Sequence[str]) -> AsyncIterator[Served]:
    port = ports.pick_one()
    async with ground.database("intake") as url:
        env = ground.stack.env("intake") | {"DATABASE_URL": url, "HELI_PORT": str(port)}
        ready = f"http://127.0.0.1:{port}/intake/ready"
        log = ground.state.logs / f"bench-{port}.log"
        process = Service("intake", [sys.executable, "-m", *program], env=env, cwd=PROJECT, log=log, ready_url=ready)
        process.start()
        try:
            await process.wait_ready()
            assert process.pid is not None
            yield Served(port, process.pid, reporter(ground))
        finally:
            await process.stop()
