"""Does a directory sheet say what its author meant, and has a made-up province everybody that it needs?"""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.directory import columns, province, verdict
from deploy.directory.columns import Line, lines
from services.referral.app import read_directory
from services.referral.domain.agency import gaps_in, keys_up, superior_first
from services.referral.domain.importing import NEEDED
from shared.contracts.directory import AgencyChanged, Directory
from shared.regions import Regions
from shared.sheets import Sheet, SheetError

CHINESE = ["编码", "名称", "部门", "区划", "上级", "电话", "启用"]


def read(*rows: list[str]) -> list[Line]:
    return lines(Sheet("", list(rows)))


def test_chinese_headings_and_words_mean_the_same_as_codes() -> None:
    chinese = read(["机构一览"], [], CHINESE, ["police-1", "公安局", "公安", "230102", "", "0451-1", "是"])
    english = read(["Active ", "code", "name", "Department", "region", "superior", "phone"], ["no", "a1", "x", "court", "230102", "b1", ""])
    assert chinese == [
        Line(
            4,
            {
                "code": "police-1",
                "name": "公安局",
                "department": "police",
                "region": "230102",
                "superior": None,
                "phone": "0451-1",
                "active": True,
            },
        )
    ]
    assert english == [
        Line(2, {"code": "a1", "name": "x", "department": "court", "region": "230102", "superior": "b1", "phone": "", "active": False})
    ]


@pytest.mark.parametrize("word", [word for words in columns.DEPARTMENTS.values() for word in words])
def test_every_word_for_a_department_means_one(word: str) -> None:
    meant = [code for code, words in columns.DEPARTMENTS.items() if word in words]
    assert [line.entry["department"] for line in read(CHINESE[:4], ["a1", "x", f" {word}\u3000", "230102"])] == meant


def test_what_is_no_department_is_left_for_the_service_to_refuse_and_no_yes_or_no_is_refused_here() -> None:
    (line,) = read(CHINESE, ["a1", "x", "消防", "230102", "", "", "也许"])
    assert (line.entry["department"], line.faults) == ("消防", (("active", "yes-or-no"),))


def test_empty_rows_count_and_short_rows_are_filled() -> None:
    assert [line.row for line in read(CHINESE, [], ["a1"], ["", " "], ["a2"])] == [3, 5]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["编码", "名称", "部门"], ["a"]], "headings"),
        ([CHINESE], "no row"),
        ([[*CHINESE, "code"], ["a1"]], "twice"),
        ([[]] * 10 + [CHINESE, ["a1"]], "headings"),
        ([], "headings"),
    ],
)
def test_a_sheet_that_is_none_of_ours_is_refused(rows: list[list[str]], said: str) -> None:
    with pytest.raises(SheetError, match=said):
        read(*rows)


