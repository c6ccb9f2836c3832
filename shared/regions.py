"""Which place does a division code mean, and what lies above it?

Two makers publish codes of the same shape: 民政 (MCA, current, the default for jurisdictions) and 统计 (NBS, edition
2023, the only one with villages). 80 township codes mean different places in the two, so they are never joined on the
bare code. A place is **one** Region whatever code each maker gives it: the two are joined only where the data file says so
(same code and no `nbs_name`; `renamed`; or "has NBS code N" / "has this name at N", both 民主镇: MCA 230104114, NBS 230104112).

Keys: the 12-digit code where MCA has the place (or it is a village, or a made-up division); `nbs:` + the 12-digit code
where only NBS has it. An agency, a rule or a case stores keys, never bare codes of a township.
Sources and licences: the comment lines on top of `divisions/*.csv`.
"""

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from shared.errors import Fault, Problem

Level = Literal["province", "prefecture", "county", "township", "village"]

_FOLDER = Path(__file__).parent / "divisions"
_NBS = "nbs:"
_DIGITS = 12
_LENGTHS = frozenset({6, 9, _DIGITS})
_LEVELS: dict[str, Level] = {"province": "province", "prefecture": "prefecture", "county": "county", "village": "village"}
# Trap: 500105 and 500112 name a parent that has no row ("县", a heading of the yearbook, not a division).
_MISSING_PARENTS = {"500100": "500000"}
_NBS_CODE_OF_THIS = re.compile(r"(?:has NBS code|has this name at) (\d{9})")
_NOT_LEGAL = ("statistics-only", "abolished", "prefecture without counties")


class Region(msgspec.Struct, frozen=True):
    """A division of China, or a made-up one (2399..).

    `code` is 12 digits padded with zeros and **not** unique (the makers differ); `key` is. `parent` is the key of the next
    unit above, as stored by the maker, None for a province. `legal` is false for what is no division in law: development
    zones and the like of the statistics, stand-in counties of prefectures that have none, abolished units. Such a place
    can be reported from, but is no jurisdiction.
    """

    key: str
    code: str
    level: Level
    name: str
    parent: str | None
    legal: bool


class Regions(msgspec.Struct, frozen=True):
    """Every known division; build it with `load()`. `by_key` and `by_nbs` (12-digit NBS code to key) are not to be changed."""

    by_key: dict[str, Region]
    by_nbs: dict[str, str]

    @staticmethod
    def load() -> "Regions":
        """Return the divisions shipped with the package; read once per process."""
        return _load()

    def __iter__(self) -> Iterator[Region]:
        """Every region once, higher levels of a file before lower ones."""
        return iter(self.by_key.values())

    def find(self, code: str) -> Region | None:
        """Find a place by 6, 9 or 12 digits, or by key; None when unknown or of another shape.

        A 12-digit code with a village part is read in the village list (NBS, or made-up); 000 or 000000 at its end means
        the township or the county. Shorter codes have their MCA meaning, and the NBS one only where MCA has none.
        `nbs:` + 6, 9 or 12 digits asks for the NBS meaning.
        """
        digits = code.removeprefix(_NBS)
        if len(digits) not in _LENGTHS or not (digits.isascii() and digits.isdigit()):
            return None
        full = digits.ljust(_DIGITS, "0")
        if code != digits or full not in self.by_key:
            return self.by_key.get(self.by_nbs.get(full, ""))
        return self.by_key[full]

    def climb(self, region: Region) -> tuple[Region, ...]:
        """Return the place itself, then each unit above it up to the province, by stored parent and never by prefix."""
        path = [region]
        while path[-1].parent is not None:
            path.append(self.by_key[path[-1].parent])
        return tuple(path)

    def county(self, region: Region) -> Region | None:
        """Return the county-level unit that holds the place; None above that level and where a prefecture has no counties."""
        return next((unit for unit in self.climb(region) if unit.level == "county"), None)

    def within(self, region: Region, ancestor: Region) -> bool:
        """Say whether the place is `ancestor` or lies in it."""
        return any(unit.key == ancestor.key for unit in self.climb(region))

    def below(self, region: Region) -> tuple[Region, ...]:
        """Return the place itself and everything that lies in it. Rests on the order of the data: what holds a place comes before it."""
        inside = {region.key}
        inside.update(unit.key for unit in self if unit.parent in inside)
        return tuple(self.by_key[key] for key in inside)

    def names_below(self, code: str) -> frozenset[str]:
        """What a stored place may be called that lies in this one: keys, and the codes that mean such a key. Raises Problem 422."""
        region = self.find(code)
        if region is None:
            fault = Fault("/region", "region-unknown", "A division code of 6, 9 or 12 digits that is in the division data.")
            raise Problem(422, "invalid", "Nothing can be listed.", faults=(fault,))
        inside = self.below(region)
        return frozenset({unit.key for unit in inside} | {unit.code for unit in inside if self.find(unit.code) == unit})

    def cut(self, asked: str | None, own: str | None) -> frozenset[str] | None:
        """The names of what lies in the region that was asked for and in the caller's own; None where neither is given.

        Raises Problem: 422 for what is no region, 403 for one that has nothing in common with the caller's.
        """
        cuts = [self.names_below(code) for code in (asked, own) if code is not None]
        places = frozenset.intersection(*cuts) if cuts else None
        if cuts and not places:
            raise Problem(403, "not-your-region", "The region that was asked for lies outside of your office's.")
        return places


