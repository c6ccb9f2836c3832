"""What does notification know beside a notice: endpoints, directory, regions, how links are signed, when to try again?"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from services.notification.domain.endpoint import Endpoint
from services.notification.domain.links import Links
from services.notification.domain.notice import Channel
from shared.contracts.directory import JOINT_CONFERENCE, OPERATIONS, Directory
from shared.contracts.notification import ANSWER_REFUSED, ENDPOINT_TESTED, REPORT_PROGRESSED
from shared.regions import Regions

POLICE = "police"
_ALLOWED: Mapping[str, tuple[Channel, ...]] = {ANSWER_REFUSED: (Channel.TOPIC,), REPORT_PROGRESSED: (Channel.WEBHOOK,)}
"""An answer by topic is refused by topic; a reporter has no topic."""
_TO_ANYBODY = frozenset({REPORT_PROGRESSED, ENDPOINT_TESTED})
"""What may be told to a party that is no agency of the directory."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The reference of a decision. `schedule`: seconds until the next attempt, by attempts made; the last one repeats."""

    endpoints: Mapping[str, Endpoint]
    directory: Directory
    regions: Regions
    links: Links
    schedule: tuple[float, ...]

    def channels(self, about: str, party: str) -> tuple[Channel, ...]:
        """The ways that are open now; none while the party's endpoint or its directory entry has not arrived."""
        endpoint = self.endpoints.get(party)
        if endpoint is None or (about not in _TO_ANYBODY and party not in self.directory):
            return ()
        return tuple(channel for channel in endpoint.channels if channel in _ALLOWED.get(about, (Channel.WEBHOOK, Channel.TOPIC)))

    def pause(self, attempt: int) -> timedelta:
        return timedelta(seconds=self.schedule[min(attempt, len(self.schedule)) - 1])

    def county(self, code: str) -> str | None:
        """The 12 digits of the county that holds a place, or of the place itself where it is larger than a county."""
        region = self.regions.find(code)
        if region is None:
            return None
        county = self.regions.county(region)
        if county is None and region.level not in ("province", "prefecture"):
            return None
        return (county or region).code

    def operations(self) -> tuple[str, ...]:
        return tuple(sorted(code for code, entry in self.directory.items() if entry.department == OPERATIONS and entry.active))

    def police(self, code: str) -> str | None:
        """The police responsible for a place, found by the climb through its stored parents."""
        found = self.directory.responsible(POLICE, self._climb(code))
        return found.agency if found else None

    def phones(self, agency: str) -> dict[str, str]:
        """Whom to call about a leg of this agency: duty line -> office, its superior first, then the joint-conference office."""
        entry = self.directory.get(agency)
        if entry is None:
            return {}
        offices = (self.directory.responsible(JOINT_CONFERENCE, self._climb(entry.region)), self.directory.get(entry.superior or ""))
        found = {office.phone: office.name for office in offices if office is not None and office.phone}
        return dict(reversed(found.items()))

    def _climb(self, code: str) -> list[str]:
        region = self.regions.find(code)
        return [unit.key for unit in self.regions.climb(region)] if region is not None else []
