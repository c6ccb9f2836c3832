"""By which steps may a duty go, which details may be told, and which of the six responsibilities does a leg serve?"""

import json
from typing import Any

import msgspec
import pytest

from services.referral.domain.case import Case
from services.referral.domain.paths import MOST_STEPS, responsibility_of, way_of
from services.referral.domain.rule_diff import differences
from services.referral.domain.rules import RuleSet, RuleSetError
from shared.contracts.referral import LegFulfilled, LegStepped
from shared.messages import Decision
from tests.unit.referral.acting import HOUR, MINUTE, NOW, RULES, a_case, a_leg, answer, kinds
from tests.unit.referral.test_rules import SHIPPED

KINDS = {kind.duty: kind for kind in RULES.duties}
SIX = ("family_guardianship", "mandatory_reporting", "temporary_guardianship", "dropout_control", "hukou", "anti_abandonment")
LATER = NOW + MINUTE


def owing(duty: str) -> Case:
    kind = KINDS[duty]
    return a_case(a_leg(1, duty=duty, department=kind.department), grade="amber")


def step(case: Case, code: str, now: Any = LATER, **more: Any) -> Decision:
    return answer(case, "active", now, step=code, **more)


def body(decision: Decision) -> Any:
    return json.loads(decision.response.body)


def refusal(decision: Decision) -> tuple[int, str]:
    assert kinds(decision) == ["answer.refused"]
    return decision.response.status, body(decision)["title"]


def taken(case: Case) -> list[str]:
    return [one.step for one in way_of(case.legs[1]).steps]


def test_a_step_is_a_fact_with_its_time_and_says_that_the_agency_acts() -> None:
    decision = step(owing("school_return"), "absence_recorded", claimed_at=NOW - HOUR)
    assert kinds(decision) == ["leg.active", "leg.stepped"]
    leg = decision.aggregate.legs[1]
    assert (leg.state, leg.step, leg.active_at) == ("active", "absence_recorded", LATER)
    (one,) = way_of(leg).steps
    assert (one.step, one.at, one.claimed_at) == ("absence_recorded", LATER, NOW - HOUR)
    event = decision.events[1]
    assert isinstance(event, LegStepped)
    assert (event.step, event.at, event.claimed_at, event.details) == ("absence_recorded", LATER, NOW - HOUR, ())
    after = step(decision.aggregate, "persuaded", LATER)
    assert (kinds(after), after.aggregate.legs[1].step) == (["leg.stepped"], "persuaded")


@pytest.mark.parametrize("duty", KINDS)
def test_every_duty_can_be_walked_from_its_first_step_to_its_last_and_each_step_once(duty: str) -> None:
    case = owing(duty)
    for row in KINDS[duty].steps:
        decision = step(case, row.step)
        assert kinds(decision)[-1] == "leg.stepped"
        again = step(decision.aggregate, row.step)
        assert (kinds(again), again.response, taken(again.aggregate)) == ([], decision.response, taken(decision.aggregate))
        case = decision.aggregate
    assert taken(case) == [row.step for row in KINDS[duty].steps]


@pytest.mark.parametrize("duty", KINDS)
def test_a_step_of_another_duty_is_refused_and_those_of_this_one_are_named(duty: str) -> None:
    decision = step(owing(duty), "nonsense")
    assert refusal(decision) == (422, "step-not-of-this-duty")
    assert body(decision)["allowed"] == [row.step for row in KINDS[duty].steps]


def test_an_order_waits_for_the_written_report_to_both() -> None:
    case = step(owing("school_return"), "persuaded").aggregate
    case = step(case, "reported_to_education").aggregate
    early = step(case, "ordered")
    assert (refusal(early), body(early)["needs"], early.aggregate) == ((409, "step-too-early"), ["reported_to_township"], case)
    case = step(case, "reported_to_township").aggregate
    assert kinds(step(case, "ordered")) == ["leg.stepped"]


