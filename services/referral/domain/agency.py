"""What is an agency's entry in the directory, and which directory is whole?"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import NAMESPACE_URL, UUID

import msgspec

from services.referral.domain.rule_rows import Department
from shared.contracts.directory import JOINT_CONFERENCE, OPERATIONS, AgencyChanged
from shared.identifiers import named
from shared.regions import Regions

CODE = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")
"""An agency's code: it becomes part of topic names and of space-separated lists."""
DEPARTMENTS = (*get_args(Department), OPERATIONS)
REFUSALS_A_MINUTE = 60
"""Unreadable answers of one agency that are answered on its feed; more in a minute are only counted."""


class Agency(msgspec.Struct, frozen=True, kw_only=True):
    """One agency. Agencies end (`active` false) and are never deleted: an open leg may name them.

    `edition` counts the changes of the entry: it is what an ETag names and the directory's topic carries. `version` counts every
    saving of the row, also those that only count refusals.
    """

    id: UUID
    code: str
    name: str
    department: str
    region: str
    superior: str | None
    phone: str
    active: bool
    changed_at: datetime
    version: int = 0
    edition: int = 0
    refused: int = 0
    refused_from: datetime | None = None
    next_due: datetime | None = None
    trace: str = ""

    def entry(self) -> AgencyChanged:
        return AgencyChanged(
            agency=self.code,
            name=self.name,
            department=self.department,
            region=self.region,
            superior=self.superior,
            phone=self.phone,
            active=self.active,
            version=self.edition,
        )

    def counted(self, now: datetime) -> "Agency":
        """One more refused record in the running minute."""
        fresh = self.refused_from is None or now - self.refused_from > timedelta(minutes=1)
        return msgspec.structs.replace(self, refused=1 if fresh else self.refused + 1, refused_from=now if fresh else self.refused_from)


def entry_of(row: Mapping[str, Any]) -> AgencyChanged:
    """An entry as a directory file has it, by its `code`; superior, phone and active may be left out. Raises KeyError, msgspec.ValidationError."""
    told = {name: value for name, value in row.items() if name != "code"}
    usual = {"superior": None, "phone": "", "active": True, "version": 0}
    return msgspec.convert({**usual, **told, "agency": str(row["code"])}, AgencyChanged, strict=False)


def agency_id(code: str) -> UUID:
    return named(NAMESPACE_URL, f"urn:heli:agency:{code}")


def faults_of(entry: AgencyChanged, others: Mapping[str, AgencyChanged], regions: Regions) -> tuple[tuple[str, str], ...]:
    """What is wrong with one entry, as (field, rule)."""
    found = []
    if entry.department not in DEPARTMENTS:
        found.append(("department", "department-unknown"))
    if regions.find(entry.region) is None:
        found.append(("region", "region-unknown"))
    if entry.superior is not None and entry.superior not in others:
        found.append(("superior", "superior-unknown"))
    if entry.superior is not None and entry.agency in _chain(entry.superior, others):
        found.append(("superior", "superior-circle"))
    return tuple(found)


def is_root(entry: AgencyChanged) -> bool:
    """A joint-conference office above which nobody stands: the last resort of every leg."""
    return entry.department == JOINT_CONFERENCE and entry.superior is None and entry.active


NO_ROOT = "no joint-conference office (department joint_conference, without superior, active) at the root"


def gaps_in(entries: Mapping[str, AgencyChanged], regions: Regions) -> tuple[str, ...]:
    """Why a directory must be refused: no joint-conference office at its root, or an agency that none stands above."""
    if not any(is_root(entry) for entry in entries.values()):
        return (NO_ROOT,)
    offices = {entry.region for entry in entries.values() if entry.department == JOINT_CONFERENCE and entry.active}
    placed = ((code, regions.find(entry.region)) for code, entry in entries.items())
    return tuple(
        f"agency {code}: no joint-conference office above its region"
        for code, region in placed
        if region is not None and offices.isdisjoint(unit.key for unit in regions.climb(region))
    )


def superior_first(wanted: Iterable[AgencyChanged], whole: Mapping[str, AgencyChanged]) -> list[AgencyChanged]:
    """The entries in an order in which every superior stands before those below it; otherwise as they came."""
    return sorted(wanted, key=lambda entry: len(list(_chain(entry.agency, whole))))


def keys_up(regions: Regions, code: str) -> tuple[str, ...]:
    """The keys of a place and of all above it, by stored parent."""
    region = regions.find(code)
    return tuple(unit.key for unit in regions.climb(region)) if region else ()


def _chain(code: str, entries: Mapping[str, AgencyChanged]) -> Iterable[str]:
    seen: list[str] = []
    step: str | None = code
    while step is not None and step not in seen:
        seen.append(step)
        step = entries[step].superior if step in entries else None
    return seen
