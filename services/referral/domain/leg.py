"""What is known of one duty of one agency, and which clock or rung of it is next? A leg collects facts; it is not a chain."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from shared.calendar import Period
from shared.errors import RuleBroken

FACTS = ("delivered", "seen", "accepted", "active")
"""A machine did it, a person did it, an agency did it, it acts. A later fact implies the earlier ones."""
CLOCKS = (*FACTS, "done")
ENDS = ("fulfilled", "declined", "forwarded", "withdrawn", "void")
Fact = Literal["delivered", "seen", "accepted", "active"]
Answer = Literal["seen", "accepted", "active", "declined", "fulfilled"]
DeclineReason = Literal["not_my_region", "not_my_duty", "no_capacity", "already_handled", "other"]
Outcome = Literal[
    "child_safe", "guardian_returned", "carer_named", "placed", "back_in_school", "hukou_registered", "registered",
    "handed_over", "not_substantiated", "other",
]  # fmt: skip
"""Codes only: a reason in words would carry personal values into events."""


class RungOf(msgspec.Struct, frozen=True):
    """Who is told, and how many seconds after the first missed clock."""

    who: str
    after: float


class Terms(msgspec.Struct, frozen=True):
    """What the rules fixed when the leg was issued and a later tick needs: the period `done`, the ladder and its gap in seconds."""

    done: Period | None
    rungs: tuple[RungOf, ...]
    gap: float


class Leg(msgspec.Struct, frozen=True):
    """One duty of one agency within a case. Only an end refuses further moves; overdue and escalated are facts beside it.

    `missed`: clocks that ran out, space-separated. `told`: agencies that a rung has told. `rung`: the next one.
    """

    id: UUID
    case_id: UUID
    number: int
    agency: str
    department: str
    duty: str
    unassigned: bool
    replaces: UUID | None
    issued_at: datetime
    terms: bytes
    delivered_due: datetime | None = None
    seen_due: datetime | None = None
    accepted_due: datetime | None = None
    active_due: datetime | None = None
    done_due: datetime | None = None
    delivered_at: datetime | None = None
    seen_at: datetime | None = None
    accepted_at: datetime | None = None
    active_at: datetime | None = None
    ended_at: datetime | None = None
    ended: str | None = None
    end_code: str | None = None
    missed: str = ""
    ladder_from: datetime | None = None
    rung: int = 0
    rung_at: datetime | None = None
    rung_due: datetime | None = None
    told: str = ""

    @property
    def open(self) -> bool:
        return self.ended is None

    @property
    def state(self) -> str:
        """The furthest fact, or the end: what a caller is told."""
        return self.ended or next((fact for fact in reversed(FACTS) if getattr(self, f"{fact}_at")), "issued")

    def met(self, clock: str) -> bool:
        return self.ended is not None if clock == "done" else getattr(self, f"{clock}_at") is not None

    def with_fact(self, fact: str, at: datetime) -> "Leg":
        """The fact and the earlier ones that it implies; what is known already stands."""
        implied = FACTS[: FACTS.index(fact) + 1]
        return msgspec.structs.replace(self, **{f"{name}_at": at for name in implied if getattr(self, f"{name}_at") is None})

    def with_end(self, end: str, code: str, at: datetime) -> "Leg":
        return msgspec.structs.replace(self, ended=end, ended_at=at, end_code=code, rung_due=None)

    def must_be_open(self) -> None:
        if self.ended is not None:
            raise RuleBroken("leg-ended", f"This leg has ended ({self.ended}); no further answer is taken.", state=self.ended)

    def missing_at(self, now: datetime) -> tuple[tuple[str, datetime], ...]:
        """Clocks that have just run out: due, not met and not yet a fact."""
        if not self.open:
            return ()
        known = self.missed.split()
        dues = ((clock, getattr(self, f"{clock}_due")) for clock in CLOCKS if clock not in known and not self.met(clock))
        return tuple((clock, due) for clock, due in dues if due is not None and due <= now)

    def armed(self) -> "Leg":
        """The leg with its next rung set: it pauses while no clock is missed, and two rungs keep their gap however late the sweep is."""
        return msgspec.structs.replace(self, rung_due=self._next_rung())

    def _next_rung(self) -> datetime | None:
        if not self.open or self.ladder_from is None or all(self.met(clock) for clock in self.missed.split()):
            return None
        terms = terms_of(self)
        if self.rung >= len(terms.rungs):
            return None
        planned = self.ladder_from + timedelta(seconds=terms.rungs[self.rung].after)
        return planned if self.rung_at is None else max(planned, self.rung_at + timedelta(seconds=terms.gap))

    def next_due(self) -> datetime | None:
        """The earliest clock that is neither met nor missed already, or the next rung. Written out: every leg of a case is asked at every move."""
        if self.ended is not None:
            return None
        missed = self.missed.split()
        dues = (
            self.rung_due,
            None if self.delivered_at or "delivered" in missed else self.delivered_due,
            None if self.seen_at or "seen" in missed else self.seen_due,
            None if self.accepted_at or "accepted" in missed else self.accepted_due,
            None if self.active_at or "active" in missed else self.active_due,
            None if "done" in missed else self.done_due,
        )
        return min((due for due in dues if due is not None), default=None)


_terms = msgspec.json.Decoder(Terms)


def terms_of(leg: Leg) -> Terms:
    return _terms.decode(leg.terms)
