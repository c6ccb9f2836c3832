"""With what may a duty end, when does a case close, and who owes what cannot close?"""

import json
import re
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.completeness import Completeness, complete, lacking
from services.referral.domain.leg import Leg
from services.referral.domain.rule_diff import differences
from services.referral.domain.rules import RuleSet, RuleSetError
from services.referral.handlers.closing import closing
from shared.contracts.referral import AnswerRefused, CaseClosed, LegIssued
from shared.messages import Decision
from tests.unit.referral.acting import (
    CASE,
    KNOWN,
    NOW,
    RULES,
    a_case,
    a_leg,
    accepted_report,
    act,
    answer,
    kinds,
    moment,
    open_case,
    sweep,
)
from tests.unit.referral.test_rules import SHIPPED

assert RULES.completeness is not None
RULE: Completeness = RULES.completeness
KINDS = {kind.duty: kind for kind in RULES.duties}
POLICE = {"agency": "police-county", "department": "police", "duty": "receive_and_respond"}
CIVIL = {"agency": "civil-county", "department": "civil_affairs", "duty": "guardianship_protection"}
SCHOOL = {"agency": "edu-county", "department": "education", "duty": "school_attention"}
TOWN = {"agency": "town-qinghe", "department": "township", "duty": "assess_and_register"}
OFFICE = {"agency": "jc-county", "department": "joint_conference", "duty": "joint_review"}


def ended(number: int, whose: dict[str, str], end: str, code: str = "", **more: Any) -> Leg:
    """A leg as it stands after its end; who fulfilled it has accepted it."""
    facts = {f"{fact}_at": NOW for fact in ("delivered", "seen", "accepted", "active")} if end == "fulfilled" else {}
    return a_leg(number, **whose, **({"ended": end, "ended_at": NOW, "end_code": code} | facts | more))


def body(decision: Decision) -> Any:
    return json.loads(decision.response.body)


@pytest.mark.parametrize("duty", KINDS)
@pytest.mark.parametrize("outcome", [*sorted({outcome for kind in RULES.duties for outcome in kind.outcomes} | {"nonsense"}), None])
@pytest.mark.parametrize("via", ["http", "topic"])
def test_a_leg_ends_with_an_outcome_of_its_duty_and_with_no_other(duty: str, outcome: str | None, via: str) -> None:
    kind = KINDS[duty]
    case = a_case(a_leg(1, duty=duty, department=kind.department))
    needed = {row.detail: row.values[:1] for row in kind.details if outcome in row.needed_for}
    decision = answer(case, "fulfilled", code=outcome, via=via, details=needed)
    if outcome in kind.outcomes:
        assert (decision.response.status, decision.aggregate.legs[1].end_code) == (200, outcome)
        return
    assert (decision.response.status, body(decision)["title"]) == (422, "outcome-not-of-this-duty")
    assert body(decision)["allowed"] == list(kind.outcomes)
    assert decision.aggregate is case
    (refused,) = decision.events
    assert isinstance(refused, AnswerRefused)
    assert (refused.reason, refused.via) == ("outcome-not-of-this-duty", via)


def test_the_rules_that_the_case_pinned_decide_and_not_the_newest() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    newer = RuleSet.parse(
        text.replace("outcomes: [child_safe, guardian_returned, carer_named, placed, handed_over,", "outcomes: [").encode()
    )
    known = msgspec.structs.replace(KNOWN, rules={RULES.hash: RULES, newer.hash: newer}, current=newer)
    assert answer(a_case(), "fulfilled", code="child_safe", known=known).response.status == 200
    assert answer(a_case(rules=newer.hash), "fulfilled", code="child_safe", known=known).response.status == 422


def older() -> RuleSet:
    """A rule set from before there were outcomes by duty and a completeness rule."""
    text = SHIPPED.read_text(encoding="utf-8")
    start = text.index("completeness:")
    lines = (text[:start] + text[text.index("\nrows:", start) :]).splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("    outcomes:"))
    return RuleSet.parse(re.sub(r", needed_for: \[\w+\]", "", kept).encode())


