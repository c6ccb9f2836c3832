"""What does referral say of the cases of one child, of duties that cover each other, and of clocks that were computed again?"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.referral import CaseEvent, Dues, LegEvent


class CaseLinked(CaseEvent, frozen=True, kw_only=True):
    """The case belongs to a story: the open cases of one child. `story` is the id of the first; `by` whoever linked it, null for the child's id."""

    type_: ClassVar[str] = "heli.case.linked.v1"
    child: UUID
    story: UUID
    grade: str
    reason: str
    by: str | None = None


class CaseUnlinked(CaseEvent, frozen=True, kw_only=True):
    """It was joined by mistake: the case stands alone again, with its own grade. What it was linked to stays in the history."""

    type_: ClassVar[str] = "heli.case.unlinked.v1"
    child: UUID
    story: UUID
    grade: str
    reason: str
    by: str


class CaseRaised(CaseEvent, frozen=True, kw_only=True):
    """Another case of its story, or new rules, made this one more urgent: its clocks and ladders are those of the new grade from now on."""

    type_: ClassVar[str] = "heli.case.raised.v1"
    child: UUID
    grade: str
    before: str


class CaseLowered(CaseEvent, frozen=True, kw_only=True):
    """What had made it urgent does not belong to it. No clock that runs becomes longer by that."""

    type_: ClassVar[str] = "heli.case.lowered.v1"
    child: UUID
    grade: str
    before: str


class CaseRulesChanged(CaseEvent, frozen=True, kw_only=True):
    """A person moved the case to other rules; each leg with other clocks is said by `leg.rescheduled`. All three are hashes."""

    type_: ClassVar[str] = "heli.case.rules_changed.v1"
    child: UUID
    grade: str
    rules_before: str
    rules: str
    calendar: str
    reason: str
    by: str


class LegCovered(LegEvent, frozen=True, kw_only=True):
    """Its agency owes the same for this child already, by the open leg `covered_by` of another case: nothing is issued, no clock runs."""

    type_: ClassVar[str] = "heli.leg.covered.v1"
    covered_by: UUID
    at: datetime


class LegRescheduled(LegEvent, frozen=True, kw_only=True):
    """Clocks that run were computed again. `why`: raised, rules or calendar; `rules` and `calendar` are the hashes of what they rest on now."""

    type_: ClassVar[str] = "heli.leg.rescheduled.v1"
    why: str
    due: Dues
    rules: str
    calendar: str


EVENTS = (CaseLinked, CaseUnlinked, CaseRaised, CaseLowered, CaseRulesChanged, LegCovered, LegRescheduled)
