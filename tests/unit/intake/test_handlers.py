"""What happens to a report: accepted, followed, read, stalled?"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.intake import handlers
from services.intake.domain.content import Content, Person
from services.intake.domain.report import PLAIN, URGENT, Report
from services.intake.handlers import FileReport, Reading, ReadReport
from shared.contracts import moves, referral
from shared.contracts.intake import ReportAccepted, ReportProgressed, ReportRead, ReportStalled
from shared.errors import RuleBroken
from shared.identifiers import case_id, derived_child_id, leg_id
from shared.messages import Decision, Message, Moment

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
RECEIVED = NOW - timedelta(seconds=3)
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
REPORT = UUID("01937f3c-9a00-7abc-8def-0123456789ab")
CASE = case_id(REPORT, 1)
LEG = leg_id(CASE, 1)
ABOUT: dict[str, Any] = {"report": REPORT, "code": "000000000", "case": CASE}
OF_LEG: dict[str, Any] = ABOUT | {"leg": LEG, "agency": "police-county", "department": "police", "duty": "receive", "grade": "red"}


def person(number: int, age: int | None = 9, **more: Any) -> Person:
    return Person(number=number, child=derived_child_id(REPORT, number), name="甲", sex="female", age=age, **more)


def filed(*people: Person, situations: tuple[str, ...] = ("L1a",), groups: tuple[str, ...] = ()) -> FileReport:
    content = Content(
        situations=situations,
        groups=groups,
        people=people or (person(1),),
        facts="一个人住",
        received_by=None,
        party="school-1",
        reporter_kind="school",
        token="jti",
    )
    return FileReport(report=REPORT, code="000000000", region="239901100201", seen_at=NOW, content=content)


def decide(body: Any, report: Report | None = None, at: datetime = NOW) -> Decision:
    return handlers.decide(report, Message(body=body, aggregate=REPORT), Moment(at, min(at, RECEIVED), actor="a", traceparent="t"))


def accepted(*people: Person, **more: Any) -> Report:
    report = decide(filed(*people, **more)).aggregate
    assert isinstance(report, Report)
    return report


def opened(number: int) -> referral.CaseOpened:
    return referral.CaseOpened(
        report=REPORT,
        code="000000000",
        case=case_id(REPORT, number),
        number=number,
        child=derived_child_id(REPORT, number),
        age=9,
        sex="female",
        region="239901100201",
        grade="red",
        groups=(),
        legs=1,
        rules="r",
        calendar="c",
    )


def issued(**changes: Any) -> referral.LegIssued:
    fields = OF_LEG | {"region": "239901100201", "unassigned": False, "replaces": None, "issued_at": NOW, "due": referral.Dues()}
    return referral.LegIssued(**(fields | changes))


def fact(kind: type[referral.LegFact], at: datetime = NOW, **more: Any) -> referral.LegFact:
    return kind(**OF_LEG, at=at, via="http", **more)


def followed(*events: Any) -> tuple[Report, list[ReportProgressed]]:
    report = accepted()
    told: list[Any] = []
    for event in events:
        decision = decide(event, report)
        report = decision.aggregate
        told += decision.events
    return report, told


def test_a_report_is_accepted_with_its_minors_alone_and_says_nothing_personal() -> None:
    decision = decide(filed(person(1), person(2, 18), person(3, None, birth_date=date(2008, 11, 25)), groups=("K4",)))
    [event] = decision.events
    assert isinstance(event, ReportAccepted)
    assert [(child.number, child.age) for child in event.children] == [(1, 9), (3, 17)]
    assert (decision.aggregate.minors, event.groups, event.received_at) == (2, ("K4",), RECEIVED)
    assert b"\xe7\x94\xb2" not in msgspec.json.encode(event)
    assert decision.response.status == 202
    assert msgspec.json.decode(decision.response.body) == {
        "report": str(REPORT),
        "code": "0000-0000-0",
        "received_at": "2026-11-24T01:59:57Z",
        "children": 2,
    }
    assert len(msgspec.json.decode(decision.aggregate.content, type=Content).people) == 3


def test_nobody_under_18_is_refused() -> None:
    with pytest.raises(RuleBroken) as refused:
        decide(filed(person(1, 18)))
    assert (refused.value.status, refused.value.faults[0].rule) == (422, "nobody-under-18")


@pytest.mark.parametrize(("situations", "within"), [(("L1a",), URGENT), (("M9",), URGENT), ((), PLAIN)])
def test_the_clock_runs_from_when_the_report_was_received(situations: tuple[str, ...], within: timedelta) -> None:
    report = accepted(situations=situations, groups=("K3",))
    assert report.next_due == report.opened_due == RECEIVED + within
    assert (URGENT.total_seconds(), PLAIN.total_seconds()) == (60, 600)


def test_a_report_stalls_at_its_due_moment_and_not_before_and_once() -> None:
    report = accepted()
    due = report.opened_due
    before = handlers.tick(report, Moment(due - TICK, due - TICK))
    assert (before.aggregate, before.events) == (report, ())
    for late in (due, due + TICK):
        after = handlers.tick(report, Moment(late, late))
        [event] = after.events
        assert isinstance(event, ReportStalled)
        assert (event.due, after.aggregate.stalled_at, after.aggregate.next_due) == (due, late, None)
        assert handlers.tick(after.aggregate, Moment(late, late)).events == ()


def test_the_last_case_ends_the_clock_and_the_same_case_twice_counts_once() -> None:
    report = accepted(person(1), person(2))
    for _ in range(2):
        report = decide(opened(2), report).aggregate
        assert (report.opened, report.opened_at, report.next_due) == ((2,), None, report.opened_due)
    report = decide(opened(1), report).aggregate
    assert (report.opened, report.opened_at, report.next_due) == ((1, 2), NOW, None)
    assert decide(opened(1), report).aggregate is report


def test_cases_after_a_stall_are_counted_and_arm_nothing() -> None:
    report = handlers.tick(accepted(), Moment(NOW + PLAIN, NOW + PLAIN)).aggregate
    after = decide(opened(1), report, NOW + PLAIN).aggregate
    assert (after.opened_at, after.stalled_at, after.next_due) == (NOW + PLAIN, NOW + PLAIN, None)


def test_the_reporter_hears_each_fact_once_and_not_what_the_agency_does_meanwhile() -> None:
    events = [
        issued(),
        fact(referral.LegDelivered, NOW + SECOND),
        fact(referral.LegDelivered, NOW + 2 * SECOND),
        fact(referral.LegSeen, NOW + 3 * SECOND),
        fact(referral.LegAccepted, NOW + 4 * SECOND, active_due=None),
        fact(referral.LegActive, NOW + 5 * SECOND, done_due=None),
        fact(referral.LegFulfilled, NOW + 6 * SECOND, outcome="child_safe"),
        issued(),
    ]
    report, told = followed(*events)
    assert [(event.fact, (event.at - NOW).seconds) for event in told] == [
        ("delivered", 1),
        ("seen", 3),
        ("accepted", 4),
        ("done", 6),
    ]
    assert {(event.party, event.department) for event in told} == {("school-1", "police")}
    assert (report.legs[LEG].ended, report.open_legs("police-county")) == ("fulfilled", [])


def test_a_later_fact_implies_the_earlier_ones() -> None:
    report, told = followed(issued(), fact(referral.LegAccepted, active_due=None), fact(referral.LegDelivered, NOW + SECOND))
    leg = report.legs[LEG]
    assert (leg.delivered_at, leg.seen_at, leg.accepted_at, leg.active_at) == (NOW, NOW, NOW, None)
    assert [event.fact for event in told] == ["accepted"]


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (fact(referral.LegDeclined, reason="no_capacity", tell=None, replaced_by=None), "declined"),
        (fact(moves.LegForwarded, reason="not_my_region", to="police-city", replaced_by=LEG), "forwarded"),
        (fact(moves.LegWithdrawn, reason="duplicate", tell=None), "withdrawn"),
    ],
)
def test_a_leg_that_ended_undone_takes_the_right_to_read_with_it(end: Any, state: str) -> None:
    report, told = followed(issued(), end)
    assert (report.legs[LEG].ended, report.legs[LEG].seen_at, report.open_legs("police-county")) == (state, NOW, [])
    assert told == []


def test_a_void_leg_ends_unseen_and_takes_the_right_to_read_with_it() -> None:
    report, told = followed(issued(), fact(moves.LegVoided, reason="wrong_child", by="jc-county"))
    assert (report.legs[LEG].ended, report.legs[LEG].seen_at, report.open_legs("police-county")) == ("void", None, [])
    assert told == []


def test_a_fact_before_its_leg_is_kept() -> None:
    report, _ = followed(fact(referral.LegSeen))
    assert report.open_legs("police-county")


@pytest.mark.parametrize("event", [opened(1), issued(), fact(referral.LegSeen)])
def test_what_concerns_a_report_that_we_do_not_know_is_parked(event: Any) -> None:
    with pytest.raises(RuleBroken, match="unknown-report"):
        decide(event)


def test_an_open_leg_is_the_right_to_read_and_every_reading_is_recorded() -> None:
    report, _ = followed(opened(1), issued())
    decision = decide(ReadReport(agency="police-county", department="police", role="duty_officer"), report)
    [event] = decision.events
    assert isinstance(event, ReportRead)
    assert (event.leg, event.agency, event.role) == (LEG, "police-county", "duty_officer")
    assert {"children.name", "facts", "reporter"} <= set(event.fields)
    assert msgspec.json.decode(decision.response.body, type=Reading) == Reading(leg=LEG, department="police", children=(1,))
    assert decision.aggregate is report


@pytest.mark.parametrize("agency", ["police-city", "school-1", ""])
def test_without_an_open_leg_nothing_is_read(agency: str) -> None:
    report, _ = followed(opened(1), issued())
    for known in (report, None):
        with pytest.raises(RuleBroken) as refused:
            decide(ReadReport(agency=agency, department="police", role="x"), known)
        assert refused.value.status == 404
