"""What happens in intake? One pure function per message, its type beside it."""

from collections.abc import Sequence
from datetime import datetime
from functools import singledispatch
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from services.intake.domain.content import Content, Person, sight
from services.intake.domain.report import Kin, Leg, Report, opened_within
from services.intake.domain.told import fault
from shared.calendar import SHANGHAI
from shared.contracts.intake import ChildNamed, ReportAccepted, ReportMissed, ReportProgressed, ReportRead, ReportStalled
from shared.contracts.moves import LegForwarded, LegVoided, LegWithdrawn
from shared.contracts.referral import (
    CaseOpened,
    LegAccepted,
    LegActive,
    LegDeclined,
    LegDelivered,
    LegEvent,
    LegFact,
    LegFulfilled,
    LegIssued,
    LegSeen,
)
from shared.contracts.stories import CaseLinked, CaseUnlinked, LegCovered
from shared.errors import NotFound, RuleBroken
from shared.identifiers import format_short_code
from shared.messages import Decision, Message, Moment, Response

CODE_KEY = "report_code_key"
"""The constraint that a short code breaks when another report has it: the door makes a new one."""
FACTS: dict[type[LegFact], str] = {
    LegDelivered: "delivered",
    LegSeen: "seen",
    LegAccepted: "accepted",
    LegActive: "active",
    LegDeclined: "seen",
    LegForwarded: "seen",
    LegFulfilled: "done",
    LegWithdrawn: "seen",
}
TOLD = (LegDelivered, LegSeen, LegAccepted, LegFulfilled)
"""What the reporter hears. That a leg was issued is not among it: nobody knows of it yet; what an agency does meanwhile is its own affair."""
ENDS: dict[type[LegFact], str] = {
    LegDeclined: "declined",
    LegForwarded: "forwarded",
    LegFulfilled: "fulfilled",
    LegWithdrawn: "withdrawn",
    LegVoided: "void",
}


def decide(report: Report | None, message: Message, at: Moment) -> Decision:
    return handle(message.body, report, at)


@singledispatch
def handle(body: Any, report: Report | None, at: Moment) -> Decision:
    raise TypeError(type(body).__name__)


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """A reporter unit files a report; id and short code were made at the door. `region`: 12 digits."""

    report: UUID
    code: str
    region: str
    seen_at: datetime
    content: Content


@handle.register
def accept(body: FileReport, _: Report | None, at: Moment) -> Decision:
    """Everybody under 18 on this day gets a case; the clock runs from when the report was received."""
    content = body.content.on(at.now.astimezone(SHANGHAI).date())
    children = tuple(_named(person) for person in content.people if person.minor)
    if not children:
        raise RuleBroken("invalid", "Some fields break a rule.", status=422, faults=(fault("/children", "nobody-under-18"),))
    due = at.received + opened_within(content.situations)
    report = Report(
        id=body.report,
        code=body.code,
        party=content.party,
        reporter_kind=content.reporter_kind,
        situations=content.situations,
        groups=content.all_groups,
        region=body.region,
        seen_at=body.seen_at,
        received_at=at.received,
        minors=len(children),
        opened_due=due,
        next_due=due,
        changed_at=at.now,
        trace=at.traceparent,
        content=msgspec.json.encode(content),
    )
    event = ReportAccepted(
        report=report.id,
        code=report.code,
        situations=report.situations,
        groups=content.groups,
        region=report.region,
        reporter_kind=report.reporter_kind,
        seen_at=report.seen_at,
        received_at=report.received_at,
        children=children,
    )
    return Decision(aggregate=report, events=(event,), response=_receipt(report))


class NameUnreported(msgspec.Struct, frozen=True, kw_only=True):
    """An office says which unit owed this report and kept silent; `withdrawn` as the reason takes it back."""

    office: str
    unit: str
    reporter_kind: str
    reason: str


@handle.register
def name_unreported(body: NameUnreported, report: Report | None, at: Moment) -> Decision:
    """The same word twice is one event; who made the report did not miss it."""
    if report is None:
        raise NotFound
    if body.unit == report.party:
        raise RuleBroken("reported-it", "This unit made the report.")
    moved = report.with_unreported(body.unit, body.reporter_kind, None if body.reason == "withdrawn" else body.reason)
    response = Response.json(200, {"report": report.id, "unreported": unreported_shown(moved.unreported)})
    if set(moved.unreported) == set(report.unreported):
        return Decision(aggregate=report, response=response)
    if len(moved.unreported) > MOST_UNREPORTED:
        raise RuleBroken("too-many-units", f"At most {MOST_UNREPORTED} units are named for one report.")
    event = ReportMissed(
        report=report.id, code=report.code, party=body.unit, reporter_kind=body.reporter_kind, reason=body.reason, by=body.office, at=at.now
    )
    return Decision(aggregate=moved, events=(event,), response=response)


MOST_UNREPORTED = 20


def unreported_shown(entries: Sequence[str]) -> list[dict[str, str]]:
    return [dict(zip(("unit", "reporter_kind", "reason"), entry.split("/"), strict=True)) for entry in entries]


