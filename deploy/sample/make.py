"""How do the files of the sample come to be? `python -m deploy.sample.make` writes the same bytes each time.

directory.yaml: the agencies of Harbin. reports.jsonl: one line per report, its body without `seen_at`, which whoever files
it puts `seen_minutes` before that moment. alone.json: one whole body, to try things out.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.sample.divisions import Divisions, load, padded
from deploy.sample.people import child, phone

HERE = Path(__file__).parent
PROVINCE, CITY = "230000", "230100"
REPORTS = 200
SITUATIONS = ("L1a", "L1b", "L2", "L3", "L4", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9")
GROUPS = ("K1", "K2", "K3", "K4", "K5", "K6")
CODES = SITUATIONS + GROUPS
KINDS = ("school", "kindergarten", "hospital", "village_committee", "social_work", "rescue_station", "welfare_home", "other")
AGES = {"M2": range(9, 14), "M3": range(14, 18), "K3": range(7, 17), "kindergarten": range(3, 7), "school": range(6, 18)}
SEXES = ("female", "male", "unknown")
NO_HUKOU = "K4"
# 民主镇 is 230104114 for civil affairs and 230104112 for statistics, whose villages these are; 永源镇 is 230104112 for civil affairs.
MINZHU, YONGYUAN = "230104114", "230104112"
MINZHU_VILLAGES = ("230104112200", "230104112201")
FARM_VILLAGE = "230103500501"  # 红旗农场, which only statistics knows
SECOND_TOWN_VILLAGE = "230183101201"
Entry = dict[str, Any]


# -- agencies


def entry(code: str, name: str, department: str, region: str, superior: str | None) -> Entry:
    return {"code": code, "name": name, "department": department, "region": padded(region), "superior": superior}


def agencies(places: Divisions) -> list[Entry]:
    """A superior stands before those below it."""
    counties = places.counties(CITY)
    office = "农村留守儿童关爱保护工作联席会议办公室"
    return [
        entry("jc-230000", f"黑龙江省{office}", "joint_conference", PROVINCE, None),
        entry("jc-230100", f"哈尔滨市{office}", "joint_conference", CITY, "jc-230000"),
        entry("ops-230000", "合力运行值班", "operations", PROVINCE, None),
        *_line(counties, "jc", "joint_conference", office),
        *_headed(counties, "police", "police", "公安局"),
        *_headed(counties, "civil", "civil_affairs", "民政局"),
        *_headed(counties, "edu", "education", "教育局"),
        *(_township(row) for county in counties for row in towns(places, county["code"])),
    ]


def _headed(counties: list[Entry], short: str, department: str, title: str) -> Iterator[Entry]:
    yield entry(f"{short}-{CITY}", f"哈尔滨市{title}", department, CITY, None)
    yield from _line(counties, short, department, title)


def _line(counties: list[Entry], short: str, department: str, title: str) -> Iterator[Entry]:
    for county in counties:
        yield entry(f"{short}-{county['code']}", county["name"] + title, department, county["code"], f"{short}-{CITY}")


def _township(row: dict[str, str]) -> Entry:
    title = "办事处" if row["name"].endswith("街道") else "人民政府"
    return entry(f"town-{row['code']}", row["name"] + title, "township", row["code"], f"jc-{row['parent']}")


def towns(places: Divisions, county: str) -> list[dict[str, str]]:
    """The first plain town of a county, and the two whose codes are another place's elsewhere."""
    own = [row for row in places.civil.values() if row["parent"] == county]
    plain = [row for row in own if row["level"] == "town" and row["in_nbs"] == "1" and not row["note"]]
    return plain[:1] + [row for row in own if row["code"] in (YONGYUAN, MINZHU)]


def directory(places: Divisions) -> str:
    lines = ["# The agencies of the sample: real divisions of Harbin, made-up phones. Written by deploy/sample/make.py.", "agencies:"]
    for number, agency in enumerate(agencies(places), 1):
        phone_line = f'region: "{agency["region"]}", superior: {agency["superior"] or "null"}, phone: "0451-0000{number:04d}"'
        lines.append(f"- {{code: {agency['code']}, name: {agency['name']}, department: {agency['department']}, {phone_line}}}")
    return "\n".join(lines) + "\n"


# -- reports


def reports(places: Divisions) -> list[Entry]:
    """First those that show most, so that few reports show much; then every code from every kind of reporter; then the rest."""
    told = [*first(), *(crossed(places, number) for number in range(len(CODES) * len(KINDS)))]
    told += [wide(places, number) for number in range(REPORTS - len(told))]
    return [{"key": f"sample-{number:03d}", **report} for number, report in enumerate(told, 1)]


