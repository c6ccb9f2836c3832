"""What does an agency get that answers many legs at once: a row each, and never success when nothing succeeded?"""

from typing import Any
from uuid import uuid4

import pytest

from services.referral.api.legs import MOST_ROWS
from services.referral.domain.leg import Leg
from shared.identifiers import case_id, leg_id, uuid7
from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk


@pytest.fixture
def referral(desk: Desk) -> Referral:
    return Referral(desk.pool)


async def police_legs(referral: Referral, number: int) -> list[Leg]:
    cases = [await referral.report("L1a") for _ in range(number)]
    return [leg for case in cases for leg in case.legs.values() if leg.agency == "police-county"]


def rows_of(legs: list[Leg], **more: Any) -> list[dict[str, Any]]:
    return [{"leg": str(leg.id), **more} for leg in legs]


async def test_each_leg_gets_its_own_row_in_order(desk: Desk, referral: Referral) -> None:
    legs = await police_legs(referral, 3)
    await referral.answer(legs[1], "fulfilled", "child_safe")
    foreign = {"leg": str(leg_id(legs[0].case_id, 200))}
    response = await desk.bulk("police-county", "accepted", [*rows_of(legs), foreign])
    rows = response.json()["rows"]
    assert (response.status_code, [row["status"] for row in rows]) == (207, [200, 409, 200, 404])
    assert [row["leg"] for row in rows] == [str(leg.id) for leg in legs] + [foreign["leg"]]
    assert (rows[0]["state"], rows[1]["problem"]["title"], rows[3]["problem"]["title"]) == ("accepted", "leg-ended", "not-found")
    assert len(await referral.events("leg.accepted")) == 2


async def test_many_answers_are_one_or_two_transactions(desk: Desk, referral: Referral) -> None:
    legs = await police_legs(referral, 30)
    response = await desk.bulk("police-county", "accepted", rows_of(legs))
    assert {row["state"] for row in response.json()["rows"]} == {"accepted"}
    written = await referral.pool.fetch("select distinct xmin::text from case_file")
    assert len(written) <= 2


async def test_when_every_row_fails_it_is_no_success(desk: Desk, referral: Referral) -> None:
    legs = await police_legs(referral, 2)
    response = await desk.bulk("civil-county", "accepted", rows_of(legs))
    assert (response.status_code, response.json()["title"]) == (422, "nothing-taken")
    assert [row["status"] for row in response.json()["rows"]] == [404, 404]
    missing = await desk.bulk("police-county", "declined", rows_of(legs))
    assert [row["problem"]["errors"][0]["pointer"] for row in missing.json()["rows"]] == ["/reason", "/reason"]
    one_right = [*rows_of(legs[:1], reason="not_my_duty"), *rows_of(legs[1:])]
    assert [row["status"] for row in (await desk.bulk("police-county", "declined", one_right)).json()["rows"]] == [200, 422]


async def test_the_same_key_is_the_same_answer_and_another_body_is_refused_before_anything_moves(desk: Desk, referral: Referral) -> None:
    legs = await police_legs(referral, 3)
    first = await desk.bulk("police-county", "accepted", rows_of(legs[:2]), key="k")
    await referral.answer(legs[0], "fulfilled", "child_safe")
    again = await desk.bulk("police-county", "accepted", rows_of(legs[:2]), key="k")
    assert (again.status_code, again.content) == (207, first.content)
    other = await desk.bulk("police-county", "accepted", rows_of(legs), key="k")
    assert (other.status_code, other.json()["title"]) == (422, "idempotency-key-reused")
    assert len(await referral.events("leg.accepted")) == 2
    unkeyed = await desk.call("police-county", "POST", "legs/bulk", json={"answer": "seen", "legs": rows_of(legs)})
    assert (unkeyed.status_code, unkeyed.json()["title"]) == (400, "idempotency-key-missing")


async def test_a_bulk_answer_has_1_to_200_legs_each_once(desk: Desk) -> None:
    def strangers(number: int) -> list[dict[str, Any]]:
        return [{"leg": str(leg_id(case_id(uuid7(), 1), 1))} for _ in range(number)]

    assert (await desk.bulk("police-county", "seen", [])).json()["title"] == "invalid"
    assert (await desk.bulk("police-county", "seen", strangers(MOST_ROWS))).json()["title"] == "nothing-taken"
    assert (await desk.bulk("police-county", "seen", strangers(MOST_ROWS + 1))).json()["errors"][0]["pointer"] == "/legs"
    twice = strangers(2)
    response = await desk.bulk("police-county", "seen", [*twice, twice[0]])
    assert [(e["pointer"], e["rule"]) for e in response.json()["errors"]] == [("/legs/2/leg", "leg-twice")]
    assert (await desk.bulk("police-county", "forgotten", twice)).status_code == 422
    assert (await desk.bulk("operator", "seen", [{"leg": str(uuid4())}])).status_code == 403
