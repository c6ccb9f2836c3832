"""Can an event or notice carry anything that names a person (design, section 4: thin)? Only fields of this list may be published."""

import inspect
import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Union, get_args, get_origin
from uuid import UUID

import msgspec
import pytest

from shared.contracts.directory import AgencyChanged
from shared.contracts.envelope import Event
from shared.contracts.intake import ChildNamed
from shared.contracts.notification import NoticeData
from shared.contracts.operations import OperationsEvent
from shared.contracts.referral import CaseOpened, Detail
from shared.contracts.schema import structs
from tests.guards.sources import ROOT, Fault, shown

IDS = {"report", "case", "leg", "child", "notice", "delivery", "replaces", "replaced_by", "story", "covered_by"}
TIMES = {
    "at", "claimed_at", "seen_at", "received_at", "issued_at", "due", "delivered", "seen", "accepted", "active", "done", "active_due",
    "done_due", "delivered_due", "seen_due", "accepted_due", "next_due", "since", "until",
}  # fmt: skip
NUMBERS = {"number", "legs", "rung", "times", "attempt", "version", "partition", "offset"}
FLAGS = {"unassigned", "late", "webhook", "feed", "enabled", "active", "estimated"}
CODES = {
    "code": "the receipt number",
    "agency": "code of an agency in the directory",
    "by": "code of an agency in the directory",
    "to": "code of an agency in the directory",
    "tell": "code of an agency in the directory",
    "superior": "code of an agency in the directory",
    "party": "code of an agency or reporter unit",
    "department": "a department of the rules",
    "duty": "a duty of the rules",
    "grade": "red, amber, green",
    "before": "red, amber, green",
    "situations": "L1a to M9",
    "groups": "K1 to K6",
    "reporter_kind": "school, hospital ...",
    "region": "12 digits, or a key of the division table",
    "rules": "hash of a rule file",
    "rules_before": "hash of a rule file",
    "calendar": "hash of a calendar file",
    "via": "http, topic, link, delivery, covered",
    "reason": "a decline reason, a problem slug, an error's class",
    "outcome": "an outcome code",
    "step": "a step of a duty, by the rules",
    "detail": "a detail of a duty, by the rules",
    "values": "codes of a detail, by the rules",
    "clock": "which of the five clocks",
    "who": "which rung",
    "fact": "delivered, seen, accepted, active, fulfilled",
    "answer": "which answer",
    "state": "the furthest fact of a leg, or its end",
    "role": "a role of a token",
    "fields": "names of the parts of a report that were read, never values",
    "about": "a key of NOTICE_TYPES; for a refusal a case id or an agency's code",
    "concerns": "id of a case or report, or code of a party",
    "channel": "webhook, topic",
    "error": "a slug",
    "event": "id of an event",
    "link": "a one-tap link: signed, one leg, one party, short life",
    "stream": "id of an aggregate",
    "consumer": "name of a kind",
    "message": "id of a message",
    "why": "a code of Discard.reason; what moved a clock",
}
"""Every text that may be published, and what closed set or id it comes from. A text of a person's own belongs in no event."""

OWN_TOPICS_ONLY = {"age": int, "sex": str}
"""Needed by rules and by the children's file; published on our own topics, by these two alone."""
WITH_AGE = {CaseOpened, ChildNamed}
OFFICE = {"name": str, "phone": str}
"""Name and duty line of an office: only the directory says them."""

KINDS: dict[str, tuple[type, ...]] = (
    dict.fromkeys(CODES, (str,)) | dict.fromkeys(IDS, (UUID,)) | dict.fromkeys(NUMBERS, (int,)) | dict.fromkeys(TIMES, (datetime,))
)  # fmt: skip
KINDS |= {name: (*KINDS.get(name, ()), bool) for name in FLAGS}


