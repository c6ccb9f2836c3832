"""What does an answer of an agency, or the news that it was reached, change in a leg?"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.referral.domain import routing
from services.referral.domain.case import Case
from services.referral.domain.doubts import scheduled
from services.referral.domain.holding import resume
from services.referral.domain.issuing import about, issued, overdue
from services.referral.domain.leg import FACTS, Leg, terms_of
from services.referral.domain.paths import Details, must_be_told, with_details, with_step
from services.referral.domain.regrading import replacement
from services.referral.domain.routing import Knowledge
from services.referral.domain.rule_rows import DutyKind
from services.referral.handlers.closing import closing
from services.referral.handlers.dispatch import handle
from services.referral.handlers.moves import MOVES
from shared.contracts.envelope import Event
from shared.contracts.referral import (
    AnswerRefused,
    Detail,
    LegAccepted,
    LegActive,
    LegDeclined,
    LegDelivered,
    LegFulfilled,
    LegSeen,
    LegStepped,
)
from shared.errors import NotFound, Problem, RuleBroken
from shared.messages import DONE, Decision, Moment, Response

FACT_EVENTS = {"delivered": LegDelivered, "seen": LegSeen, "accepted": LegAccepted, "active": LegActive}


class NoteDelivery(msgspec.Struct, frozen=True):
    """The agency's machine, or our broker on its topic, has the notice of this leg."""

    leg: UUID
    party: str


@handle.register
def note_delivery(body: NoteDelivery, case: Case | None, at: Moment) -> Decision:
    """Counts for the leg only when its own agency was reached; what is known already, or over, stays as it is."""
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or leg.agency != body.party or not leg.open or leg.delivered_at is not None:
        return Decision(aggregate=case)
    silent, late = overdue(case, leg, at.received)
    return _saying_first(late, _with_fact(case, silent, "delivered", "delivery", None, at))


class TakeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An agency answers, or makes another move with its leg. `via`: http, topic or link; `claimed_at` is what it says.

    `code`: a reason or outcome; `to`: the agency to which it forwards; `until`: how long it is held.
    `step`: with `active`, a step of the duty's path; `details`: with a step or with `fulfilled`, codes of the duty.
    """

    leg: UUID
    agency: str
    answer: str
    via: str
    claimed_at: datetime | None = None
    code: str | None = None
    to: str | None = None
    until: datetime | None = None
    step: str | None = None
    details: Details = {}
    partition: int | None = None
    offset: int | None = None


@handle.register
def take_answer(body: TakeAnswer, case: Case | None, at: Moment) -> Decision:
    """A refusal is an answer: recorded, told to the agency, and over. It blocks nothing."""
    try:
        return _answered(body, case, at)
    except Problem as refusal:
        return refused(body, case, refusal)


def refused(body: TakeAnswer, case: Case | None, refusal: Problem) -> Decision:
    """The refusal as an answer. What is not there for whoever asks by HTTP is not recorded either."""
    if body.via == "http" and refusal.status == NotFound().status:
        raise refusal
    event = AnswerRefused(
        about=str(case.id) if case else body.agency,
        agency=body.agency,
        via=body.via,
        reason=refusal.slug,
        report=case.report if case else None,
        case=case.id if case else None,
        leg=body.leg,
        answer=body.answer,
        state=refusal.extra.get("state"),
        partition=body.partition,
        offset=body.offset,
    )
    return Decision(aggregate=case, events=(event,), response=Response.of(refusal))


def _answered(body: TakeAnswer, case: Case | None, at: Moment) -> Decision:
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or leg.agency != body.agency:
        raise NotFound
    if body.step is None and _known_already(leg, body.answer):
        return Decision(aggregate=case, response=shown(leg))
    leg.must_be_open()
    at = msgspec.structs.replace(at, received=max(at.received, leg.issued_at))  # a record's time is the partner's to set
    silent, late = overdue(case, leg, at.received)
    return _saying_first(late, _moved(body, case, silent, at))


def _moved(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    if body.step is not None or (body.details and body.answer != "fulfilled"):
        return _stepped(case, leg, body, at)
    if body.answer in MOVES:
        return MOVES[body.answer](body, case, leg, at)
    if body.answer == "active":  # whoever acts holds no longer
        resumed, back = resume(case, leg, at.received, body.via)
        return _saying_first(back, _with_fact(case, resumed, body.answer, body.via, body.claimed_at, at))
    if body.answer in FACTS:
        return _with_fact(case, leg, body.answer, body.via, body.claimed_at, at)
    if body.answer == "fulfilled":
        return _fulfilled(case, leg, body, at)
    return _declined(case, leg, body, at)


def _saying_first(late: tuple[Event, ...], decision: Decision) -> Decision:
    """A clock that ran out before the answer came is said also when the answer was quicker than the sweep."""
    return msgspec.structs.replace(decision, events=(*late, *decision.events))


def _known_already(leg: Leg, answer: str) -> bool:
    """The same answer again is the same result, one event; an open leg's facts stand as they were first told."""
    return leg.ended == answer or (leg.open and answer in FACTS and leg.met(answer))


