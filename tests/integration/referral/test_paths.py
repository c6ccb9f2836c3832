"""Are steps, details and ledgers kept on the real database, and do entries leave a ledger by themselves?"""

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


def of(case: Case, duty: str) -> Leg:
    return next(leg for leg in case.legs.values() if leg.duty == duty and leg.open)


async def on(desk: Desk, party: str, ledger: str, **filters: str) -> list[str]:
    answer = await desk.call(party, "GET", f"ledgers/{ledger}", params=filters)
    assert answer.status_code == 200, answer.text
    return [row["leg"] for row in answer.json()["legs"]]


async def test_a_dropout_moves_from_ledger_to_ledger_and_leaves_when_the_leg_ends(desk: Desk, referral: Referral) -> None:
    leg = of(await referral.report("K3", groups=("K3",), kind="village_committee"), "school_return")
    path = f"legs/{leg.id}/active"
    assert await on(desk, "edu-county", "suspected_dropouts") == await on(desk, "edu-county", "school_age") == [str(leg.id)]
    for step in ("persuaded", "reported_to_education", "reported_to_township", "ordered"):
        taken = await desk.call("edu-county", "POST", path, json={"step": step, "at": "2026-11-24T10:00:00+08:00"})
        assert (taken.status_code, taken.json()["state"]) == (200, "active")
    assert (await on(desk, "edu-county", "suspected_dropouts"), await on(desk, "edu-county", "dropouts")) == ([], [str(leg.id)])
    assert await on(desk, "jc-county", "dropouts") == await on(desk, "operator", "dropouts", region="239901") == [str(leg.id)]
    assert await on(desk, "police-county", "dropouts") == await on(desk, "operator", "dropouts", region="239902") == []
    whole = (await desk.call("edu-county", "GET", f"legs/{leg.id}")).json()
    assert ([row["step"] for row in whole["steps"]], whole["step"]) == (
        ["persuaded", "reported_to_education", "reported_to_township", "ordered"], "ordered",
    )  # fmt: skip
    done = await desk.call("edu-county", "POST", f"legs/{leg.id}/fulfilled", json={"outcome": "back_in_school"})
    assert done.status_code == 200
    assert await on(desk, "edu-county", "dropouts") == await on(desk, "edu-county", "school_age") == []
    assert [event["step"] for event in await referral.events("leg.stepped")] == [row["step"] for row in whole["steps"]]


async def test_the_ground_of_a_temporary_guardianship_is_told_by_topic_and_shown_to_its_agency_alone(
    desk: Desk, referral: Referral
) -> None:
    leg = of(await referral.report("L1a"), "guardianship_protection")
    topic = "heli.agency.civil-county.replies.v1"
    bodies = (
        {"leg": leg.id, "answer": "active", "step": "temporary_guardianship", "details": {"ground": ["4"], "placement": ["shelter"]}},
        {"leg": leg.id, "answer": "active", "step": "temporary_guardianship", "details": {"ground": ["4"], "placement": ["shelter"]}},
        {"leg": leg.id, "answer": "active", "step": "temporary_guardianship", "details": {"ground": ["a word of my own"]}},
        {"leg": leg.id, "answer": "active", "step": "ordered"},
    )
    records = [Record(topic, 0, place, b"", msgspec.json.encode(body), (), NOW) for place, body in enumerate(bodies)]
    await Replies(referral.cases, referral.agencies).apply(records)
    assert len(await referral.events("leg.stepped")) == 1
    assert sorted(event["reason"] for event in await referral.events("answer.refused")) == ["contract", "step-not-of-this-duty"]
    assert (await desk.call("civil-county", "GET", f"legs/{leg.id}")).json()["details"] == {"ground": ["4"], "placement": ["shelter"]}
    assert await on(desk, "civil-county", "temporary_guardianship") == [str(leg.id)]
    assert all("details" not in row for row in await desk.listed("operator"))
    placed = await desk.call("civil-county", "POST", f"legs/{leg.id}/fulfilled", json={"outcome": "placed"})
    assert placed.status_code == 200


@pytest.mark.parametrize("body", [{"step": "a word"}, {"step": "x", "details": {"ground": "4"}}, {"details": {"ground": ["Ein Wort"]}}])
async def test_what_is_no_code_is_refused_at_the_door(desk: Desk, referral: Referral, body: dict[str, object]) -> None:
    leg = of(await referral.report("L1a"), "guardianship_protection")
    assert (await desk.call("civil-county", "POST", f"legs/{leg.id}/active", json=body)).status_code == 422


async def test_an_unknown_ledger_is_not_there_and_the_known_ones_are_named(desk: Desk) -> None:
    assert (await desk.call("operator", "GET", "ledgers/nothing")).status_code == 404
    named = (await desk.call("edu-county", "GET", "ledgers")).json()["ledgers"]
    assert [row["ledger"] for row in named] == ["school_age", "suspected_dropouts", "dropouts", "temporary_guardianship", "no_hukou"]
