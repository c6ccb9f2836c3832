"""Does every row of the rules give each department exactly the duties that its law gives it, with the right grade and clocks?"""

from datetime import date
from itertools import product
from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from deploy.commands.rules import app
from services.referral.domain.rules import CODES, GRADES, Clocks, Duty, DutyRow, Plan, RuleSet, RuleSetError, plan, table
from shared.calendar import Period
from shared.regions import Regions

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "services" / "referral" / "rules" / "2026-11.yaml"
DRILL_FILE = ROOT / "deploy" / "sample" / "rules-drill.yaml"
RULES = RuleSet.parse(SHIPPED.read_bytes())
DRILL = RuleSet.parse(DRILL_FILE.read_bytes())
WHOLE = RuleSet.parse(SHIPPED.read_bytes().replace(b"issue: false", b"issue: true"))
"""As in a county whose directory has every department."""
SITUATIONS = [code for code in CODES if code[0] in "LM"]
GROUPS = [code for code in CODES if code[0] == "K"]
REPORTERS = ["school", "kindergarten", "hospital", "village_committee", "social_work", "rescue_station", "welfare_home", "other"]
ALL = [*product(CODES, range(18), REPORTERS)]


def planned(*codes: str, age: int = 10, reporter: str = "other", region: str = "", rules: RuleSet = RULES, sex: str = "female") -> Plan:
    place = Regions.load().find(region)
    assert place or not region
    return plan(
        rules,
        situations=frozenset(code for code in codes if code[0] in "LM"),
        groups=frozenset(code for code in codes if code[0] == "K"),
        age=age,
        sex=sex,
        reporter_kind=reporter,
        regions=frozenset(unit.key for unit in Regions.load().climb(place)) if place else frozenset(),
    )


def departments(*codes: str, age: int = 10, reporter: str = "other") -> set[str]:
    return {duty.department for duty in planned(*codes, age=age, reporter=reporter).duties}


def police(found: Plan) -> Duty:
    return next(duty for duty in found.duties if duty.department == "police")


def limits(clocks: Clocks) -> dict[str, str]:
    return {name: f"{clock.period.limit} {clock.period.unit}" for name, clock in msgspec.structs.asdict(clocks).items()}


def test_police_owe_for_every_reportable_situation_and_no_hukou_and_nothing_else() -> None:
    assert {code for code in CODES if "police" in departments(code)} == {*SITUATIONS, "K4"}


def test_a_plain_dropout_is_no_police_matter_at_any_age_by_anybody() -> None:
    for age, reporter in product(range(18), REPORTERS):
        assert "police" not in departments("K3", age=age, reporter=reporter)
        assert "education" in departments("K3", age=age, reporter=reporter)


def test_civil_affairs_owe_where_guardianship_is_missing_lost_or_failed() -> None:
    owing = {"L1a", "L1b", "L2", "M6", "M7", "K1", "K2"}
    for age in range(18):
        assert {code for code in CODES if "civil_affairs" in departments(code, age=age)} == owing


def test_education_owes_for_a_dropout_or_a_school_age_child_reported_by_a_school() -> None:
    for code, age, reporter in ALL:
        pupil = 6 <= age <= 15 and reporter in {"school", "kindergarten"}
        duties = {duty.duty for duty in planned(code, age=age, reporter=reporter).duties if duty.department == "education"}
        assert duties == ({"school_return"} if code == "K3" else set()) | ({"school_attention"} if pupil else set())


@pytest.mark.parametrize("age", range(18))
def test_the_township_owes_under_16_and_for_key_groups_at_any_age(age: int) -> None:
    owing = {code for code in CODES if "township" in departments(code, age=age)}
    assert owing == (set(CODES) if age < 16 else set(GROUPS))


def test_no_report_reaches_nobody_and_no_other_department_is_named() -> None:
    for code, age, reporter in ALL:
        assert set() < departments(code, age=age, reporter=reporter) <= {"police", "civil_affairs", "education", "township"}


def test_one_duty_is_owed_once_with_every_row_that_says_so() -> None:
    duties = planned("L1a", "L2", "K1", "K4", reporter="school").duties
    assert [(duty.department, duty.duty, duty.rows) for duty in duties] == [
        ("police", "receive_and_respond", ("police-report",)),
        ("police", "hukou_registration", ("police-hukou",)),
        ("civil_affairs", "guardianship_protection", ("civil-guardianship", "civil-no-guardian")),
        ("education", "school_attention", ("education-pupil",)),
        ("township", "assess_and_register", ("township-under-16", "township-key-group")),
    ]


