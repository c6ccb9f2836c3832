"""Which agency answers for what, where? The directory as it is published, and the questions that are asked of it."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from shared.contracts.envelope import Event

TOPIC = "heli.directory.v1"
JOINT_CONFERENCE = "joint_conference"
OPERATIONS = "operations"


class AgencyChanged(Event, frozen=True, kw_only=True):
    """The newest entry of one agency. `region` is a key of the division table; `phone` is the duty line of the office, no person's."""

    type_: ClassVar[str] = "heli.agency.changed.v1"
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/referral"
    key_field: ClassVar[str] = "agency"
    subject_field: ClassVar[str] = "agency"
    agency: str
    name: str
    department: str
    region: str
    superior: str | None
    phone: str
    active: bool
    version: int


class Directory(dict[str, AgencyChanged]):
    """The entries by code. A province has thousands and every leg asks for one, so it is asked by an index; it is never changed."""

    def __init__(self, entries: Mapping[str, AgencyChanged] = {}) -> None:
        super().__init__(entries)
        self._serving: dict[str, dict[str, AgencyChanged]] = {}
        for _, entry in sorted(entries.items(), reverse=True):  # of several at one place the first by its code
            if entry.active:
                self._serving.setdefault(entry.department, {})[entry.region] = entry

    def responsible(self, department: str, regions: Iterable[str]) -> AgencyChanged | None:
        """The active agency of a department that serves the first of `regions` (a climb by stored parent) which has one."""
        serving = self._serving.get(department, {})
        return next((serving[region] for region in regions if region in serving), None)


EVENTS = (AgencyChanged,)
