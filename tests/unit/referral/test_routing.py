"""Does every leg find a holder, every refusal somebody above, and every rung somebody to wake?"""

import pytest

from services.referral.domain import routing
from services.referral.domain.agency import gaps_in
from services.referral.domain.routing import Holder, Knowledge
from shared.errors import RuleBroken
from shared.regions import Regions
from tests.support.county import COUNTY, DIRECTORY, TOWN, VILLAGE, agency
from tests.unit.referral.acting import KNOWN, a_leg, with_agencies, without

CITY, PROVINCE = "239900000000", "230000000000"


@pytest.mark.parametrize("place", [VILLAGE, TOWN, COUNTY])
def test_a_duty_goes_to_the_nearest_agency_above_the_place(place: str) -> None:
    assert routing.holder(KNOWN, "police", place) == Holder("police-county", unassigned=False)


def test_a_duty_of_a_place_without_an_agency_climbs_to_the_city() -> None:
    assert routing.holder(KNOWN, "police", "239902100201") == Holder("police-city", unassigned=False)
    assert routing.holder(without("police-county"), "police", VILLAGE) == Holder("police-city", unassigned=False)


def test_an_agency_that_has_ended_is_passed_over() -> None:
    known = with_agencies(agency("police-county", "police", COUNTY, "police-city", active=False))
    assert routing.holder(known, "police", VILLAGE) == Holder("police-city", unassigned=False)


@pytest.mark.parametrize(
    ("department", "place", "office"),
    [
        ("health", VILLAGE, "jc-county"),
        ("education", "239902100201", "jc-city"),
        ("health", "", "jc-city"),
        ("health", "999999999999", "jc-city"),
    ],
)
def test_a_duty_that_nobody_holds_is_the_joint_conference_office_s_and_flagged(department: str, place: str, office: str) -> None:
    assert routing.holder(KNOWN, department, place) == Holder(office, unassigned=True)


def test_no_leg_is_dropped_even_when_the_root_has_ended() -> None:
    known = with_agencies(
        agency("jc-city", "joint_conference", CITY, active=False), agency("jc-county", "joint_conference", COUNTY, "jc-city", active=False)
    )
    assert routing.holder(known, "health", VILLAGE) == Holder("jc-city", unassigned=True)


def test_a_directory_without_a_root_is_no_directory() -> None:
    known = without("jc-city", "jc-county")
    with pytest.raises(LookupError):
        routing.holder(known, "health", VILLAGE)
    assert gaps_in(known.directory, Regions.load())
    assert gaps_in(DIRECTORY, Regions.load()) == ()


@pytest.mark.parametrize(
    ("holder", "department", "expected"),
    [
        ("police-county", "police", Holder("police-city", unassigned=False)),
        ("police-city", "police", Holder("jc-city", unassigned=True)),
        ("jc-county", "police", Holder("jc-city", unassigned=True)),
        ("jc-county", "joint_conference", Holder("jc-city", unassigned=False)),
        ("civil-county", "civil_affairs", Holder("jc-city", unassigned=True)),
        ("town-qinghe", "township", Holder("jc-county", unassigned=True)),
        ("nobody", "police", Holder("police-county", unassigned=False)),
    ],
)
def test_who_declines_is_followed_by_the_next_above(holder: str, department: str, expected: Holder) -> None:
    assert routing.next_up(KNOWN, a_leg(agency=holder, department=department), VILLAGE) == expected


def test_the_joint_conference_office_at_the_root_cannot_decline() -> None:
    with pytest.raises(RuleBroken) as refused:
        routing.next_up(KNOWN, a_leg(agency="jc-city"), VILLAGE)
    assert (refused.value.slug, refused.value.status) == ("nobody-above", 409)


def test_a_superior_that_has_ended_is_climbed_over() -> None:
    above = agency("police-city", "police", CITY, "police-province", active=False)
    known = with_agencies(above, agency("police-province", "police", PROVINCE))
    assert routing.next_up(known, a_leg(), VILLAGE) == Holder("police-province", unassigned=False)


def test_a_joint_conference_office_below_an_ended_one_is_not_the_root() -> None:
    known = with_agencies(
        agency("jc-city", "joint_conference", CITY, "jc-province", active=False), agency("jc-province", "joint_conference", PROVINCE)
    )
    assert routing.next_up(known, a_leg(agency="jc-county"), VILLAGE) == Holder("jc-province", unassigned=True)


def test_a_superior_that_is_not_in_the_directory_gives_way_to_the_region_above() -> None:
    known = with_agencies(agency("police-county", "police", COUNTY, "police-lost"))
    assert routing.next_up(known, a_leg(), VILLAGE) == Holder("police-city", unassigned=False)


def test_superiors_in_a_circle_end() -> None:
    known = with_agencies(
        agency("police-county", "police", COUNTY, "police-city", active=False),
        agency("police-city", "police", CITY, "police-county", active=False),
    )
    assert routing.next_up(known, a_leg(), VILLAGE).unassigned


@pytest.mark.parametrize(
    ("known", "holder", "who", "told", "expected"),
    [
        (KNOWN, "police-county", "duty_officer", "", "police-county"),
        (KNOWN, "police-county", "superior", "police-county", "police-city"),
        (KNOWN, "police-county", "joint_conference", "police-county police-city", "jc-county"),
        # a rung whose agency is missing
        (KNOWN, "civil-county", "superior", "civil-county", "jc-county"),
        (KNOWN, "civil-county", "joint_conference", "civil-county jc-county", "jc-city"),
        (without("police-city"), "police-county", "superior", "police-county", "jc-county"),
        (without("police-county"), "police-county", "superior", "", "jc-county"),
        # one that has ended; the holder itself is told all the same
        (with_agencies(agency("police-city", "police", CITY, active=False)), "police-county", "superior", "police-county", "jc-county"),
        (
            with_agencies(agency("police-county", "police", COUNTY, "police-city", active=False)),
            "police-county",
            "duty_officer",
            "",
            "police-county",
        ),
        (
            with_agencies(agency("jc-county", "joint_conference", COUNTY, "jc-city", active=False)),
            "police-county",
            "joint_conference",
            "",
            "jc-city",
        ),
        # one that was told already
        (KNOWN, "police-county", "superior", "police-county police-city", "jc-county"),
        (KNOWN, "police-county", "joint_conference", "jc-county", "jc-city"),
        (KNOWN, "jc-county", "duty_officer", "", "jc-county"),
        (KNOWN, "jc-county", "superior", "jc-county", "jc-city"),
        # everybody was told: the last above them again, never nobody
        (KNOWN, "jc-city", "duty_officer", "", "jc-city"),
        (KNOWN, "jc-city", "superior", "jc-city", "jc-county"),
        (KNOWN, "jc-city", "joint_conference", "jc-city jc-county", "jc-city"),
    ],
)
def test_whom_a_rung_tells(known: Knowledge, holder: str, who: str, told: str, expected: str) -> None:
    assert routing.told_by(known, a_leg(agency=holder, told=told), who, VILLAGE) == expected
