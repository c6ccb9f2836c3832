"""What does referral say? Which leg was issued to whom until when, what was answered, and what silence set off."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event

TOPIC = "heli.referral.v1"


class Dues(msgspec.Struct, frozen=True, kw_only=True):
    """When each clock of a leg runs out (UTC); null while its start event has not happened."""

    delivered: datetime | None = None
    seen: datetime | None = None
    accepted: datetime | None = None
    active: datetime | None = None
    done: datetime | None = None


class CaseEvent(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/referral"
    key_field: ClassVar[str] = "case"
    subject_field: ClassVar[str] = "case"
    report: UUID
    code: str
    case: UUID


class CaseOpened(CaseEvent, frozen=True, kw_only=True):
    """One child of one report has its case. `number` is the child's number in the report; `rules` and `calendar` are hashes."""

    type_: ClassVar[str] = "heli.case.opened.v1"
    number: int
    child: UUID
    age: int
    sex: str
    region: str
    grade: str
    groups: tuple[str, ...]
    legs: int
    rules: str
    calendar: str


class CaseClosed(CaseEvent, frozen=True, kw_only=True):
    """Every leg of the case has ended."""

    type_: ClassVar[str] = "heli.case.closed.v1"
    child: UUID


class LegEvent(CaseEvent, frozen=True, kw_only=True):
    """Something happened to one leg: one duty of one agency within a case."""

    subject_field: ClassVar[str] = "leg"
    leg: UUID
    agency: str
    department: str
    duty: str
    grade: str


class LegIssued(LegEvent, frozen=True, kw_only=True):
    """An agency owes something from now on. `unassigned`: nobody was responsible, so the joint-conference office holds it."""

    type_: ClassVar[str] = "heli.leg.issued.v1"
    region: str
    unassigned: bool
    replaces: UUID | None
    issued_at: datetime
    due: Dues


class LegFact(LegEvent, frozen=True, kw_only=True):
    """`at`: when it counts (received); `claimed_at`: when the agency says it was; `via`: http, topic, link, delivery, covered or implied."""

    at: datetime
    via: str
    claimed_at: datetime | None = None


class LegDelivered(LegFact, frozen=True, kw_only=True):
    """A machine of the agency has taken the notice of this leg, or our broker holds it on the agency's topic."""

    type_: ClassVar[str] = "heli.leg.delivered.v1"


class LegSeen(LegFact, frozen=True, kw_only=True):
    """A person of the agency has seen it."""

    type_: ClassVar[str] = "heli.leg.seen.v1"


class LegAccepted(LegFact, frozen=True, kw_only=True):
    """The agency has taken the duty; the clock `active` runs from here."""

    type_: ClassVar[str] = "heli.leg.accepted.v1"
    active_due: datetime | None


class LegActive(LegFact, frozen=True, kw_only=True):
    """The agency acts; the clock `done` runs from here."""

    type_: ClassVar[str] = "heli.leg.active.v1"
    done_due: datetime | None


class LegDeclined(LegFact, frozen=True, kw_only=True):
    """The agency will not. A red leg is replaced by `replaced_by` at once; of any other `tell` (the superior) learns."""

    type_: ClassVar[str] = "heli.leg.declined.v1"
    reason: str
    tell: str | None
    replaced_by: UUID | None


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """A coded particular of a step or an end: its name and codes, both of the rule set."""

    detail: str
    values: tuple[str, ...]


class LegStepped(LegFact, frozen=True, kw_only=True):
    """A step of the duty's path has been taken, with what the rule set lets be told of it, in codes."""

    type_: ClassVar[str] = "heli.leg.stepped.v1"
    step: str
    details: tuple[Detail, ...] = ()


class LegFulfilled(LegFact, frozen=True, kw_only=True):
    """The duty is done, with an outcome code."""

    type_: ClassVar[str] = "heli.leg.fulfilled.v1"
    outcome: str
    details: tuple[Detail, ...] = ()


