"""What can come to a case in any order, twice, late, from anybody, by a clock that jumps? And could what follows be stored?"""

import random
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, SmallInteger, Table

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.leg import FACTS, Leg
from services.referral.tables import METADATA
from shared.errors import Problem
from shared.messages import Decision
from tests.unit.referral.acting import CASE, NOW, accepted_report, act, open_case, tick

OPENINGS = (("M6", "hospital", 9), ("L1a", "school", 9), ("L1b", "village_committee", 13), ("M1", "other", 15), ("L2", "school", 17))
ANSWERS = (
    *FACTS[1:],
    "declined",
    "fulfilled",
    "forwarded",
    *4 * ("accepted", "held"),
    "resumed",
    "withdrawn",
    "kept",
)  # only what was accepted is held
WHATS = (*6 * ("answer",), "open", "delivery", "acknowledge", "claim", "sweep", "sweep", "again", "lost", "ask", "void", "press")
WHO = ("its own", "its own", "its own", "police-city", "nobody")
CODES = ("child_safe", "handed_over", "other", "not_my_duty", None)
JUMPS = (-90_000, -1, 0, 1, 60, 600, 7_200, 90_000, 3_000_000)


class Step(NamedTuple):
    """One message, or the time door: `after` seconds later by the clock, received `age` seconds before. `again`: an earlier one once more."""

    what: str
    after: int
    leg: int
    answer: str
    who: str
    via: str
    age: int
    code: str | None
    number: int


COLUMNS: dict[str, tuple[Any, ...]] = {
    "what": WHATS,
    "after": JUMPS,
    "leg": tuple(range(6)),
    "answer": ANSWERS,
    "who": WHO,
    "via": ("http", "topic", "link"),
    "age": (0, 0, 1, 3_600, 10**6),
    "code": CODES,
    "number": tuple(range(5)),
}


