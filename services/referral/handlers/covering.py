"""What becomes of a duty that an agency owes already by another case of the same child? It follows that leg, and is never lost."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.issuing import about, issued
from services.referral.domain.leg import FACTS, Leg
from services.referral.domain.story import uncovered
from services.referral.handlers.answers import FACT_EVENTS
from services.referral.handlers.closing import closing
from services.referral.handlers.dispatch import handle
from services.referral.handlers.notes import Body, Covering, CoverMoved, Recovered, inherited, note
from shared.contracts.referral import LegFulfilled
from shared.messages import Decision, Message, Moment


@handle.register
def note_covering(body: Covering, case: Case | None, at: Moment) -> Decision:
    """A leg that has ended meanwhile, or whose case has left the story, covers nothing: the other one is issued."""
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or not leg.open or leg.covered_by is not None or case.story != body.story:
        lost = inherited((body.other,), body.leg, "void", at.now)
        return Decision(aggregate=case, events=tuple(note(part, at.traceparent) for part in lost))
    if str(body.other) in leg.covers.split():
        return Decision(aggregate=case)
    covering = msgspec.structs.replace(leg, covers=f"{leg.covers} {body.other}".strip())
    known = [CoverMoved(leg=body.other, by=leg.id, fact=leg.reached, at=at.now)] if leg.reached else []  # not its state: lapsed is no end
    return Decision(aggregate=case.with_legs(covering), events=tuple(note(part, at.traceparent) for part in known))


@handle.register
def note_cover_moved(body: CoverMoved, case: Case | None, at: Moment) -> Decision:
    """A fact of the leg that covers is one here, and so is that it was fulfilled; any other end means that the duty is owed here."""
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or not leg.open or leg.covered_by != body.by:
        passed = inherited(body.heirs, body.leg, body.fact, body.at, body.code)
        return Decision(aggregate=case, events=tuple(note(part, at.traceparent) for part in passed))
    when = max(body.at, leg.issued_at)
    if body.fact in FACTS:
        return _followed(case, leg, body.fact, when)
    if body.fact == "fulfilled":
        moved = leg.with_fact("active", when).with_end("fulfilled", body.code, when)
        said = LegFulfilled(**about(case, leg), at=when, via="covered", outcome=body.code)
        return closing(case.with_legs(moved), (said,), at)
    heirs = " ".join(map(str, body.heirs))
    owed = msgspec.structs.replace(uncovered(leg, case, at.reference, at.now), covers=heirs)
    return Decision(aggregate=case.with_legs(owed), events=(issued(case, owed),))


def _followed(case: Case, leg: Leg, fact: str, when: datetime) -> Decision:
    if leg.met(fact):
        return Decision(aggregate=case)
    extra: dict[str, Any] = {"accepted": {"active_due": None}, "active": {"done_due": None}}.get(fact, {})
    said = FACT_EVENTS[fact](**about(case, leg), at=when, via="covered", **extra)
    return Decision(aggregate=case.with_legs(leg.with_fact(fact, when)), events=(said,))


@handle.register
def note_recovered(body: Recovered, case: Case | None, _: Moment) -> Decision:
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or not leg.open or leg.covered_by != body.before:
        return Decision(aggregate=case)
    return Decision(aggregate=case.with_legs(msgspec.structs.replace(leg, covered_by=body.now)))


def decide(aggregate: Any, message: Message, at: Moment) -> Decision:
    """What the function for this message decides, and what other cases of the child must be told of it."""
    return telling(aggregate, handle(message.body, aggregate, at), at)


def telling(before: Any, decision: Decision, at: Moment) -> Decision:
    """The decision, and a note to every leg that a leg which has come on by it covers."""
    after = decision.aggregate
    if before is None or after is before or type(after) is not Case:
        return decision
    moved = [(before.legs[leg.number], leg) for leg in after.legs.values() if leg.covers and leg.number in before.legs]
    told = [body for old, new in moved if new is not old for body in _moves(old, new)]
    return (
        msgspec.structs.replace(decision, events=(*decision.events, *(note(body, at.traceparent) for body in told))) if told else decision
    )


def _moves(old: Leg, new: Leg) -> tuple[Body, ...]:
    others = tuple(UUID(key) for key in old.covers.split())
    if new.ended is not None and old.ended is None and new.ended_at is not None:
        if new.ended == "fulfilled":
            code = new.end_code or "other"
            return tuple(CoverMoved(leg=key, by=new.id, fact="fulfilled", at=new.ended_at, code=code) for key in others)
        return inherited(others, new.id, new.ended, new.ended_at)
    reached = next((fact for fact in reversed(FACTS) if new.met(fact) and not old.met(fact)), None)
    if reached is None or new.ended is not None:
        return ()
    return tuple(CoverMoved(leg=key, by=new.id, fact=reached, at=getattr(new, f"{reached}_at")) for key in others)