@cache
def _load() -> Regions:
    regions = Regions({}, {})
    for name in ("county", "heilongjiang", "fictitious"):
        rows = _rows(f"divisions_{name}.csv")
        for row in rows:
            if row.get("in_mca", "1") == "1":
                _add_place(regions, row)
        for row in rows:
            if row.get("in_nbs", "0") == "1":
                _add_statistics_place(regions, row)
    for row in _rows("divisions_heilongjiang_villages.csv"):
        # Trap: a village's parent is an NBS township code and must be read as such (230104112 is 民主镇 here, 永源镇 for MCA).
        _put(regions, Region(row["code"], row["code"], "village", row["name"], regions.by_nbs[_full(row["parent"])], legal=True))
    return regions


def _add_place(regions: Regions, row: dict[str, str]) -> None:
    note, code = row.get("note", ""), _full(row["code"])
    _put(regions, _region(row, code, row["name"], _full(_stored_parent(row)) or None))
    elsewhere = _NBS_CODE_OF_THIS.search(note)
    if elsewhere:
        regions.by_nbs[_full(elsewhere[1])] = code
    elif row.get("in_nbs") == "1" and (not row.get("nbs_name") or note == "renamed"):
        regions.by_nbs.setdefault(code, code)


def _add_statistics_place(regions: Regions, row: dict[str, str]) -> None:
    """Add what only NBS has. A stand-in county with its prefecture's own code (441900) is that prefecture: already there."""
    code = _full(row["code"])
    if code not in regions.by_nbs:
        regions.by_nbs[code] = _NBS + code
        parent = regions.by_nbs[_full(_stored_parent(row))]
        _put(regions, _region(row, _NBS + code, row.get("nbs_name") or row["name"], parent))


def _region(row: dict[str, str], key: str, name: str, parent: str | None) -> Region:
    level = _LEVELS.get(row["level"], "township")
    # A note that says "abolished" or "statistics-only" speaks of the row's own place, not of the other maker's.
    return Region(key, _full(row["code"]), level, name, parent, legal=not row.get("note", "").startswith(_NOT_LEGAL))


def _put(regions: Regions, region: Region) -> None:
    regions.by_key.setdefault(region.key, region)
    if region.level == "village":
        regions.by_nbs[region.code] = region.key


def _stored_parent(row: dict[str, str]) -> str:
    return _MISSING_PARENTS.get(row["parent"], row["parent"])


def _full(code: str) -> str:
    return code and code.ljust(_DIGITS, "0")


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
