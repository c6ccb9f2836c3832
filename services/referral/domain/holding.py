"""When does a held leg go on, and what is said of it?"""

from datetime import datetime

from services.referral.domain.case import Case
from services.referral.domain.issuing import about
from services.referral.domain.leg import Leg
from shared.contracts.moves import LegResumed


def resume(case: Case, leg: Leg, at: datetime, via: str, claimed: datetime | None = None) -> tuple[Leg, tuple[LegResumed, ...]]:
    """The leg as it goes on, its ladder armed, and what is said of that; a leg that is not held as it is."""
    if leg.held_until is None:
        return leg, ()
    moved = leg.resumed(at).armed()
    said = LegResumed(**about(case, leg), at=at, via=via, claimed_at=claimed, active_due=moved.active_due, done_due=moved.done_due)
    return moved, (said,)


def paused_over(case: Case, leg: Leg, now: datetime) -> tuple[Leg, tuple[LegResumed, ...]]:
    """The leg as it goes on by itself when its time is over, which is then, however late the sweep is."""
    if leg.held_until is None or leg.held_until > now:
        return leg, ()
    return resume(case, leg, leg.held_until, "time")
