"""Does the demo's own reading of rules, directory and divisions say what the services' does, and does the sample show enough?"""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest

from deploy.demo.expectation import JOINT_CONFERENCE, Ladder, Leg, expect, minors, read_agencies, read_reports, years
from deploy.demo.run import DIRECTORY, REPORTS, RULES
from deploy.sample import make
from deploy.sample.divisions import load
from deploy.sample.people import COUNTY
from services.intake.domain.content import GROUPS, SITUATIONS
from services.intake.domain.told import Told, faults
from services.referral.app import read_directory
from services.referral.domain.agency import faults_of, gaps_in, keys_up
from services.referral.domain.issuing import issue
from services.referral.domain.leg import terms_of
from services.referral.domain.routing import Knowledge, holder, told_by
from services.referral.domain.rule_rows import Reporter
from services.referral.domain.rules import Duty, RuleSet, plan
from shared import calendar
from shared.calendar import SHANGHAI, Calendar
from shared.contracts.directory import Directory
from shared.identifiers import case_id, uuid7
from shared.regions import Regions

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
TODAY = NOW.astimezone(SHANGHAI).date()
DAYS = (TODAY, date(2028, 2, 29), date(2030, 12, 31))
REPORTS_READ = read_reports(REPORTS)


@pytest.fixture(scope="module")
def known() -> Knowledge:
    ruleset, working = RuleSet.parse(RULES.read_bytes()), Calendar.parse(calendar.NATIONAL.read_bytes())
    return Knowledge(
        rules={ruleset.hash: ruleset},
        current=ruleset,
        calendars={working.hash: working},
        calendar=working,
        regions=Regions.load(),
        directory=Directory({entry.agency: entry for entry in read_directory(DIRECTORY)}),
    )


@pytest.mark.parametrize("today", DAYS)
def test_the_expected_legs_are_those_that_the_rules_give(known: Knowledge, today: date) -> None:
    expected = expect(REPORTS_READ, RULES, read_agencies(DIRECTORY), today)
    real = {leg: ladder for report in REPORTS_READ for leg, ladder in legs_by_rules(known, report, today)}
    assert expected.legs == real


def legs_by_rules(known: Knowledge, report: dict[str, Any], today: date) -> Iterator[tuple[Leg, Ladder]]:
    body = report["body"]
    region = known.regions.find(body["region"])
    assert region is not None
    for number, child in minors(body, today):
        owed = plan(
            known.current,
            situations=frozenset(body["situations"]),
            groups=frozenset({*body["groups"], *child.get("groups", ())}),
            age=years(child, today),
            sex=child["sex"],
            reporter_kind=report["kind"],
            regions=frozenset(keys_up(known.regions, region.code)),
        )
        for duty in owed.duties:
            held = holder(known, duty.department, region.code)
            leg = Leg(report["key"], number, duty.department, duty.duty, held.agency, held.unassigned, owed.grade)
            yield leg, ladder_by_rules(known, duty, region.code)


def ladder_by_rules(known: Knowledge, duty: Duty, region: str) -> Ladder:
    leg = issue(case_id(uuid7(), 1), 1, duty, holder(known, duty.department, region), known.calendar, NOW)
    for rung in terms_of(leg).rungs:
        leg = msgspec.structs.replace(leg, told=" ".join([*leg.told.split(), told_by(known, leg, rung.who, region)]))
    return Ladder(tuple(leg.told.split()), terms_of(leg).gap)


def test_the_expectation_uses_nothing_of_what_it_judges() -> None:
    program = (
        "import sys, deploy.demo.expectation; print(*sorted(name for name in sys.modules if name.split('.')[0] in ('services', 'shared')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_both_readings_of_the_divisions_climb_alike() -> None:
    places, regions = load(), Regions.load()
    for code in {*places.civil, *places.statistics, *places.villages}:
        assert places.above(code) == keys_up(regions, code), code


def test_the_sample_is_as_its_program_writes_it() -> None:
    assert make.directory(load()) == DIRECTORY.read_text()
    assert make.reports(load()) == REPORTS_READ


def test_intake_takes_every_report_of_the_sample_for_years() -> None:
    for now in (NOW, *(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in DAYS)):
        for report in REPORTS_READ:
            seen = now - timedelta(minutes=report["seen_minutes"])
            told = Told.model_validate(report["body"] | {"seen_at": seen.isoformat()})
            assert faults(told, now, Regions.load()) == (), report["key"]


def test_the_body_for_the_readme_is_taken() -> None:
    told = Told.model_validate_json(REPORTS.with_name("alone.json").read_bytes())
    assert (faults(told, NOW, Regions.load()), told.situations) == ((), ["L1a"])


def test_the_directory_is_whole_and_superiors_stand_first(known: Knowledge) -> None:
    entries = read_directory(DIRECTORY)
    assert gaps_in(known.directory, known.regions) == ()
    before: dict[str, Any] = {}
    for entry in entries:
        before[entry.agency] = entry
        assert faults_of(entry, before, known.regions) == (), entry.agency
    counties = {region.key for region in known.regions if region.level == "county" and region.key.startswith("2301") and region.legal}
    for department in ("police", "civil_affairs", "education", JOINT_CONFERENCE):
        assert {entry.region for entry in entries if entry.department == department} >= counties | {"230100000000"}


def test_the_sample_shows_every_kind_of_reporter_situation_group_and_age() -> None:
    bodies = [report["body"] for report in REPORTS_READ]
    children = [child for body in bodies for child in body["children"]]
    assert len(REPORTS_READ) == len({report["key"] for report in REPORTS_READ}) == make.REPORTS
    assert {report["kind"] for report in REPORTS_READ} == set(get_args(Reporter))
    assert {code for body in bodies for code in body["situations"]} == set(SITUATIONS)
    assert {code for body in bodies for code in body["groups"]} == set(GROUPS)
    assert {years(child, TODAY) for child in children} >= set(range(18))
    assert any(years(child, TODAY) >= 18 for child in children)
    assert {len(body["region"]) for body in bodies} == {6, 9, 12}
    assert any(body["region"].startswith("230104112") and len(body["region"]) == 12 for body in bodies)
    assert all(child.get("id_number", COUNTY).startswith(COUNTY) for child in children)
    assert any("K4" in body["groups"] and not any("id_number" in child for child in body["children"]) for body in bodies)
    numbers = [child["id_number"] for child in children if "id_number" in child]
    assert len(numbers) == len(set(numbers)) + 1  # one child is reported twice


def test_few_reports_show_much() -> None:
    expected = expect(REPORTS_READ[:5], RULES, read_agencies(DIRECTORY), TODAY).legs
    assert {leg.department for leg in expected} == {"police", "civil_affairs", "education", "township"}
    assert any(leg.agency == "police-230112" for leg in expected)
    assert any(leg.unassigned for leg in expected)
    assert any(leg.agency == "edu-230183" for leg in expected)
