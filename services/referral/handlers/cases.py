"""How does a case open, and what happens to it when its time has come?"""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from services.referral.domain import routing
from services.referral.domain.agency import keys_up
from services.referral.domain.case import REVIEW, Case
from services.referral.domain.holding import paused_over
from services.referral.domain.issuing import about, issue, issued, overdue
from services.referral.domain.leg import Leg, terms_of
from services.referral.domain.routing import Knowledge
from services.referral.domain.rule_rows import Facts
from services.referral.domain.rules import Plan, plan
from services.referral.domain.story import covered, grade_of, owing, said_covered, story_of
from services.referral.handlers.closing import closing, review_leg
from services.referral.handlers.covering import telling
from services.referral.handlers.dispatch import handle
from services.referral.handlers.notes import Covering, note
from services.referral.handlers.pressing import unanswered
from services.referral.handlers.rules import republished
from services.referral.handlers.stories import BY_ID, joining, linked
from shared.contracts.envelope import Event
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.contracts.referral import CaseOpened, LegEscalated, LegReminded
from shared.messages import Decision, Moment


class OpenCase(msgspec.Struct, frozen=True):
    """A report was accepted; one of its children needs a case."""

    id: UUID
    report: ReportAccepted
    child: ChildNamed

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups given once for the report hold for every child of it."""
        return (*self.report.groups, *(group for group in self.child.groups if group not in self.report.groups))


@handle.register
def open_case(body: OpenCase, case: Case | None, at: Moment) -> Decision:
    if case is not None:
        return Decision(aggregate=case)
    known: Knowledge = at.reference
    others: tuple[Case, ...] = at.beside or ()
    keys = keys_up(known.regions, body.report.region)
    places = frozenset(keys)
    owed = _owed(body, known, places, others)
    opened = msgspec.structs.replace(_opened(body, owed, known, at), story=story_of(others))
    days, legs = known.calendar.local(keys), []
    for number, duty in enumerate(owed.duties, 1):
        held = routing.holder_along(known, duty.department, keys)
        legs.append(issue(opened.id, number, known.current.held_by(duty, owed.grade, held.agency, places), held, days, at.now))
    if not legs and (rule := known.current.completeness):  # a code of tomorrow, and nothing else that anybody owes
        legs = [review_leg(opened, rule.review, known, at)]
    told = CaseOpened(
        report=opened.report,
        code=opened.code,
        case=opened.id,
        number=opened.number,
        child=opened.child,
        age=body.child.age,
        sex=body.child.sex,
        region=opened.region,
        grade=opened.grade,
        groups=body.groups,
        legs=len(legs),
        rules=opened.rules,
        calendar=opened.calendar,
    )
    if others:
        return _joined(opened, legs, others, told, at)
    return Decision(aggregate=opened.with_legs(*legs), events=(told, *(issued(opened, leg) for leg in legs)))


def _joined(opened: Case, legs: list[Leg], others: tuple[Case, ...], told: CaseOpened, at: Moment) -> Decision:
    """The child has open cases: this one is linked to them, and what an agency owes the child already is not issued again."""
    by = {leg.number: found.id for leg in legs if (found := owing(others, leg.agency, leg.duty)) is not None}
    parts = [covered(leg, by[leg.number]) if leg.number in by else leg for leg in legs]
    said = [said_covered(opened, leg, at.now) if leg.number in by else issued(opened, leg) for leg in parts]
    notes = [
        note(Covering(story=opened.story or opened.id, leg=by[leg.number], other=leg.id), at.traceparent)
        for leg in parts
        if leg.number in by
    ]
    events = (told, linked(opened, BY_ID), *said, *joining(opened, others, BY_ID, None, at), *notes)
    return Decision(aggregate=opened.with_legs(*parts), events=events)


def _owed(body: OpenCase, known: Knowledge, places: frozenset[str], others: tuple[Case, ...]) -> Plan:
    """By the child's own report, and no less urgent than what is known of the child already."""
    return plan(
        known.current,
        situations=frozenset(body.report.situations),
        groups=frozenset(body.groups),
        age=body.child.age,
        sex=body.child.sex,
        reporter_kind=body.report.reporter_kind,
        regions=places,
        at_least=grade_of(other.grade for other in others),
    )


