"""Does a division code find the place its maker meant, and climb by stored parents only?"""

import pytest

from shared.errors import Problem
from shared.regions import Region, Regions

REGIONS = Regions.load()


def place(code: str) -> Region:
    region = REGIONS.find(code)
    assert region is not None
    return region


def names(code: str) -> list[str]:
    return [unit.name for unit in REGIONS.climb(place(code))]


def test_loading_is_done_once() -> None:
    assert Regions.load() is REGIONS


@pytest.mark.parametrize("code", ["230112", "230112000", "230112000000"])
def test_six_nine_and_twelve_digits_name_the_same_county(code: str) -> None:
    assert place(code) == Region("230112000000", "230112000000", "county", "阿城区", "230100000000", legal=True)


@pytest.mark.parametrize("code", ["239901100", "239901100000"])
def test_a_township_by_nine_and_twelve_digits(code: str) -> None:
    assert (place(code).name, place(code).level) == ("清河镇", "township")


def test_a_bare_township_code_has_the_meaning_of_civil_affairs() -> None:
    assert names("230104112") == ["永源镇", "道外区", "哈尔滨市", "黑龙江省"]
    assert names("nbs:230104112") == ["民主镇", "道外区", "哈尔滨市", "黑龙江省"]


def test_villages_hang_under_the_township_of_the_statistics_bureau() -> None:
    villages = [unit for unit in REGIONS if unit.level == "village" and unit.code.startswith("230104112")]
    assert villages
    assert {REGIONS.climb(unit)[1].name for unit in villages} == {"民主镇"}
    assert not any(REGIONS.within(unit, place("230104112")) for unit in villages)
    assert all(REGIONS.within(unit, place("nbs:230104112")) for unit in villages)


def test_a_place_that_both_makers_have_is_one_region_whatever_its_codes() -> None:
    assert place("nbs:230104112") is place("230104114")
    assert place("nbs:230104102") is place("230104112")
    assert place("nbs:230108008") is place("230108009")
    assert place("nbs:230104012") is place("230104012")


def test_a_place_that_only_the_statistics_bureau_has_keeps_its_own_key() -> None:
    other = place("nbs:230403002")
    assert (other.key, other.code, other.name) == ("nbs:230403002000", "230403002000", "红旗街道")
    assert place("230403002").name == "团结路街道"


def test_a_made_up_village() -> None:
    assert names("239901100201") == ["第1村", "清河镇", "松源县", "松源市", "黑龙江省"]
    assert place("239901100201").level == "village"


MISSHAPEN = ["", "23", "2301", "23010411", "２３０１１２", "23011a", "nbs:", "nbs:nbs:230112", "x"]
UNKNOWN = ["230199", "230104999", "230104112999", "nbs:230199"]


@pytest.mark.parametrize("code", MISSHAPEN + UNKNOWN)
def test_what_is_unknown_or_misshapen_is_nowhere(code: str) -> None:
    assert REGIONS.find(code) is None


def test_a_code_that_only_civil_affairs_has_is_unknown_to_the_statistics_bureau() -> None:
    assert place("659013").legal
    assert REGIONS.find("nbs:659013") is None


@pytest.mark.parametrize("code", ["230671", "232761", "500105", "620201", "230113160"])
def test_zones_of_statistics_and_abolished_units_are_found_but_are_no_jurisdiction(code: str) -> None:
    assert not place(code).legal


def test_every_development_zone_is_excluded() -> None:
    assert sum(1 for unit in REGIONS if unit.level == "county" and not unit.legal) == 132 + 2 + 1


def test_a_prefecture_without_counties_stays_one_prefecture() -> None:
    for code in ("441900", "442000", "460400"):
        assert (place(code).level, place(code).legal) == ("prefecture", True)
        assert place(f"nbs:{code}") is place(code)
        assert REGIONS.county(place(code)) is None


def test_parents_are_those_stored_and_never_the_digits() -> None:
    assert names("500105") == ["江北区", "重庆市"]
    assert names("429004") == ["仙桃市", "湖北省"]
    assert names("110101") == ["东城区", "北京市"]


def test_county_of_a_village_and_of_what_lies_above() -> None:
    assert REGIONS.county(place("239901100201")) is place("239901")
    assert REGIONS.county(place("239901")) is place("239901")
    assert REGIONS.county(place("239900")) is None


def test_within_counts_the_place_itself_and_not_its_neighbour() -> None:
    assert REGIONS.within(place("239901"), place("239901"))
    assert REGIONS.within(place("239901100201"), place("230000"))
    assert not REGIONS.within(place("239900"), place("239901"))


def test_what_an_office_asks_for_is_cut_to_its_own_and_a_place_outside_is_refused() -> None:
    county, town = REGIONS.names_below("230102"), REGIONS.names_below("230102002")
    assert REGIONS.cut(None, None) is None
    assert (REGIONS.cut("230102002", "230102"), REGIONS.cut("230000", "230102"), REGIONS.cut("230102", None)) == (town, county, county)
    for asked, own, status in (("230103", "230102", 403), ("999999", "230102", 422)):
        with pytest.raises(Problem) as refused:
            REGIONS.cut(asked, own)
        assert refused.value.status == status


def test_every_place_is_found_by_its_key_and_climbs_to_a_province() -> None:
    for unit in REGIONS:
        assert REGIONS.find(unit.key) is unit
        assert REGIONS.climb(unit)[-1].level == "province"


def test_no_row_of_the_files_is_lost() -> None:
    counts = {level: sum(1 for unit in REGIONS if unit.level == level) for level in ("province", "prefecture", "village")}
    assert counts == {"province": 34, "prefecture": 333 + 1, "village": 13_877 + 540}