class LegClaimed(LegFact, frozen=True, kw_only=True):
    """One officer of the agency has taken the leg from its queue, or was given it. Who, only the agency knows."""

    type_: ClassVar[str] = "heli.leg.claimed.v1"


class LegReleased(LegFact, frozen=True, kw_only=True):
    """The leg lies in the queue of its agency again."""

    type_: ClassVar[str] = "heli.leg.released.v1"


class LegOverdue(LegEvent, frozen=True, kw_only=True):
    """A clock has run out. A fact: an answer that was received before and read later does not unmake it."""

    type_: ClassVar[str] = "heli.leg.overdue.v1"
    clock: str
    due: datetime


class LegEscalated(LegEvent, frozen=True, kw_only=True):
    """A rung of the ladder has fired: `to` is told of the silence of `agency`. Being told gives no right to read."""

    type_: ClassVar[str] = "heli.leg.escalated.v1"
    rung: int
    who: str
    to: str
    clock: str
    late: bool


class LegReminded(LegEvent, frozen=True, kw_only=True):
    """A rung that fired is told again to the same agency, because nobody has acknowledged it; `times` counts from 1."""

    type_: ClassVar[str] = "heli.leg.reminded.v1"
    rung: int
    who: str
    to: str
    clock: str
    times: int


class LegAcknowledged(LegEvent, frozen=True, kw_only=True):
    """A person of `by`, the agency that a rung told, has taken note: it is told no more, and the next rung comes all the same."""

    type_: ClassVar[str] = "heli.leg.acknowledged.v1"
    rung: int
    by: str
    via: str
    at: datetime


class PressEvent(LegEvent, frozen=True, kw_only=True):
    """`by` is the joint-conference office that presses (督办) the agency of a leg; `number` counts the presses on this leg."""

    number: int
    by: str


class LegPressed(PressEvent, frozen=True, kw_only=True):
    """The office wants an answer until `due`; `reason` is a code."""

    type_: ClassVar[str] = "heli.leg.pressed.v1"
    due: datetime
    reason: str
    at: datetime


class PressAnswered(PressEvent, frozen=True, kw_only=True):
    """The agency has answered: `under_way`, `done`, `cannot`, `not_ours`, or the fact or end by which the leg itself did."""

    type_: ClassVar[str] = "heli.press.answered.v1"
    answer: str
    at: datetime


class PressMissed(PressEvent, frozen=True, kw_only=True):
    """The date of a press has passed without an answer. A later answer does not unmake it."""

    type_: ClassVar[str] = "heli.press.missed.v1"
    due: datetime


class PressClosed(PressEvent, frozen=True, kw_only=True):
    """The office has closed its press; only an answered one can be."""

    type_: ClassVar[str] = "heli.press.closed.v1"
    at: datetime


class AnswerRefused(Event, frozen=True, kw_only=True):
    """An answer was late, repeated against an end, illegal or unreadable: `reason` is a slug, `state` what it met."""

    type_: ClassVar[str] = "heli.answer.refused.v1"
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/referral"
    key_field: ClassVar[str] = "about"
    subject_field: ClassVar[str] = "about"
    about: str
    agency: str
    via: str
    reason: str
    report: UUID | None = None
    case: UUID | None = None
    leg: UUID | None = None
    answer: str | None = None
    state: str | None = None
    partition: int | None = None
    offset: int | None = None


EVENTS = (
    CaseOpened,
    CaseClosed,
    LegIssued,
    LegDelivered,
    LegSeen,
    LegAccepted,
    LegActive,
    LegDeclined,
    LegStepped,
    LegFulfilled,
    LegClaimed,
    LegReleased,
    LegOverdue,
    LegEscalated,
    LegReminded,
    LegAcknowledged,
    LegPressed,
    PressAnswered,
    PressMissed,
    PressClosed,
    AnswerRefused,
)
