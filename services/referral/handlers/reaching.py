"""What follows when no way leads to the agency of a leg?"""

from datetime import timedelta
from uuid import UUID

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.issuing import about, overdue
from services.referral.domain.leg import terms_of
from services.referral.handlers.cases import fired
from services.referral.handlers.dispatch import handle
from shared.contracts.envelope import Event
from shared.contracts.moves import LegUndeliverable
from shared.messages import Decision, Moment


class NoteUndeliverable(msgspec.Struct, frozen=True):
    """Notification has given up every way to a party with the notice of this leg; `error` is a slug."""

    leg: UUID
    party: str
    error: str


@handle.register
def note_undeliverable(body: NoteUndeliverable, case: Case | None, at: Moment) -> Decision:
    """A fact beside the state, and no refusal: the duty is still owed. The clock `delivered` counts as missed, and the next rung fires at once.

    Not within the gap behind the rung below, which has just told somebody.
    """
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or leg.agency != body.party or not leg.open or leg.delivered_at is not None or leg.undeliverable_at:
        return Decision(aggregate=case)
    if leg.covered_by is not None:  # no clock runs here, so nothing is missed: the leg that covers it climbs
        return Decision(aggregate=case)
    late, events = overdue(case, leg, at.now)
    known = late.missed.split()
    lost = msgspec.structs.replace(
        late,
        undeliverable_at=at.now,
        undeliverable_code=body.error,
        missed=late.missed if "delivered" in known else " ".join([*known, "delivered"]),
        ladder_from=late.ladder_from or at.now,
    )
    said: list[Event] = [*events, LegUndeliverable(**about(case, leg), error=body.error, at=at.received)]
    terms = terms_of(lost)
    quiet = lost.rung_at is not None and at.now < lost.rung_at + timedelta(seconds=terms.gap)
    if lost.rung < len(terms.rungs) and not quiet:
        lost, rang = fired(lost, case, lost.rings()[0] or at.now, at)
        said.append(rang)
    return Decision(aggregate=case.with_legs(lost), events=tuple(said))
