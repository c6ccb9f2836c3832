"""What is a figure, and how is it measured beside its floor? In turns, and the middle of three rounds counts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any

import msgspec

ROUNDS = 3
PATIENCE_SECONDS = 90.0


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `ratio` is value to floor; `cpu_s_per_1000` counts our process, PostgreSQL and Kafka."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    aim: str = ""
    cpu_s_per_1000: float | None = None


class Sample(msgspec.Struct, frozen=True):
    """What one side did in one round. `value` is what the figure compares: a rate unless told otherwise."""

    count: int
    seconds: float
    cpu: float
    own: float | None = None

    @property
    def value(self) -> float:
        return self.count / self.seconds if self.own is None else self.own


Side = Callable[[int], Awaitable[Sample]]
"""Does one round; given the number of the round, 0 for the one that only warms up."""


async def compare(name: str, ours: Side, floor: Side, *, unit: str, aim: str, rounds: int = ROUNDS) -> Figure:
    """Both sides in turns, each first as often as the other, after one round that does not count."""
    samples: dict[Side, list[Sample]] = {ours: [], floor: []}
    for number in range(rounds + 1):
        for side in (ours, floor) if number % 2 else (floor, ours):
            async with asyncio.timeout(PATIENCE_SECONDS):
                samples[side].append(await side(number))
    counted = samples[ours][1:]
    mine, theirs = ([sample.value for sample in samples[side][1:]] for side in (ours, floor))
    return Figure(
        name=name,
        value=median(mine),
        unit=unit,
        floor=median(theirs),
        ratio=median(m / t for m, t in zip(mine, theirs, strict=True)),
        aim=aim,
        cpu_s_per_1000=median(sample.cpu / sample.count * 1000 for sample in counted),
    )


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which this part of the values lies (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(int(len(ranked) * part), len(ranked) - 1)]


def met(figure: Figure) -> bool | None:
    """Whether the aim (`>= 0.75` of the ratio, or `<= 250 ms` of the value) is reached; None when it has none."""
    if not figure.aim:
        return None
    sign, number, *unit = figure.aim.split()
    found = figure.value if unit or figure.ratio is None else figure.ratio
    return found >= float(number) if sign == ">=" else found <= float(number)


def document(machine: dict[str, Any], versions: dict[str, str], figures: Sequence[Figure]) -> bytes:
    """The JSON document of a run."""
    rounded = [msgspec.structs.replace(f, **{k: v if v is None else float(f"{v:.5g}") for k, v in _numbers(f).items()}) for f in figures]
    return msgspec.json.format(msgspec.json.encode({"machine": machine, "versions": versions, "figures": rounded}), indent=1)


def _numbers(figure: Figure) -> dict[str, float | None]:
    return {name: getattr(figure, name) for name in ("value", "floor", "ratio", "cpu_s_per_1000")}
