"""What may a test do with one case, without a database? Open it, answer, let time pass; each by the room's own rules of time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from services.referral import handlers
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg, RungOf, Terms
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import RuleSet
from shared.calendar import Calendar, Period
from shared.contracts.directory import AgencyChanged, Directory
from shared.contracts.envelope import Event
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.identifiers import case_id, derived_child_id, leg_id
from shared.messages import Decision, Message, Moment
from shared.regions import Regions
from tests.support import county

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
TICK, SECOND, MINUTE, HOUR = (timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1))
AROUND = (-TICK, timedelta(0), TICK)
REPORT = UUID("01936f0a-2c40-7d11-8a3b-5f2e9c7d1a01")
CASE = case_id(REPORT, 1)
RULES = RuleSet.parse(max((Path(__file__).parents[3] / "services" / "referral" / "rules").glob("*.yaml")).read_bytes())
CALENDAR = Calendar.national()
DONE = Period(30, "days")
LADDER = (RungOf("duty_officer", 0.0), RungOf("superior", 600.0), RungOf("joint_conference", 1200.0))
GAP = timedelta(minutes=10)


def knowing(directory: Mapping[str, AgencyChanged] | None = None) -> Knowledge:
    known = county.DIRECTORY if directory is None else directory
    return Knowledge({RULES.hash: RULES}, RULES, {CALENDAR.hash: CALENDAR}, CALENDAR, Regions.load(), Directory(known))


KNOWN = knowing()


def with_agencies(*changed: AgencyChanged) -> Knowledge:
    return knowing({**county.DIRECTORY, **{entry.agency: entry for entry in changed}})


def without(*codes: str) -> Knowledge:
    return knowing({code: entry for code, entry in county.DIRECTORY.items() if code not in codes})


def a_leg(number: int = 1, /, **changes: Any) -> Leg:
    """A police leg with clocks of 2 minutes and 1, 2 and 8 hours, issued now."""
    terms = Terms(DONE, LADDER, GAP.total_seconds())
    plain: dict[str, Any] = {
        "id": leg_id(CASE, number),
        "case_id": CASE,
        "number": number,
        "agency": "police-county",
        "department": "police",
        "duty": "receive_and_respond",
        "unassigned": False,
        "replaces": None,
        "issued_at": NOW,
        "terms": msgspec.json.encode(changes.pop("terms", terms)),
        "delivered_due": NOW + 2 * MINUTE,
        "seen_due": NOW + HOUR,
        "accepted_due": NOW + 2 * HOUR,
        "active_due": NOW + 8 * HOUR,
    }
    return Leg(**(plain | changes))


def a_case(*legs: Leg, grade: str = "red", **changes: Any) -> Case:
    plain: dict[str, Any] = {
        "id": CASE,
        "report": REPORT,
        "code": "B89QSTA1R",
        "number": 1,
        "child": derived_child_id(REPORT, 1),
        "region": county.VILLAGE,
        "grade": grade,
        "rules": RULES.hash,
        "calendar": CALENDAR.hash,
        "opened_at": NOW,
        "review_due": NOW + 24 * HOUR,
        "changed_at": NOW,
    }
    return Case(**(plain | changes)).with_legs(*(legs or (a_leg(),)))


def accepted_report(*situations: str, age: int = 9, kind: str = "school", groups: tuple[str, ...] = (), region: str = "") -> ReportAccepted:
    child = ChildNamed(number=1, child=derived_child_id(REPORT, 1), age=age, sex="female")
    return ReportAccepted(
        report=REPORT,
        code="B89QSTA1R",
        situations=situations,
        groups=groups,
        region=region or county.VILLAGE,
        reporter_kind=kind,
        seen_at=NOW,
        received_at=NOW,
        children=(child,),
    )


def moment(case: Case | None, now: datetime, *, age: timedelta = timedelta(0), known: Knowledge = KNOWN) -> Moment:
    """As the room makes it: never before the last change, and received no later than now."""
    at = max(now, case.changed_at) if case else now
    return Moment(at, at - age, known)


def act(case: Case | None, body: Any, now: datetime = NOW, *, age: timedelta = timedelta(0), known: Knowledge = KNOWN) -> Decision:
    at = moment(case, now, age=age, known=known)
    return _saved(case, handlers.decide(case, Message(body=body, aggregate=CASE), at), at)


def open_case(report: ReportAccepted, now: datetime = NOW, *, known: Knowledge = KNOWN) -> Decision:
    return act(None, handlers.OpenCase(CASE, report, report.children[0]), now, known=known)


def answer(case: Case, answered: str, now: datetime = NOW, *, leg: Leg | None = None, **more: Any) -> Decision:
    """The agency of a leg (the first one) answers."""
    age, known = more.pop("age", timedelta(0)), more.pop("known", KNOWN)
    to = leg or case.legs[1]
    said: dict[str, Any] = {"leg": to.id, "agency": to.agency, "answer": answered, "via": "http"}
    return act(case, handlers.TakeAnswer(**(said | more)), now, age=age, known=known)


def deliver(case: Case, now: datetime = NOW, *, leg: Leg | None = None, party: str | None = None) -> Decision:
    to = leg or case.legs[1]
    return act(case, handlers.NoteDelivery(to.id, party or to.agency), now)


def tick(case: Case, now: datetime, *, known: Knowledge = KNOWN) -> Decision:
    at = moment(case, now, known=known)
    return _saved(case, handlers.tick(case, at), at)


def _saved(before: Case | None, decision: Decision, at: Moment) -> Decision:
    """A changed aggregate carries the moment of its change."""
    after = decision.aggregate
    if after is None or after is before or not isinstance(after, Case):
        return decision
    return msgspec.structs.replace(decision, aggregate=msgspec.structs.replace(after, changed_at=at.now))


def sweep(case: Case, now: datetime, *, known: Knowledge = KNOWN) -> tuple[Case, list[Event]]:
    """The time door at one moment: what is due ticks until nothing is."""
    events: list[Event] = []
    while case.next_due is not None and case.next_due <= now:
        decision = tick(case, now, known=known)
        case = decision.aggregate
        assert case.next_due is None or case.next_due > now, "a tick leaves the next deadline in the future"
        events += [event for event in decision.events if isinstance(event, Event)]
    return case, events


def kinds(decision: Decision) -> list[str]:
    """What is said, shortly: leg.seen, case.closed ..."""
    return [type(event).type_.removeprefix("heli.").removesuffix(".v1") for event in decision.events if isinstance(event, Event)]