def faults_in(published: Iterable[type[msgspec.Struct]]) -> Iterator[Fault]:
    for struct in dict.fromkeys(published):
        for field in msgspec.structs.fields(struct):
            inner = [kind for kind in _kinds(field.type) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
            if inner:
                yield from faults_in(inner)
            elif rule := _rule(struct, field.name, {*_kinds(field.type)}):
                yield Fault(*place_of(struct), f"{struct.__name__}.{field.name}: {rule}")


def _rule(struct: type, name: str, kinds: set[Any]) -> str | None:
    if name in OWN_TOPICS_ONLY:
        return None if struct in WITH_AGE and kinds == {OWN_TOPICS_ONLY[name]} else "age and sex are for the rules alone"
    if name in OFFICE and struct is AgencyChanged:
        return None if kinds == {OFFICE[name]} else "a text"
    if name not in KINDS:
        return "no field that may be published"
    wrong = {getattr(kind, "__name__", str(kind)) for kind in kinds - {*KINDS[name]}}
    return f"may not be {', '.join(sorted(wrong))}" if wrong else None


def _kinds(kind: Any) -> Iterator[Any]:
    """The plain types of a field: without null, without the list around them."""
    if get_origin(kind) in (Union, types.UnionType, tuple, list):
        for part in get_args(kind):
            yield from _kinds(part)
    elif kind not in (type(None), Ellipsis):
        yield kind


def place_of(struct: type) -> tuple[str, int]:
    path = Path(inspect.getsourcefile(struct) or "?")
    return str(path.relative_to(ROOT)), inspect.getsourcelines(struct)[1]


def test_only_listed_fields_are_published() -> None:
    assert shown(faults_in(structs().values())) == []


def test_partners_are_told_no_age_and_no_sex() -> None:
    told = {field.name for field in msgspec.structs.fields(NoticeData)}
    assert told.isdisjoint(OWN_TOPICS_ONLY)
    assert told.isdisjoint({"child", "children", "name", "reporter_kind", "situations", "groups"})


def test_nothing_stands_in_the_list_that_nobody_publishes() -> None:
    published: list[type[msgspec.Struct]] = [*structs().values(), ChildNamed, Detail]
    used = {field.name for struct in published for field in msgspec.structs.fields(struct)}
    inner = {"delivered", "seen", "accepted", "active", "done"}
    assert {*CODES, *IDS, *TIMES, *NUMBERS, *FLAGS} - used - inner == set()


class Toy(Event, frozen=True, kw_only=True):
    """A right event."""

    type_: ClassVar[str] = "heli.toy.planted.v1"
    case: UUID
    at: datetime | None = None
    groups: tuple[str, ...] = ()
    number: int = 0


def test_a_right_event_is_not_named() -> None:
    assert shown(faults_in([Toy])) == []


@pytest.mark.parametrize(
    ("name", "kind", "rule"),
    [
        ("name", str, "no field that may be published"),
        ("address", str, "no field that may be published"),
        ("id_number", str | None, "no field that may be published"),
        ("phone", str, "no field that may be published"),
        ("school", str, "no field that may be published"),
        ("facts", tuple[str, ...], "no field that may be published"),
        ("note", str, "no field that may be published"),
        ("age", int, "age and sex are for the rules alone"),
        ("sex", str | None, "age and sex are for the rules alone"),
        ("reason", dict[str, str], "may not be dict"),
        ("at", str, "may not be str"),
        ("report", str, "may not be str"),
        ("code", Any, "may not be Any"),
        ("state", bytes | None, "may not be bytes"),
        ("fields", tuple[str, int], "may not be int"),
    ],
)
@pytest.mark.parametrize("base", [Toy, NoticeData, OperationsEvent])
def test_a_planted_field_is_named(base: type[msgspec.Struct], name: str, kind: Any, rule: str) -> None:
    planted = msgspec.defstruct("Planted", [(name, kind)], bases=(base,), frozen=True, kw_only=True, namespace={"__module__": __name__})
    wrong = {field.name: _rule(planted, field.name, {*_kinds(field.type)}) for field in msgspec.structs.fields(planted)}
    assert {field: found for field, found in wrong.items() if found} == {name: rule}


class Inner(msgspec.Struct, frozen=True):
    """What a child is called must not travel, however deep."""

    nickname: str


class Outer(Toy, frozen=True, kw_only=True):
    """An event with a part."""

    children: tuple[Inner, ...]


def test_a_part_of_an_event_is_looked_into_and_named_with_its_place() -> None:
    line = inspect.getsourcelines(Inner)[1]
    rule = "Inner.nickname: no field that may be published"
    assert shown(faults_in([Outer])) == [f"tests/guards/test_thin_events.py:{line}: {rule}"]
