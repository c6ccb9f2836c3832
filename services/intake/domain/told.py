"""What may a reporter send, and which rule does it break? The form by pydantic, the rest by `faults`: place and rule, never a value."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.intake.domain.content import ADULT, GROUPS, SITUATIONS, Content, Person, ordered
from shared.calendar import SHANGHAI
from shared.errors import Fault
from shared.identifiers import IdNumberError, age_in_years, check_id_number, child_id, derived_child_id
from shared.regions import Regions

AHEAD = timedelta(minutes=2)
"""A telephone's clock may be wrong by this much."""
NOMINAL = 2
"""Years by which an age as people count it (虚岁) may differ from the one in an ID number."""
CHILDREN, FACTS, NAME, LIST = 20, 4000, 100, 20
FIRST_SEEN, FIRST_BORN = datetime(2000, 1, 1, tzinfo=UTC), date(1900, 1, 1)
RULES: dict[str, str] = {
    "nothing-reported": f"Name at least one situation ({', '.join(SITUATIONS)}) or key group ({', '.join(GROUPS)}).",
    "situation-unknown": f"A situation is one of {', '.join(SITUATIONS)}.",
    "group-unknown": f"A key group is one of {', '.join(GROUPS)}.",
    "seen-at-form": "A moment as in RFC 3339, from the year 2000 on: 2026-11-24T14:30:00+08:00.",
    "seen-at-naive": "Say the offset from UTC, as in 2026-11-24T14:30:00+08:00.",
    "seen-at-future": "This is more than 2 minutes ahead of now.",
    "region-unknown": "A division code of 6, 9 or 12 digits that is in the division data.",
    "age-or-birth-date": "Give either a birth date or an age in full years, not both.",
    "birth-date-form": "A date as in 2015-09-01.",
    "birth-date-range": "A day from 1900 on that is not in the future.",
    "id-number-form": "An ID number has 17 digits and a digit or X. Leave it out for a child without hukou.",
    "id-number-checksum": "The last character does not fit the others: a digit is wrong or two are swapped.",
    "id-number-birth-date": "The birth date inside the number does not exist or is in the future.",
    "id-number-mismatch": "The number says another birth date, age or sex: is it another person's?",
    "id-number-twice": "Another child of this report has the same number.",
    "nobody-under-18": "A report concerns at least one person under 18.",
}
_UNTRANSLATABLE = re.compile("[\x00\ud800-\udfff]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_REGION = re.compile(r"\d{6}|\d{9}|\d{12}", re.ASCII)


def _text(value: Any) -> Any:
    if isinstance(value, str) and _UNTRANSLATABLE.search(value):
        raise ValueError("nul")
    return value


def _moment(value: Any) -> datetime:
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found and not found["offset"]:
        raise ValueError("seen-at-naive")
    try:
        at = datetime.fromisoformat(value.upper()) if found else FIRST_SEEN - AHEAD
    except ValueError:
        at = FIRST_SEEN - AHEAD
    if at < FIRST_SEEN:
        raise ValueError("seen-at-form")
    try:
        return at.astimezone(UTC)
    except OverflowError:  # an hour that is left of the year 9999 here is the year 10000 there
        raise ValueError("seen-at-future") from None


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) and _DAY.fullmatch(value) else "")
    except ValueError:
        raise ValueError("birth-date-form") from None


# Trap: a limit written after a validator that runs before it is no string's limit any more: other rule names, other OpenAPI.
READABLE = BeforeValidator(_text)
Text = Annotated[str, READABLE]
Name = Annotated[str, Field(min_length=1, max_length=NAME), READABLE]
Situations = Annotated[list[Annotated[str, Field(json_schema_extra={"enum": list(SITUATIONS)}), READABLE]], Field(max_length=LIST)]
Groups = Annotated[list[Annotated[str, Field(json_schema_extra={"enum": list(GROUPS)}), READABLE]], Field(max_length=LIST)]