def _named(person: Person) -> ChildNamed:
    return ChildNamed(
        number=person.number,
        child=person.child,
        age=person.age or 0,
        sex=person.sex,
        groups=person.groups,
        estimated=person.age_estimated,
    )


def _receipt(report: Report) -> Response:
    receipt = {
        "report": report.id,
        "code": format_short_code(report.code),
        "received_at": report.received_at,
        "children": report.minors,
    }
    return Response.json(202, receipt)


class ReadReport(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of an agency wants to read the content. `kin`: open legs of the agency in other reports' cases of the same children."""

    agency: str
    department: str
    role: str
    kin: tuple[Kin, ...] = ()


NO_DEPARTMENT = ""
"""Sees codes only."""


class Held(NamedTuple):
    """A right to read: an open leg, the case of this report that it opens, and the department that owes it."""

    leg: UUID
    case: UUID
    department: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the door may show: the content of these children, by right of this leg, as this department sees it."""

    leg: UUID
    department: str
    children: tuple[int, ...]


@handle.register
def read(body: ReadReport, report: Report | None, _: Moment) -> Decision:
    """An open leg is the right, also one of another report of the same child, as far as leg and reader are of one department.

    The reading is recorded; the content never passes through here.
    """
    legs = report.open_legs(body.agency) if report else []
    kin = report.linked(body.kin) if report else []
    if report is None or not (legs or kin):
        raise RuleBroken("not-found", "No open leg.", status=404)
    held = [*(Held(leg.id, leg.case_id, leg.department) for leg in legs), *(Held(one.leg, one.case, one.department) for one in kin)]
    # Who holds a leg of another department (the joint-conference office, where nobody is responsible) works with codes alone.
    own = [one for one in held if one.department == body.department]
    rights, department = (own, body.department) if own else (held, NO_DEPARTMENT)
    event = ReportRead(
        report=report.id,
        code=report.code,
        leg=rights[0].leg,
        agency=body.agency,
        department=body.department,
        role=body.role,
        fields=sight(department, report.situations, report.groups).fields(),
    )
    reading = Reading(leg=rights[0].leg, department=department, children=report.children_of({one.case for one in rights}))
    return Decision(aggregate=report, events=(event,), response=Response.json(200, reading))


@handle.register
def note_case_opened(body: CaseOpened, report: Report | None, at: Moment) -> Decision:
    known = _known(report)
    return Decision(aggregate=known if body.number in known.opened else known.with_case(body.number, at.now))


@handle.register
def note_case_linked(body: CaseLinked, report: Report | None, _: Moment) -> Decision:
    return Decision(aggregate=_known(report).with_story(body.case, body.story))


@handle.register
def note_case_unlinked(body: CaseUnlinked, report: Report | None, _: Moment) -> Decision:
    return Decision(aggregate=_known(report).with_story(body.case, None))


@handle.register
def note_leg_covered(body: LegCovered, report: Report | None, _: Moment) -> Decision:
    """The agency owes it by another report's case: it may read this one too. What it does there is told here as it happens."""
    return _followed(report, body, issued_at=body.at)


@handle.register
def note_leg_issued(body: LegIssued, report: Report | None, _: Moment) -> Decision:
    return _followed(report, body, issued_at=body.issued_at)


@handle.register
def note_leg_fact(body: LegFact, report: Report | None, _: Moment) -> Decision:
    """The first of each fact stands. A fact before its leg was issued cannot come (one key, one order); it would be kept."""
    known, fact = _known(report), FACTS.get(type(body))  # a void leg was not even seen
    old = known.legs.get(body.leg) or _leg(body, issued_at=body.at)
    new = msgspec.structs.replace(old.with_fact(fact, body.at) if fact else old, ended=old.ended or ENDS.get(type(body)))
    if new == known.legs.get(body.leg):
        return Decision(aggregate=known)
    news = fact is not None and isinstance(body, TOLD) and not old.met(fact)
    return Decision(aggregate=known.with_leg(new), events=(_progressed(known, new, fact, body.at),) if fact and news else ())


def _known(report: Report | None) -> Report:
    if report is None:
        raise RuleBroken("unknown-report", "No such report was accepted here.")
    return report


def _followed(report: Report | None, event: LegEvent, issued_at: datetime) -> Decision:
    known = _known(report)
    return Decision(aggregate=known if event.leg in known.legs else known.with_leg(_leg(event, issued_at)))


def _leg(event: LegEvent, issued_at: datetime) -> Leg:
    return Leg(
        id=event.leg, report_id=event.report, case_id=event.case, agency=event.agency, department=event.department, issued_at=issued_at
    )


def _progressed(report: Report, leg: Leg, fact: str, at: datetime) -> ReportProgressed:
    return ReportProgressed(
        report=report.id, code=report.code, party=report.party, case=leg.case_id, leg=leg.id, department=leg.department, fact=fact, at=at
    )


def tick(report: Report, at: Moment) -> Decision:
    """Not every child has its case in time: said once, and not silence."""
    if report.next_due is None or at.now < report.next_due:
        return Decision(aggregate=report)
    event = ReportStalled(report=report.id, code=report.code, region=report.region, received_at=report.received_at, due=report.opened_due)
    return Decision(aggregate=msgspec.structs.replace(report, stalled_at=at.now, next_due=None), events=(event,))