def _opened(body: OpenCase, owed: Plan, known: Knowledge, at: Moment) -> Case:
    return Case(
        id=body.id,
        report=body.report.report,
        code=body.report.code,
        number=body.child.number,
        child=body.child.child,
        region=body.report.region,
        grade=owed.grade,
        rules=known.current.hash,
        calendar=known.calendar.hash,
        opened_at=at.now,
        review_due=at.now + REVIEW,
        changed_at=at.now,
        trace=at.traceparent,
        facts=msgspec.json.encode(_facts(body)),
    )


def _facts(body: OpenCase) -> Facts:
    """What the rules looked at, kept to look again; the place is the case's own."""
    report, child = body.report, body.child
    return Facts(frozenset(report.situations), frozenset(body.groups), child.age, child.sex, report.reporter_kind)


def tick(case: Case, at: Moment) -> Decision:
    """Every clock that ran out becomes a fact, and every rung whose moment has come fires once."""
    before, (case, said) = case, republished(case, at.reference)  # first: what a holiday puts off is not overdue
    events: list[Event] = [*said]
    legs = []
    for leg in case.legs.values():
        due = leg.next_due()
        if due is None or due > at.now:
            continue
        resumed, back = paused_over(case, leg, at.now)
        rung, new = _rung(*overdue(case, resumed, at.now), case, at)
        moved, silent = unanswered(rung, case, at)
        legs.append(moved)  # also one that now waits for an office to open, of which there is nothing to say
        events.extend((*back, *new, *silent))
    review = at.now + REVIEW if case.review_due <= at.now else case.review_due
    moved_case = msgspec.structs.replace(case, review_due=review).with_legs(*legs)
    closed = closing(moved_case, tuple(events), at)  # nobody owes it: it came to be so before there was a rule for that
    return telling(before, closed, at)


def _rung(leg: Leg, events: tuple[Event, ...], case: Case, at: Moment) -> tuple[Leg, tuple[Event, ...]]:
    rung, again = leg.rings()
    if (rung is None or rung > at.now) and (again is None or again > at.now):
        return leg, events
    if (waits := _until_open(leg, case, at)) is not None:
        return waits, events
    if rung is not None and rung <= at.now:
        moved, rang = fired(leg, case, rung, at)
    elif rung is not None and rung < at.now + timedelta(seconds=terms_of(leg).gap):  # the sweep is late: the next rung speaks instead
        return leg.not_repeated(), events
    else:
        moved, rang = _repeated(leg, case, at)
    return moved, (*events, rang)


def _until_open(leg: Leg, case: Case, at: Moment) -> Leg | None:
    """The leg as it waits for the opening of the office, if it is closed and nothing is missed but clocks that end with a day. Never a red one."""
    hours = terms_of(leg).hours
    if hours is None or case.grade == "red" or not leg.waits_for_office():
        return None
    known: Knowledge = at.reference
    opening = known.days_of(case).opening(at.now, hours.opens, hours.closes)
    return msgspec.structs.replace(leg, quiet_until=opening) if opening > at.now else None


def fired(leg: Leg, case: Case, planned: datetime, at: Moment) -> tuple[Leg, Event]:
    """The next rung of the ladder fires."""
    who = terms_of(leg).rungs[leg.rung].who
    to = routing.told_by(at.reference, leg, who, case.region)
    late = planned < at.now - timedelta(minutes=1)
    event = LegEscalated(**about(case, leg), rung=leg.rung, who=who, to=to, clock=leg.unmet[0], late=late)
    told = " ".join([*leg.told.split(), to])
    return msgspec.structs.replace(leg, rung=leg.rung + 1, rung_at=at.now, rang_at=at.now, repeats=0, told=told), event


def _repeated(leg: Leg, case: Case, at: Moment) -> tuple[Leg, Event]:
    """Whoever the last rung told hears it again."""
    rung, times = leg.rung - 1, leg.repeats + 1
    said = LegReminded(
        **about(case, leg), rung=rung, who=terms_of(leg).rungs[rung].who, to=leg.told.split()[rung], clock=leg.unmet[0], times=times
    )
    return msgspec.structs.replace(leg, repeats=times, rang_at=at.now), said
