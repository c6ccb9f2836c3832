"""What does referral say of a leg that goes on to another agency, is let go of, put off or an error, and of one that nobody acts on or nothing reaches?"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.referral import LegEvent, LegFact


class LegForwarded(LegFact, frozen=True, kw_only=True):
    """The agency has passed the duty on to `to`, which owes it from now on as leg `replaced_by`; the clocks run on."""

    type_: ClassVar[str] = "heli.leg.forwarded.v1"
    reason: str
    to: str
    replaced_by: UUID


class WithdrawalAsked(LegEvent, frozen=True, kw_only=True):
    """`by` (the joint-conference office, whoever forwarded the duty, or operations) asks the agency to let go of the leg; it answers."""

    type_: ClassVar[str] = "heli.withdrawal.asked.v1"
    by: str
    reason: str
    at: datetime


class WithdrawalRefused(LegFact, frozen=True, kw_only=True):
    """The agency keeps the leg, which goes on as before; `tell` is the agency that had asked, null when it was operations."""

    type_: ClassVar[str] = "heli.withdrawal.refused.v1"
    reason: str
    tell: str | None


class LegWithdrawn(LegFact, frozen=True, kw_only=True):
    """The agency lets go of the leg, as it was asked to for `reason`; `tell` is the agency that had asked, null when it was operations."""

    type_: ClassVar[str] = "heli.leg.withdrawn.v1"
    reason: str
    tell: str | None


class LegVoided(LegFact, frozen=True, kw_only=True):
    """The leg was issued in error: `by` (the joint-conference office or operations) has ended it, and its agency is told."""

    type_: ClassVar[str] = "heli.leg.voided.v1"
    by: str
    reason: str


class LegHeld(LegFact, frozen=True, kw_only=True):
    """The agency has put the leg off for `reason`: its clocks `active` and `done` stand still `until` then, and run out at these times."""

    type_: ClassVar[str] = "heli.leg.held.v1"
    reason: str
    until: datetime
    active_due: datetime | None
    done_due: datetime | None


class LegResumed(LegFact, frozen=True, kw_only=True):
    """The leg goes on, because its time is over (`via` time) or its agency says so; its clocks run out at these times."""

    type_: ClassVar[str] = "heli.leg.resumed.v1"
    active_due: datetime | None
    done_due: datetime | None


class LegLapsed(LegEvent, frozen=True, kw_only=True):
    """The agency had accepted and did not act by `due`: the acceptance counts no more, the leg lies in its queue, and its ladder rings."""

    type_: ClassVar[str] = "heli.leg.lapsed.v1"
    due: datetime


class LegUndeliverable(LegEvent, frozen=True, kw_only=True):
    """Every way to the agency was given up (`error` is the last one's slug). Technical, and no refusal: the ladder goes on without it."""

    type_: ClassVar[str] = "heli.leg.undeliverable.v1"
    error: str
    at: datetime


EVENTS = (
    LegForwarded,
    WithdrawalAsked,
    WithdrawalRefused,
    LegWithdrawn,
    LegVoided,
    LegHeld,
    LegResumed,
    LegLapsed,
    LegUndeliverable,
)
