"""What is known of one duty of one agency, and which clock or rung of it is next? A leg collects facts; it is not a chain."""

from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Literal, get_args
from uuid import UUID

import msgspec

from services.referral.domain.ladder import Acknowledged, Climb, RungOf, Terms, next_repeat, next_rung
from shared.errors import RuleBroken

__all__ = [
    "CLOCKS", "ENDS", "FACTS", "REASONS", "Acknowledged", "Answer", "DeclineReason", "Fact", "ForwardReason", "HoldReason", "Leg", "Move", "Outcome",
    "RungOf", "Terms", "VoidReason", "WithdrawalReason", "acknowledged_of", "terms_of",
]  # fmt: skip

FACTS = ("delivered", "seen", "accepted", "active")
"""A machine did it, a person did it, an agency did it, it acts. A later fact implies the earlier ones."""
CLOCKS = (*FACTS, "done")
PAUSED = ("active", "done")
"""The clocks that stand still while a leg is held; that it reached a person and was accepted is not put off."""
ENDS = ("fulfilled", "declined", "forwarded", "withdrawn", "void")
Fact = Literal["delivered", "seen", "accepted", "active"]
Answer = Literal["seen", "accepted", "active", "declined", "fulfilled"]
DeclineReason = Literal["not_my_region", "not_my_duty", "no_capacity", "already_handled", "other"]
ForwardReason = Literal["not_my_region", "not_my_duty", "child_moved", "better_placed", "returned", "other"]
WithdrawalReason = Literal["duplicate", "resolved_elsewhere", "issued_in_error", "child_moved", "other"]
VoidReason = Literal["issued_in_error", "duplicate", "wrong_child", "test", "other"]
HoldReason = Literal["waiting_for_agency", "waiting_for_guardian", "waiting_for_papers", "child_away", "court_pending", "other"]
Move = Literal["forwarded", "withdrawn", "kept", "held", "resumed"]
"""What an agency may do with its leg beside answering it."""
Outcome = Literal[
    "child_safe", "guardian_returned", "carer_named", "placed", "back_in_school", "hukou_registered", "registered",
    "handed_over", "not_substantiated", "leave_approved", "record_ended", "other",
]  # fmt: skip
"""Codes only: a reason in words would carry personal values into events."""
REASONS: dict[str, tuple[str, ...]] = {
    "declined": get_args(DeclineReason),
    "forwarded": get_args(ForwardReason),
    "held": get_args(HoldReason),
}
"""Which step needs a reason, and which ones it may give."""


Span = tuple[datetime, datetime]
NO_PAUSE = b"[]"


