"""What does one see of a demo: how far it is while it runs, and who did what at its end?"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from deploy.local.announce import is_terminal

LABELS = {
    "reports": "reports",
    "cases": "cases",
    "legs": "told",
    "delivered": "delivered",
    "seen": "seen",
    "accepted": "accepted",
    "rungs": "escalated",
}
PLAIN_SECONDS = 2.0
WIDTH_WITHOUT_TERMINAL = 120
Counts = dict[str, int]


class Screen(Protocol):
    """Whatever shows counts beside what they must become."""

    def show(self, counts: Counts) -> None: ...


class _Bars:
    def __init__(self, progress: Progress, wanted: Counts) -> None:
        self._progress = progress
        self._tasks = {name: progress.add_task(label, total=wanted[name]) for name, label in LABELS.items() if wanted[name]}

    def show(self, counts: Counts) -> None:
        for name, task in self._tasks.items():
            self._progress.update(task, completed=counts.get(name, 0))


class _Lines:
    def __init__(self, wanted: Counts, start: float) -> None:
        self._wanted, self._shown, self._at, self._start = wanted, "", float("-inf"), start

    def show(self, counts: Counts) -> None:
        now = time.monotonic()
        line = "  ".join(f"{label} {counts.get(name, 0)}/{self._wanted[name]}" for name, label in LABELS.items())
        complete = all(counts.get(name) == self._wanted[name] for name in LABELS)
        if line == self._shown or (now < self._at + PLAIN_SECONDS and not complete):
            return
        self._shown, self._at = line, now
        print(f"  {now - self._start:5.1f} s  {line}", flush=True)


@contextmanager
def screen(wanted: Counts, start: float) -> Iterator[Screen]:
    """Bars on a terminal, a line now and then elsewhere; `start` is when its seconds begin (monotonic)."""
    if not is_terminal():
        yield _Lines(wanted, start)
        return
    columns = (TextColumn("  {task.description:<10}"), BarColumn(bar_width=40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        yield _Bars(progress, wanted)


def table(legs: list[dict[str, Any]]) -> None:
    """One line per department; `overdue` counts legs, `escalated` the rungs that fired."""
    counted = {
        department: [leg for leg in legs if leg["department"] == department] for department in sorted({leg["department"] for leg in legs})
    }
    shown = Table(
        "department", *(Column(name, justify="right") for name in ("told", "delivered", "seen", "accepted", "overdue", "escalated"))
    )
    for department, own in counted.items():
        shown.add_row(department, *_numbers(own), end_section=department == list(counted)[-1])
    shown.add_row("all", *_numbers(legs))
    Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL).print(shown)


def _numbers(legs: list[dict[str, Any]]) -> Iterator[str]:
    yield str(len(legs))
    for fact in ("delivered_at", "seen_at", "accepted_at"):
        yield str(sum(leg[fact] is not None for leg in legs))
    yield str(sum(bool(leg["missed"]) for leg in legs))
    yield str(sum(leg["rung"] for leg in legs))