def shown(leg: Leg, **more: Any) -> Response:
    """What is answered about a leg."""
    return Response.json(200, {"leg": leg.id, "case": leg.case_id, "state": leg.state, **more})


def _with_fact(case: Case, leg: Leg, fact: str, via: str, claimed: datetime | None, at: Moment) -> Decision:
    moved = leg.with_fact(fact, at.received)
    extra: dict[str, Any] = {"active_due": leg.active_due} if fact == "accepted" else {}
    if fact == "active":
        known: Knowledge = at.reference
        if moved.done_due is None:  # a leg that was forwarded keeps the clock of the first one
            moved = scheduled(moved, known.days_of(case), {"done": (at.received, terms_of(leg).done)})
        extra = {"done_due": moved.done_due}
    event = FACT_EVENTS[fact](**about(case, leg), at=at.received, via=via, claimed_at=claimed, **extra)
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=shown(moved) if via == "http" else DONE)


def _stepped(case: Case, leg: Leg, body: TakeAnswer, at: Moment) -> Decision:
    """A step says that the agency acts. One that is known already is the same result; details alone are of no moment."""
    if body.answer != "active" or body.step is None:
        raise RuleBroken("step-out-of-place", "A step goes with `active`, and details with a step or an end.", status=422, state=leg.state)
    kind = pinned_kind(case, leg, at.reference)
    moved = with_step(leg, kind, body.step, at.received, body.claimed_at)
    if moved is leg:
        return Decision(aggregate=case.with_legs(leg), response=shown(leg))
    told, back = resume(case, with_details(moved, kind, body.details), at.received, body.via)
    event = LegStepped(
        **about(case, leg), at=at.received, via=body.via, claimed_at=body.claimed_at, step=body.step, details=_coded(body.details)
    )
    if leg.met("active"):
        return Decision(aggregate=case.with_legs(told), events=(*back, event), response=shown(told))
    acted = _with_fact(case, told, "active", body.via, body.claimed_at, at)
    return msgspec.structs.replace(acted, events=(*back, *acted.events, event))


def pinned_kind(case: Case, leg: Leg, known: Knowledge) -> DutyKind | None:
    """The duty as the rules have it that the case pinned, not the newest."""
    return known.rules[case.rules].kind(leg.duty)


def _coded(details: Details) -> tuple[Detail, ...]:
    return tuple(Detail(detail=name, values=tuple(values)) for name, values in details.items())


def _fulfilled(case: Case, leg: Leg, body: TakeAnswer, at: Moment) -> Decision:
    kind = pinned_kind(case, leg, at.reference)
    outcome, told = _outcome(leg, kind, body.code), with_details(leg, kind, body.details)
    must_be_told(told, kind, outcome)
    moved = told.with_fact("active", at.received).with_end("fulfilled", outcome, at.received)
    event = LegFulfilled(
        **about(case, leg), at=at.received, via=body.via, claimed_at=body.claimed_at, outcome=outcome, details=_coded(body.details)
    )
    return closing(case.with_legs(moved), (event,), at, shown(moved))


def _outcome(leg: Leg, kind: DutyKind | None, code: str | None) -> str:
    """With what a duty can end is fixed by its rules; older ones name no outcome and take any."""
    if kind is None or not kind.outcomes:
        return code or "other"
    if code not in kind.outcomes:
        may = ", ".join(kind.outcomes)
        raise RuleBroken(
            "outcome-not-of-this-duty", f"This duty ends with one of: {may}.", status=422, state=leg.state, allowed=list(kind.outcomes)
        )
    return str(code)


def _declined(case: Case, leg: Leg, body: TakeAnswer, at: Moment) -> Decision:
    """A red leg, and the last resort of any case, is replaced in the same transaction by the next agency up; of any other the superior is told."""
    known: Knowledge = at.reference
    up = routing.next_up(known, leg, case.region)
    code = body.code or "other"
    moved = leg.with_fact("accepted" if leg.accepted_at else "seen", at.received).with_end("declined", code, at.received)
    passed_on = case.grade == "red" or leg.duty == _review(case, known)
    after = replacement(case, moved, up, known, at.now) if passed_on else None
    event = LegDeclined(
        **about(case, leg),
        at=at.received,
        via=body.via,
        claimed_at=body.claimed_at,
        reason=code,
        tell=None if passed_on else up.agency,
        replaced_by=after.id if after else None,
    )
    if after is None:
        return closing(case.with_legs(moved), (event,), at, shown(moved))
    return Decision(aggregate=case.with_legs(moved, after), events=(event, issued(case, after)), response=shown(moved))


def _review(case: Case, known: Knowledge) -> str | None:
    rule = known.rules[case.rules].completeness
    return rule.review if rule else None
