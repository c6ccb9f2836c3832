"""Do `heli rules check | diff | explain` answer as promised, with the promised exit codes, without any service?"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.demo.expectation import expect, read_agencies
from deploy.demo.run import DIRECTORY
from deploy.explaining import moment
from services.referral.domain.rule_rows import CODES, Department, Reporter
from services.referral.domain.rules import RuleSet
from shared.calendar import SHANGHAI, Calendar, shipped

FILE = Path(__file__).parents[3] / "services" / "referral" / "rules" / "2026-11.yaml"
TEXT = FILE.read_text(encoding="utf-8")
EVE = "2026-02-13T10:00:00+08:00"
CLOCK = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "start", "limit", "unit", "due", "basis", "source"],
    "properties": {
        "id": {"type": "string", "pattern": r"^([RPTEGCH]\d{2}|local\..+)$"},
        "start": {"type": "string", "minLength": 1},
        "limit": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "unit": {"enum": ["immediate", "hours", "days", "working_days", "months"]},
        "due": {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$"},
        "basis": {"enum": ["statutory", "local", "unconfirmed"]},
        "source": {"type": "string", "minLength": 1},
    },
}
LEG = {
    "type": "object",
    "additionalProperties": False,
    "required": ["department", "duty", "agency", "clocks"],
    "properties": {
        "department": {"enum": list(get_args(Department))},
        "duty": {"type": "string"},
        "agency": {"type": ["string", "null"]},
        "clocks": {"type": "array", "items": CLOCK},
    },
}
HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
ANSWER = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["rules", "calendar", "grade", "legs", "case_clocks"],
        "properties": {
            "rules": HASH,
            "calendar": HASH,
            "grade": {"enum": ["red", "amber", "green"]},
            "legs": {"type": "array", "items": LEG, "minItems": 1},
            "case_clocks": {"type": "array", "items": CLOCK},
        },
    }
)


@pytest.fixture(autouse=True)
def nothing_was_started_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELI_HOME", str(tmp_path / "home"))


def heli(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def explained(*words: str, at: str = EVE) -> dict[str, Any]:
    done = heli("rules", "explain", *words, "--at", at, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    ANSWER.validate(found)
    return found


def clocks(found: dict[str, Any], duty: str | None = None) -> dict[str, dict[str, Any]]:
    """By id: of one leg, else of the whole case. No id comes twice."""
    listed = next(leg["clocks"] for leg in found["legs"] if leg["duty"] == duty) if duty else found["case_clocks"]
    assert len({clock["id"] for clock in listed}) == len(listed)
    return {clock["id"]: clock for clock in listed}


def test_a_child_alone_in_a_known_place_has_legs_agencies_and_clocks() -> None:
    asked = ("--situation", "L1a", "--group", "K1", "--age", "9", "--region", "230104112", "--reporter", "school")
    found = explained(*asked, "--directory", str(DIRECTORY))
    assert (found["rules"], found["calendar"]) == (RuleSet.parse(FILE.read_bytes()).hash, Calendar.parse(shipped()).hash)
    assert found["grade"] == "amber"
    assert {leg["department"]: leg["agency"] for leg in found["legs"]} == {
        "police": "police-230104",
        "civil_affairs": "civil-230104",
        "education": "edu-230104",
        "township": "town-230104112",
    }
    police = clocks(found, "receive_and_respond")
    assert police["P05"] == {
        "id": "P05",
        "start": "report_received",
        "limit": 3,
        "unit": "days",
        "due": "2026-02-25T00:00:00+08:00",
        "basis": "statutory",
        "source": "S23 刑事诉讼法及受案立案规定",
    }
    assert [police["P01"][name] for name in ("limit", "unit", "due", "basis")] == [None, "immediate", None, "statutory"]
    assert [police["local.accepted"][name] for name in ("limit", "unit", "due", "basis")] == [
        8,
        "hours",
        "2026-02-13T18:00:00+08:00",
        "local",
    ]
    assert [police["P04"][name] for name in ("due", "basis")] == ["2026-02-14T10:00:00+08:00", "unconfirmed"]
    assert clocks(found, "assess_and_register")["T13"]["due"] is None
    of_case = clocks(found)
    assert [of_case["P09"][name] for name in ("start", "due", "basis")] == ["case_filed", None, "unconfirmed"]
    assert {"P11", "local.P11", "R01", "local.R01"} <= of_case.keys()


@pytest.mark.parametrize("reporter", [*get_args(Reporter), None])
@pytest.mark.parametrize("code", CODES)
def test_every_code_by_every_reporter_is_answered_in_the_promised_form(code: str, reporter: str | None) -> None:
    option = "--group" if code[0] == "K" else "--situation"
    asked = (option, code, "--age", "12", "--region", "239901", "--sex", "female")
    found = explained(*asked, *(("--reporter", reporter) if reporter else ()))
    assert all(leg["agency"] is None for leg in found["legs"])
    listed = [clock for leg in found["legs"] for clock in leg["clocks"]] + found["case_clocks"]
    assert all(clock["id"].startswith("local.") == (clock["basis"] == "local") for clock in listed)
    for clock in listed:
        happened = clock["start"] in ("report_received", "leg_issued")
        assert (clock["due"] is not None) == (happened and clock["limit"] is not None), clock


def test_minutes_of_the_county_are_parts_of_an_hour_for_programs() -> None:
    police = clocks(explained("--situation", "M6", "--age", "3", "--region", "239901"), "receive_and_respond")
    assert [police["local.accepted"][name] for name in ("limit", "unit", "due")] == [0.5, "hours", "2026-02-13T10:30:00+08:00"]


def test_a_plain_dropout_brings_no_clock_of_the_police() -> None:
    found = explained("--group", "K3", "--age", "12", "--region", "239901", "--reporter", "village_committee")
    assert {leg["department"] for leg in found["legs"]} == {"education", "township"}
    assert set(clocks(found)) == {"E01", "local.E01", "E02", "local.E02", "local.E03"}


def test_the_explained_legs_are_those_that_an_independent_reading_expects() -> None:
    body = {"situations": ["L1b", "M4"], "groups": ["K4"], "region": "230112", "children": [{"sex": "male", "age": 7}]}
    report = {"key": "x", "kind": "hospital", "body": body}
    expected = expect([report], FILE, read_agencies(DIRECTORY), datetime.now(SHANGHAI).date())
    asked = ("--situation", "L1b", "--situation", "M4", "--group", "K4", "--age", "7", "--sex", "male", "--reporter", "hospital")
    found = explained(*asked, "--region", "230112", "--directory", str(DIRECTORY))
    assert {(leg["department"], leg["duty"], leg["agency"]) for leg in found["legs"]} == {
        (leg.department, leg.duty, leg.agency) for leg in expected.legs
    }


def test_without_a_file_the_directory_last_started_here_is_asked(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "directory.yaml").write_bytes(DIRECTORY.read_bytes())
    found = explained("--situation", "L2", "--age", "5", "--region", "230112")
    assert {leg["agency"] for leg in found["legs"]} >= {"police-230112", "civil-230112"}


def test_a_directory_without_a_root_names_nobody_who_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "agencies.yaml"
    file.write_text(yaml.safe_dump({"agencies": [{"code": "p", "name": "p", "department": "police", "region": "239901"}]}))
    found = explained("--situation", "L2", "--age", "5", "--region", "239901100", "--directory", str(file))
    assert {leg["department"]: leg["agency"] for leg in found["legs"]} == {"police": "p", "civil_affairs": None, "township": None}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--situation", "L9", "--age", "9", "--region", "239901"), "unknown situation L9"),
        (("--situation", "K1", "--age", "9", "--region", "239901"), "unknown situation K1"),
        (("--group", "K9", "--age", "9", "--region", "239901"), "unknown group K9"),
        (("--situation", "L2", "--age", "9", "--region", "999999"), "unknown region 999999"),
        (("--situation", "L2", "--age", "9", "--region", "239901", "--sex", "x"), "unknown sex x"),
        (("--situation", "L2", "--age", "9", "--region", "239901", "--reporter", "x"), "unknown reporter x"),
        (("--situation", "L2", "--age", "9", "--region", "239901", "--at", "noon"), "no time"),
        (("--situation", "L2", "--age", "18", "--region", "239901"), "nobody under 18"),
        (("--situation", "L2", "--age", "-1", "--region", "239901"), "no age"),
        (("--age", "9", "--region", "239901"), "nothing to report"),
        (("--situation", "L2", "--region", "239901"), "--age"),
    ],
)
def test_what_opens_no_case_is_refused_with_exit_2_and_the_reason(words: tuple[str, ...], reason: str) -> None:
    done = heli("rules", "explain", *words, "--json")
    assert (done.exit_code, reason in done.stderr, done.stdout) == (2, True, "")


def test_for_people_it_is_a_table_with_the_other_limits_and_a_loud_warning() -> None:
    asked = ("rules", "explain", "--situation", "L2", "--age", "5", "--region", "239901", "--at")
    done = heli(*asked, "2026-12-30T10:00:00+08:00")
    assert (done.exit_code, "线索需要查证: 7 days" in done.stdout, "WARNING calendar-year-unpublished:2027" in done.stderr) == (
        0,
        True,
        True,
    )
    assert "no rule set was in force" in heli(*asked, EVE).stderr


def test_a_time_without_an_offset_is_meant_in_china() -> None:
    assert moment("2026-02-13T10:00:00") == moment(EVE) == moment("2026-02-13T02:00:00Z")


def other(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "other.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_check_names_every_faulty_row_and_exits_1(tmp_path: Path) -> None:
    wrong = other(
        tmp_path, ("start: case_filed", "start: case_field"), ("mark: S, source: S23, missed: pro", "mark: L, source: S23, missed: pro")
    )
    done = heli("rules", "check", wrong)
    assert (done.exit_code, done.stdout) == (1, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["P05", "P09"]
    fit = heli("rules", "check", str(FILE))
    assert (fit.exit_code, "ok: version 2026-11" in fit.stdout) == (0, True)


def test_diff_says_what_would_change_for_which_duty(tmp_path: Path) -> None:
    changed = other(
        tmp_path,
        ("start: case_filed, limit: 3, unit: days", "start: case_filed, limit: 5, unit: working_days"),
        ("start: application_received, limit: 15", "start: application_received, limit: 10"),
        ("duty: guardianship_protection, groups: [K1, K2]}", "duty: guardianship_protection, groups: [K1, K2, K5]}"),
        ("  - {row: township-key-group, duty: assess_and_register, groups: [K1, K2, K3, K4, K5, K6]}\n", TOWNSHIP),
        ("    issue: false\n", "    issue: true\n"),
        ("{limit: 30, unit: minutes}, basis: local", "{limit: 20, unit: minutes}, basis: local"),
        ("row: red-danger-now, grade: red", "row: red-danger-now, grade: amber"),
    )
    done = heli("rules", "diff", str(FILE), changed)
    assert done.exit_code == 0
    told = done.stdout.splitlines()
    assert "the whole case: clock P09, limit: 3 -> 5" in told
    assert "the whole case: clock P09, unit: days -> working_days" in told
    assert 'guardianship_protection: row civil-no-guardian, groups: ["K1", "K2"] -> ["K1", "K2", "K5"]' in told
    assert "the grade: row red-danger-now, grade: red -> amber" in told
    assert any(line.startswith("assess_and_register: row township-key-group is gone") for line in told)
    assert any(line.startswith("assess_and_register: row township-groups is new") for line in told)
    assert "assess_and_register: clock T13, limit: 15 -> 10" in told
    assert "treat_and_record: duty treat_and_record, issue: false -> true" in told
    assert any(line.startswith("every duty: clock red, accepted: ") for line in told)
    assert told[-1] == f"{len(told) - 1} changes"


TOWNSHIP = "  - {row: township-groups, duty: assess_and_register, groups: [K1, K2, K3, K4, K5, K6]}\n"


def test_diff_of_a_set_with_itself_is_empty_and_an_unfit_one_exits_1(tmp_path: Path) -> None:
    assert heli("rules", "diff", str(FILE), str(FILE)).stdout == "no change: both say the same\n"
    assert heli("rules", "diff", str(FILE), other(tmp_path, ("start: case_filed", "start: case_field"))).exit_code == 1