def drawn(seed: int, length: int) -> list[Step]:
    """A history by a seed, for where hypothesis is too dear."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    return [Step(**{name: chance.choice(values) for name, values in COLUMNS.items()}) for _ in range(length)]


class Seen(NamedTuple):
    """What a step did: the case before and after, the events, the moment; `repeat`: the message had been taken before."""

    before: Case
    after: Case
    events: tuple[Any, ...]
    now: datetime
    body: Any
    repeat: bool


class History:
    """Plays steps against one case, as its room would: each decides at a moment that is not before the last change."""

    def __init__(self, opening: tuple[str, str, int]) -> None:
        situation, kind, age = opening
        self.report = accepted_report(situation, kind=kind, age=age)
        self.case: Case = open_case(self.report).aggregate
        self.clock = NOW
        self.taken: list[Any] = []

    def play(self, steps: Iterable[Step]) -> Iterator[Seen]:
        for step in steps:
            self.clock += timedelta(seconds=step.after)
            if step.what == "sweep":
                yield from self.awake()
                continue
            repeat = step.what == "again" and bool(self.taken)
            body = self.taken[step.number % len(self.taken)] if repeat else self.message(step)
            seen = self.take(body, timedelta(seconds=step.age), repeat=repeat)
            yield seen
            if seen.after is not seen.before and not repeat:
                yield self.take(body, timedelta(0), repeat=True)
                self.taken.append(body)

    def awake(self) -> Iterator[Seen]:
        """The time door: what is due ticks until nothing is."""
        while self.case.next_due is not None and self.case.next_due <= self.now:
            yield self._after(tick(self.case, self.now), None, repeat=False)

    @property
    def now(self) -> datetime:
        return max(self.clock, self.case.changed_at)

    def take(self, body: Any, age: timedelta, *, repeat: bool) -> Seen:
        try:
            decision = act(self.case, body, self.clock, age=age)
        except Problem:
            decision = Decision(aggregate=self.case)
        return self._after(decision, body, repeat=repeat)

    def _after(self, decision: Decision, body: Any, *, repeat: bool) -> Seen:
        seen = Seen(self.case, decision.aggregate, decision.events, self.now, body, repeat)
        self.case = decision.aggregate
        return seen

    def message(self, step: Step) -> Any:
        leg = self._leg(step.leg)
        agency = leg.agency if step.who == "its own" else step.who
        if step.what == "open":
            return handlers.OpenCase(CASE, self.report, self.report.children[0])
        if step.what == "delivery":
            return handlers.NoteDelivery(leg.id, agency)
        if step.what == "acknowledge":
            told = leg.told.split()
            return handlers.AcknowledgeRung(
                leg=leg.id, rung=step.number, agency=(told or [agency])[step.leg % max(len(told), 1)], via="http"
            )
        if step.what == "claim":
            of: Any = ("claim", "assign", "release")[step.number % 3]
            return handlers.ClaimLeg(leg=leg.id, agency=agency, step=of, officer=f"officer-{step.age}")
        if step.what in ("lost", "ask", "void", "press"):
            return self._beside(step, leg, agency)
        until = self.now + timedelta(hours=6 * step.number) if step.answer == "held" else None
        return handlers.TakeAnswer(leg=leg.id, agency=agency, answer=step.answer, via=step.via, code=step.code, until=until)

    def _beside(self, step: Step, leg: Leg, agency: str) -> Any:
        """What others than the agency of a leg bring to it."""
        if step.what == "lost":
            return handlers.NoteUndeliverable(leg.id, agency, "status-500")
        if step.what == "press":
            return handlers.PressLegs(office="jc-county", due=self.now + timedelta(hours=step.number), reason="silent", leg=leg.id)
        if step.what == "ask":
            return handlers.AskWithdrawal(leg=leg.id, by="operator", operator=True, code="duplicate")
        return handlers.VoidLeg(leg=leg.id, by="operator", operator=True, code="duplicate")

    def _leg(self, place: int) -> Leg:
        legs = [*self.case.legs.values()]
        return legs[place % len(legs)]


POSTGRES = {
    "num_nulls": lambda *given: sum(value is None for value in given),
    "num_nonnulls": lambda *given: sum(value is not None for value in given),
}
"""Functions in constraints that SQLite has not: one more of them needs a line here."""


class Storable:
    """The constraints of the tables, asked of values: the very texts of `tables.py`, read by SQLite, whose logic of null is the same."""

    def __init__(self) -> None:
        self.sqlite = sqlite3.connect(":memory:")
        for name, function in POSTGRES.items():
            self.sqlite.create_function(name, -1, function)

    def faults(self, case: Case) -> list[str]:
        """Names of the constraints that a case and its legs break."""
        legs = list(case.legs.values())
        found = list(self.broken(METADATA.tables["case_file"], case))
        for leg in legs:
            found += self.broken(METADATA.tables["leg"], leg)
        return found + list(self._twice(METADATA.tables["leg"], legs))

    def broken(self, table: Table, value: Any) -> Iterator[str]:
        for column in table.columns:
            held = getattr(value, column.name)
            if held is None and not column.nullable:
                yield f"{column.name} is null"
            if isinstance(column.type, SmallInteger) and held is not None and not -(2**15) <= held < 2**15:
                yield f"{column.name} is no smallint"
        checks = {str(check.name): str(check.sqltext) for check in table.constraints if isinstance(check, CheckConstraint)}
        held_by = zip(checks, self._asked(table, list(checks.values()), value), strict=True)
        yield from (name for name, holds in held_by if holds == 0)  # null lets a row pass

    def _asked(self, table: Table, texts: list[str], value: Any) -> tuple[Any, ...]:
        names = [column.name for column in table.columns]
        given = ", ".join(f"? as {name}" for name in names)
        asked = ", ".join(f"({text})" for text in texts)
        answer: tuple[Any, ...] = self.sqlite.execute(
            f"select {asked} from (select {given})", [_plain(getattr(value, name)) for name in names]
        ).fetchone()
        return answer

    def _twice(self, table: Table, rows: list[Any]) -> Iterator[str]:
        for index in (index for index in table.indexes if index.unique):
            where = index.dialect_options["postgresql"]["where"]
            inside = [row for row in rows if where is None or self._asked(table, [str(where)], row)[0]]
            keys = [tuple(getattr(row, column.name) for column in index.columns) for row in inside]
            if len(set(keys)) < len(keys):
                yield str(index.name)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
