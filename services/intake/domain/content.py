"""What was told about the children, and what of it does a department see? The matrix is `domain.md` d3."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from shared.identifiers import age_in_years

SITUATIONS = ("L1a", "L1b", "L2", "L3", "L4", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9")
GROUPS = ("K1", "K2", "K3", "K4", "K5", "K6")
MEDICAL = frozenset({"M1", "M2", "M3", "M4", "M5"})
"""Medical or sexual detail."""
DROPOUT = "K3"
ADULT = 18


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom the reporter names. `age` in full years, as told or, from a birth date, on the day of the report."""

    number: int
    child: UUID
    name: str
    sex: str
    birth_date: date | None = None
    age: int | None = None
    age_estimated: bool = False
    id_number: str | None = None
    groups: tuple[str, ...] = ()

    def on(self, day: date) -> "Person":
        """The same person with an age."""
        if self.birth_date is None:
            return self
        return msgspec.structs.replace(self, age=age_in_years(self.birth_date, max(day, self.birth_date)))

    @property
    def minor(self) -> bool:
        """Somebody of 18 or more named beside a minor stays in the report and gets no case."""
        return self.age is not None and self.age < ADULT


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """All that is personal in a report. Never published, never logged; groups given for the report stand with each person too."""

    situations: tuple[str, ...]
    groups: tuple[str, ...]
    people: tuple[Person, ...]
    facts: str
    received_by: str | None
    party: str
    reporter_kind: str
    token: str

    def on(self, day: date) -> "Content":
        """The same content with everybody's age on a day."""
        return msgspec.structs.replace(self, people=tuple(person.on(day) for person in self.people))

    @property
    def all_groups(self) -> tuple[str, ...]:
        return ordered(GROUPS, (*self.groups, *(group for person in self.people for group in person.groups)))


class Sight(msgspec.Struct, frozen=True):
    """What one department sees: which fields of a child, the reporter's own words, the reporter and everybody named, which codes."""

    child: tuple[str, ...] = ()
    facts: bool = False
    reporter: bool = False
    situations: Collection[str] = SITUATIONS
    groups: Collection[str] = GROUPS

    def fields(self) -> tuple[str, ...]:
        """Names of what is shown, for the record of a reading."""
        text = ("facts",) if self.facts else ()
        reporter = ("reporter", "received_by") if self.reporter else ()
        return ("situations", "groups", *(f"children.{name}" for name in self.child), *text, *reporter)


IDENTITY = ("name", "sex", "birth_date", "age", "age_estimated", "id_number", "groups")
CODES = Sight()
"""Nothing but codes: whoever holds a leg without needing to know the child (the joint-conference office, for one)."""
SIGHTS = {
    "police": Sight(IDENTITY, facts=True, reporter=True),
    "civil_affairs": Sight(IDENTITY, facts=True),
    "township": Sight(IDENTITY, facts=True),
    "education": Sight(("name", "sex", "age", "groups"), situations=frozenset(SITUATIONS) - MEDICAL, groups=("K3", "K5", "K6")),
    "health": Sight(IDENTITY, situations=MEDICAL),
}


def sight(department: str, situations: Collection[str], groups: Collection[str]) -> Sight:
    """What a department sees of a report with these codes."""
    seen = SIGHTS.get(department, CODES)
    # Free text cannot be cut: beside a medical or sexual situation the dropout part stays away from the school authority too.
    dropout = department == "education" and DROPOUT in groups and not MEDICAL & set(situations)
    return msgspec.structs.replace(seen, facts=True) if dropout else seen


def narrow(content: Content, department: str, numbers: Collection[int]) -> dict[str, Any]:
    """What a department reads: of the children with these numbers (its own cases); police read of everybody named."""
    seen = sight(department, content.situations, content.all_groups)
    view: dict[str, Any] = {
        "situations": ordered(seen.situations, content.situations),
        "groups": ordered(seen.groups, content.all_groups),
    }
    if seen.child:
        shown = [p for p in content.people if seen.reporter or (p.minor and p.number in numbers)]
        view["children"] = [_child(person, seen) for person in shown]
    if seen.facts:
        view["facts"] = content.facts
    if seen.reporter:
        view |= {"received_by": content.received_by, "reporter": {"unit": content.party, "kind": content.reporter_kind}}
    return view


def _child(person: Person, seen: Sight) -> dict[str, Any]:
    fields = {name: getattr(person, name) for name in seen.child}
    return {"number": person.number, **fields, "groups": ordered(seen.groups, person.groups)}


def ordered(known: Collection[str], codes: Iterable[str]) -> tuple[str, ...]:
    """The codes that are known, once each, in the order of the field's own lists."""
    given = set(codes)
    return tuple(code for code in (*SITUATIONS, *GROUPS) if code in given and code in known)
