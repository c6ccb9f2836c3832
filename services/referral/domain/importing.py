"""What would become of the directory if these entries came into force together, and which place would be left without anybody?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from services.referral.domain.agency import NO_ROOT, faults_of, gaps_in, superior_first
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import RuleSet
from shared.contracts.directory import AgencyChanged
from shared.regions import Region, Regions

NEEDED = ("police", "civil_affairs", "education", "township")
"""Of these a county that an import touches must have somebody; any other duty may fall to the joint-conference office, as it always did."""
Entries = Mapping[str, AgencyChanged]
Verdict = Literal["created", "changed", "unchanged", "rejected"]


class Judged(msgspec.Struct, frozen=True):
    """What becomes of one entry, and why it is rejected as (field, rule)."""

    code: str
    verdict: Verdict
    faults: tuple[tuple[str, str], ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """A place where duties of a red case would fall to nobody. `rule`: `left-without` (somebody held them before) or `without`."""

    region: str
    name: str
    department: str
    rule: str


class Import(msgspec.Struct, frozen=True):
    """The verdicts in the order of the entries, what is to be written (superiors first), the directory after it, and what forbids it."""

    verdicts: tuple[Judged, ...]
    writes: tuple[AgencyChanged, ...]
    after: Entries
    gaps: tuple[Gap, ...]
    faults: tuple[str, ...]

    @property
    def possible(self) -> bool:
        return not (self.gaps or self.faults or any(judged.verdict == "rejected" for judged in self.verdicts))


def judge(wanted: Sequence[AgencyChanged], known: Knowledge) -> Import:
    """Judges entries as one set: a superior may stand anywhere in it."""
    named = {entry.agency: placed(entry, known.regions) for entry in reversed(wanted)}
    verdicts = _verdicts(wanted, {**known.directory, **named}, known)
    refused = {judged.code for judged in verdicts if judged.verdict == "rejected"}
    moving = {judged.code for judged in verdicts if judged.verdict in ("created", "changed")} - refused
    after = {**known.directory, **{code: named[code] for code in moving}}
    writes = superior_first((named[code] for code in sorted(moving)), after)
    gaps = (*left_without(known.directory, after, known), *without(known.directory, after, writes, known))
    return Import(verdicts, tuple(writes), after, gaps, _new_faults(known.directory, after, known.regions))


def _verdicts(wanted: Sequence[AgencyChanged], whole: Entries, known: Knowledge) -> tuple[Judged, ...]:
    verdicts, seen = [], set[str]()
    for entry in wanted:
        twice = (("code", "code-twice"),) if entry.agency in seen else ()
        seen.add(entry.agency)
        verdicts.append(_judged(entry, (*twice, *faults_of(entry, whole, known.regions)), known))
    return tuple(verdicts)


def placed(entry: AgencyChanged, regions: Regions) -> AgencyChanged:
    """The entry as it is stored: its region by key."""
    region = regions.find(entry.region)
    return msgspec.structs.replace(entry, region=region.key) if region else entry


def same(one: AgencyChanged | None, other: AgencyChanged) -> bool:
    """Whether two entries say the same, whatever their versions."""
    return one is not None and msgspec.structs.replace(one, version=other.version) == other


def _judged(entry: AgencyChanged, faults: tuple[tuple[str, str], ...], known: Knowledge) -> Judged:
    old = known.directory.get(entry.agency)
    if faults:
        return Judged(entry.agency, "rejected", faults)
    if old is None:
        return Judged(entry.agency, "created")
    return Judged(entry.agency, "unchanged" if same(old, placed(entry, known.regions)) else "changed")


def _new_faults(before: Entries, after: Entries, regions: Regions) -> tuple[str, ...]:
    """A directory without a root is always refused; another fault only if it was not there before."""
    old = set(gaps_in(before, regions)) - {NO_ROOT}
    return tuple(fault for fault in gaps_in(after, regions) if fault not in old)


def departments_of_red(rules: RuleSet) -> tuple[str, ...]:
    """Who may owe something in a red case. Red is the grade of the whole case, so every duty counts that a child of such an age can bring."""
    red = [row for row in rules.grades if row.grade == "red"]
    owed = {row.duty for row in rules.rows if any(row.age_from <= one.age_to and one.age_from <= row.age_to for one in red)}
    return tuple(dict.fromkeys(kind.department for kind in rules.duties if kind.duty in owed))


def left_without(before: Entries, after: Entries, known: Knowledge) -> Iterator[Gap]:
    """The highest places whose only agency of a department would go. Only where one goes can a place lose its last."""
    departments = departments_of_red(known.current)
    new = _serving(after)
    gone = sorted(pair for pair in _serving(before) - new if pair[0] in departments)
    for department, key in gone:
        line = known.regions.climb(known.regions.by_key[key])
        alone = not any((department, unit.key) in new for unit in line)
        if alone and not any((department, unit.key) in gone for unit in line[1:]):
            yield Gap(key, line[0].name, department, "left-without")


def without(before: Entries, after: Entries, writes: Iterable[AgencyChanged], known: Knowledge) -> Iterator[Gap]:
    """Counties that the import touches and that have nobody of a needed department: neither above, nor at, nor below the county."""
    regions, departments = known.regions, set(departments_of_red(known.current)) & {*NEEDED}
    serving = _serving(after)
    below = {(department, county.key) for department, key in serving for county in _counties(regions.by_key[key], regions)}
    for county in _touched(before, writes, regions):
        line = regions.climb(county)
        for department in sorted(departments):
            somebody = (department, county.key) in below or any((department, unit.key) in serving for unit in line)
            if not somebody:
                yield Gap(county.key, county.name, department, "without")


def _touched(before: Entries, writes: Iterable[AgencyChanged], regions: Regions) -> list[Region]:
    """The counties in which an agency begins or changes; all of a city that had no agency of its own until now."""
    places = {entry.region for entry in writes if entry.active and entry.region in regions.by_key}
    served = {entry.region for entry in before.values() if entry.active}
    cities = {key for key in places - served if regions.by_key[key].level == "prefecture"}
    found = {county.key: county for key in sorted(places) for county in _counties(regions.by_key[key], regions)}
    found |= {unit.key: unit for unit in regions if unit.level == "county" and unit.legal and unit.parent in cities}
    return [found[key] for key in sorted(found)]


def _counties(place: Region, regions: Regions) -> tuple[Region, ...]:
    county = regions.county(place)
    return (county,) if county is not None and county.legal else ()


def _serving(entries: Entries) -> set[tuple[str, str]]:
    return {(entry.department, entry.region) for entry in entries.values() if entry.active}
