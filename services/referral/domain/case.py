"""What is one child's case, and when must somebody look at it again?"""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from services.referral.domain.leg import Leg

REVIEW = timedelta(hours=24)
"""An open case is looked at at least this often, also when every clock and rung has fired: open means never forgotten."""


class Case(msgspec.Struct, frozen=True):
    """One child of one report. `rules` and `calendar` are the hashes of what its due times were computed with.

    `story`: the first case of the same child, under which its open cases are linked; None while it stands alone. `apart`: a person
    took it out of its story, and no later report puts it back. `facts`: what the rules looked at, to look again.
    """

    id: UUID
    report: UUID
    code: str
    number: int
    child: UUID
    region: str
    grade: str
    rules: str
    calendar: str
    opened_at: datetime
    review_due: datetime
    changed_at: datetime
    closed_at: datetime | None = None
    next_due: datetime | None = None
    version: int = 0
    trace: str = ""
    story: UUID | None = None
    apart: bool = False
    facts: bytes = b""
    legs: dict[int, Leg] = {}

    def with_legs(self, *legs: Leg) -> "Case":
        """The case with these legs as they are now, its earliest deadline, and closed when the last leg has ended."""
        merged = {**self.legs, **{leg.number: leg.armed() for leg in legs}}
        dues = [due for leg in merged.values() if (due := leg.next_due()) is not None]
        return msgspec.structs.replace(self, legs=merged, next_due=min([*dues, self.review_due]))

    def leg(self, key: UUID) -> Leg | None:
        """The leg with this id, if it is one of this case; a stranger may send anything, the id of the case too."""
        found = self.legs.get(key.bytes[-1])  # its number (`identifiers.leg_id`)
        return found if found is not None and found.id == key else None

    def closed(self, at: datetime) -> "Case":
        return msgspec.structs.replace(self, closed_at=at, next_due=None)

    @property
    def all_ended(self) -> bool:
        return not any(leg.open for leg in self.legs.values())

    @property
    def next_number(self) -> int:
        return max(self.legs, default=0) + 1
