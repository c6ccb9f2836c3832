"""Do outcome and completeness hold on the real database, by HTTP and by topic?"""

import msgspec
import pytest

from services.referral.consumer import Replies
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from shared.messages import Record
from tests.integration.referral.conftest import NOW, Referral
from tests.integration.referral.desk import Desk


@pytest.fixture
def referral(desk: Desk) -> Referral:
    return Referral(desk.pool)


def of(case: Case, department: str) -> Leg:
    return next(leg for leg in case.legs.values() if leg.department == department and leg.open)


async def test_an_outcome_of_another_duty_is_refused_by_http_and_by_topic_and_names_what_is_allowed(desk: Desk, referral: Referral) -> None:
    leg = of(await referral.report("L1a"), "education")
    refused = await desk.call("edu-county", "POST", f"legs/{leg.id}/fulfilled", json={"outcome": "placed"})
    assert (refused.status_code, refused.json()["title"]) == (422, "outcome-not-of-this-duty")
    assert refused.json()["allowed"] == ["child_safe", "handed_over", "not_substantiated", "other"]
    reply = msgspec.json.encode({"leg": leg.id, "answer": "fulfilled"})
    record = Record("heli.agency.edu-county.replies.v1", 0, 7, b"", reply, (), NOW)
    await Replies(referral.cases, referral.agencies).apply([record])
    told = [(event["reason"], event["via"], event["state"]) for event in await referral.events("answer.refused")]
    assert told == [("outcome-not-of-this-duty", "http", "issued"), ("outcome-not-of-this-duty", "topic", "issued")]
    assert of(await referral.case(leg.case_id), "education").open
    taken = await desk.call("edu-county", "POST", f"legs/{leg.id}/fulfilled", json={"outcome": "handed_over"})
    assert taken.status_code == 200


async def test_what_everybody_declined_stays_open_and_is_owed_by_the_joint_conference_office(desk: Desk, referral: Referral) -> None:
    case = await referral.report("K4", groups=("K4",), kind="other")
    for leg in case.legs.values():
        assert (await referral.answer(leg, "declined", "no_capacity")).status == 200
    after = await referral.case(case.id)
    review = of(after, "joint_conference")
    assert (after.closed_at, after.next_due is not None, review.agency, review.duty) == (None, True, "jc-county", "joint_review")
    assert await referral.events("case.closed") == []
    listed = await desk.listed("jc-county")
    assert [(row["leg"], row["duty"]) for row in listed] == [(str(review.id), "joint_review")]
    assert (await desk.call("jc-county", "POST", f"legs/{review.id}/fulfilled", json={"outcome": "not_substantiated"})).status_code == 200
    assert ((await referral.case(case.id)).closed_at is not None, len(await referral.events("case.closed"))) == (True, 1)


async def test_a_red_case_closes_only_when_somebody_who_can_know_says_that_the_child_is_safe(referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    for department in ("police", "civil_affairs", "township"):
        await referral.answer(of(case, department), "fulfilled", "handed_over")
    after = await referral.case(case.id)
    assert after.closed_at is None
    await referral.answer(of(after, "joint_conference"), "fulfilled", "child_safe")
    assert (await referral.case(case.id)).closed_at is not None
