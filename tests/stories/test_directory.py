"""Does a county begin with one sheet of its agencies, and can no sheet take away the last one that answers for a child?"""

import csv
from pathlib import Path
from typing import Any

import xlsxwriter

from shared.contracts import directory
from shared.regions import Regions
from tests.support.broker import everything, until
from tests.support.command import heli
from tests.support.world import Town, World

HEADINGS = ("编码", "名称", "部门", "区划", "上级", "电话", "启用")
COUNTY = "230281000000"


def sheet(path: Path, *rows: tuple[object, ...]) -> str:
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet()
        page.write(0, 0, "讷河市机构一览")
        for number, row in enumerate((HEADINGS, *rows), 2):
            page.write_row(number, 0, row)
    return str(path)


def rows(suffix: str, *, active: str = "是") -> list[tuple[object, ...]]:
    """The region as a number, as Excel has it."""
    lines = (("police", "公安"), ("civil", "民政"), ("edu", "教育"))
    upper = [(f"{short}-{suffix}", f"讷河市{word}局", word, 230281, "", "0452-1", active) for short, word in lines]
    return [*upper, (f"town-{suffix}", "拉哈镇人民政府", "乡镇", town().code, f"jc-{suffix}", "", active),
            (f"jc-{suffix}", "讷河市联席办", "联席会议", "230281", "jc-root", "", active)]  # fmt: skip


def town() -> Any:
    return next(region for region in Regions.load() if region.level == "township" and region.parent == COUNTY)


async def entries(world: World) -> dict[str, Any]:
    found = await world.databases["referral"].fetch("select code, active from agency where region like '230281%'")
    return {row["code"]: row["active"] for row in found}


async def test_a_county_begins_with_one_sheet_and_its_agencies_answer_for_the_next_report(world: World, tmp_path: Path) -> None:
    file, verdicts = sheet(tmp_path / "agencies.xlsx", *rows("nh")), tmp_path / "verdict.csv"
    dry = await heli(world, "agencies", "import", file, "--dry-run", "--verdict", str(verdicts))
    assert (dry.code, "5 created" in dry.out, "dry run" in dry.out) == (0, True, True), dry
    table = list(csv.DictReader(verdicts.read_text("utf-8-sig").splitlines()))
    assert {(line["row"], line["code"], line["verdict"]) for line in table} >= {("4", "police-nh", "created")}
    assert "police-nh" not in await entries(world)
    done = await heli(world, "agencies", "import", file, "--json")
    assert (done.code, done.document["applied"], done.document["counts"]) == (0, True, {"created": 5}), done
    again = await heli(world, "agencies", "import", file, "--json")
    assert (again.code, again.document["counts"]) == (0, {"unchanged": 5})

    async def published() -> bool:
        records = await everything(world.stack.bootstrap, directory.TOPIC)
        return {f"{short}-nh".encode() for short in ("police", "civil", "edu", "town", "jc")} <= {record.key for record in records}

    await until(published)
    village = next(region.code for region in Regions.load() if region.parent == town().key)
    receipt = await world.reporter().files(Town(world, town().code, village, {}), "L1a")
    legs = await until(lambda: world.legs(receipt["report"]))
    assert {(leg["department"], leg["agency"], leg["unassigned"]) for leg in legs} >= {
        ("police", "police-nh", False), ("civil_affairs", "civil-nh", False), ("township", "town-nh", False),
    }  # fmt: skip


async def test_a_sheet_that_would_leave_a_county_without_anybody_is_refused_with_the_list(world: World, tmp_path: Path) -> None:
    """Whatever the county's education is by then: every one of them ends in this sheet."""
    assert (await heli(world, "agencies", "import", sheet(tmp_path / "first.xlsx", *rows("nh2")))).code == 0
    before = await entries(world)
    gone = [(code, "讷河市教育局", "教育", 230281, "", "", "否") for code in before if code.startswith("edu-")]
    found = await heli(world, "agencies", "import", sheet(tmp_path / "gone.xlsx", *gone, *rows("nh3")[:2]))
    said = "讷河市 (230281000000): nobody for education: somebody was responsible, and nobody would be (left-without)"
    assert (found.code, said in found.out) == (1, True), found
    assert "Nothing was changed." in found.out
    assert await entries(world) == before


async def test_a_row_that_breaks_a_rule_is_named_as_excel_counts_it_and_nothing_is_entered(world: World, tmp_path: Path) -> None:
    bad = ("x-1", "某局", "消防", 230281, "nobody", "", "也许")
    found = await heli(world, "agencies", "import", sheet(tmp_path / "bad.xlsx", *rows("nh4"), bad), "--json")
    faults = {(row["row"], row["field"], row["rule"]) for row in found.document["rows"] if row["verdict"] == "rejected"}
    assert (found.code, found.document["applied"]) == (1, False)
    assert faults == {(9, "active", "yes-or-no"), (9, "department", "literal_error")}
    assert not [code for code in await entries(world) if code.endswith("nh4")]


async def test_only_an_operator_imports_and_a_file_that_is_no_table_says_so(world: World, tmp_path: Path) -> None:
    file = sheet(tmp_path / "agencies.xlsx", *rows("nh5"))
    assert (await heli(world, "agencies", "import", file, token="no token")).code == 2
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04")
    broken = await heli(world, "agencies", "import", str(tmp_path / "broken.xlsx"))
    assert (broken.code, "no whole Excel file" in broken.err) == (1, True)
    assert (await heli(world, "agencies", "province", "230100")).code == 2
