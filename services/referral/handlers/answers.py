"""What does an answer of an agency, or the news that it was reached, change in a leg?"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.referral.domain import routing
from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.issuing import about, issued, overdue, replacement
from services.referral.domain.leg import FACTS, Leg, terms_of
from services.referral.domain.routing import Knowledge
from services.referral.handlers.closing import closing
from services.referral.handlers.dispatch import handle
from services.referral.handlers.moves import MOVES
from shared.contracts.envelope import Event
from shared.contracts.referral import (
    AnswerRefused,
    LegAccepted,
    LegActive,
    LegDeclined,
    LegDelivered,
    LegFulfilled,
    LegSeen,
)
from shared.errors import NotFound, Problem, RuleBroken
from shared.messages import Decision, Moment, Response

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

    `code`: a reason or outcome; `to`: the agency to which it forwards.
    """

    leg: UUID
    agency: str
    answer: str
    via: str
    claimed_at: datetime | None = None
    code: str | None = None
    to: str | None = None
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
    if _known_already(leg, body.answer):
        return Decision(aggregate=case, response=_shown(leg))
    leg.must_be_open()
    at = msgspec.structs.replace(at, received=max(at.received, leg.issued_at))  # a record's time is the partner's to set
    silent, late = overdue(case, leg, at.received)
    return _saying_first(late, _moved(body, case, silent, at))


def _moved(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    if body.answer in MOVES:
        return MOVES[body.answer](body, case, leg, at)
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


def _shown(leg: Leg) -> Response:
    return Response.json(200, {"leg": leg.id, "case": leg.case_id, "state": leg.state})


def _with_fact(case: Case, leg: Leg, fact: str, via: str, claimed: datetime | None, at: Moment) -> Decision:
    moved = leg.with_fact(fact, at.received)
    extra: dict[str, Any] = {"active_due": leg.active_due} if fact == "accepted" else {}
    if fact == "active":
        done = terms_of(leg).done
        known: Knowledge = at.reference
        calendar = known.calendars[case.calendar].local(keys_up(known.regions, case.region))
        if moved.done_due is None:  # a leg that was forwarded keeps the clock of the first one
            moved = msgspec.structs.replace(moved, done_due=calendar.due(at.now, done).at if done else None)
        extra = {"done_due": moved.done_due}
    event = FACT_EVENTS[fact](**about(case, leg), at=at.received, via=via, claimed_at=claimed, **extra)
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=_shown(moved))


def _fulfilled(case: Case, leg: Leg, body: TakeAnswer, at: Moment) -> Decision:
    outcome = _outcome(case, leg, body, at.reference)
    moved = leg.with_fact("active", at.received).with_end("fulfilled", outcome, at.received)
    event = LegFulfilled(**about(case, leg), at=at.received, via=body.via, claimed_at=body.claimed_at, outcome=outcome)
    return closing(case.with_legs(moved), (event,), at, _shown(moved))


def _outcome(case: Case, leg: Leg, body: TakeAnswer, known: Knowledge) -> str:
    """With what the duty can end is fixed by the rules that the case pinned; older ones name no outcome and take any."""
    kind = known.rules[case.rules].kind(leg.duty)
    if kind is None or not kind.outcomes:
        return body.code or "other"
    if body.code not in kind.outcomes:
        may = ", ".join(kind.outcomes)
        raise RuleBroken(
            "outcome-not-of-this-duty", f"This duty ends with one of: {may}.", status=422, state=leg.state, allowed=list(kind.outcomes)
        )
    return str(body.code)


def _declined(case: Case, leg: Leg, body: TakeAnswer, at: Moment) -> Decision:
    """A red leg, and the last resort of any case, is replaced in the same transaction by the next agency up; of any other the superior is told."""
    known: Knowledge = at.reference
    up = routing.next_up(known, leg, case.region)
    code = body.code or "other"
    moved = leg.with_fact("accepted" if leg.accepted_at else "seen", at.received).with_end("declined", code, at.received)
    passed_on = case.grade == "red" or leg.duty == _review(case, known)
    after = replacement(case, leg, up, at.now) if passed_on else None
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
        return closing(case.with_legs(moved), (event,), at, _shown(moved))
    return Decision(aggregate=case.with_legs(moved, after), events=(event, issued(case, after)), response=_shown(moved))


def _review(case: Case, known: Knowledge) -> str | None:
    rule = known.rules[case.rules].completeness
    return rule.review if rule else None
