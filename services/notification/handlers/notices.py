"""What is told to whom, and what becomes of each notice? One pure function per message."""

from collections.abc import Iterable
from functools import singledispatch
from typing import Any
from uuid import UUID

import msgspec

from services.notification import domain
from services.notification.domain import Known, Notice, telling
from shared.contracts.directory import OPERATIONS
from shared.contracts.intake import ReportProgressed, ReportStalled
from shared.contracts.moves import LegForwarded, LegVoided, LegWithdrawn, WithdrawalAsked, WithdrawalRefused
from shared.contracts.notification import ANSWER_REFUSED, ENDPOINT_TESTED, REPORT_PROGRESSED, LinkAnswered, NoticeData
from shared.contracts.operations import DeadlinesStalled, StreamParked
from shared.contracts.referral import (
    AnswerRefused,
    Dues,
    LegAccepted,
    LegActive,
    LegDeclined,
    LegEscalated,
    LegEvent,
    LegFulfilled,
    LegIssued,
    LegPressed,
    LegReminded,
    PressAnswered,
    PressMissed,
)
from shared.contracts.stories import LegCovered, LegRescheduled
from shared.errors import RuleBroken
from shared.messages import Decision, Message, Moment, Response


def decide(notice: Notice | None, message: Message, at: Moment) -> Decision:
    return handle(message.body, notice, message.id or "", at)


def tick(notice: Notice, at: Moment) -> Decision:
    ticked, step = domain.tick(notice, at)
    return Decision(aggregate=ticked, events=(*step.events, *domain.given_up(notice, ticked)), sends=step.sends)


@singledispatch
def handle(body: Any, notice: Notice | None, event: str, at: Moment) -> Decision:
    raise TypeError(type(body).__name__)


@handle.register
def tell_leg_issued(body: LegIssued, notice: Notice | None, event: str, at: Moment) -> Decision:
    """The agency learns what it owes, with a link by which its duty officer accepts."""
    issued = _due(msgspec.structs.replace(_of_leg(notice, body, at), region=_known(at).county(body.region)), body.due)
    return _tell(issued, [telling.leg_issued(body, event, _known(at), at.now)], at)


@handle.register(LegCovered)
@handle.register(LegRescheduled)
def tell_leg_covered(body: LegCovered | LegRescheduled, notice: Notice | None, event: str, at: Moment) -> Decision:
    """The agency learns of another report of a child for which it works, or that its clocks run otherwise."""
    told = _of_leg(notice, body, at)
    return _tell(_due(told, body.due) if isinstance(body, LegRescheduled) else told, [telling.leg_covered(body, event)], at)


@handle.register(LegEscalated)
@handle.register(LegReminded)
def tell_leg_escalated(body: LegEscalated | LegReminded, notice: Notice | None, event: str, at: Moment) -> Decision:
    """Whoever stands on the rung that fired learns of the silence, and again until a person has taken note."""
    return _tell(_of_leg(notice, body, at), [telling.leg_escalated(body, event)], at)


@handle.register
def tell_leg_pressed(body: LegPressed, notice: Notice | None, event: str, at: Moment) -> Decision:
    """The agency learns that an answer is wanted of it (督办), and until when."""
    return _tell(_of_leg(notice, body, at), [telling.leg_pressed(body, event)], at)


@handle.register
def tell_press_answered(body: PressAnswered, notice: Notice | None, event: str, at: Moment) -> Decision:
    return _tell(_of_leg(notice, body, at), [telling.press_answered(body, event)], at)


@handle.register
def tell_press_missed(body: PressMissed, notice: Notice | None, event: str, at: Moment) -> Decision:
    """Whoever pressed learns of the silence."""
    return _tell(_of_leg(notice, body, at), [telling.press_missed(body, event)], at)


@handle.register
def tell_leg_declined(body: LegDeclined, notice: Notice | None, event: str, at: Moment) -> Decision:
    """The leg has ended; the superior learns of it, unless it was replaced at once."""
    ended = _taken(_of_leg(notice, body, at), "ended")
    return _tell(ended, [telling.leg_declined(body, event, body.tell)] if body.tell else [], at)


@handle.register
def tell_leg_voided(body: LegVoided, notice: Notice | None, event: str, at: Moment) -> Decision:
    """Whoever works on it must hear that it was an error."""
    return _tell(_taken(_of_leg(notice, body, at), "ended"), [telling.leg_let_go(body, event, body.agency)], at)


