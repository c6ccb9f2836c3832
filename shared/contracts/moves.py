"""What does referral say of a leg that goes on to another agency, is let go of, or was an error?"""

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


EVENTS = (
    LegForwarded,
    WithdrawalAsked,
    WithdrawalRefused,
    LegWithdrawn,
    LegVoided,
)
