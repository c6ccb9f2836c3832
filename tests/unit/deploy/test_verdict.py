"""Does the verdict name what is wrong? A right run has no difference; each planted fault is found."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from deploy.demo.cast import role_of
from deploy.demo.expectation import Expectation, expect, read_agencies, read_reports
from deploy.demo.facts import Entry, Found
from deploy.demo.run import DIRECTORY, REPORTS, RULES
from deploy.demo.verdict import Run, differences

SPACE = UUID("00000000-0000-0000-0000-000000000001")
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
AGENCIES = read_agencies(DIRECTORY)
ROLES = {code: role_of(agency) for code, agency in AGENCIES.items()}
EXPECTED = expect(read_reports(REPORTS, 5), RULES, AGENCIES, date(2026, 11, 24))


def as_it_should_be() -> Run:
    """What databases and topics hold when everything went right."""
    keys = {str(uuid5(SPACE, key)): key for key, _ in EXPECTED.cases}
    reports = {key: report for report, key in keys.items()}
    legs, escalated, told = [], [], []
    for leg, ladder in EXPECTED.legs.items():
        answers, key = ROLES[leg.agency].answers, uuid5(SPACE, f"{leg}")
        facts = {f"{fact}_at": NOW if fact in ("delivered", *answers) else None for fact in ("delivered", "seen", "accepted", "active")}
        ended = "fulfilled" if "fulfilled" in answers else None
        legs.append({**leg._asdict(), "report": UUID(reports[leg.report]), "id": key, **facts, "ended": ended, "missed": "", "rung": 0})
        told.append((key, "leg.issued", leg.agency))
        for rung, to in enumerate(ladder.told if not answers else ()):
            escalated.append({"leg": str(key), "rung": rung, "to": to, "recorded": NOW + timedelta(seconds=rung * ladder.gap)})
            told.append((key, "leg.escalated", to))
    cases = [{"report": UUID(reports[key]), "number": number, "child": uuid5(SPACE, f"{key}/{number}")} for key, number in EXPECTED.cases]
    found = Found(
        legs=legs,
        cases=cases,
        reports=[{"id": UUID(report), "minors": 1, "opened_at": NOW, "stalled_at": None} for report in keys],
        followed=[dict(leg) for leg in legs],
        deliveries=[delivery(*notice) for notice in told],
        files={"children": EXPECTED.children, "cases": len(cases)},
        escalated=escalated,
        read=[{"report": str(leg["report"]), "agency": leg["agency"]} for leg in legs if ROLES[leg["agency"]].reads],
        pending={},
        parked={},
        dead={},
        feeds=feeds(told),
    )
    return Run(EXPECTED, ROLES, keys, found)


def delivery(leg: UUID, about: str, party: str) -> dict[str, Any]:
    role = ROLES[party]
    attempt = role.stumbles + 1
    return {"notice_id": leg, "about": about, "party": party, "channel": role.told, "state": "delivered", "attempt": attempt}


def feeds(told: list[tuple[UUID, str, str]]) -> dict[str, list[Entry]]:
    made: dict[str, list[Entry]] = {}
    for leg, about, party in told:
        if ROLES[party].told == "topic":
            own = made.setdefault(party, [])
            body = {"leg": str(leg), "about": about, "party": party}
            own.append(Entry(f"{leg}/{about}/{party}", f"{len(own) + 1:020d}", body))
    return made


def test_a_right_run_has_no_difference() -> None:
    assert list(differences(as_it_should_be())) == []


def lose(name: str) -> Callable[[Found], Any]:
    return lambda found: getattr(found, name).pop()


def repeat(name: str) -> Callable[[Found], Any]:
    return lambda found: getattr(found, name).append(dict(getattr(found, name)[0]))


def put(name: str, place: int, **values: Any) -> Callable[[Found], Any]:
    return lambda found: getattr(found, name)[place].update(values)


def silent_feed(found: Found) -> list[Entry]:
    return found.feeds["police-230112"]


FAULTS: dict[str, Callable[[Found], Any]] = {
    "a leg is missing": lose("legs"),
    "a leg is there twice": repeat("legs"),
    "a leg has another grade": put("legs", 0, grade="green"),
    "a leg went to another agency": put("legs", 0, agency="civil-230102"),
    "a leg was not delivered": put("legs", 0, delivered_at=None),
    "a leg was not accepted": put("legs", 0, accepted_at=None),
    "a leg was declined": put("legs", 0, ended="declined"),
    "intake does not know a leg": lose("followed"),
    "intake tells the reporter otherwise": put("followed", 0, accepted_at=None, seen_at=None),
    "a case is missing": lose("cases"),
    "a report is missing": lose("reports"),
    "a report is not open": put("reports", 0, opened_at=None),
    "a child has no file": lambda found: found.files.update(children=1),
    "a rung did not fire": lose("escalated"),
    "a rung fired twice": repeat("escalated"),
    "rungs fired in another order": lambda found: found.escalated.reverse(),
    "a rung fired at once": lambda found: found.escalated[1].update(recorded=found.escalated[0]["recorded"]),
    "a rung told somebody else": put("escalated", 1, to="police-230102"),
    "a notice was made twice": repeat("deliveries"),
    "a notice is still due": put("deliveries", 0, state="due"),
    "a notice went another way": put("deliveries", 0, channel="none"),
    "a feed has a gap": lambda found: silent_feed(found).pop(0),
    "a feed has a number twice": lambda found: silent_feed(found).append(silent_feed(found)[0]._replace(id="other")),
    "a feed has an id under two numbers": lambda found: silent_feed(found).append(silent_feed(found)[0]._replace(sequence="9")),
    "a feed entry is lost at the end": lambda found: silent_feed(found).pop(),
    "a reading is not on record": lose("read"),
    "something is parked": lambda found: found.parked.update(intake=1),
    "something waits to be sent": lambda found: found.pending.update(intake=1),
    "a dead letter": lambda found: found.dead.update({"heli.intake.v1.dlt": 1}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    run = as_it_should_be()
    FAULTS[fault](run.found)
    assert list(differences(run))


def test_the_same_feed_entry_twice_under_one_id_is_no_difference() -> None:
    run = as_it_should_be()
    silent_feed(run.found).append(silent_feed(run.found)[0])
    assert list(differences(run)) == []


def test_a_report_that_nobody_filed_is_named() -> None:
    run = as_it_should_be()
    fewer = Run(Expectation({}, frozenset(), 0), ROLES, {}, run.found)
    assert any("nobody filed" in difference for difference in differences(fewer))
