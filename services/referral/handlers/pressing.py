"""How does a joint-conference office press an agency (督办), and what closes a press? Only an answer, and silence rings back to the office."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from services.referral.domain import routing
from services.referral.domain.case import Case
from services.referral.domain.issuing import about
from services.referral.domain.leg import Leg
from services.referral.domain.press import MOST, Press, answered, current, having, presses_of
from services.referral.handlers.dispatch import handle
from shared.contracts.envelope import Event
from shared.contracts.referral import LegPressed, PressAnswered, PressClosed, PressMissed
from shared.errors import Fault, NotFound, Problem, RuleBroken
from shared.messages import Decision, Moment, Response

FARTHEST = timedelta(days=90)


class PressLegs(msgspec.Struct, frozen=True, kw_only=True):
    """An office presses one leg, or every open leg of a case (of one agency), until `due`."""

    office: str
    due: datetime
    reason: str
    leg: UUID | None = None
    agency: str | None = None


@handle.register
def press_legs(body: PressLegs, case: Case | None, at: Moment) -> Decision:
    """Only in the office's own region: to anybody else there is nothing here. The same wish again is the same result."""
    if case is None or not routing.oversees(at.reference, body.office, case.region):
        raise NotFound
    legs = [leg for leg in case.legs.values() if body.leg in (None, leg.id) and body.agency in (None, leg.agency)]
    if not legs:
        raise NotFound
    if body.leg is not None:
        legs[0].must_be_open()
    if not at.now < body.due <= at.now + FARTHEST:
        rule = Fault("/due", "due-range", "A press is due later than now and within 90 days.")
        raise Problem(422, "invalid", "Nobody was pressed.", faults=(rule,))
    chosen = [leg for leg in legs if leg.open and leg.covered_by is None and leg.agency != body.office]
    pressed = [leg if _same(current(leg), body) else _pressed(leg, body, at.now) for leg in chosen if _may_press(leg, body)]
    if not pressed:
        raise RuleBroken("press-open", "Each of these legs has ended, is the office's own, or is pressed already: close that press first.")
    new = [leg for leg, old in ((leg, case.legs[leg.number]) for leg in pressed) if leg is not old]
    events = tuple(_said(case, leg, at) for leg in new)
    return Decision(aggregate=case.with_legs(*new) if new else case, events=events, response=_shown(201, case, *pressed))


def _same(open_: Press | None, body: PressLegs) -> bool:
    return open_ is not None and (open_.by, open_.due, open_.reason) == (body.office, body.due, body.reason)


def _may_press(leg: Leg, body: PressLegs) -> bool:
    open_ = current(leg)
    return _same(open_, body) or (open_ is None and len(presses_of(leg)) < MOST)


def _pressed(leg: Leg, body: PressLegs, now: datetime) -> Leg:
    return having(leg, Press(len(presses_of(leg)) + 1, body.office, now, body.due, body.reason))


def _said(case: Case, leg: Leg, at: Moment) -> LegPressed:
    press = presses_of(leg)[-1]
    return LegPressed(**about(case, leg), number=press.number, by=press.by, due=press.due, reason=press.reason, at=at.now)


class AnswerPress(msgspec.Struct, frozen=True, kw_only=True):
    """The pressed agency says how it stands."""

    leg: UUID
    agency: str
    answer: str


@handle.register
def answer_press(body: AnswerPress, case: Case | None, at: Moment) -> Decision:
    """The first answer stands, also one that the leg itself gave."""
    leg = case.leg(body.leg) if case else None
    if case is None or leg is None or leg.agency != body.agency:
        raise NotFound
    press = current(leg)
    if press is None:
        raise RuleBroken("no-press", "Nobody presses for this leg.", state=leg.state)
    if press.answered_at is not None:
        return Decision(aggregate=case, response=_shown(200, case, leg))
    given = msgspec.structs.replace(press, answer=body.answer, answered_at=at.received)
    moved = having(leg, given)
    return Decision(aggregate=_kept(case, moved), events=(_answer_said(case, moved, given),), response=_shown(200, case, moved))


class ClosePress(msgspec.Struct, frozen=True, kw_only=True):
    """The office that pressed is content."""

    leg: UUID
    office: str


@handle.register
def close_press(body: ClosePress, case: Case | None, at: Moment) -> Decision:
    """Only with the agency's answer. A leg that others have ended (void, withdrawn) is owed by nobody: its press may be closed."""
    leg = case.leg(body.leg) if case else None
    made = [press for press in presses_of(leg) if press.by == body.office] if leg else []
    if case is None or leg is None or not made:
        raise NotFound
    press = current(leg)
    if press is None or press.by != body.office:
        return Decision(aggregate=case, response=_shown(200, case, leg))
    final = answered(press, leg)
    if final.answered_at is None and leg.open:
        raise RuleBroken("needs-answer", "The agency has not answered this press: it stays open.", state=leg.state)
    moved = having(leg, msgspec.structs.replace(final, closed_at=at.now))
    late = () if final is press else (_answer_said(case, moved, final),)
    closed = PressClosed(**about(case, leg), number=press.number, by=press.by, at=at.now)
    return Decision(aggregate=_kept(case, moved), events=(*late, closed), response=_shown(200, case, moved))


def _kept(case: Case, leg: Leg) -> Case:
    """A closed case stays closed when the last press of one of its legs is."""
    moved = case.with_legs(leg)
    return moved if case.closed_at is None else msgspec.structs.replace(moved, next_due=None)


def unanswered(leg: Leg, case: Case, at: Moment) -> tuple[Leg, tuple[Event, ...]]:
    """What the time door finds of a press whose date has come: an answer that the leg gave, or silence, which the office learns of."""
    if not leg.open or leg.press_due is None or leg.press_due > at.now or (press := current(leg)) is None:
        return leg, ()
    final = answered(press, leg)
    if final is not press:
        return having(leg, final), (_answer_said(case, leg, final),)
    missed = PressMissed(**about(case, leg), number=press.number, by=press.by, due=press.due)
    return having(leg, msgspec.structs.replace(press, missed_at=at.now)), (missed,)


def _answer_said(case: Case, leg: Leg, press: Press) -> PressAnswered:
    return PressAnswered(**about(case, leg), number=press.number, by=press.by, answer=press.answer or "", at=press.answered_at or press.at)


def _shown(status: int, case: Case, *legs: Leg) -> Response:
    return Response.json(status, {"case": case.id, "presses": [shown(leg) for leg in legs]})


def shown(leg: Leg) -> dict[str, object]:
    """The last press of a leg."""
    return {"leg": leg.id, "agency": leg.agency, **msgspec.structs.asdict(presses_of(leg)[-1])}
