"""Which agencies would a real province have? Made from the division data, for trials: names by the usual pattern, no telephone of anybody."""

import json
from collections.abc import Iterator
from typing import Any

from shared.regions import Region, Regions

MADE_UP = "2399"
"""Divisions with this prefix were never given out: they are for tests."""
OFFICE = "农村留守儿童关爱保护工作联席会议办公室"
TITLES = {"police": ("公安厅", "公安局"), "civil_affairs": ("民政厅", "民政局"), "education": ("教育厅", "教育局")}
"""Of a department: at a province, and at a city or county. A municipality has the second at every level."""
SHORT = {"police": "police", "civil_affairs": "civil", "education": "edu"}
Entry = dict[str, Any]


def agencies(code: str) -> list[Entry]:
    """Every agency of a province, superiors first. Raises ValueError for what is no province."""
    regions = Regions.load()
    province = regions.find(code)
    if province is None or province.level != "province":
        raise ValueError(f"{code} is no code of a province (for example 230000)")
    inside = regions.below(province)
    places = sorted((place for place in inside if place.legal and not place.key.startswith(MADE_UP)), key=_order)
    seats = [place for place in places if place.level in ("province", "prefecture", "county")]
    lines = [entry for department in TITLES for entry in _line(department, seats, regions)]
    offices = [_entry(_code("jc", place), place.name + OFFICE, "joint_conference", place, _above("jc", place, regions)) for place in seats]
    towns = [_township(place, regions) for place in places if place.level == "township"]
    return [*offices, _entry(_code("ops", province), "合力运行值班", "operations", province, None), *lines, *towns]


def _order(place: Region) -> tuple[int, str]:
    return ("province", "prefecture", "county", "township", "village").index(place.level), place.key


def _line(department: str, seats: list[Region], regions: Regions) -> Iterator[Entry]:
    short = SHORT[department]
    for place in seats:
        yield _entry(_code(short, place), place.name + _title(department, place), department, place, _above(short, place, regions))


def _title(department: str, place: Region) -> str:
    at_province, below = TITLES[department]
    return at_province if place.level == "province" and not place.name.endswith("市") else below


def _township(place: Region, regions: Regions) -> Entry:
    """Its superior is the office of its county, as in the sample: a township answers to the county, not to one department of it."""
    title = (
        "办事处" if place.name.endswith("街道") else "" if place.name.endswith(("农场", "林场", "牧场", "管理区", "办事处")) else "人民政府"
    )
    return _entry(_code("town", place), place.name + title, "township", place, _above("jc", place, regions))


def _above(short: str, place: Region, regions: Regions) -> str | None:
    """The same line at the next unit above that has an agency: a county may stand directly below its province."""
    return next((_code(short, unit) for unit in regions.climb(place)[1:] if unit.legal), None)


def _code(short: str, place: Region) -> str:
    """As short as the place allows: 6 digits down to the county, 9 for a township; a place that only 统计 knows says so."""
    digits = place.code[:9] if place.level == "township" else place.code[:6]
    return f"{short}-{digits}" if not place.key.startswith("nbs:") else f"{short}-nbs-{digits}"


def _entry(code: str, name: str, department: str, place: Region, superior: str | None) -> Entry:
    return {"code": code, "name": name, "department": department, "region": place.key, "superior": superior}


def as_yaml(entries: list[Entry], code: str) -> str:
    """A directory file as `HELI_DIRECTORY` takes it: one entry a line, in flow style, which is JSON."""
    head = f"# The agencies of a province, made from the division data by `heli agencies province {code}`: for trials. Real divisions, no real office."
    return "\n".join([head, "agencies:", *(f"- {json.dumps(entry, ensure_ascii=False)}" for entry in entries)]) + "\n"
