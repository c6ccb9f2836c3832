"""Whom does a press reach, whom its answer and its silence, and whom a time door that stands still?"""

from datetime import timedelta

from shared.contracts.notification import NoticeData
from shared.contracts.operations import DeadlinesStalled
from shared.contracts.referral import LegPressed, PressAnswered, PressMissed
from tests.support import notices
from tests.support.notices import LEG, LEG_FACTS, NOW, endpoint, entries, hear, known, moment

OFFICE = "jc-county"
FEEDS = known(*(endpoint(party, url=None, feed=True) for party in ("police-county", OFFICE, "operations")))
DUE = NOW + timedelta(days=1)


def told(body: object, *, accepted: bool = False) -> NoticeData:
    before = hear(notices.issued(), None, moment(FEEDS)).aggregate
    if accepted:
        before = hear(notices.accepted(), before, moment(FEEDS), "event-2").aggregate
    (data,) = entries(hear(body, before, moment(FEEDS), "event-3"))
    return data


def test_the_pressed_agency_is_told_by_whom_why_and_until_when_also_when_it_has_accepted() -> None:
    for accepted in (False, True):
        data = told(LegPressed(**LEG_FACTS, number=1, by=OFFICE, due=DUE, reason="silent", at=NOW), accepted=accepted)
        assert (data.about, data.party, data.agency, data.who) == ("leg.pressed", "police-county", "police-county", OFFICE)
        assert (data.due, data.reason, data.leg) == (DUE, "silent", LEG)


def test_the_office_is_told_of_the_answer_and_of_silence() -> None:
    answer = told(PressAnswered(**LEG_FACTS, number=1, by=OFFICE, answer="under_way", at=NOW))
    assert (answer.about, answer.party, answer.agency, answer.answer) == ("press.answered", OFFICE, "police-county", "under_way")
    silence = told(PressMissed(**LEG_FACTS, number=1, by=OFFICE, due=DUE))
    assert (silence.about, silence.party, silence.due) == ("press.missed", OFFICE, DUE)


def test_operations_are_told_of_deadlines_that_nobody_fires() -> None:
    event = DeadlinesStalled(
        stream="referral.deadlines",
        consumer="referral.auditor",
        reason="unfired",
        since=NOW - timedelta(minutes=1),
        at=NOW,
        legs=3,
        leg=LEG,
    )
    (data,) = entries(hear(event, None, moment(FEEDS)))
    assert (data.about, data.party, data.leg, data.due) == ("deadlines.stalled", "operations", LEG, NOW - timedelta(minutes=1))


def test_where_no_operations_are_known_the_notice_waits() -> None:
    event = DeadlinesStalled(stream="referral.deadlines", consumer="referral.auditor", reason="unfired", since=NOW, at=NOW, legs=1, leg=LEG)
    decision = hear(event, None, moment(known(directory={})))
    assert notices.states(decision.aggregate) == {"operations/none": "waiting"}
