"""Which agency answers for what, where? The directory as it is published, and the one pure function that asks it."""

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


def responsible(entries: Mapping[str, AgencyChanged], department: str, regions: Iterable[str]) -> AgencyChanged | None:
    """The active agency of a department that serves the first of `regions` (a climb by stored parent) which has one."""
    places = {region: place for place, region in enumerate(regions)}
    serving = (entry for entry in entries.values() if entry.department == department and entry.active and entry.region in places)
    return min(serving, key=lambda entry: (places[entry.region], entry.agency), default=None)


EVENTS = (AgencyChanged,)
