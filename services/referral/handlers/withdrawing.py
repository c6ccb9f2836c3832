"""How does a leg end that should not be, asked for by one side and confirmed by the other, or as an error of whoever oversees it?"""

from typing import Any
from uuid import UUID

import msgspec

from services.referral.domain import routing
from services.referral.domain.case import Case
from services.referral.domain.chain import chain_of
from services.referral.domain.issuing import about
from services.referral.domain.leg import Leg
from services.referral.domain.routing import Knowledge
from services.referral.handlers.answers import TakeAnswer, refused, shown
from services.referral.handlers.closing import closing
from services.referral.handlers.dispatch import handle
from services.referral.handlers.moves import move
from shared.contracts.moves import LegVoided, LegWithdrawn, WithdrawalAsked, WithdrawalRefused
from shared.errors import NotFound, Problem, RuleBroken
from shared.messages import Decision, Moment, Response


class AskWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """`by` (an operator, the joint-conference office, or an agency that forwarded the duty) asks the agency to let go of a leg."""

    leg: UUID
    by: str
    operator: bool
    code: str


class VoidLeg(msgspec.Struct, frozen=True, kw_only=True):
    """`by` (an operator or the joint-conference office) says that a leg was issued in error."""

    leg: UUID
    by: str
    operator: bool
    code: str


@handle.register
def ask_withdrawal(body: AskWithdrawal, case: Case | None, at: Moment) -> Decision:
    try:
        return _asked(body, case, at)
    except Problem as refusal:
        return refused(TakeAnswer(leg=body.leg, agency=body.by, answer="withdrawal", via="http"), case, refusal)


def _asked(body: AskWithdrawal, case: Case | None, at: Moment) -> Decision:
    """The leg and all its clocks run on until the agency has answered."""
    case, leg = _overseen(body, case, at)
    leg.must_be_open()
    if leg.withdrawal_at is not None:
        return Decision(aggregate=case, response=_shown(leg))
    if leg.agency == body.by:
        raise RuleBroken("own-leg", "An agency cannot ask itself: it answers the leg or forwards it.", state=leg.state)
    moved = msgspec.structs.replace(leg, withdrawal_at=at.now, withdrawal_by=body.by, withdrawal_code=body.code)
    event = WithdrawalAsked(**about(case, leg), by=body.by, reason=body.code, at=at.received)
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=_shown(moved))


@handle.register
def void_leg(body: VoidLeg, case: Case | None, at: Moment) -> Decision:
    try:
        return _voided(body, case, at)
    except Problem as refusal:
        return refused(TakeAnswer(leg=body.leg, agency=body.by, answer="void", via="http"), case, refusal)


def _voided(body: VoidLeg, case: Case | None, at: Moment) -> Decision:
    case, leg = _overseen(body, case, at)
    if leg.ended == "void":
        return Decision(aggregate=case, response=_shown(leg))
    leg.must_be_open()
    if leg.agency == body.by:
        raise RuleBroken("own-leg", "An office does not void what it owes itself: an operator can.", state=leg.state)
    moved = leg.with_end("void", body.code, at.received)
    event = LegVoided(**about(case, leg), at=at.received, via="http", by=body.by, reason=body.code)
    return closing(case.with_legs(moved), (event,), at, _shown(moved))


def _overseen(body: AskWithdrawal | VoidLeg, case: Case | None, at: Moment) -> tuple[Case, Leg]:
    """Case and leg for whoever may speak of it; to anybody else there is none. Raises NotFound."""
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None:
        raise NotFound
    may = body.operator or routing.oversees(at.reference, body.by, case.region)
    if not may and isinstance(body, AskWithdrawal):
        chain = chain_of(case.legs.values(), leg.id)
        may = any(step.agency == body.by and step.ended == "forwarded" for step in chain[: chain.index(leg)])
    if not may:
        raise NotFound
    return case, leg


@move("withdrawn")
def withdraw(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    told = _answering(leg, at)
    moved = leg.with_fact("seen", at.received).with_end("withdrawn", told["reason"], at.received)
    event = LegWithdrawn(**about(case, leg), at=at.received, via=body.via, claimed_at=body.claimed_at, **told)
    return closing(case.with_legs(moved), (event,), at, _shown(moved))


@move("kept")
def keep(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    """The leg goes on as before; it may be asked for again."""
    told = _answering(leg, at)
    moved = msgspec.structs.replace(leg, withdrawal_at=None, withdrawal_by=None, withdrawal_code=None)
    event = WithdrawalRefused(**about(case, leg), at=at.received, via=body.via, claimed_at=body.claimed_at, **told)
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=_shown(moved))


def _answering(leg: Leg, at: Moment) -> dict[str, Any]:
    """For which reason it was asked, and which agency is to hear the answer: none when operations asked."""
    if leg.withdrawal_at is None:
        raise RuleBroken("not-asked", "Nobody has asked the agency to let go of this leg.", state=leg.state)
    known: Knowledge = at.reference
    return {"reason": leg.withdrawal_code, "tell": leg.withdrawal_by if leg.withdrawal_by in known.directory else None}


def _shown(leg: Leg) -> Response:
    return shown(leg, withdrawal_asked=leg.withdrawal_at)