def test_what_repeats_is_told_apart_by_its_time_and_moves_nothing_back() -> None:
    case = step(owing("school_return"), "persuaded", claimed_at=NOW).aggregate
    case = step(case, "reported_to_education").aggregate
    assert kinds(step(case, "persuaded", claimed_at=NOW)) == kinds(step(case, "persuaded")) == []
    more = step(case, "persuaded", claimed_at=NOW + HOUR)
    assert (taken(more.aggregate), more.aggregate.legs[1].step) == (
        ["persuaded", "reported_to_education", "persuaded"],
        "reported_to_education",
    )
    assert kinds(step(case, "reported_to_education", claimed_at=NOW + HOUR)) == []


def test_a_row_does_not_grow_without_end() -> None:
    case = owing("school_return")
    for number in range(MOST_STEPS):
        case = step(case, "persuaded", claimed_at=NOW + number * MINUTE).aggregate
    assert refusal(step(case, "persuaded", claimed_at=NOW - MINUTE)) == (409, "too-many-steps")
    assert len(taken(case)) == MOST_STEPS


def test_a_duty_that_is_passed_on_is_as_far_on_its_path_as_it_was() -> None:
    case = step(owing("receive_and_respond"), "on_scene").aggregate
    after = answer(case, "forwarded", LATER, code="not_my_region", to="police-city").aggregate
    assert (after.legs[2].step, way_of(after.legs[2])) == ("on_scene", way_of(case.legs[1]))


def test_a_step_after_an_end_meets_the_end() -> None:
    case = answer(owing("school_return"), "fulfilled", code="other").aggregate
    decision = step(case, "persuaded")
    assert (refusal(decision), body(decision)["state"]) == ((409, "leg-ended"), "fulfilled")


@pytest.mark.parametrize(("said", "more"), [("seen", {"step": "persuaded"}), ("accepted", {"details": {"leave": ["illness"]}}),
    ("active", {"details": {"leave": ["illness"]}}), ("declined", {"details": {"leave": ["illness"]}, "code": "other"}),
    ("fulfilled", {"step": "persuaded", "code": "other"})])  # fmt: skip
def test_a_step_goes_with_active_and_details_with_a_step_or_an_end(said: str, more: dict[str, Any]) -> None:
    case = owing("school_return")
    decision = answer(case, said, **more)
    assert (refusal(decision), decision.aggregate) == ((422, "step-out-of-place"), case)


@pytest.mark.parametrize(
    ("details", "slug"),
    [
        ({"ground": ["8"]}, "detail-unknown"),
        ({"ground": ["1", "2"]}, "detail-unknown"),
        ({"ground": []}, "detail-unknown"),
        ({"category": ["1"]}, "detail-not-of-this-duty"),
    ],
)
def test_a_detail_is_a_code_of_its_duty(details: dict[str, list[str]], slug: str) -> None:
    case = owing("guardianship_protection")
    for decision in (
        step(case, "temporary_guardianship", details=details),
        answer(case, "fulfilled", code="other", details=details),
    ):
        assert (refusal(decision), decision.aggregate) == ((422, slug), case)
        assert body(decision)["allowed"]


def test_papers_are_several_and_what_is_told_last_stands() -> None:
    case = step(owing("hukou_registration"), "papers_received", details={"papers": ["birth_certificate", "statement"]}).aggregate
    assert way_of(case.legs[1]).details == {"papers": ("birth_certificate", "statement")}
    twice = step(case, "verified", details={"papers": ["statement", "statement"]})
    assert refusal(twice) == (422, "detail-unknown")
    case = step(case, "verified", details={"dna": ["not_needed"], "papers": ["household_book"]}).aggregate
    assert way_of(case.legs[1]).details == {"papers": ("household_book",), "dna": ("not_needed",)}


@pytest.mark.parametrize(("duty", "outcome", "needs"), [("guardianship_protection", "placed", {"ground": ["4"], "placement": ["shelter"]}),
    ("hukou_registration", "hukou_registered", {"category": ["2"]}), ("school_return", "leave_approved", {"leave": ["illness"]})])  # fmt: skip
