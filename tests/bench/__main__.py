"""`python -m tests.bench [--json FILE] [--only NAME,...] [--quick]`: every figure next to its floor, in one run."""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from shared import logs, telemetry
from tests.bench import answering, filing, machine, million, opening, relaying, travelling
from tests.bench.figure import Figure, document, met
from tests.bench.ground import QUICK, Ground, Sizes

Measure = Callable[[Ground, frozenset[str]], Awaitable[list[Figure]]]
PARTS: dict[Measure, tuple[str, ...]] = {
    relaying.relay: ("relay",),
    opening.consumer: ("consumer",),
    opening.consumer_traced: ("consumer_traced",),
    answering.answer_consumer: ("answer_consumer",),
    filing.intake_64: ("intake_64",),
    filing.intake_1_p50: ("intake_1_p50",),
    travelling.travelled: ("idle_p50", "idle_p99", "fanout_topic", "fanout_mixed", "memory"),
    million.stored: ("sweep_idle_1m", "acks_1m", "growth_1m", "lateness_p99", "storm"),
}
"""In this order: which figures each part gives. Those before the fan-out warm Kafka's compiler, which for minutes takes as much as Kafka."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--only", default="", metavar="NAME,...", help="some figures instead of all: " + ", ".join(names()))
    parser.add_argument("--quick", action="store_true", help="20,000 stored cases instead of a million, and everything else smaller")
    given = parser.parse_args()
    if unknown := set(chosen(given)) - set(names()):
        parser.error(f"unknown figure {', '.join(sorted(unknown))}")
    return given


def names() -> list[str]:
    return [name for several in PARTS.values() for name in several]


def chosen(given: argparse.Namespace) -> list[str]:
    return [name for name in given.only.split(",") if name] or names()


async def run(ground: Ground, wanted: Sequence[str], say: Callable[[str], None]) -> tuple[dict[str, Any], list[Figure]]:
    figures: list[Figure] = []
    await ground.stack.start(services=False)
    try:
        settings = await ground.settings()
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)  # as the runtime of every service does
        for part, several in PARTS.items():
            if set(several) & set(wanted):
                began = time.monotonic()
                found = await part(ground, frozenset(wanted))
                figures += found
                say(f"{', '.join(f'{f.name} {f.value:.4g} {f.unit}' for f in found)} [{time.monotonic() - began:.0f} s]")
    finally:
        await ground.stop()
    return settings, figures


def table(figures: Sequence[Figure]) -> Table:
    shown = Table("figure", "value", "unit", "floor", "ratio", "aim", "", "CPU s / 1,000")
    for f in figures:
        verdict = {True: "reached", False: "missed", None: ""}[met(f)]
        shown.add_row(f.name, number(f.value), f.unit, number(f.floor), number(f.ratio), f.aim, verdict, number(f.cpu_s_per_1000))
    return shown


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main() -> None:
    given, console = arguments(), Console(width=None if sys.stdout.isatty() else 160)
    logs.configure("bench")
    telemetry.configure("bench")
    found = machine.facts()
    with tempfile.TemporaryDirectory(prefix="heli-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own
        ground = Ground(Path(folder), QUICK if given.quick else Sizes())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            settings, figures = runner.run(run(ground, chosen(given), console.print))
    console.print(table(figures), settings)
    if given.json:
        given.json.write_bytes(document({**found, "settings": settings}, machine.versions(), figures))


if __name__ == "__main__":
    main()
