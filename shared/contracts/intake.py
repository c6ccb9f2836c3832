"""What does intake say? That a report was accepted, how it goes on, that it stalls, and who read it."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event

TOPIC = "heli.intake.v1"


class ChildNamed(msgspec.Struct, frozen=True, kw_only=True):
    """One child of a report, as far as rules need it: an id, age in full years, sex, key groups. Never a name."""

    number: int
    child: UUID
    age: int
    sex: str
    groups: tuple[str, ...] = ()
    estimated: bool = False


class IntakeEvent(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/intake"
    key_field: ClassVar[str] = "report"
    subject_field: ClassVar[str] = "report"
    report: UUID
    code: str


class ReportAccepted(IntakeEvent, frozen=True, kw_only=True):
    """A reporter unit has filed a report; one case is owed to each child of it."""

    type_: ClassVar[str] = "heli.report.accepted.v1"
    situations: tuple[str, ...]
    groups: tuple[str, ...]
    region: str
    reporter_kind: str
    seen_at: datetime
    received_at: datetime
    children: tuple[ChildNamed, ...]


class ReportProgressed(IntakeEvent, frozen=True, kw_only=True):
    """What the reporter may know of one leg: which department, and delivered, seen, accepted or done. `party` is the reporter unit's code."""

    type_: ClassVar[str] = "heli.report.progressed.v1"
    party: str
    case: UUID
    leg: UUID
    department: str
    fact: str
    at: datetime


class ReportStalled(IntakeEvent, frozen=True, kw_only=True):
    """The cases of a report were not open in time: operations and the police of the region must know."""

    type_: ClassVar[str] = "heli.report.stalled.v1"
    region: str
    received_at: datetime
    due: datetime


class ReportRead(IntakeEvent, frozen=True, kw_only=True):
    """An agency has read the content of a report, by right of its open leg. Recorded before the bytes left."""

    type_: ClassVar[str] = "heli.report.read.v1"
    leg: UUID
    agency: str
    department: str
    role: str
    fields: tuple[str, ...]


class ReportMissed(IntakeEvent, frozen=True, kw_only=True):
    """A joint-conference office (`by`) says that the unit `party` owed this report and did not make it; `reason` is a code, `withdrawn` takes it back."""

    type_: ClassVar[str] = "heli.report.missed.v1"
    party: str
    reporter_kind: str
    reason: str
    by: str
    at: datetime


EVENTS = (ReportAccepted, ReportProgressed, ReportStalled, ReportRead, ReportMissed)
