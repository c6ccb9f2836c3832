"""What does intake hold of a report, who may read it, and until when must its cases be open?"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from shared.identifiers import case_id

FACTS = ("delivered", "seen", "accepted", "active", "done")
URGENT, PLAIN = timedelta(seconds=60), timedelta(minutes=10)
"""Until every child has its case: with an L or M situation, and without. Basis local: no law gives a number."""


def opened_within(situations: tuple[str, ...]) -> timedelta:
    return URGENT if situations else PLAIN


class Leg(msgspec.Struct, frozen=True):
    """One duty of one agency, as referral tells it. `ended`: how, as referral says it; None while it is open."""

    id: UUID
    report_id: UUID
    case_id: UUID
    agency: str
    department: str
    issued_at: datetime
    delivered_at: datetime | None = None
    seen_at: datetime | None = None
    accepted_at: datetime | None = None
    active_at: datetime | None = None
    done_at: datetime | None = None
    ended: str | None = None

    def met(self, fact: str) -> bool:
        return getattr(self, f"{fact}_at") is not None

    def with_fact(self, fact: str, at: datetime) -> "Leg":
        """A later fact implies the earlier ones: referral says only the later one. What is known already stands."""
        implied = FACTS[: FACTS.index(fact) + 1]
        return msgspec.structs.replace(self, **{f"{name}_at": at for name in implied if not self.met(name)})


class Story(msgspec.Struct, frozen=True):
    """Under which story a case of the report is linked with other reports of the same child; None: it no longer is."""

    case_id: UUID
    report_id: UUID
    story: UUID | None


class Kin(msgspec.Struct, frozen=True):
    """An open leg of a reader in another report's case, and the case of this report that it is linked to, in which story."""

    leg: UUID
    case: UUID
    story: UUID
    department: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report, without what is personal in it: `content` is there only while the report is new and not yet saved.

    `unreported`: units that owed this report and did not make it, as a joint-conference office says: `unit/kind/reason`.
    `party` is the reporter unit, `groups` all groups named in it, `minors` the number of cases owed, `opened` the numbers of
    the children whose case is open.
    """

    id: UUID
    code: str
    party: str
    reporter_kind: str
    situations: tuple[str, ...]
    groups: tuple[str, ...]
    region: str
    seen_at: datetime
    received_at: datetime
    minors: int
    opened_due: datetime
    changed_at: datetime
    opened: tuple[int, ...] = ()
    opened_at: datetime | None = None
    stalled_at: datetime | None = None
    version: int = 0
    trace: str = ""
    next_due: datetime | None = None
    unreported: tuple[str, ...] = ()
    legs: dict[UUID, Leg] = {}
    stories: dict[UUID, Story] = {}
    content: bytes = b""

    def with_leg(self, leg: Leg) -> "Report":
        return msgspec.structs.replace(self, legs={**self.legs, leg.id: leg})

    def with_case(self, number: int, now: datetime) -> "Report":
        """One more child has its case; the last one ends the clock."""
        opened = tuple(sorted({*self.opened, number}))
        if self.opened_at is not None or len(opened) < self.minors:
            return msgspec.structs.replace(self, opened=opened)
        return msgspec.structs.replace(self, opened=opened, opened_at=now, next_due=None)

    def with_unreported(self, unit: str, kind: str, reason: str | None) -> "Report":
        """One entry for each unit, the last word counts; no reason takes it back."""
        others = tuple(entry for entry in self.unreported if entry.partition("/")[0] != unit)
        return msgspec.structs.replace(self, unreported=others if reason is None else (*others, f"{unit}/{kind}/{reason}"))

    def open_legs(self, agency: str) -> list[Leg]:
        """The right to read: what the agency owes and has not ended."""
        return sorted((leg for leg in self.legs.values() if leg.agency == agency and leg.ended is None), key=lambda leg: leg.id)

    def with_story(self, case: UUID, story: UUID | None) -> "Report":
        return msgspec.structs.replace(self, stories={**self.stories, case: Story(case, self.id, story)})

    def linked(self, kin: Iterable[Kin]) -> list[Kin]:
        """Those of another report that are linked with a case of this one still."""
        return [one for one in kin if (mine := self.stories.get(one.case)) is not None and mine.story == one.story]

    def children_of(self, cases: Collection[UUID]) -> tuple[int, ...]:
        """Numbers of the children whose cases these are."""
        return tuple(number for number in self.opened if case_id(self.id, number) in cases)