def first() -> list[Entry]:
    granny = {"name": "样外婆", "sex": "female", "age": 66}
    siblings = [child(2, 6, "male"), child(3, 12, "female", groups=("K3",)), granny]
    baby = child(5, 0, "male", hukou=False)
    again = child(9, 8, "female")
    three = [child(number, age, "unknown", hukou=False) for number, age in ((6, 3), (7, 7), (8, 17))]
    return [
        report("school", "230125100201", ("L1a",), (), [child(0, 9, "female")], 20),
        report("village_committee", "230112107200", ("L2",), (), [child(1, 11, "male")], 35),
        report("village_committee", MINZHU_VILLAGES[0], (), ("K2",), siblings, 90),
        report("hospital", "230184", ("M4", "M6"), ("K4",), [baby], 12),
        report("school", "230183100200", (), ("K3",), [child(4, 13, "male")], 600),
        report("rescue_station", "230112", ("M7",), ("K4",), three, 45),
        report("school", FARM_VILLAGE, ("L3",), (), [again], 50),
        report("social_work", YONGYUAN, ("L2",), ("K1",), [again], 55),
        report("other", SECOND_TOWN_VILLAGE, ("L1b",), (), [child(10, 15, "male")], 30),
    ]


def report(
    kind: str, region: str, situations: tuple[str, ...], groups: tuple[str, ...], children: list[Entry], minutes: int, number: int = 0
) -> Entry:
    county = region[:6]
    body = {
        "situations": list(situations),
        "groups": list(groups),
        "region": region,
        "children": children,
        "facts": f"合成样例，并非真人真事。报告单位电话 {phone(number)}。",
        "received_by": "样例接报员",
    }
    return {
        "kind": kind,
        "unit": f"{kind.replace('_', '-')}-{county}",
        "unit_region": padded(county),
        "seen_minutes": minutes,
        "body": body,
    }


def crossed(places: Divisions, number: int) -> Entry:
    """One code and one kind of reporter: each pair comes once."""
    code, kind = CODES[number % len(CODES)], KINDS[(number + number // len(CODES)) % len(KINDS)]
    ages = AGES.get(code) or AGES.get(kind) or range(18)
    sex = "female" if code in ("M2", "M3") else SEXES[number % len(SEXES)]
    hukou = code != NO_HUKOU and sex != "unknown"
    told = child(20 + number, ages[number * 5 % len(ages)], sex, hukou=hukou)
    situations, groups = ((code,), ()) if code in SITUATIONS else ((), (code,))
    return report(kind, region(places, number), situations, groups, [told], 5 + number * 7 % 600, number)


def wide(places: Divisions, number: int) -> Entry:
    """Several codes at once: siblings with groups of their own, a grown-up beside every third family."""
    situations = (SITUATIONS[number % 5],) if number % 2 else (SITUATIONS[5 + number % 9], SITUATIONS[number % 5])
    groups = (GROUPS[number % 6],) if number % 3 else ()
    size = 1 + number % 3
    family = [_sibling(number, place) for place in range(size)]
    grown = [{"name": "样姑妈", "sex": "female", "age": 18 + number}] if number % 3 == 1 else []
    kind = KINDS[number * 3 % len(KINDS)]
    return report(kind, region(places, number * 5 + 2), situations, groups, [*family, *grown], 3 + number * 11 % 300, 500 + number)


def _sibling(number: int, place: int) -> Entry:
    own = (GROUPS[(number + place) % 6],) if place else ()
    age = (number * 4 + place * 6) % 18
    return child(200 + number * 3 + place, age, SEXES[(number + place) % 2], hukou=NO_HUKOU not in own, groups=own)


def region(places: Divisions, number: int) -> str:
    """Mostly a village of the county's town with an agency; sometimes 9, 12 or 6 digits of what lies above it."""
    counties = places.counties(CITY)
    town = towns(places, counties[number % len(counties)]["code"])[0]["code"]
    villages = [code for code, row in places.villages.items() if row["parent"] == town]
    forms = {7: town, 8: town[:6], 9: padded(town)}
    return forms.get(number % 10) or villages[number % len(villages)]


def alone() -> Entry:
    told: Entry = report("school", "230125100201", ("L1a",), (), [child(11, 10, "male")], 0)["body"]
    return {**told, "seen_at": "2026-11-01T08:20:00+08:00"}


def main() -> None:
    places = load()
    (HERE / "directory.yaml").write_text(directory(places), encoding="utf-8")
    lines = [json.dumps(told, ensure_ascii=False) for told in reports(places)]
    (HERE / "reports.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (HERE / "alone.json").write_text(json.dumps(alone(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
