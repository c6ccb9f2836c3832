"""From whom did a duty come to an agency, to whom does it go on, and with which clocks?"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from services.referral.domain.case import Case
from services.referral.domain.doubts import NO_TIME, without
from services.referral.domain.issuing import successor
from services.referral.domain.leg import FACTS, PAUSED, Leg
from services.referral.domain.routing import Holder


def chain_of(legs: Iterable[Leg], key: UUID) -> tuple[Leg, ...]:
    """The legs that replaced each other, first to last, among which this one stands."""
    by_id = {leg.id: leg for leg in legs}
    after = {leg.replaces: leg for leg in by_id.values() if leg.replaces is not None}
    first = by_id[key]
    while first.replaces in by_id:
        first = by_id[first.replaces]
    chain = [first]
    while chain[-1].id in after:
        chain.append(after[chain[-1].id])
    return tuple(chain)


def forwards(case: Case, leg: Leg) -> int:
    """How often the duty was passed on before it came here."""
    return sum(step.ended == "forwarded" for step in chain_of(case.legs.values(), leg.id))


def first_receipt(case: Case, leg: Leg) -> datetime:
    """When the duty was issued first: passed on from agency to agency it keeps that clock (P03)."""
    first = leg
    for step in reversed(chain_of(case.legs.values(), leg.id)):
        if step.id == first.replaces and step.ended == "forwarded":
            first = step
    return first.issued_at


def owed_at(case: Case, duty: str, agency: str) -> bool:
    """Whether this agency owes the same in this case already."""
    return any(leg.open and leg.duty == duty and leg.agency == agency for leg in case.legs.values())


def onward(case: Case, leg: Leg, to: Holder, now: datetime) -> Leg:
    """The same duty at another agency, as far on its path and with the due times that it had: the clock of the first receipt runs on (P03).

    A due time that has passed after its step was done is the one exception: the new agency has that step before it, with the
    same length of time, and would be late before it knew. One that passed undone stays, and is overdue at once.
    """
    late = {
        name: now + (due - leg.issued_at) - (_held_before_active(leg) if name in PAUSED else NO_TIME)
        for name in FACTS
        if (due := getattr(leg, f"{name}_due")) is not None and due <= now and leg.met(name) and name not in leg.missed.split()
    }
    dues = {f"{name}_due": late.get(name, getattr(leg, f"{name}_due")) for name in FACTS}
    known = {name: getattr(leg, name) for name in ("done_due", "step", "way", "pauses")}
    return successor(case, leg, to, now, **dues, **known, doubts=without(leg, late))


def _held_before_active(leg: Leg) -> timedelta:
    """How much pauses put the clock `active` off: those behind its end did not."""
    return leg.held_since(leg.issued_at) - (leg.held_since(leg.active_at) if leg.active_at is not None else NO_TIME)
