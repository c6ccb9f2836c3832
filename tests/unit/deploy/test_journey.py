"""Does the journey of a report read rightly, whatever the services told?"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from deploy.journey import Parts, journey, lines
from deploy.journey_words import SENTENCES, TAILS, Names, sentence, when
from shared.contracts import guardianship, intake, moves, notification, referral, stories
from shared.identifiers import case_id, leg_id, new_short_code

REPORT = UUID("0198c5c3-0000-7000-8000-000000000001")
CASE = case_id(REPORT, 1)
LEG = leg_id(CASE, 2)
NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CODE = new_short_code(b"12345")


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def entry(kind: str, seconds: float, *, actor: str = "someone", trace: str | None = TRACE, **data: Any) -> dict[str, Any]:
    base = {"report": str(REPORT), "code": CODE, "case": str(CASE), "leg": str(LEG), "agency": "police-1"}
    return {"type": f"heli.{kind}.v1", "actor": actor, "at": at(seconds), "trace": trace, "data": base | data}


def leg(**more: Any) -> dict[str, Any]:
    clock = {"due": None, "at": None, "missed": False}
    clocks = dict.fromkeys(("delivered", "seen", "accepted", "active", "done"), clock) | more.pop("clocks", {})
    known = {"leg": str(LEG), "agency": "police-1", "department": "police", "duty": "respond", "ended": None, "rungs_fired": 0}
    return known | {"next_rung": None, "clocks": clocks} | more


def case(*legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    known = {"case": str(CASE), "number": 1, "grade": "red", "region": "239900000000", "opened_at": at(-9), "closed_at": None}
    return known | {"next_due": at(3600), "legs": list(legs)} | more


def delivery(**more: Any) -> dict[str, Any]:
    known = {"delivery": "d", "leg": str(LEG), "about": "leg.issued", "party": "police-1", "channel": "webhook", "state": "due"}
    return known | {"attempts": 1, "last_error": "status-500", "next_due": at(2)} | more


def told(found: dict[str, Any], missing: dict[str, str] | None = None) -> dict[str, Any]:
    return journey(Parts(found, missing or {}), NOW)


def test_entries_of_all_services_stand_in_the_order_of_time_with_leg_and_trace() -> None:
    found = told(
        {
            "referral": {"cases": [case(leg())]},
            "referral journal": {"entries": [entry("leg.accepted", 3, actor="police-1/system", via="http", trace=None)]},
            "notification journal": {
                "entries": [entry("notice.delivered", 2, party="police-1", about="leg.issued", channel="topic", attempt=1)]
            },
            "intake journal": {"entries": [entry("leg.seen", 2.5)]},
        }
    )
    assert [(row["type"], row["about"], row["trace"]) for row in found["entries"]] == [
        ("notice.delivered", "1.2", TRACE),
        ("leg.seen", "1.2", TRACE),
        ("leg.accepted", "1.2", None),
    ]
    text = "\n".join(lines(found))
    assert "2026-03-01 12:00:02.000  1.2   police-1 told of leg.issued via topic, attempt 1" in text
    assert "accepted by police-1/system via http" in text
    assert text.count("not sampled") == 1


def test_the_header_says_code_region_and_grade_per_case() -> None:
    about: dict[str, Any] = {
        "report": str(REPORT),
        "code": "AAAA-BBBB-C",
        "region": "239901001201",
        "reporter_kind": "school",
        "situations": ["L1a"],
    }
    about |= {"groups": ["K4"], "received_at": at(-10), "opened_at": at(-5), "next_due": None}
    text = list(lines(told({"intake": about, "referral": {"cases": [case(leg(), leg(ended="fulfilled"))]}})))
    assert text[:3] == [f"report  AAAA-BBBB-C  {REPORT}", "region  239901001201", "filed   2026-03-01 11:59:50.000 by a school: L1a K4"]
    assert text[3].startswith("case 1  red, 2 legs, 1 open")


def test_per_open_leg_the_next_clock_and_rung_stand_with_how_long_they_still_take() -> None:
    clocks = {
        "delivered": {"due": at(-60), "at": at(-90), "missed": False},
        "seen": {"due": at(-5), "at": None, "missed": True},
        "accepted": {"due": at(90), "at": None, "missed": False},
    }
    found = told({"referral": {"cases": [case(leg(clocks=clocks, rungs_fired=1, next_rung=at(30)), leg(ended="declined"))]}})
    (due,) = found["due"]
    assert (due["state"], due["overdue"]) == ("delivered", ["seen"])
    assert [(step["what"], step["seconds"]) for step in due["next"]] == [("rung 1", 30.0), ("accepted", 90.0)]
    assert "delivered, seen overdue; next: rung 1 in 30 s (2026-03-01 12:00:30), accepted in 1 min 30 s" in "\n".join(lines(found))


def test_an_open_leg_without_a_clock_is_looked_at_again_with_its_case() -> None:
    (due,) = told({"referral": {"cases": [case(leg())]}})["due"]
    assert [step["what"] for step in due["next"]] == ["case looked at again"]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("due", "attempt 2"),
        ("leased", "attempt 1 under way"),
        ("waiting", "a way to it"),
        ("sent", "acknowledgement"),
        ("new-state", "next"),
    ],
)
def test_open_notices_say_what_comes_next(state: str, says: str) -> None:
    found = told({"notification": {"deliveries": [delivery(state=state), delivery(state="delivered", next_due=None)]}})
    (notice,) = found["notices"]
    assert notice["next"][0]["what"].startswith(says)
    assert "notice of leg.issued to police-1 via webhook after status-500" in "\n".join(lines(found))


def test_while_cases_are_not_open_intakes_own_clock_is_due() -> None:
    found = told({"intake": {"report": str(REPORT), "opened_at": None, "next_due": at(-3)}})
    assert "report intake  waits for its cases; next: cases open since 3 s" in "\n".join(lines(found))


def test_what_did_not_answer_is_named_and_the_rest_is_shown_with_what_others_know() -> None:
    opened = entry("case.opened", 0, number=1, grade="amber", legs=3)
    found = told({"referral journal": {"entries": [opened]}}, {"intake": "answers 503 unavailable", "referral": "does not answer"})
    text = "\n".join(lines(found))
    assert "case opened, amber: 3 legs" in text
    assert "missing: intake answers 503 unavailable" in text
    assert found["code"].replace("-", "") == CODE
    assert found["entries"][0]["about"] == "1.2"
    assert "Nothing is due" not in text


def test_nothing_at_all_breaks_nothing() -> None:
    assert "No journal has an entry." in list(lines(told({})))


def test_a_journal_that_was_cut_says_so() -> None:
    found = told({"intake journal": {"entries": [entry("report.read", 0)] * 2000}})
    assert "The journal of intake is longer" in list(lines(found))[-1]


def test_an_answer_received_before_its_clock_ran_out_and_read_later_is_said_to_be_in_time() -> None:
    names = Names({str(CASE): 1}, {(str(LEG), "accepted"): NOW})
    early = sentence(entry("leg.accepted", 20, via="topic", at=at(-1)), names)
    late = sentence(entry("leg.accepted", 20, via="topic", at=at(1)), names)
    assert early.endswith("received at 11:59:59, in time, read late")
    assert late.endswith("received at 12:00:01")
    assert sentence(entry("leg.accepted", 20, via="topic", at=at(20)), names) == "accepted by someone via topic"


def test_a_declined_leg_names_what_replaces_it_and_who_is_told() -> None:
    declined = entry("leg.declined", 0, actor="police-1", via="link", reason="no_capacity", replaced_by=str(leg_id(CASE, 3)), tell="up-1")
    assert sentence(declined, Names({str(CASE): 1})) == ("declined by police-1 via link: no_capacity; replaced by leg 1.3; up-1 to be told")


def test_what_is_owed_stands_with_its_clocks_and_what_it_replaces() -> None:
    issued: dict[str, Any] = {"department": "police", "duty": "respond", "unassigned": True, "replaces": str(LEG)}
    issued["due"] = {"delivered": at(600), "seen": at(86400), "done": None}
    assert sentence(entry("leg.issued", 0, **issued), Names({str(CASE): 1})) == (
        "police-1 (police) owes respond; nobody was responsible; replaces leg 1.2; delivered by 12:10:00, seen by 03-02 12:00:00"
    )


def test_a_notice_that_failed_says_when_it_is_tried_again_or_that_it_is_not() -> None:
    failed: dict[str, Any] = {"party": "p", "about": "leg.issued", "channel": "webhook", "attempt": 2, "error": "status-500"}
    assert sentence(entry("notice.delayed", 0, **failed, next_due=at(5)), Names()).endswith("status-500; next at 12:00:05")
    assert sentence(entry("notice.delayed", 0, **failed, next_due=None), Names()).endswith("no further attempt")


def test_every_event_that_can_stand_in_the_journal_of_a_report_has_its_sentence() -> None:
    events: list[Any] = [*intake.EVENTS, *referral.EVENTS, *moves.EVENTS, *notification.EVENTS, *guardianship.EVENTS, *stories.EVENTS]
    kinds = {event.type_.removeprefix("heli.").removesuffix(".v1") for event in events if "report" in event.__struct_fields__}
    assert set(SENTENCES) == kinds
    assert set(TAILS) < kinds


def test_a_type_of_tomorrow_and_absent_fields_are_shown_as_they_are() -> None:
    assert sentence({"type": "heli.leg.paused.v2", "at": at(0), "data": {}}, Names()) == "leg.paused"
    assert sentence({"type": "heli.leg.seen.v1", "at": at(0), "data": {}}, Names()) == "seen by - via ?"
    assert Names().leg("no id") == "?"
    assert when(at(0.0129), ms=True) == "2026-03-01 12:00:00.012"
