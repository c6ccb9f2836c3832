"""What is a partner told of an event? Thin: ids, codes, times, the county at most."""

from datetime import datetime

import msgspec

from services.notification.domain.known import Known
from shared.contracts.intake import ReportProgressed, ReportStalled
from shared.contracts.moves import LegVoided, LegWithdrawn, WithdrawalAsked, WithdrawalRefused
from shared.contracts.notification import (
    ANSWER_REFUSED,
    DEADLINES_STALLED,
    LEG_COVERED,
    LEG_DECLINED,
    LEG_ESCALATED,
    LEG_ISSUED,
    LEG_PRESSED,
    LEG_REMINDED,
    LEG_RESCHEDULED,
    LEG_VOIDED,
    LEG_WITHDRAWN,
    PRESS_ANSWERED,
    PRESS_MISSED,
    REPORT_PROGRESSED,
    REPORT_STALLED,
    STREAM_PARKED,
    WITHDRAWAL_ASKED,
    WITHDRAWAL_REFUSED,
    NoticeData,
)
from shared.contracts.operations import DeadlinesStalled, StreamParked
from shared.contracts.referral import (
    AnswerRefused,
    LegDeclined,
    LegEscalated,
    LegEvent,
    LegIssued,
    LegPressed,
    LegReminded,
    PressAnswered,
    PressMissed,
)
from shared.contracts.stories import LegCovered, LegRescheduled


def leg_issued(body: LegIssued, event: str, known: Known, now: datetime) -> NoticeData:
    return msgspec.structs.replace(
        _leg(LEG_ISSUED, event, body.agency, body),
        region=known.county(body.region),
        unassigned=body.unassigned,
        replaces=body.replaces,
        delivered_due=body.due.delivered,
        seen_due=body.due.seen,
        accepted_due=body.due.accepted,
        active_due=body.due.active,
        link=known.links.link(body.leg, body.agency, now),
    )


def leg_escalated(body: LegEscalated | LegReminded, event: str) -> NoticeData:
    about = LEG_REMINDED if isinstance(body, LegReminded) else LEG_ESCALATED
    return msgspec.structs.replace(_leg(about, event, body.to, body), clock=body.clock, rung=body.rung, who=body.who)


def leg_declined(body: LegDeclined, event: str, party: str) -> NoticeData:
    return msgspec.structs.replace(_leg(LEG_DECLINED, event, party, body), reason=body.reason, at=body.at)


def leg_pressed(body: LegPressed, event: str) -> NoticeData:
    return msgspec.structs.replace(_leg(LEG_PRESSED, event, body.agency, body), who=body.by, due=body.due, reason=body.reason, at=body.at)


def press_answered(body: PressAnswered, event: str) -> NoticeData:
    return msgspec.structs.replace(_leg(PRESS_ANSWERED, event, body.by, body), who=body.by, answer=body.answer, at=body.at)


def press_missed(body: PressMissed, event: str) -> NoticeData:
    return msgspec.structs.replace(_leg(PRESS_MISSED, event, body.by, body), who=body.by, due=body.due)


def leg_covered(body: LegCovered | LegRescheduled, event: str) -> NoticeData:
    """Another report of the child counts as a leg that the agency has; or the clocks of its leg run otherwise, and why."""
    if isinstance(body, LegCovered):
        return msgspec.structs.replace(_leg(LEG_COVERED, event, body.agency, body), covered_by=body.covered_by, at=body.at)
    return msgspec.structs.replace(
        _leg(LEG_RESCHEDULED, event, body.agency, body),
        reason=body.why,
        delivered_due=body.due.delivered,
        seen_due=body.due.seen,
        accepted_due=body.due.accepted,
        active_due=body.due.active,
    )


LET_GO = {LegVoided: LEG_VOIDED, LegWithdrawn: LEG_WITHDRAWN, WithdrawalAsked: WITHDRAWAL_ASKED, WithdrawalRefused: WITHDRAWAL_REFUSED}


def leg_let_go(body: LegVoided | LegWithdrawn | WithdrawalAsked | WithdrawalRefused, event: str, party: str) -> NoticeData:
    return msgspec.structs.replace(_leg(LET_GO[type(body)], event, party, body), reason=body.reason, at=body.at)


def answer_refused(body: AnswerRefused, event: str) -> NoticeData:
    """Nothing but what the agency sent and what that met: the leg it names may be another's."""
    return NoticeData(
        about=ANSWER_REFUSED,
        event=event,
        party=body.agency,
        leg=body.leg,
        answer=body.answer,
        reason=body.reason,
        state=body.state,
        partition=body.partition,
        offset=body.offset,
    )


def report_stalled(body: ReportStalled, event: str, party: str, known: Known) -> NoticeData:
    return NoticeData(
        about=REPORT_STALLED,
        event=event,
        party=party,
        report=body.report,
        code=body.code,
        region=known.county(body.region),
        due=body.due,
        at=body.received_at,
    )


def stream_parked(body: StreamParked, event: str, party: str) -> NoticeData:
    return NoticeData(
        about=STREAM_PARKED, event=event, party=party, stream=body.stream, consumer=body.consumer, reason=body.reason, at=body.since
    )


def deadlines_stalled(body: DeadlinesStalled, event: str, party: str) -> NoticeData:
    return NoticeData(
        about=DEADLINES_STALLED,
        event=event,
        party=party,
        leg=body.leg,
        stream=body.stream,
        consumer=body.consumer,
        reason=body.reason,
        due=body.since,
        at=body.at,
    )


def report_progressed(body: ReportProgressed, event: str) -> NoticeData:
    return NoticeData(
        about=REPORT_PROGRESSED,
        event=event,
        party=body.party,
        report=body.report,
        code=body.code,
        leg=body.leg,
        department=body.department,
        fact=body.fact,
        at=body.at,
    )


def _leg(about: str, event: str, party: str, body: LegEvent) -> NoticeData:
    return NoticeData(
        about=about,
        event=event,
        party=party,
        agency=body.agency,
        report=body.report,
        code=body.code,
        case=body.case,
        leg=body.leg,
        department=body.department,
        duty=body.duty,
        grade=body.grade,
    )
