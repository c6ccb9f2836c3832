"""How are cases linked under one child, by its id or by hand, and how is that undone?"""

from uuid import UUID

import msgspec

from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.issuing import issued
from services.referral.domain.regrading import own_grade, raised, stronger
from services.referral.domain.routing import Knowledge
from services.referral.domain.story import grade_of, story_of, uncovered
from services.referral.handlers.dispatch import handle
from services.referral.handlers.notes import Joined, Lowered, inherited, note
from shared.contracts.directory import JOINT_CONFERENCE
from shared.contracts.envelope import Event
from shared.contracts.stories import CaseLinked, CaseLowered, CaseUnlinked
from shared.errors import NotFound, RuleBroken
from shared.messages import Decision, Moment, Note, Response

BY_ID = "same_child"
"""Why cases are linked without a person: the reports name the same child id."""


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """An order of a person about a case: of an operator (`office` None), or of the joint-conference office of its place."""

    case: UUID
    by: str
    office: str | None
    reason: str


class LinkCase(Ordered, frozen=True, kw_only=True):
    """The case tells of the same child as the case `to`."""

    to: UUID


class UnlinkCase(Ordered, frozen=True, kw_only=True):
    """The case does not belong to the story in which it is."""


def ordered(body: Ordered, case: Case | None, known: Knowledge) -> Case:
    """The case, if whoever orders may do so. To an office of elsewhere it does not exist."""
    if case is None:
        raise NotFound
    if body.office is None:
        return case
    office = known.directory.get(body.office)
    if office is None or office.department != JOINT_CONFERENCE or not office.active:
        raise RuleBroken("not-for-you", "For an operator, or a joint-conference office.", status=403)
    if office.region not in keys_up(known.regions, case.region):
        raise NotFound
    return case


def linked(case: Case, reason: str, by: str | None = None) -> CaseLinked:
    return CaseLinked(
        report=case.report, code=case.code, case=case.id, child=case.child, story=case.story or case.id, grade=case.grade,
        reason=reason, by=by,
    )  # fmt: skip


def joining(case: Case, others: tuple[Case, ...], reason: str, by: str | None, at: Moment) -> tuple[Note, ...]:
    """To each of the others that is not yet in the story of the case, or less urgent."""
    story = case.story or case.id
    told = [other for other in others if other.story is None or stronger(case.grade, other.grade)]
    return tuple(note(Joined(case=o.id, story=story, grade=case.grade, reason=reason, by=by), at.traceparent) for o in told)


@handle.register
def note_joined(body: Joined, case: Case | None, at: Moment) -> Decision:
    if case is None or case.closed_at is not None:
        return Decision(aggregate=case)
    events: tuple[Event, ...] = ()
    if case.story is None and (body.by is not None or not case.apart):
        case = msgspec.structs.replace(case, story=body.story, apart=False)
        events = (linked(case, body.reason, body.by),)
    if case.story == body.story:
        case, more = raised(case, body.grade, at.reference, at.now)
        events += more
    return Decision(aggregate=case, events=events)


@handle.register
def link_case(body: LinkCase, case: Case | None, at: Moment) -> Decision:
    own, others = ordered(body, case, at.reference), at.beside or ()
    to = next((other for other in others if other.id == body.to), None)
    if own.closed_at is not None or to is None or to.id == own.id:
        raise RuleBroken("not-open", "Only an open case can be linked, and only to another open one.")
    story = to.story or to.id
    if own.story == story:
        return Decision(aggregate=own, response=shown(own))
    if own.story is not None:
        raise RuleBroken("in-another-story", "The case is linked to others: unlink it first, or link those to it.", story=own.story)
    joined = msgspec.structs.replace(own, story=story, apart=False)
    whole, more = raised(joined, grade_of(case.grade for case in (own, *others)), at.reference, at.now)
    notes = joining(whole, others, body.reason, body.by, at)
    return Decision(aggregate=whole, events=(linked(whole, body.reason, body.by), *more, *notes), response=shown(whole))


@handle.register
def unlink_case(body: UnlinkCase, case: Case | None, at: Moment) -> Decision:
    """Duties that other cases covered are issued, those that it covered elsewhere are issued there; each grade is again its own."""
    own, known = ordered(body, case, at.reference), at.reference
    if own.story is None:
        if own.apart:
            return Decision(aggregate=own, response=shown(own))
        raise RuleBroken("not-linked", "The case is not linked to any other.")
    alone = msgspec.structs.replace(own, story=None, apart=True, grade=own_grade(own, known))
    said = CaseUnlinked(
        report=own.report, code=own.code, case=own.id, child=own.child, story=own.story, grade=alone.grade, reason=body.reason, by=body.by
    )
    owed = [uncovered(leg, alone, known, at.now) for leg in own.legs.values() if leg.open and leg.covered_by is not None]
    giving = [leg for leg in own.legs.values() if leg.open and leg.covers]
    left = [body for leg in giving for body in inherited(tuple(map(UUID, leg.covers.split())), leg.id, "void", at.now)]
    if owed or giving:
        alone = alone.with_legs(*owed, *(msgspec.structs.replace(leg, covers="") for leg in giving))
    notes = (*(note(body, at.traceparent) for body in left), *_lowering(own.story, at.beside or (), at))
    return Decision(aggregate=alone, events=(said, *(issued(alone, leg) for leg in owed), *notes), response=shown(alone))


def _lowering(story: UUID, others: tuple[Case, ...], at: Moment) -> tuple[Note, ...]:
    """What remains is as urgent as its own parts are."""
    grade = grade_of(own_grade(other, at.reference) for other in others)
    high = [other for other in others if stronger(other.grade, grade)]
    return tuple(note(Lowered(case=other.id, story=story, grade=grade), at.traceparent) for other in high)


@handle.register
def note_lowered(body: Lowered, case: Case | None, at: Moment) -> Decision:
    """Its running clocks stay: what an agency was told to do by a time is never put off by somebody else's mistake."""
    if case is None or case.closed_at is not None or case.story != body.story or not stronger(case.grade, body.grade):
        return Decision(aggregate=case)
    grade = grade_of((body.grade, own_grade(case, at.reference)))
    said = CaseLowered(report=case.report, code=case.code, case=case.id, child=case.child, grade=grade, before=case.grade)
    return Decision(aggregate=msgspec.structs.replace(case, grade=grade), events=(said,))


def shown(case: Case) -> Response:
    return Response.json(200, {"case": case.id, "story": case.story, "grade": case.grade})


__all__ = ["BY_ID", "LinkCase", "Ordered", "UnlinkCase", "joining", "linked", "ordered", "story_of"]