class Leg(msgspec.Struct, frozen=True):
    """One duty of one agency within a case. Only an end refuses further moves; overdue and escalated are facts beside it.

    `missed`: clocks that ran out, space-separated. `told`: the agency that each rung has told. `rung`: the next one.
    `repeats`, `rang_at`: how often the last rung was told again, and when it or its repeat rang. `quiet_until`: the office opens.
    `pressed_by`: the joint-conference office whose press is open, `press_due` until when it waits for an answer, `presses` all there were.
    `step`: the furthest step of its duty's path; `way`: all of them, with times and details (`paths.Way`).
    `covered_by`: the open leg of another case of the child through which its agency owes the same; then no clock runs here. `covers`:
    the legs of other cases that this one covers, space-separated. `doubts`: clocks counted through a year without a published calendar.
    `claimed_by`: the handle under which its agency knows the officer who works on it; never said outside of that agency.
    `withdrawal_at`, `_by`, `_code`: who has asked the agency, and why, to let go of it.
    `held_at`, `_until`, `_code`: only while it is held; `pauses`: when it was before, from and until, first to last.
    `lapsed_at`: it was accepted, and nothing followed. `undeliverable_at`, `_code`: every way to its agency was given up.
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
    repeats: int = 0
    rang_at: datetime | None = None
    quiet_until: datetime | None = None
    acks: bytes = b"[]"
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    pressed_by: str | None = None
    press_due: datetime | None = None
    presses: bytes = b"[]"
    withdrawal_at: datetime | None = None
    withdrawal_by: str | None = None
    withdrawal_code: str | None = None
    step: str | None = None
    way: bytes = b"{}"
    covered_by: UUID | None = None
    covers: str = ""
    doubts: bytes = b"[]"
    pauses: bytes = NO_PAUSE
    held_at: datetime | None = None
    held_until: datetime | None = None
    held_code: str | None = None
    lapsed_at: datetime | None = None
    undeliverable_at: datetime | None = None
    undeliverable_code: str | None = None

    @property
    def open(self) -> bool:
        return self.ended is None

    @property
    def state(self) -> str:
        """The furthest fact, or the end: what a caller is told. What is covered, has lapsed or cannot be delivered has its own word."""
        if self.open and self.covered_by is not None:
            return "covered"
        if self.open and self.lapsed_at is not None and self.active_at is None:
            return "lapsed"
        if self.open and self.undeliverable_at is not None and self.delivered_at is None:
            return "undeliverable"
        return self.ended or self.reached or "issued"

    @property
    def reached(self) -> str | None:
        """The furthest fact, also of a leg that has ended; None of one of which nothing is known yet."""
        return next((fact for fact in reversed(FACTS) if self.met(fact)), None)

    def met(self, clock: str) -> bool:
        return _MET[clock](self) is not None

    def with_fact(self, fact: str, at: datetime) -> "Leg":
        """The fact and the earlier ones that it implies; what is known already stands."""
        return msgspec.structs.replace(self, **{name: at for name in _IMPLIED[fact] if getattr(self, name) is None})

    def with_end(self, end: str, code: str, at: datetime) -> "Leg":
        over = self if self.held_until is None else self.resumed(at)
        return msgspec.structs.replace(over, ended=end, ended_at=at, end_code=code, rung_due=None)

    def stands_from(self, now: datetime) -> datetime:
        """From when a pause counts that is read now: from now, for a record's time is its writer's to choose.

        From the end of a clock that has run out unseen since the pause was said, so that none runs out within it; and from no
        moment of an earlier pause.
        """
        return max([min([now, *_paused_dues(self).values()]), *(over for _, over in self.held)])

    def on_hold(self, at: datetime, until: datetime, code: str) -> "Leg":
        """Its paused clocks run out so much later: what is stored is when they will, also while it is held."""
        return _postponed(msgspec.structs.replace(self, held_at=at, held_until=until, held_code=code), until - at)

    def resumed(self, at: datetime) -> "Leg":
        """Its clocks go on; what was not used of the pause is taken back, never more: a partner's record may be older than the pause."""
        if self.held_at is None or self.held_until is None:
            return self
        end = min(max(at, self.held_at), self.held_until)
        over = self.held[:-1]
        kept = msgspec.json.encode((*over, (self.held_at, end))) if end > self.held_at or not over else self.pauses
        going = msgspec.structs.replace(self, pauses=kept, held_at=None, held_until=None, held_code=None)
        return _postponed(going, end - self.held_until)

    def parted(self, at: datetime) -> "Leg":
        """An open pause as two, one that is over and one from here on: a clock that begins now contains but the second."""
        if self.held_until is None or self.held_until <= at:
            return self
        return self.resumed(at).on_hold(max(at, self.held_at or at), self.held_until, self.held_code or "other")

    @property
    def held(self) -> tuple[Span, ...]:
        """Its pauses, from and until, first to last; of an open one the end that was named."""
        over = _spans.decode(self.pauses) if self.pauses != NO_PAUSE else ()
        return (*over, (self.held_at, self.held_until)) if self.held_at is not None and self.held_until is not None else over

    def held_since(self, start: datetime) -> timedelta:
        """How much of its pauses lies behind this moment: so much longer lasts a paused clock that runs from there."""
        return sum((max(until - max(begun, start), timedelta(0)) for begun, until in self.held), timedelta(0))

    def must_be_open(self) -> None:
        if self.ended is not None:
            raise RuleBroken("leg-ended", f"This leg has ended ({self.ended}); no further answer is taken.", state=self.ended)
        if self.covered_by is not None:
            detail = "The agency owes the same for this child through another case: answer that leg."
            raise RuleBroken("leg-covered", detail, state="covered", covered_by=self.covered_by)

    def missing_at(self, now: datetime) -> tuple[tuple[str, datetime], ...]:
        """Clocks that have just run out: due, not met and not yet a fact."""
        every = (self.delivered_due, self.seen_due, self.accepted_due, self.active_due, self.done_due)
        if not self.open or not any(due is not None and due <= now for due in every):  # asked at every move, and mostly nothing has
            return ()
        known = self.missed.split()
        dues = ((clock, _DUE[clock](self)) for clock in CLOCKS if clock not in known and not self.met(clock))
        return tuple((clock, due) for clock, due in dues if due is not None and due <= now)

    def armed(self) -> "Leg":
        """The leg with its next ring set: it pauses while no clock is missed, and two rungs keep their gap however late the sweep is."""
        due = min((at for at in self.rings() if at is not None), default=None)
        return self if due == self.rung_due else msgspec.structs.replace(self, rung_due=due)

    def rings(self) -> tuple[datetime | None, datetime | None]:
        """When the next rung fires and when the last one is told again; neither while every missed clock has been met."""
        if not self.open or self.ladder_from is None or not self.unmet:
            return None, None
        terms, climb = terms_of(self), self._climb(self.ladder_from)
        return next_rung(terms, climb), next_repeat(terms, climb)

    @property
    def unmet(self) -> tuple[str, ...]:
        """The clocks that ran out and have not been met since; not those that stand still."""
        still = PAUSED if self.held_until is not None else ()
        return tuple(clock for clock in self.missed.split() if not self.met(clock) and clock not in still)

    def waits_for_office(self) -> bool:
        """Nothing but clocks that end with a day is missed, and such a ring may wait until the office opens."""
        terms = terms_of(self)
        return terms.hours is not None and all(clock in terms.day_clocks for clock in self.unmet)

    def not_repeated(self) -> "Leg":
        """The leg whose last rung is told no more."""
        return msgspec.structs.replace(self, repeats=terms_of(self).rungs[self.rung - 1].times)

    def acknowledged(self, rung: int) -> bool:
        return any(ack.rung == rung for ack in acknowledged_of(self))

    def _climb(self, since: datetime) -> Climb:
        return Climb(
            since=since,
            rung=self.rung,
            rung_at=self.rung_at,
            repeats=self.repeats,
            rang_at=self.rang_at,
            acknowledged=self.acknowledged(self.rung - 1),
            not_before=self.quiet_until if self.quiet_until is not None and self.waits_for_office() else None,
        )

    def next_due(self) -> datetime | None:
        """The earliest clock that is neither met nor missed already, or the next rung. Written out: every leg of a case is asked at every move."""
        if self.ended is not None:
            return None
        missed = self.missed  # no clock's name is a part of another's
        dues = (
            self.rung_due,
            self.press_due,
            self.held_until,
            None if self.delivered_at or "delivered" in missed else self.delivered_due,
            None if self.seen_at or "seen" in missed else self.seen_due,
            None if self.accepted_at or "accepted" in missed else self.accepted_due,
            None if self.active_at or "active" in missed else self.active_due,
            None if "done" in missed else self.done_due,
        )
        first = None
        for due in dues:
            if due is not None and (first is None or due < first):
                first = due
        return first


