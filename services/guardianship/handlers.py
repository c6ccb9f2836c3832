"""What happens in guardianship? One pure function per message."""

from functools import singledispatch
from typing import Any
from uuid import UUID

import msgspec

from services.guardianship.domain import CaseOfChild, Child
from shared.contracts.guardianship import ChildOpened
from shared.contracts.referral import CaseOpened
from shared.messages import Decision, Message, Moment


def decide(child: Child | None, message: Message, at: Moment) -> Decision:
    return handle(message.body, child, at)


@singledispatch
def handle(body: Any, child: Child | None, at: Moment) -> Decision:
    raise TypeError(type(body).__name__)


@handle.register
def note_case_opened(body: CaseOpened, child: Child | None, at: Moment) -> Decision:
    """The first case opens the file; every case is filed, and brings age and region up to date."""
    case = CaseOfChild(case_id=body.case, child_id=body.child, report=body.report, code=body.code, grade=body.grade, opened_at=at.now)
    if child is None:
        opened = Child(
            id=body.child, region=body.region, age=body.age, sex=body.sex, opened_at=at.now, changed_at=at.now, trace=at.traceparent
        )
        event = ChildOpened(child=body.child, report=body.report, case=body.case, region=body.region)
        return Decision(aggregate=opened.with_case(case), events=(event,))
    if body.case in child.cases:
        return Decision(aggregate=child)
    return Decision(aggregate=msgspec.structs.replace(child, region=body.region, age=body.age).with_case(case))


class RegradeCase(msgspec.Struct, frozen=True):
    """Referral holds a case of the child for more urgent, or for less, than before."""

    case: UUID
    grade: str


@handle.register
def note_case_regraded(body: RegradeCase, child: Child | None, _: Moment) -> Decision:
    case = child.cases.get(body.case) if child else None
    if child is None or case is None or case.grade == body.grade:
        return Decision(aggregate=child)
    return Decision(aggregate=child.with_case(msgspec.structs.replace(case, grade=body.grade)))


class CloseCase(msgspec.Struct, frozen=True):
    """A case of the child has closed."""

    case: UUID


@handle.register
def note_case_closed(body: CloseCase, child: Child | None, at: Moment) -> Decision:
    case = child.cases.get(body.case) if child else None
    if child is None or case is None or case.closed_at is not None:
        return Decision(aggregate=child)
    return Decision(aggregate=child.with_case(msgspec.structs.replace(case, closed_at=at.now)))


def tick(child: Child, at: Moment) -> Decision:
    return Decision(aggregate=child)
