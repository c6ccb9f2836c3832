"""How much processor time and memory did these processes take, and on what machine? Read from /proc alone."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PACKAGES = ("faststream", "aiokafka", "asyncpg", "fastapi", "uvicorn", "uvloop", "msgspec", "opentelemetry-sdk")


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold blanks: state, parent, ..."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(roots: Iterable[int]) -> set[int]:
    """These processes and everything below them."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue  # ended meanwhile
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, [])
    return found


def cpu(pids: Iterable[int]) -> float:
    """Seconds of processor time, user and system, also of children that have ended: their parent has inherited it."""
    total = 0
    for pid in pids:
        try:
            total += sum(map(int, _stat(pid)[11:15]))
        except OSError:
            continue  # ended meanwhile: in its parent's account now
    return total / TICKS


class Meter:
    """Wall clock and processor time since it was made, of some processes with everything below them; of others without."""

    def __init__(self, roots: Iterable[int], alone: Iterable[int] = ()) -> None:
        self.roots, self.alone = tuple(roots), tuple(alone)
        self._cpu, self._at = self._read(), time.perf_counter()

    def _read(self) -> float:
        return cpu(tree(self.roots) | set(self.alone))

    def stop(self) -> tuple[float, float]:
        """Seconds of the wall clock, seconds of processor time."""
        seconds = time.perf_counter() - self._at
        return seconds, self._read() - self._cpu


def memory(roots: Iterable[int]) -> float:
    """MB of a tree of processes, each shared page counted once (PSS), or resident where the kernel does not say."""
    return sum(_memory_of(pid) for pid in tree(roots)) / 1e6


def _memory_of(pid: int) -> float:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
        return float((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0.0


def facts() -> dict[str, str | int | float]:
    """What the figures were measured on, and how busy it was before we began."""
    lines = dict(_pairs((PROC / "cpuinfo").read_text()))
    total = dict(_pairs((PROC / "meminfo").read_text()))["MemTotal"].split()[0]
    load = os.getloadavg()[0]
    return {
        "cpu": lines.get("model name", platform.machine()),
        "cpus": os.cpu_count() or 0,
        "memory_gb": round(int(total) / 1e6, 1),
        "system": platform.platform(),
        "load_before": round(load, 2),
    }


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}