@handle.register
def tell_leg_withdrawn(body: LegWithdrawn, notice: Notice | None, event: str, at: Moment) -> Decision:
    """The agency has let go of it; whoever had asked for that learns of it."""
    ended = _taken(_of_leg(notice, body, at), "ended")
    return _tell(ended, [telling.leg_let_go(body, event, body.tell)] if body.tell else [], at)


@handle.register
def tell_withdrawal_asked(body: WithdrawalAsked, notice: Notice | None, event: str, at: Moment) -> Decision:
    return _tell(_of_leg(notice, body, at), [telling.leg_let_go(body, event, body.agency)], at)


@handle.register
def tell_withdrawal_refused(body: WithdrawalRefused, notice: Notice | None, event: str, at: Moment) -> Decision:
    return _tell(_of_leg(notice, body, at), [telling.leg_let_go(body, event, body.tell)] if body.tell else [], at)


@handle.register(LegAccepted)
@handle.register(LegActive)
def note_leg_taken(_body: LegAccepted | LegActive, notice: Notice | None, _event: str, _at: Moment) -> Decision:
    """Whoever has accepted needs not be told again."""
    return Decision(aggregate=_taken(notice, "accepted") if notice and notice.state == "open" else notice)


@handle.register(LegFulfilled)
@handle.register(LegForwarded)
def note_leg_over(_body: LegFulfilled | LegForwarded, notice: Notice | None, _event: str, _at: Moment) -> Decision:
    return Decision(aggregate=_taken(notice, "ended") if notice else None)


@handle.register
def tell_answer_refused(body: AnswerRefused, notice: Notice | None, event: str, at: Moment) -> Decision:
    """By topic: a refusal on the agency's own feed; without one there is no way, so nothing waits. By link: its page shows what it met."""
    if body.via == "link":
        return Decision(aggregate=msgspec.structs.replace(notice, refused_state=body.state or body.reason) if notice else None)
    if not _known(at).channels(ANSWER_REFUSED, body.agency):
        return Decision(aggregate=notice)
    subject = _of(notice, domain.refusal_notice_id(body.agency, body.partition, body.offset), at)
    return _tell(subject, [telling.answer_refused(body, event)], at)


@handle.register
def tell_report_stalled(body: ReportStalled, notice: Notice | None, event: str, at: Moment) -> Decision:
    """Operations and the police of the region learn of it; where no operations are known yet, the notice waits for them."""
    known = _known(at)
    police = known.police(body.region)
    parties = [*(known.operations() or (OPERATIONS,)), *([police] if police else [])]
    told = [telling.report_stalled(body, event, party, known) for party in dict.fromkeys(parties)]
    return _tell(_of_report(notice, body, at), told, at)


@handle.register
def tell_stream_parked(body: StreamParked, notice: Notice | None, event: str, at: Moment) -> Decision:
    """Something of a case may wait in it, and only a person can tell: operations learn of it."""
    parties = _known(at).operations() or (OPERATIONS,)
    subject = _of(notice, domain.agency_notice_id(f"stream:{body.consumer}:{body.stream}"), at)
    return _tell(subject, [telling.stream_parked(body, event, party) for party in parties], at)


@handle.register
def tell_deadlines_stalled(body: DeadlinesStalled, notice: Notice | None, event: str, at: Moment) -> Decision:
    """Silence would ring nobody now: operations learn of it."""
    parties = _known(at).operations() or (OPERATIONS,)
    subject = _of(notice, domain.agency_notice_id(f"deadlines:{body.stream}"), at)
    return _tell(subject, [telling.deadlines_stalled(body, event, party) for party in parties], at)


@handle.register
def tell_report_progressed(body: ReportProgressed, notice: Notice | None, event: str, at: Moment) -> Decision:
    """A reporter that registered a webhook learns how it goes on; any other looks when it likes, so nothing waits for it."""
    if not _known(at).channels(REPORT_PROGRESSED, body.party):
        return Decision(aggregate=notice)
    return _tell(_of_report(notice, body, at), [telling.report_progressed(body, event)], at)


class SendTest(msgspec.Struct, frozen=True):
    """A party wants to see a notice arrive. `event` is made at the door."""

    party: str
    event: UUID


