"""What would a set of entries do to a directory, and is every place that it leaves without anybody named once, at its highest?"""

import msgspec

from services.referral.domain.importing import departments_of_red, judge, same
from shared.contracts.directory import AgencyChanged
from tests.support.county import COUNTY, DIRECTORY, TOWN, agency
from tests.unit.referral.acting import RULES, with_agencies

CITY, OTHER = "239900000000", "239902000000"


def ended(code: str) -> AgencyChanged:
    return msgspec.structs.replace(DIRECTORY[code], active=False)


def gaps(*entries: AgencyChanged, known: tuple[AgencyChanged, ...] = ()) -> list[tuple[str, str, str]]:
    return [(gap.region, gap.department, gap.rule) for gap in judge(entries, with_agencies(*known)).gaps]


def test_the_four_departments_may_owe_something_in_a_red_case() -> None:
    assert {"police", "civil_affairs", "education", "township"} <= set(departments_of_red(RULES))


def test_writes_stand_in_an_order_in_which_every_superior_comes_first() -> None:
    chain = [agency(f"police-{number}", "police", COUNTY, f"police-{number + 1}") for number in range(5)]
    found = judge([*chain, agency("police-5", "police", COUNTY, "police-city"), DIRECTORY["police-county"]], with_agencies())
    assert [entry.agency for entry in found.writes] == ["police-5", "police-4", "police-3", "police-2", "police-1", "police-0"]
    assert [judged.verdict for judged in found.verdicts] == ["created"] * 6 + ["unchanged"]
    assert found.possible


def test_superiors_that_stand_in_a_circle_within_the_set_are_rejected() -> None:
    found = judge([agency("a1", "police", COUNTY, "a2"), agency("a2", "police", COUNTY, "a1")], with_agencies())
    assert [judged.faults for judged in found.verdicts] == [(("superior", "superior-circle"),)] * 2
    assert (found.writes, found.possible) == ((), False)


def test_a_region_is_compared_by_what_it_means() -> None:
    assert judge([msgspec.structs.replace(DIRECTORY["police-county"], region="239901")], with_agencies()).verdicts[0].verdict == "unchanged"
    assert same(DIRECTORY["police-county"], msgspec.structs.replace(DIRECTORY["police-county"], version=7))


def test_where_another_serves_or_somebody_stands_above_nothing_is_lost() -> None:
    assert gaps(ended("police-county")) == []
    assert gaps(ended("edu-county"), agency("edu-2", "education", COUNTY)) == []


def test_the_highest_place_that_is_left_is_named_once() -> None:
    team = agency("police-team", "police", TOWN)
    assert gaps(ended("police-county"), ended("police-city"), ended_(team), known=(team,)) == [(CITY, "police", "left-without")]
    assert gaps(ended("town-qinghe")) == [(TOWN, "township", "left-without")]


def ended_(entry: AgencyChanged) -> AgencyChanged:
    return msgspec.structs.replace(entry, active=False)


def test_a_department_that_no_red_case_needs_may_end() -> None:
    court = agency("court-1", "court", COUNTY)
    assert "court" not in departments_of_red(RULES)
    assert gaps(ended_(court), known=(court,)) == []


def test_a_county_that_begins_needs_everybody_and_a_city_that_begins_all_its_counties() -> None:
    begun = agency("civil-2", "civil_affairs", OTHER)
    assert gaps(begun) == [(OTHER, "education", "without"), (OTHER, "township", "without")]
    new_city = gaps(agency("jc-qiqihar", "joint_conference", "230200000000", "jc-city"))
    assert {(department, rule) for _, department, rule in new_city} == {
        (name, "without") for name in ("police", "civil_affairs", "education", "township")
    }
    assert {region for region, _, _ in new_city} >= {"230281000000", "230221000000"}
