"""Does anything grow that should not, over an hour of steady work? `python -m tests.bench.soak --minutes 60 --rate 10`."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.bench.machine import memory
from tests.support.world import Agency, Town, World, body_of

WARM_UP = 0.2
"""Share of the time after which sizes are compared: pools, caches and free space in tables settle first."""
GROWTH = 1.3
"""How much more memory a process may have at the end than after the warm-up."""
BACKLOG = 2_000
"""Rows that outbox or mailbox may hold at any look."""
TABLES = ("inbox", "outbox", "mailbox", "journal")


class Look(msgspec.Struct, frozen=True):
    """What was seen at one moment: MB per process, rows that wait, MB per table of all databases, reports so far."""

    minute: float
    memory: dict[str, float]
    waiting: int
    tables: dict[str, float]
    reports: int
    legs_open: int


async def soak(minutes: float, rate: float) -> int:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        await world.start()
        try:
            return await _soaked(world, minutes, rate)
        finally:
            await world.stop()


async def _soaked(world: World, minutes: float, rate: float) -> int:
    town = await world.town()
    for agency in (town.police, town.civil_affairs, town.education, town.township):
        await agency.takes(feed=True)
    filed: list[str] = []
    work = [asyncio.create_task(_file(town, rate, filed)), asyncio.create_task(_answer(town.police))]
    looks: list[Look] = []
    end = time.monotonic() + minutes * 60
    print(f"{'minute':>7} {'reports':>8} {'rate/s':>7} {'waiting':>8} {'memory MB':>40}  tables MB")
    while time.monotonic() < end:
        await asyncio.sleep(max(minutes, 1) * 60 / 20)
        looks.append(await _look(world, minutes - (end - time.monotonic()) / 60, filed))
        _print(looks)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    wrong = faults(looks)
    print("\n".join(wrong) or "nothing grew that should not")
    return 1 if wrong else 0


async def _file(town: Town, rate: float, filed: list[str]) -> None:
    school = town.world.reporter()
    while True:
        filed.append((await school.files(town, "L1a", facts=body_of(town)["facts"]))["report"])
        await asyncio.sleep(1 / rate)


async def _answer(agency: Agency) -> None:
    """Fulfils what it has, so that cases move on."""
    while True:
        for leg in (await agency.call("GET", "/referral/legs?limit=100")).json()["legs"]:
            await agency.answers(leg, "fulfilled", outcome="child_safe")
        await asyncio.sleep(0.5)


async def _look(world: World, minute: float, filed: list[str]) -> Look:
    waiting, tables = 0, dict.fromkeys(TABLES, 0.0)
    for pool in world.databases.values():
        waiting += await pool.fetchval("select (select count(*) from outbox) + (select count(*) from mailbox)")
        for table in TABLES:
            tables[table] += await pool.fetchval("select pg_total_relation_size($1::regclass)", table) / 1e6
    pids = {name: world.stack.service(name).pid for name in world.databases}
    memories = {name: memory([pid]) for name, pid in pids.items() if pid}
    legs = await world.databases["referral"].fetchval("select count(*) from leg where ended is null")
    return Look(minute, memories, waiting, tables, len(filed), legs)


def _print(looks: list[Look]) -> None:
    now, before = looks[-1], looks[-2] if len(looks) > 1 else None
    rate = (now.reports - before.reports) / ((now.minute - before.minute) * 60) if before else 0.0
    memories = " ".join(f"{name[:5]} {mb:.0f}" for name, mb in now.memory.items())
    tables = " ".join(f"{name} {mb:.1f}" for name, mb in now.tables.items())
    print(f"{now.minute:7.1f} {now.reports:8} {rate:7.1f} {now.waiting:8} {memories:>40}  {tables}", flush=True)


def faults(looks: list[Look]) -> list[str]:
    """What grew: a process's memory after the warm-up, or rows that wait."""
    if not looks:
        return ["nothing was looked at: more minutes are needed"]
    start = looks[int(len(looks) * WARM_UP)]
    grown = [
        f"{name}: {start.memory[name]:.0f} MB after the warm-up, {mb:.0f} MB at the end"
        for name, mb in looks[-1].memory.items()
        if mb > start.memory[name] * GROWTH
    ]
    tables = [
        f"{name}: {looks[-1].tables[name]:.0f} MB"
        for name in ("outbox", "mailbox")
        if looks[-1].tables[name] > max(5 * start.tables[name], 50)
    ]
    backlog = [f"minute {look.minute:.1f}: {look.waiting} rows wait to be sent" for look in looks if look.waiting > BACKLOG]
    return [*grown, *tables, *backlog]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=10, help="reports per second")
    given = parser.parse_args()
    sys.exit(asyncio.run(soak(given.minutes, given.rate)))