@pytest.mark.parametrize("row", RULES.rows, ids=lambda row: row.row)
def test_every_row_adds_its_duty_inside_its_columns_and_not_outside(row: DutyRow) -> None:
    reporter = row.reporters[0] if row.reporters else "other"
    for code in (*row.situations, *row.groups) or CODES:
        for age in {0, row.age_from - 1, row.age_from, row.age_to, row.age_to + 1, 17} & set(range(18)):
            rows = {name for duty in planned(code, age=age, reporter=reporter, rules=WHOLE).duties for name in duty.rows}
            assert (row.row in rows) == (row.age_from <= age <= row.age_to)
    for other in set(CODES) - {*row.situations, *row.groups} if row.situations or row.groups else ():
        assert row.row not in {name for duty in planned(other, reporter=reporter, rules=WHOLE).duties for name in duty.rows}


def test_what_a_county_does_not_issue_is_named_and_not_sent() -> None:
    assert [kind.duty for kind in RULES.duties if not kind.issue] == ["treat_and_record", "revisit_and_confirm"]
    assert [duty.duty for duty in planned("M4", rules=WHOLE).duties if duty.department == "health"] == ["treat_and_record"]
    assert "health" not in table(RULES)[0].cells
    assert {row.code: row.cells for row in table(WHOLE)}["M4"]["health"] == ("treat_and_record",)


def test_every_duty_says_what_counts_as_done_and_how_its_leg_can_end() -> None:
    assert all(kind.done and kind.outcomes for kind in RULES.duties)


RED = {"L1b", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M9"}


@pytest.mark.parametrize("age", range(18))
@pytest.mark.parametrize("code", CODES)
def test_the_grade_of_each_code(code: str, age: int) -> None:
    alone = code in {"L1a", "K1"} and age < 8
    amber = code in SITUATIONS or code in {"K1", "K2"}
    assert planned(code, age=age).grade == ("red" if code in RED or alone else "amber" if amber else "green")


def test_the_most_urgent_reason_decides() -> None:
    assert planned("L3", "M4").grade == "red"
    assert planned("K3", "K2").grade == "amber"
    assert RULES.grade(frozenset({"L1a"}), frozenset({"K6"}), 8) == "amber"
    assert {row.row for row in RULES.grades} == {row.row for row in DRILL.grades}


@pytest.mark.parametrize(
    ("code", "grade", "expected"),
    [
        ("M6", "red", ("2 minutes", "10 minutes", "30 minutes", "2 hours", "30 days")),
        ("L3", "amber", ("10 minutes", "2 hours", "8 hours", "24 hours", "30 days")),
        ("K3", "green", ("30 minutes", "24 hours", "48 hours", "5 working_days", "30 days")),
    ],
)
def test_clocks_by_grade_are_parameters_of_the_county(code: str, grade: str, expected: tuple[str, ...]) -> None:
    found = planned(code)
    assert found.grade == grade
    for duty in found.duties:
        assert tuple(limits(duty.clocks).values()) == expected
        assert {clock.basis for clock in msgspec.structs.asdict(duty.clocks).values()} == {"local"}


@pytest.mark.parametrize(("grade", "gap"), [("red", Period(10, "minutes")), ("amber", Period(1, "hours")), ("green", Period(24, "hours"))])
def test_the_ladder_climbs_to_the_city_its_first_rungs_a_gap_apart(grade: str, gap: Period) -> None:
    ladder = next(ladder for name, ladder in RULES.ladders.items() if name == grade)
    assert ladder.minimum_gap == gap
    assert [rung.who for rung in ladder.rungs] == ["duty_officer", "superior", "joint_conference", "city_joint_conference"]
    assert [rung.after.limit for rung in ladder.rungs[:3]] == [0, gap.limit, 2 * gap.limit]
    assert ladder.rungs[-1].repeat is not None


def test_the_drill_is_the_same_table_with_other_clocks() -> None:
    shipped, drill = (yaml.safe_load(file.read_bytes()) for file in (SHIPPED, DRILL_FILE))
    assert {name: shipped[name] for name in ("titles", "duties", "grades")} == {
        name: drill[name] for name in ("titles", "duties", "grades")
    }
    assert [row for row in drill["rows"] if not row["row"].startswith("drill-")] == shipped["rows"]
    assert shipped["clocks"].keys() == drill["clocks"].keys()


@pytest.mark.parametrize("code", [*SITUATIONS, "K4"])
def test_in_the_drill_the_police_of_one_district_owe_seconds_and_all_others_hours(code: str) -> None:
    for region in ("230112", "230112107", "230112107008"):
        found = planned(code, region=region, rules=DRILL)
        assert list(limits(police(found).clocks).values()) == ["120 seconds", "3 seconds", "4 seconds", "60 seconds", "720 hours"]
        assert police(found).ladder.minimum_gap == Period(2, "seconds")
        assert [rung.after for rung in police(found).ladder.rungs] == [Period(0, "seconds"), Period(2, "seconds"), Period(4, "seconds")]
        assert all(" hours" in text for duty in found.duties if duty.department != "police" for text in limits(duty.clocks).values())
    elsewhere = planned(code, region="230110", rules=DRILL)
    assert all(" hours" in text for duty in elsewhere.duties for text in limits(duty.clocks).values())
    assert {(duty.department, duty.duty) for duty in elsewhere.duties} == {(duty.department, duty.duty) for duty in planned(code).duties}


def test_every_region_of_a_rule_exists() -> None:
    assert all(Regions.load().find(key) for rules in (RULES, DRILL) for row in rules.rows for key in row.regions)


def test_a_version_is_dated_and_known_by_the_hash_of_its_bytes() -> None:
    assert (RULES.valid_on(date(2026, 10, 31)), RULES.valid_on(date(2026, 11, 1)), RULES.valid_on(date(2099, 1, 1))) == (False, True, True)
    assert len({RULES.hash, DRILL.hash, RuleSet.parse(SHIPPED.read_bytes() + b"\n").hash}) == 3


def test_the_table_shows_every_code_and_the_conditions() -> None:
    rows = {row.code: row.cells for row in table(RULES)}
    assert tuple(rows) == CODES
    assert rows["M8"]["police"] == ("receive_and_respond",)
    assert rows["K3"]["police"] == ()
    assert rows["K3"]["education"] == ("school_return", "school_attention (6-15, school/kindergarten)")
    assert (rows["M8"]["township"], rows["K6"]["township"]) == (("assess_and_register (0-15)",), ("assess_and_register",))


def problems(text: str) -> dict[str, str]:
    with pytest.raises(RuleSetError) as caught:
        RuleSet.parse(text.encode())
    return {error.row: error.problem for error in caught.value.errors}


def changed(old: str, new: str) -> str:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new)


