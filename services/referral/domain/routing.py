"""Which agency gets a leg, who comes next when it declines, and whom does a rung tell?"""

from collections.abc import Iterator, Mapping

import msgspec

from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from services.referral.domain.rules import RuleSet
from shared.calendar import Calendar
from shared.contracts.directory import JOINT_CONFERENCE, AgencyChanged, Directory
from shared.errors import RuleBroken
from shared.regions import Regions


class Knowledge(msgspec.Struct, frozen=True):
    """The reference of referral: rules and calendars by hash, which of them is in force, the division tree, the directory by code."""

    rules: Mapping[str, RuleSet]
    current: RuleSet
    calendars: Mapping[str, Calendar]
    calendar: Calendar
    regions: Regions
    directory: Directory

    def days_of(self, case: Case) -> Calendar:
        """The calendar that a case pinned, as its place counts."""
        return self.calendars[case.calendar].local(keys_up(self.regions, case.region))


class Holder(msgspec.Struct, frozen=True):
    """Who holds a leg. `unassigned`: nobody of the department was found, so the joint-conference office does."""

    agency: str
    unassigned: bool


def holder(known: Knowledge, department: str, region: str) -> Holder:
    """The agency of a department for a place, climbing by stored parent until one is active; else the joint-conference office."""
    return holder_along(known, department, keys_up(known.regions, region))


def next_up(known: Knowledge, leg: Leg, region: str) -> Holder:
    """Who takes over a leg that was declined: the first active superior, else whoever serves the region above."""
    own = known.directory.get(leg.agency)
    line = (known.directory.get(code) for code in _line_up(known, leg.agency)[1:])
    superior = next((entry for entry in line if entry is not None and entry.active), None)
    if superior is not None:
        return Holder(superior.agency, superior.department != leg.department)
    if own is not None and own.department == JOINT_CONFERENCE:
        raise RuleBroken("nobody-above", "The joint-conference office at the root cannot decline: nobody stands above it.", state=leg.state)
    above = keys_up(known.regions, own.region if own else region)[1:]
    found = holder_along(known, leg.department, above) if above else joint_conference(known, region)
    return found if found.agency != leg.agency else joint_conference(known, region)


def joint_conference(known: Knowledge, region: str) -> Holder:
    return holder_along(known, JOINT_CONFERENCE, keys_up(known.regions, region))


def oversees(known: Knowledge, agency: str, region: str) -> bool:
    """Whether this is a joint-conference office of the place or of one above it."""
    office = known.directory.get(agency)
    return (
        office is not None and office.active and office.department == JOINT_CONFERENCE and office.region in keys_up(known.regions, region)
    )


def told_by(known: Knowledge, leg: Leg, who: str, region: str) -> str:
    """Whom a rung tells. Where no way leads to the agency itself, its superior; one that is missing or was told already gives way to the joint-conference office, then to those above it."""
    told, last = leg.told.split(), ""
    for code in _line_of(known, leg, who, region):
        entry = known.directory.get(code)
        if entry is not None and (entry.active or code == leg.agency):
            if code not in told:
                return code
            last = code
    return last or joint_conference(known, region).agency


def _line_of(known: Knowledge, leg: Leg, who: str, region: str) -> Iterator[str]:
    """Whom the rung plans, then the joint-conference office of the place and all above it: looked up only when it comes to them."""
    if who == "duty_officer" and leg.state != "undeliverable":
        yield leg.agency
    elif who in ("duty_officer", "superior"):
        own = known.directory.get(leg.agency)
        yield (own and own.superior) or ""
    elif who == "city_joint_conference":
        yield _city(known, region) or ""
    yield from _line_up(known, joint_conference(known, region).agency)


def _city(known: Knowledge, region: str) -> str | None:
    """The joint-conference office of the city, or of the province where a county has no city above it."""
    keys = tuple(key for key in keys_up(known.regions, region) if known.regions.by_key[key].level in ("prefecture", "province"))
    found = known.directory.responsible(JOINT_CONFERENCE, keys)
    return found.agency if found else None


def _line_up(known: Knowledge, agency: str) -> list[str]:
    """An agency and all that stand above it."""
    line: list[str] = []
    step: str | None = agency
    while step is not None and step not in line:
        line.append(step)
        step = known.directory[step].superior if step in known.directory else None
    return line


def holder_along(known: Knowledge, department: str, keys: tuple[str, ...]) -> Holder:
    """The same for a place whose keys, its own and those above it, are known already."""
    found = known.directory.responsible(department, keys)
    if found is not None:
        return Holder(found.agency, unassigned=False)
    office = known.directory.responsible(JOINT_CONFERENCE, keys) or _root(known)
    return Holder(office.agency, unassigned=True)


def _root(known: Knowledge) -> AgencyChanged:
    """The last resort, so that no leg is ever dropped: a directory without one is refused at start."""
    roots = [e for _, e in sorted(known.directory.items()) if e.department == JOINT_CONFERENCE and e.superior is None]
    if not roots:
        raise LookupError("the directory has no joint-conference office at its root")
    return roots[0]
