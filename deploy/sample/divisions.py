"""Which place lies above which in Heilongjiang? A small reading of the division tables of its own.

For the sample and for what is expected of it: it shares no code with `shared.regions`, which it helps to judge. There the
notes of the tables join the two makers' codes of one place; here its name within its county does.
"""

import csv
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "shared" / "divisions"
DIGITS, TOWN_DIGITS, COUNTY_DIGITS = 12, 9, 6
Row = dict[str, str]


class Divisions:
    """`civil`: units of 民政 by code; `statistics`: units of 统计 by code; `villages` (统计) by code."""

    def __init__(self) -> None:
        units = _rows("heilongjiang")
        self.civil = {row["code"]: row for row in units if row["in_mca"] == "1"}
        self.statistics = {row["code"]: row for row in units if row["in_nbs"] == "1"}
        self.villages = {row["code"]: row for row in _rows("heilongjiang_villages")}
        self._by_name = {(row["parent"], row["name"]): code for code, row in self.civil.items()}

    def above(self, code: str) -> tuple[str, ...]:
        """The keys of a place of 6, 9 or 12 digits and of all above it, the place first. Raises KeyError for an unknown one."""
        if code in self.villages:
            return (code, *self.of_statistics(self.villages[code]["parent"]))
        short = shortened(code)
        return self._climb(short) if short in self.civil else self.of_statistics(short)

    def of_statistics(self, code: str) -> tuple[str, ...]:
        """The same for a unit by its code of 统计: the place of that name in its county, else one that 民政 does not know."""
        row = self.statistics[code]
        name = row["nbs_name"] or row["name"]
        if row["in_mca"] == "1" and (row["name"] == name or row["note"] == "renamed"):
            return self._climb(code)
        elsewhere = self._by_name.get((row["parent"], name))
        return self._climb(elsewhere) if elsewhere else (f"nbs:{padded(code)}", *self.above(row["parent"]))

    def counties(self, prefecture: str) -> list[Row]:
        """The legal county-level units of a prefecture (6 digits), by code."""
        return [row for row in self.civil.values() if row["parent"] == prefecture and row["level"] == "county"]

    def _climb(self, code: str) -> tuple[str, ...]:
        return (padded(code), *self._climb(self.civil[code]["parent"])) if code else ()


@cache
def load() -> Divisions:
    return Divisions()


def padded(code: str) -> str:
    return code.ljust(DIGITS, "0")


def shortened(code: str) -> str:
    """6 or 9 digits for a 12-digit code that ends with the zeros of a county or a township."""
    if len(code) != DIGITS:
        return code
    return code[:COUNTY_DIGITS] if code.endswith("0" * COUNTY_DIGITS) else code[:TOWN_DIGITS]


def _rows(name: str) -> list[Row]:
    with (FOLDER / f"divisions_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