@handle.register
def tell_endpoint_tested(body: SendTest, notice: Notice | None, _event: str, at: Moment) -> Decision:
    channels = _known(at).channels(ENDPOINT_TESTED, body.party)
    if not channels:
        raise RuleBroken("no-endpoint", "Nothing is registered here that could be tested: neither an enabled webhook nor a topic.")
    data = NoticeData(about=ENDPOINT_TESTED, event=str(body.event), party=body.party, at=at.now)
    told = _tell(_of(notice, domain.agency_notice_id(body.party), at), [data], at)
    answer = {"event": body.event, "deliveries": {c: domain.delivery_id(str(body.event), body.party, c) for c in channels}}
    return msgspec.structs.replace(told, response=Response.json(202, answer))


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The send door has performed an attempt; `error` is a slug, None when the receiver took it. `retry_after` in seconds."""

    delivery: UUID
    attempt: int
    error: str | None
    retry_after: float = 0.0


@handle.register
def note_attempt_ended(body: AttemptEnded, notice: Notice | None, _event: str, at: Moment) -> Decision:
    delivery = notice.deliveries.get(body.delivery) if notice else None
    if notice is None or delivery is None:
        return Decision(aggregate=notice)
    if body.error is None:
        step = domain.arrived(notice, delivery, body.attempt, at)
    else:
        step = domain.attempt_ended(notice, delivery, body.attempt, body.error, body.retry_after, at)
    ended = notice.having(step.deliveries)
    return Decision(aggregate=ended, events=(*step.events, *domain.given_up(notice, ended)))


class BrokerAcknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """The broker holds an entry of an agency's own topic."""

    notice: UUID
    delivery: UUID
    traceparent: str = ""


@handle.register
def note_broker_acknowledged(body: BrokerAcknowledged, notice: Notice | None, _event: str, at: Moment) -> Decision:
    delivery = notice.deliveries.get(body.delivery) if notice else None
    if notice is None or delivery is None:
        return Decision(aggregate=notice)
    step = domain.acknowledged(notice, delivery, at)
    return Decision(aggregate=notice.having(step.deliveries), events=step.events)


class LinkUsed(msgspec.Struct, frozen=True):
    """Somebody has pressed the button behind a right link."""

    party: str


@handle.register
def answer_by_link(body: LinkUsed, notice: Notice | None, _event: str, at: Moment) -> Decision:
    """Once, and only while the leg is open as far as we know; referral decides what it means."""
    if notice is None or notice.agency != body.party or notice.state != "open" or notice.link_answered_at is not None:
        return Decision(aggregate=notice)
    if notice.report is None or notice.case_id is None:
        return Decision(aggregate=notice)
    event = LinkAnswered(report=notice.report, case=notice.case_id, leg=notice.id, agency=body.party, answer="accepted", at=at.received)
    return Decision(aggregate=msgspec.structs.replace(notice, link_answered_at=at.now), events=(event,))


def _known(at: Moment) -> Known:
    known: Known = at.reference
    return known


def _of(notice: Notice | None, key: UUID, at: Moment) -> Notice:
    return notice or Notice(id=key, changed_at=at.now, trace=at.traceparent)


def _of_leg(notice: Notice | None, body: LegEvent, at: Moment) -> Notice:
    return msgspec.structs.replace(
        _of(notice, body.leg, at),
        report=body.report,
        case_id=body.case,
        code=body.code,
        agency=body.agency,
        department=body.department,
        duty=body.duty,
        grade=body.grade,
    )


def _due(notice: Notice, due: Dues) -> Notice:
    return msgspec.structs.replace(
        notice,
        delivered_due=due.delivered,
        seen_due=due.seen,
        accepted_due=due.accepted,
        active_due=due.active,
        done_due=due.done,
    )


def _of_report(notice: Notice | None, body: ReportStalled | ReportProgressed, at: Moment) -> Notice:
    return msgspec.structs.replace(_of(notice, body.report, at), report=body.report, code=body.code)


def _tell(notice: Notice, told: Iterable[NoticeData], at: Moment) -> Decision:
    step = domain.tell(notice, told, at)
    return Decision(aggregate=notice.having(step.deliveries), events=step.events)


def _taken(notice: Notice, state: str) -> Notice:
    return msgspec.structs.replace(notice.having(domain.end_waiting(notice).deliveries), state=state)
