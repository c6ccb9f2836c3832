"""What may be told, which rule is broken, and what does each department see?"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.intake.domain.content import GROUPS, IDENTITY, MEDICAL, SIGHTS, SITUATIONS, Content, narrow, sight
from services.intake.domain.told import RULES, Told, Unit, content_of, faults
from shared.http import invalid
from shared.identifiers import child_id, derived_child_id
from shared.regions import Regions
from tests.support import reports
from tests.support.reports import aged, body, child, number

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
TODAY = date(2026, 11, 24)
REPORT = UUID("01937f3c-9a00-7abc-8def-0123456789ab")
REGIONS = Regions.load()


def broken(given: dict[str, Any]) -> set[tuple[str, str]]:
    """Pointer and rule of all that is wrong, of form or rule."""
    try:
        told = Told.model_validate(given)
    except ValidationError as error:
        return {(fault.pointer, fault.rule) for fault in invalid(error).faults}
    return {(fault.pointer, fault.rule) for fault in faults(told, NOW, REGIONS)}


BROKEN = reports.broken(NOW)


@pytest.mark.parametrize(("given", "pointer", "rule"), BROKEN, ids=[f"{rule} {pointer}" for _, pointer, rule in BROKEN])
def test_what_breaks_a_rule_is_named_by_place_and_rule(given: dict[str, Any], pointer: str, rule: str) -> None:
    assert broken(given) == {(pointer, rule)}


@pytest.mark.parametrize("given", reports.good(NOW))
def test_what_breaks_no_rule_is_taken(given: dict[str, Any]) -> None:
    assert broken(given) == set()


def test_an_id_number_of_a_county_that_we_do_not_know_is_no_fault() -> None:
    assert Regions.load().find("999999") is None
    assert broken(body(child(id_number=number("20160501", county="999999")))) == set()


def test_every_rule_has_its_sentence() -> None:
    used = {rule for _, _, rule in BROKEN}
    assert set(RULES) <= used


def test_a_place_found_by_digits_is_found_again_by_its_published_code() -> None:
    found = [region for code in ("230104112", "230104112201", "2399", "441900") if (region := REGIONS.find(code))]
    assert all(REGIONS.find(region.code) is region for region in found)


def content(given: dict[str, Any], key: bytes = b"k") -> Content:
    return content_of(Told.model_validate(given), REPORT, Unit("school-1", "school", "jti"), key, TODAY)


def test_the_same_id_number_is_the_same_child_and_no_number_belongs_to_this_report_alone() -> None:
    first, second = content(body(child(id_number=number("20160501")), aged())).people
    assert (first.child, second.child) == (child_id(b"k", number("20160501")), derived_child_id(REPORT, 2))
    assert content(body(child(id_number=number("20160501").lower())), b"other").people[0].child != first.child


def test_groups_of_the_report_hold_for_every_child() -> None:
    told = content(body(child(groups=["K6", "K3"]), aged(), groups=["K4"]))
    assert [person.groups for person in told.people] == [("K3", "K4", "K6"), ("K4",)]
    assert (told.groups, told.all_groups) == (("K4",), ("K3", "K4", "K6"))


@pytest.mark.parametrize(("day", "age", "minor"), [(23, 17, True), (24, 18, False), (25, 18, False)])
def test_the_eighteenth_birthday_ends_being_a_minor(day: int, age: int, minor: bool) -> None:  # noqa: FBT001 - a row of a table
    person = content(body(child(birth_date="2008-11-24"), child())).people[0].on(date(2026, 11, day))
    assert (person.age, person.minor) == (age, minor)


def test_the_age_is_that_of_the_day_in_china() -> None:
    late = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)  # 00:30 on the 24th there
    told = Told.model_validate(body(child(birth_date="2008-11-24"), seen_at="2026-11-23T20:00:00+08:00"))
    assert [fault.rule for fault in faults(told, late, REGIONS)] == ["nobody-under-18"]
    assert not faults(told, late - timedelta(minutes=31), REGIONS)


WHOLE = body(
    child(name="张小花", id_number=number("20160501"), groups=["K3", "K4"]),
    aged(name="张小树", age=4),
    aged(name="张大山", age=19),
    situations=["L1a", "M2"],
    received_by="李老师",
    facts="她说害怕",
)


def seen_by(department: str, numbers: tuple[int, ...] = (1, 2), **changes: Any) -> dict[str, Any]:
    told = content(WHOLE | changes)
    return narrow(told.on(TODAY), department, numbers)


def names(view: dict[str, Any]) -> list[str]:
    return [shown["name"] for shown in view.get("children", [])]


def test_police_see_everything_also_who_reported_and_the_adult() -> None:
    view = seen_by("police")
    assert names(view) == ["张小花", "张小树", "张大山"]
    assert (view["facts"], view["received_by"], view["reporter"]) == ("她说害怕", "李老师", {"unit": "school-1", "kind": "school"})
    assert view["children"][0]["id_number"] == number("20160501")
    assert view["situations"] == ("L1a", "M2")


@pytest.mark.parametrize("department", ["civil_affairs", "township"])
def test_civil_affairs_and_township_see_the_children_and_the_facts_and_never_the_reporter(department: str) -> None:
    view = seen_by(department)
    assert names(view) == ["张小花", "张小树"]
    assert set(view) == {"situations", "groups", "children", "facts"}
    assert set(view["children"][0]) == {"number", *IDENTITY}


def test_an_agency_sees_the_children_of_its_own_cases() -> None:
    assert names(seen_by("township", (2,))) == ["张小树"]
    assert names(seen_by("police", (2,))) == ["张小花", "张小树", "张大山"]


def test_education_sees_school_facts_and_the_words_only_of_a_plain_dropout() -> None:
    view = seen_by("education", (1,))
    assert view["children"] == [{"number": 1, "name": "张小花", "sex": "female", "age": 10, "groups": ("K3",)}]
    assert (view["situations"], "facts" in view) == (("L1a",), False)
    assert seen_by("education", (1,), situations=["L1a"])["facts"] == "她说害怕"
    assert "facts" not in seen_by("education", (2,), situations=["L1a"], children=[child(groups=["K4"])])


def test_health_sees_the_child_and_the_medical_part() -> None:
    view = seen_by("health")
    assert (set(view), view["situations"]) == ({"situations", "groups", "children"}, ("M2",))


@pytest.mark.parametrize("department", ["joint_conference", "operations", "village", "justice", "", "unknown"])
def test_everybody_else_sees_nothing_but_codes(department: str) -> None:
    assert seen_by(department) == {"situations": ("L1a", "M2"), "groups": ("K3", "K4")}
    assert sight(department, SITUATIONS, GROUPS).fields() == ("situations", "groups")


def test_the_record_of_a_reading_names_what_was_shown() -> None:
    for department in SIGHTS:
        told = content(WHOLE | {"situations": ["L1a"]})
        fields = sight(department, told.situations, told.all_groups).fields()
        view = narrow(told.on(TODAY), department, (1,))
        assert {field.partition(".")[0] for field in fields} == set(view)


def test_medical_codes_reach_no_school_authority() -> None:
    assert not MEDICAL & set(narrow(content(WHOLE | {"situations": list(SITUATIONS)}), "education", (1,))["situations"])