class ToldChild(BaseModel):
    """A child as the reporter knows it; without hukou there is no ID number."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    name: Name
    sex: Literal["male", "female", "unknown"]
    birth_date: Annotated[date, BeforeValidator(_day)] | None = None
    age: Annotated[int, Field(strict=True, ge=0, le=120)] | None = None
    age_estimated: Annotated[bool, Field(strict=True)] = False
    id_number: Annotated[str, Field(max_length=NAME), READABLE] | None = None
    groups: Groups = []

    def years(self, today: date) -> int | None:
        """Age in full years; None when neither age nor a possible birth date is told."""
        if self.age is not None:
            return self.age
        return age_in_years(self.birth_date, today) if self.birth_date and self.birth_date <= today else None


class Told(BaseModel):
    """A report as it is filed. Situations belong to the report; groups given here hold for every child."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    situations: Situations = []
    groups: Groups = []
    seen_at: Annotated[datetime, BeforeValidator(_moment)]
    region: Text
    children: Annotated[list[ToldChild], Field(min_length=1, max_length=CHILDREN)]
    facts: Annotated[str, Field(min_length=1, max_length=FACTS), READABLE]
    received_by: Name | None = None


class Unit(msgspec.Struct, frozen=True):
    """Who files: the reporter unit's code and kind, and the id of the token it used."""

    party: str
    kind: str
    token: str


def faults(told: Told, now: datetime, regions: Regions) -> tuple[Fault, ...]:
    """Every rule that a well-formed report breaks at a moment, by the wall clock."""
    return tuple(fault(pointer, rule) for pointer, rule in _broken(told, now, regions))


def fault(pointer: str, rule: str) -> Fault:
    return Fault(pointer, rule, RULES[rule])


def _broken(told: Told, now: datetime, regions: Regions) -> Iterator[tuple[str, str]]:
    today = now.astimezone(SHANGHAI).date()
    if not (told.situations or told.groups or any(child.groups for child in told.children)):
        yield "/situations", "nothing-reported"
    yield from ((f"/situations/{n}", "situation-unknown") for n, code in enumerate(told.situations) if code not in SITUATIONS)
    yield from _unknown_groups("", told.groups)
    if told.seen_at > now + AHEAD:
        yield "/seen_at", "seen-at-future"
    if not _REGION.fullmatch(told.region) or regions.find(told.region) is None:
        yield "/region", "region-unknown"
    numbers: set[str] = set()
    for place, child in enumerate(told.children):
        yield from _child(f"/children/{place}", child, today, numbers)
    if all((child.years(today) or 0) >= ADULT for child in told.children):
        yield "/children", "nobody-under-18"


def _unknown_groups(at: str, groups: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((f"{at}/groups/{n}", "group-unknown") for n, code in enumerate(groups) if code not in GROUPS)


def _child(at: str, child: ToldChild, today: date, numbers: set[str]) -> Iterator[tuple[str, str]]:
    yield from _unknown_groups(at, child.groups)
    if (child.birth_date is None) is (child.age is None):
        yield f"{at}/age", "age-or-birth-date"
    if child.birth_date is not None and not FIRST_BORN <= child.birth_date <= today:
        yield f"{at}/birth_date", "birth-date-range"
    elif child.id_number is not None and (rule := _number(child.id_number, child, today, numbers)):
        yield f"{at}/id_number", rule


def _number(raw: str, child: ToldChild, today: date, numbers: set[str]) -> str | None:
    try:
        number = check_id_number(raw, today)
    except IdNumberError as error:
        return error.rule
    other = child.age is not None and abs(child.age - age_in_years(number.birth_date, today)) > NOMINAL
    if other or child.birth_date not in (None, number.birth_date) or child.sex not in ("unknown", number.sex):
        return "id-number-mismatch"
    twice = number.value in numbers
    numbers.add(number.value)
    return "id-number-twice" if twice else None


def content_of(told: Told, report: UUID, unit: Unit, key: bytes, today: date) -> Content:
    """A report that breaks no rule as it is kept. `key` makes a child's id from its ID number: the same child, the same id."""
    people = tuple(_person(number, child, told.groups, report, key, today) for number, child in enumerate(told.children, 1))
    return Content(
        situations=ordered(SITUATIONS, told.situations),
        groups=ordered(GROUPS, told.groups),
        people=people,
        facts=told.facts,
        received_by=told.received_by,
        party=unit.party,
        reporter_kind=unit.kind,
        token=unit.token,
    )


def _person(number: int, child: ToldChild, groups: Sequence[str], report: UUID, key: bytes, today: date) -> Person:
    cleaned = check_id_number(child.id_number, today).value if child.id_number is not None else None
    return Person(
        number=number,
        child=child_id(key, cleaned) if cleaned else derived_child_id(report, number),
        name=child.name,
        sex=child.sex,
        birth_date=child.birth_date,
        age=child.age,
        age_estimated=child.age_estimated,
        id_number=cleaned,
        groups=ordered(GROUPS, (*groups, *child.groups)),
    )