def test_a_case_of_older_rules_ends_as_they_said() -> None:
    rules = older()
    known = msgspec.structs.replace(KNOWN, rules={RULES.hash: RULES, rules.hash: rules})
    case = a_case(rules=rules.hash, grade="green")
    assert kinds(answer(case, "fulfilled", code="placed", known=known)) == ["leg.fulfilled", "case.closed"]
    assert kinds(answer(case, "declined", code="other", known=known)) == ["leg.declined", "case.closed"]
    assert answer(case, "fulfilled", known=known).aggregate.legs[1].end_code == "other"


@pytest.mark.parametrize(
    ("legs", "grade", "expected"),
    [
        ((ended(1, POLICE, "fulfilled", "child_safe"), ended(2, CIVIL, "fulfilled", "handed_over")), "red", ()),
        ((ended(1, POLICE, "fulfilled", "handed_over"), ended(2, CIVIL, "fulfilled", "placed")), "red", ()),
        ((ended(1, POLICE, "fulfilled", "handed_over"), ended(2, CIVIL, "fulfilled", "other")), "amber", ("safe",)),
        ((ended(1, POLICE, "fulfilled", "handed_over"), ended(2, SCHOOL, "fulfilled", "child_safe")), "amber", ("safe",)),
        ((ended(1, POLICE, "fulfilled", "handed_over"), ended(2, CIVIL, "fulfilled", "other")), "green", ()),
        ((ended(1, SCHOOL, "fulfilled", "handed_over"),), "green", ()),
        ((ended(1, POLICE, "fulfilled", "child_safe"), ended(2, SCHOOL, "declined")), "amber", ("undone",)),
        ((ended(1, POLICE, "fulfilled", "child_safe"), ended(2, SCHOOL, "withdrawn")), "amber", ()),
        ((ended(1, POLICE, "void"), ended(2, CIVIL, "forwarded"), ended(3, TOWN, "fulfilled", "child_safe")), "red", ()),
        ((ended(1, POLICE, "void"), ended(2, CIVIL, "withdrawn")), "green", ("fulfilled",)),
        ((ended(1, POLICE, "declined"), ended(2, CIVIL, "declined")), "green",
         ("fulfilled", "undone", "accepted:police", "accepted:civil_affairs")),
        ((ended(1, POLICE, "declined"), ended(2, TOWN, "fulfilled", "child_safe")), "amber", ("undone", "accepted:police")),
        ((ended(1, POLICE, "declined"), ended(2, POLICE, "fulfilled", "child_safe", replaces=a_leg(1).id)), "red", ()),
        ((ended(1, POLICE, "declined"), ended(2, OFFICE, "fulfilled", "not_substantiated")), "amber", ()),
        ((ended(1, POLICE, "declined"), ended(2, OFFICE, "fulfilled", "handed_over")), "amber", ("safe",)),
        ((ended(1, POLICE, "declined"), ended(2, OFFICE, "fulfilled", "handed_over")), "green", ()),
    ],
)  # fmt: skip
def test_what_is_lacking_in_a_case_without_an_open_leg(legs: tuple[Leg, ...], grade: str, expected: tuple[str, ...]) -> None:
    case = a_case(*legs, grade=grade)
    assert lacking(RULE, case) == expected
    assert complete(RULE, case) == (expected == ())
    decision = closing(case, (), moment(case, NOW))
    assert kinds(decision) == (["leg.issued"] if expected else ["case.closed"])