def judged(*verdicts: tuple[str, list[tuple[str, str]]], applied: bool = False, gaps: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    told = [{"verdict": name, "faults": [{"field": field, "rule": rule} for field, rule in faults]} for name, faults in verdicts]
    return {"verdicts": told, "applied": applied, "gaps": list(gaps), "directory": []}


def test_a_verdict_names_the_row_of_the_sheet_every_fault_and_cannot_run() -> None:
    found = [Line(4, {"code": "a1"}), Line(7, {"code": "=1+1"}, (("active", "yes-or-no"),)), Line(8, {"code": "a3"})]
    answer = judged(("created", []), ("unchanged", []), ("rejected", [("region", "region-unknown"), ("superior", "superior-unknown")]))
    rows = verdict.joined(found, answer)
    table = list(csv.DictReader(io.StringIO(verdict.as_csv(rows).decode("utf-8-sig"))))
    assert [(line["row"], line["code"], line["verdict"], line["field"], line["rule"]) for line in table] == [
        ("4", "a1", "created", "", ""),
        ("7", "'=1+1", "rejected", "active", "yes-or-no"),
        ("8", "a3", "rejected", "region", "region-unknown"),
        ("8", "a3", "rejected", "superior", "superior-unknown"),
    ]
    assert verdict.counts(rows) == {"created": 1, "rejected": 2}
    assert not verdict.possible(rows, answer)
    said = list(verdict.as_text(rows, answer, dry_run=False))
    assert "row 8: a3: region: not in the division data (region-unknown)" in said, "a person reads words, a program the rule"


def test_a_long_list_is_cut_and_says_so() -> None:
    gap = {"name": "某县", "region": "1", "department": "police", "rule": "without"}
    answer = judged(("created", []), gaps=(gap,) * (verdict.SHOWN + 3))
    said = list(verdict.as_text(verdict.joined([Line(2, {"code": "a1"})], answer), answer, dry_run=True))
    assert (len(said), said[-3:]) == (verdict.SHOWN + 3, ["and 3 more: --json or --verdict shows all", "1 created", "Nothing was changed."])


@pytest.fixture(scope="module")
def heilongjiang(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AgencyChanged]:
    file: Path = tmp_path_factory.mktemp("province") / "directory.yaml"
    file.write_text(province.as_yaml(province.agencies("230000"), "230000"), encoding="utf-8")
    entries = read_directory(file)
    whole = {entry.agency: entry for entry in entries}
    assert len(whole) == len(entries)
    assert superior_first(entries, whole)[0].agency == "jc-230000"
    return whole


def test_a_province_is_a_directory_without_gaps(heilongjiang: dict[str, AgencyChanged]) -> None:
    assert gaps_in(heilongjiang, Regions.load()) == ()
    assert all(entry.superior is None or entry.superior in heilongjiang for entry in heilongjiang.values())
    assert not [code for code in heilongjiang if "-2399" in code]


def test_every_county_and_township_of_it_has_its_own_agencies(heilongjiang: dict[str, AgencyChanged]) -> None:
    regions = Regions.load()
    places = [place for place in regions.below(regions.by_key["230000000000"]) if place.legal and not place.key.startswith("2399")]
    for department in (*NEEDED, "joint_conference"):
        level = "township" if department == "township" else "county"
        served = {entry.region for entry in heilongjiang.values() if entry.department == department}
        assert {place.key for place in places if place.level == level} <= served
    assert len(heilongjiang) == 4 * sum(place.level in ("province", "prefecture", "county") for place in places) + 1 + sum(
        place.level == "township" for place in places
    )


@pytest.mark.parametrize("village", ["230104112200", "230103500501", "230183101201"])
def test_a_village_finds_its_township_and_its_police(heilongjiang: dict[str, AgencyChanged], village: str) -> None:
    keys = keys_up(Regions.load(), village)
    township = Directory(heilongjiang).responsible("township", keys)
    assert township is not None
    assert township.region == keys[1]
    assert Directory(heilongjiang).responsible("police", keys) is not None


@pytest.mark.parametrize("code", ["110000", "500000", "460000", "650000", "710000"])
def test_any_province_can_be_made(code: str) -> None:
    entries = province.agencies(code)
    whole = {
        entry["code"]: AgencyChanged(
            agency=entry["code"], phone="", active=True, version=0, **{k: v for k, v in entry.items() if k != "code"}
        )
        for entry in entries
    }
    assert (len(whole), gaps_in(whole, Regions.load())) == (len(entries), ())
    seen: set[str] = set()
    for entry in entries:
        assert entry["superior"] is None or entry["superior"] in seen
        seen.add(entry["code"])


@pytest.mark.parametrize("code", ["230100", "999999", "x", ""])
def test_what_is_no_province_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="no code of a province"):
        province.agencies(code)


@pytest.mark.parametrize(("code", "told"), [("520000", True), ("230000", False)])
def test_a_province_without_townships_in_the_data_says_so(code: str, told: bool) -> None:  # noqa: FBT001 - parametrized
    done = CliRunner().invoke(app, ["agencies", "province", code])
    assert (done.exit_code, "no township" in done.stderr) == (0, told)