def test_an_outcome_that_is_counted_by_a_detail_does_not_go_without(duty: str, outcome: str, needs: dict[str, list[str]]) -> None:
    case = owing(duty)
    refused = answer(case, "fulfilled", code=outcome)
    assert (refusal(refused), body(refused)["needs"], refused.aggregate) == ((422, "detail-missing"), [*needs], case)
    decision = answer(case, "fulfilled", code=outcome, details=needs)
    event = decision.events[0]
    assert isinstance(event, LegFulfilled)
    assert {row.detail: [*row.values] for row in event.details} == needs
    earlier = step(case, KINDS[duty].steps[0].step, details=needs).aggregate
    assert answer(earlier, "fulfilled", code=outcome).response.status == 200


def test_each_of_the_six_has_its_path_and_an_end_that_is_counted() -> None:
    assert tuple(row.responsibility for row in RULES.responsibilities) == SIX
    served = {kind.responsibility for kind in RULES.duties} | {row.responsibility for kind in RULES.duties for row in kind.steps}
    assert served - {None} == set(SIX)
    assert all(kind.steps for kind in RULES.duties if kind.responsibility)


@pytest.mark.parametrize(("duty", "at", "outcome", "expected"), [
    ("guardianship_protection", None, None, "family_guardianship"),
    ("guardianship_protection", "temporary_guardianship", None, "temporary_guardianship"),
    ("guardianship_protection", "temporary_guardianship", "guardian_returned", "family_guardianship"),
    ("guardianship_protection", "carer_named", "placed", "temporary_guardianship"),
    ("receive_and_respond", "case_decided", None, "anti_abandonment"),
    ("receive_and_respond", None, "guardian_returned", "family_guardianship"),
    ("school_return", None, "back_in_school", "dropout_control"),
    ("hukou_registration", "entered", "other", "hukou"),
    ("school_attention", None, "child_safe", "mandatory_reporting"),
    ("joint_review", None, None, "none"),
    ("a_duty_of_older_rules", None, "other", "none"),
])  # fmt: skip
def test_a_leg_serves_one_of_the_six(duty: str, at: str | None, outcome: str | None, expected: str) -> None:
    assert responsibility_of(KINDS, RULES.responsibilities, duty, at, outcome) == expected


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("    responsibility: dropout_control", "    responsibility: nothing", "school_return"),
        ("after: [persuaded]}", "after: [ordered]}", "school_return"),
        ("step: absence_recorded, title", "step: persuaded, title", "school_return"),
        ("needed_for: [leave_approved]", "needed_for: [placed]", "school_return"),
        ("duties: [school_return], steps: [absence_recorded, persuaded]", "duties: [nothing], steps: []", "suspected_dropouts"),
        ("duties: [school_return], steps: [absence_recorded, persuaded]", "duties: [school_return], steps: [verified]", "suspected_dropouts"),
        ("responsibility: hukou, title", "responsibility: dropout_control, title", "dropout_control"),
        ("basis: unconfirmed, sources: [H02], after", "basis: statutory, sources: [H02], after", "hukou_registration"),
        ('values: ["1", "2", "3", "4", "5", "6", "7"], basis', 'values: ["第一种"], basis', "duties[3] guardianship_protection"),
    ],
)  # fmt: skip
def test_check_finds_each_fault_of_a_path(old: str, new: str, row: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(RuleSetError) as found:
        RuleSet.parse(text.replace(old, new, 1).encode())
    assert row in {error.row for error in found.value.errors}


def test_diff_tells_of_steps_and_ledgers() -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace(
        "after: [reported_to_education, reported_to_township]", "after: [reported_to_education]"
    )
    text = text.replace("title: 辍学学生台账", "title: 辍学台账")
    assert {(change.duty, change.what) for change in differences(RULES, RuleSet.parse(text.encode()))} == {
        ("school_return", "duty school_return, steps"), ("every duty", "ledger dropouts, title"),
    }  # fmt: skip


def test_a_leg_of_before_has_an_empty_way() -> None:
    assert (way_of(a_leg()).steps, a_leg().way) == ((), b"{}")
    assert msgspec.json.encode(way_of(a_leg())) == b"{}"