def test_a_case_whose_legs_were_all_declined_stays_open_and_is_the_joint_conference_office_s() -> None:
    first = a_case(a_leg(1, **SCHOOL), a_leg(2, **TOWN), grade="amber")
    second = answer(first, "declined", code="no_capacity").aggregate
    decision = answer(second, "declined", leg=second.legs[2], code="not_my_duty")
    assert kinds(decision) == ["leg.declined", "leg.issued"]
    issued, case = decision.events[1], decision.aggregate
    assert isinstance(issued, LegIssued)
    assert (issued.agency, issued.department, issued.duty, issued.unassigned) == ("jc-county", "joint_conference", "joint_review", False)
    assert (case.closed_at, case.next_due, case.legs[3].open) == (None, case.legs[3].delivered_due, True)
    after = answer(case, "fulfilled", leg=case.legs[3], code="child_safe")
    assert kinds(after) == ["leg.fulfilled", "case.closed"]
    other = answer(case, "fulfilled", leg=case.legs[3], code="other")
    assert kinds(other) == ["leg.fulfilled", "leg.issued"]


def test_an_office_that_declines_hands_the_review_to_the_one_above_and_the_root_cannot() -> None:
    case = a_case(ended(1, POLICE, "declined"), a_leg(2, **OFFICE), grade="green")
    up = answer(case, "declined", leg=case.legs[2], code="no_capacity")
    assert kinds(up) == ["leg.declined", "leg.issued"]
    assert (up.aggregate.legs[3].agency, up.aggregate.legs[3].replaces) == ("jc-city", case.legs[2].id)
    assert body(answer(up.aggregate, "declined", leg=up.aggregate.legs[3], code="no_capacity"))["title"] == "nobody-above"


def test_an_open_case_that_nobody_owes_is_found_by_its_review_whatever_made_it_so() -> None:
    case = a_case(ended(1, POLICE, "declined"), grade="amber")
    after, events = sweep(case, case.review_due)
    assert [event.duty for event in events if isinstance(event, LegIssued)] == ["joint_review"]
    assert after.legs[2].open
    done, said = sweep(a_case(ended(1, POLICE, "fulfilled", "child_safe")), case.review_due)
    assert (len(said), done.closed_at) == (1, case.review_due)


