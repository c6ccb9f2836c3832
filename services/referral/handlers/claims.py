"""Which officer takes a leg from the queue of its agency? One, however many reach for it."""

from typing import Literal
from uuid import UUID

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.issuing import about
from services.referral.domain.leg import Leg
from services.referral.handlers.answers import TakeAnswer, refused, shown
from services.referral.handlers.dispatch import handle
from shared.contracts.referral import LegClaimed, LegReleased
from shared.errors import NotFound, Problem, RuleBroken
from shared.messages import Decision, Moment, Response

Step = Literal["claim", "assign", "release"]


class ClaimLeg(msgspec.Struct, frozen=True, kw_only=True):
    """`officer`: the handle by which the agency knows the officer. Assigning takes a leg from whoever had it, claiming does not."""

    leg: UUID
    agency: str
    step: Step
    officer: str


@handle.register
def claim_leg(body: ClaimLeg, case: Case | None, at: Moment) -> Decision:
    try:
        return _taken(body, case, at)
    except Problem as refusal:
        return refused(TakeAnswer(leg=body.leg, agency=body.agency, answer=body.step, via="http"), case, refusal)


def _taken(body: ClaimLeg, case: Case | None, at: Moment) -> Decision:
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or leg.agency != body.agency:
        raise NotFound
    leg.must_be_open()
    if leg.claimed_at is not None and leg.claimed_by != body.officer and body.step != "assign":
        # Nothing of whoever has it: an officer is a person.
        raise RuleBroken("leg-claimed", "Another officer has this leg.", state=leg.state, claimed_at=leg.claimed_at)
    wanted = None if body.step == "release" else body.officer
    if leg.claimed_by == wanted:
        return Decision(aggregate=case, response=_shown(leg))
    since = None if wanted is None else at.now
    moved = msgspec.structs.replace(leg, claimed_by=wanted, claimed_at=since)
    event = (LegReleased if wanted is None else LegClaimed)(**about(case, leg), at=at.received, via="http")
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=_shown(moved))


def _shown(leg: Leg) -> Response:
    return shown(leg, claimed_at=leg.claimed_at)