def _postponed(leg: Leg, by: timedelta) -> Leg:
    """Its paused clocks later (or earlier) by so much."""
    return msgspec.structs.replace(leg, **{f"{clock}_due": due + by for clock, due in _paused_dues(leg).items()})


def _paused_dues(leg: Leg) -> dict[str, datetime]:
    """When the clocks run out that a pause puts off, unless they did or were met."""
    missed = leg.missed.split()
    dues = ((clock, _DUE[clock](leg)) for clock in PAUSED if clock not in missed and not leg.met(clock))
    return {clock: due for clock, due in dues if due is not None}


_IMPLIED = {fact: tuple(f"{name}_at" for name in FACTS[: place + 1]) for place, fact in enumerate(FACTS)}
_MET = {**{fact: attrgetter(f"{fact}_at") for fact in FACTS}, "done": attrgetter("ended")}
_DUE = {clock: attrgetter(f"{clock}_due") for clock in CLOCKS}
_acks = msgspec.json.Decoder(tuple[Acknowledged, ...])
_spans = msgspec.json.Decoder(tuple[Span, ...])


def terms_of(leg: Leg) -> Terms:
    return _terms(leg.terms)


@lru_cache(maxsize=1024)
def _terms(terms: bytes) -> Terms:
    """All legs of one rule carry the same text, and a storm reads it several times for each of them."""
    return msgspec.json.decode(terms, type=Terms)


def acknowledged_of(leg: Leg) -> tuple[Acknowledged, ...]:
    """Who has taken note of which rung, in the order in which they did."""
    return _acks.decode(leg.acks)