def test_errors_come_all_at_once_each_with_its_row() -> None:
    text = changed("situations: [L1a, L1b, L2, M6, M7]}", "situations: [L9]}").replace(
        "duty: hukou_registration, groups", "duty: hukou, groups"
    )
    text = text.replace("age_from: 6, age_to: 15, reporters", "age_from: 16, age_to: 15, reporters").replace(
        "duty: school_return, groups: [K3]}", "duty: school_return, group: [K3]}"
    )
    found = problems(text + "\nmore: 1\n")
    assert found.keys() == {"more", "rows[3] civil-guardianship", "rows[5] education-dropout", "police-hukou", "education-pupil"}
    assert "L9" in found["rows[3] civil-guardianship"]
    assert "group" in found["rows[5] education-dropout"]


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("valid_to: null", "valid_to: 2026-10-31", "valid_to"),
        ("valid_to: null", "valid_to: 2026-13-31", "file"),
        ("valid_to: null", "valid_to: null\nvalid_to: null", "file"),
        ("version:", "version: [", "file"),
        ("  L4: 疑似遭受意外伤害或不法侵害\n", "", "titles"),
        ("  green:\n    minimum_gap", "  blue:\n    minimum_gap", "ladders"),
        ("unit: working_days", "unit: weeks", "clocks"),
        ("minimum_gap: {limit: 24, unit: hours}", "minimum_gap: {limit: 1, unit: days}", "ladders green"),
        ("after: {limit: 48, unit: hours}", "after: {limit: 23, unit: hours}", "ladders green"),
        ("who: superior, after: {limit: 24", "who: duty_officer, after: {limit: 24", "ladders green"),
        ("row: police-hukou", "row: police-report", "police-report"),
        ("row: police-hukou", "row: 警察", "rows[2] 警察"),
        ("- duty: school_return\n", "- duty: school_attention\n", "school_attention"),
        ("groups: [K1, K2, K3, K4, K5, K6]}", "groups: [K1, K2, K3, K4, K5]}", "K6"),
        ("M7, M8, M9]}", "M7, M9]}", "M8"),
        ("groups: [K4]}", "groups: [K4], regions: ['230112']}", "rows[2] police-hukou"),
    ],
)
def test_each_fault_is_found_in_its_place(old: str, new: str, row: str) -> None:
    assert row in problems(changed(old, new))


@pytest.mark.parametrize("text", ["", "[]", "x", "{", "rows: []"])
def test_what_is_no_rule_file_is_refused(text: str) -> None:
    assert problems(text)


def test_every_grade_has_clocks_and_a_ladder() -> None:
    for rules in (RULES, DRILL):
        assert set(rules.clocks) == set(rules.ladders) == set(GRADES)


def test_the_commands_print_the_table_and_the_errors(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["table"])
    assert shown.exit_code == 0
    assert all(code in shown.output for code in (*CODES, RULES.hash, "guardianship_protection", "school/kindergarten"))
    assert CliRunner().invoke(app, ["table", "--file", str(DRILL_FILE)]).exit_code == 0
    assert DRILL.hash in CliRunner().invoke(app, ["check", str(DRILL_FILE)]).output
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(changed("row: police-hukou", "row: police-report"), encoding="utf-8")
    refused = CliRunner().invoke(app, ["check", str(wrong)])
    assert (refused.exit_code, "police-report: name used twice" in refused.output) == (1, True)
