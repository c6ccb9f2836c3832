"""What do tests of notification know and hear? A small reference, and events as referral and intake say them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.notification import handlers
from services.notification.domain import Endpoint, Known, Links, Notice, endpoint_id
from shared.contracts.directory import Directory
from shared.contracts.intake import ReportProgressed, ReportStalled
from shared.contracts.notification import NoticeData
from shared.contracts.referral import AnswerRefused, Dues, LegAccepted, LegDeclined, LegEscalated, LegFulfilled, LegIssued
from shared.identifiers import case_id, leg_id
from shared.messages import Decision, Message, Moment, Outgoing
from shared.regions import Regions
from tests.support import county

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
REPORT = UUID("019ab2f0-0000-7000-8000-000000000001")
CASE = case_id(REPORT, 1)
LEG = leg_id(CASE, 1)
LINKS = Links("https://heli.example", "a key")
SECRET = "whsec_" + "A" * 43 + "="
URL = "https://partner.example/hook?key=canary"
LEG_FACTS: dict[str, Any] = {
    "report": REPORT,
    "code": "C5H66S352",
    "case": CASE,
    "leg": LEG,
    "agency": "police-county",
    "department": "police",
    "duty": "receive_and_respond",
    "grade": "red",
}


def endpoint(party: str, *, url: str | None = URL, feed: bool = False, enabled: bool = True) -> Endpoint:
    secret = SECRET if url else None
    return Endpoint(id=endpoint_id(party), party=party, url=url, secret=secret, feed=feed, enabled=enabled, changed_at=NOW, version=1)


def known(*endpoints: Endpoint, directory: Any = county.DIRECTORY) -> Known:
    found = {item.party: item for item in endpoints}
    return Known(endpoints=found, directory=Directory(directory), regions=Regions.load(), links=LINKS, schedule=(2, 10, 60))


def moment(reference: Known, after: float = 0.0) -> Moment:
    now = NOW + timedelta(seconds=after)
    return Moment(now, now, reference, "test", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")


def hear(body: Any, notice: Notice | None, at: Moment, event: str = "event-1") -> Decision:
    return handlers.decide(notice, Message(body=body, aggregate=LEG, id=event), at)


def issued(**more: Any) -> LegIssued:
    due = Dues(delivered=NOW + timedelta(minutes=2), seen=NOW + timedelta(minutes=10), accepted=NOW + timedelta(minutes=30))
    given = {"region": county.VILLAGE, "unassigned": False, "replaces": None, "issued_at": NOW, "due": due}
    return LegIssued(**(LEG_FACTS | given | more))


def escalated(to: str, rung: int = 1) -> LegEscalated:
    return LegEscalated(**LEG_FACTS, rung=rung, who="superior", to=to, clock="seen", late=False)


def accepted() -> LegAccepted:
    return LegAccepted(**LEG_FACTS, at=NOW, via="http", active_due=None)


def fulfilled() -> LegFulfilled:
    return LegFulfilled(**LEG_FACTS, at=NOW, via="http", outcome="done")


def declined(tell: str | None) -> LegDeclined:
    return LegDeclined(**LEG_FACTS, at=NOW, via="http", reason="not_ours", tell=tell, replaced_by=None)


def refused(via: str, **more: Any) -> AnswerRefused:
    given: dict[str, Any] = {
        "about": str(LEG),
        "agency": "police-county",
        "via": via,
        "reason": "leg-ended",
        "leg": LEG,
        "state": "fulfilled",
    }
    return AnswerRefused(**(given | more))


def stalled() -> ReportStalled:
    code = str(LEG_FACTS["code"])
    return ReportStalled(report=REPORT, code=code, region=county.VILLAGE, received_at=NOW, due=NOW + timedelta(minutes=1))


def progressed(fact: str = "seen", party: str = "school-1") -> ReportProgressed:
    code = str(LEG_FACTS["code"])
    return ReportProgressed(report=REPORT, code=code, party=party, case=CASE, leg=LEG, department="police", fact=fact, at=NOW)


def entries(decision: Decision) -> list[NoticeData]:
    """What goes to agencies' own topics."""
    return [
        msgspec.json.decode(event.value or b"", type=NoticeData, strict=True) for event in decision.events if isinstance(event, Outgoing)
    ]


def states(notice: Notice) -> dict[str, str]:
    """`party/channel` -> state, of all deliveries that are loaded."""
    return {f"{d.party}/{d.channel}": str(d.state) for d in notice.deliveries.values()}