def test_a_case_to_which_no_rule_gives_a_duty_is_the_joint_conference_office_s_from_the_start() -> None:
    decision = open_case(accepted_report("L9", age=17))
    assert kinds(decision) == ["case.opened", "leg.issued"]
    assert [leg.agency for leg in decision.aggregate.legs.values()] == ["jc-county"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  review: joint_review", "  review: school_return", "no duty of the joint-conference office"),
        ("  review: joint_review", "  review: nothing", "no duty of the joint-conference office"),
        ("accepted: [police, civil_affairs]", "accepted: [court]", "no duty of court"),
        ("accepted: [police, civil_affairs]", "accepted: [polis]", "polis"),
        ("lawful: [forwarded, withdrawn, void]", "lawful: [fulfilled]", "fulfilled"),
        ("  fulfilled: 1", "  fulfilled: 0", "Expected"),
        ("departments: [police, civil_affairs, township, joint_conference]", "departments: [police]", "what nobody else did"),
        ("    outcomes: [child_safe, guardian_returned, carer_named, placed, not_substantiated, record_ended]\n", "    outcomes: []\n", "length"),
    ],
)  # fmt: skip
def test_check_finds_a_rule_that_no_case_could_meet(old: str, new: str, problem: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(RuleSetError) as found:
        RuleSet.parse(text.replace(old, new, 1).encode())
    assert [error.row for error in found.value.errors] == ["completeness"]
    assert problem in str(found.value)


def test_diff_tells_what_changes_for_the_whole_case() -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("lawful: [forwarded, withdrawn, void]", "lawful: [declined]")
    (change,) = (change for change in differences(RULES, RuleSet.parse(text.encode())) if change.duty == "the whole case")
    assert (change.what, change.after) == ("completeness, lawful", ("declined",))


class Act(NamedTuple):
    """One message for one leg, or time that passes; a message may come twice, late, or as a repetition of any before."""

    what: str
    leg: int
    code: str
    after: int
    age: int


ANSWERS = ("delivered", "seen", "accepted", "active", "declined", "fulfilled", "fulfilled", "fulfilled")
ONWARD = ("forwarded", "asked", "withdrawn", "kept", "void")
ACTS = st.lists(
    st.builds(
        Act,
        what=st.sampled_from([*ANSWERS, *ONWARD, "open", "again", "sweep"]),
        leg=st.integers(0, 5),
        code=st.sampled_from(["child_safe", "placed", "registered", "handed_over", "not_substantiated", "other", "hukou_registered"]),
        after=st.one_of(st.integers(0, 900), st.integers(0, 400_000), st.integers(-5000, 0)),
        age=st.sampled_from([0, 0, 3600, 10**6]),
    ),
    max_size=16,
)
OPENINGS = st.sampled_from([("M6", "hospital", 9), ("L1a", "school", 9), ("K3", "school", 9), ("K4", "other", 17), ("L2", "school", 16)])


def by_hand(case: Case) -> bool:
    """The rule of the shipped set in other words, by duty: written without the code that it judges."""
    legs = sorted(case.legs.values(), key=lambda leg: leg.number)
    if any(leg.ended is None for leg in legs) or not any(leg.ended == "fulfilled" for leg in legs):
        return False
    words = {"child_safe", "guardian_returned", "carer_named", "placed", "not_substantiated", "record_ended"}
    safe = any(leg.ended == "fulfilled" and leg.end_code in words and leg.department != "education" for leg in legs)
    if case.grade != "green" and not safe:
        return False
    if legs[-1].duty == "joint_review":
        return legs[-1].ended == "fulfilled"
    # Each duty by the last leg that carries it: one that was declined and replaced, or forwarded, is none of these.
    return all(leg.ended in ("fulfilled", "withdrawn", "void") for leg in {leg.duty: leg for leg in legs}.values())


def performed(case: Case, what: Act, now: Any, before: list[Any]) -> Decision:
    legs = [*case.legs.values()]
    leg = legs[what.leg % len(legs)]
    if what.what == "open":
        message: Any = before[0]
    elif what.what == "again":
        message = before[what.leg % len(before)]
    elif what.what == "delivered":
        message = handlers.NoteDelivery(leg.id, leg.agency)
    elif what.what in ("asked", "void"):
        kind = handlers.AskWithdrawal if what.what == "asked" else handlers.VoidLeg
        message = kind(leg=leg.id, by="operations", operator=True, code="other")
    else:
        message = handlers.TakeAnswer(leg=leg.id, agency=leg.agency, answer=what.what, via="topic", code=what.code)
    before.append(message)
    return act(case, message, now, age=timedelta(seconds=what.age))


@settings(max_examples=150, deadline=None)
@given(opening=OPENINGS, acts=ACTS, shuffled=st.randoms(use_true_random=False))
def test_a_case_never_completes_early_and_never_stays_open_when_its_rule_is_met(
    opening: tuple[str, str, int], acts: list[Act], shuffled: Any
) -> None:
    """In any order, with duplicates and jumps of the clock; and at last everybody does the duty, and it closes."""
    situation, kind, age = opening
    report = accepted_report(situation, kind=kind, age=age)
    before: list[Any] = [handlers.OpenCase(CASE, report, report.children[0])]
    case, now, closes = open_case(report).aggregate, NOW, 0
    rest = [Act("fulfilled", number, "not_substantiated", 60, 0) for number in range(24)] * 3
    shuffled.shuffle(rest)
    for what in [*acts, *rest]:
        now += timedelta(seconds=what.after)
        if what.what == "sweep":
            case, events = sweep(case, max(now, case.changed_at))
        else:
            decision = performed(case, what, now, before)
            case, events = decision.aggregate, list(decision.events)  # type: ignore[arg-type]
        closes += sum(isinstance(event, CaseClosed) for event in events)
        assert (case.closed_at is not None) == by_hand(case) == (closes == 1)
        assert case.closed_at is not None or any(leg.open for leg in case.legs.values()), "open, and nobody owes it"
    assert case.closed_at is not None
