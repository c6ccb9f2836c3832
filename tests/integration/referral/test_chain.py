"""Does a duty that goes on keep its clock, its chain and one owner at a time, in the database and by HTTP?"""

import asyncio
from typing import Any

import httpx

from tests.integration.referral.desk import Desk
from tests.integration.referral.test_claims import events, police_leg


async def forward(desk: Desk, leg: Any, agency: str, **said: Any) -> httpx.Response:
    return await desk.call(agency, "POST", f"legs/{leg}/forwarded", json={"reason": "not_my_region", **said})


async def shown(desk: Desk, leg: Any, agency: str) -> dict[str, Any]:
    response = await desk.call(agency, "GET", f"legs/{leg}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_duty_goes_on_and_back_with_its_clock_and_both_can_read_the_chain(desk: Desk) -> None:
    first = await police_leg(desk)
    was = await shown(desk, first["id"], "police-county")
    there = await forward(desk, first["id"], "police-county", to="police-city")
    assert (there.status_code, there.json()["state"], there.json()["to"]) == (200, "forwarded", "police-city")
    second = there.json()["replaced_by"]
    new = await shown(desk, second, "police-city")
    assert {name: clock["due"] for name, clock in new["clocks"].items()} == {name: clock["due"] for name, clock in was["clocks"].items()}
    back = await forward(desk, second, "police-city", to="police-county", reason="returned")
    third = back.json()["replaced_by"]
    chain = [
        (step["leg"], step["agency"], step["state"], step["end_code"]) for step in (await shown(desk, third, "police-county"))["chain"]
    ]
    assert chain == [
        (str(first["id"]), "police-county", "forwarded", "not_my_region"),
        (second, "police-city", "forwarded", "returned"),
        (third, "police-county", "issued", None),
    ]
    assert (await shown(desk, second, "police-city"))["chain"] == (await shown(desk, third, "police-county"))["chain"]
    (case,) = await desk.listed("operator", "cases", state="any")
    assert {leg["leg"]: leg["replaced_by"] for leg in case["legs"] if leg["department"] == "police"} == {
        str(first["id"]): second, second: third, third: None,
    }  # fmt: skip
    assert (await events(desk, "forwarded"), await events(desk, "issued")) == (2, len(case["legs"]))


async def test_of_ten_at_once_one_goes_on(desk: Desk) -> None:
    leg = await police_leg(desk)
    answers = await asyncio.gather(*(forward(desk, leg["id"], "police-county", to="police-city") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert await desk.pool.fetchval("select count(*) from leg where replaces = $1", leg["id"]) == 1


async def test_an_illegal_move_is_refused_with_the_state_it_met(desk: Desk) -> None:
    leg = await police_leg(desk)
    wrong = await forward(desk, leg["id"], "police-county", to="edu-county")
    assert (wrong.status_code, wrong.json()["title"], wrong.json()["state"]) == (409, "not-their-duty", "issued")
    assert (await forward(desk, leg["id"], "civil-county", to="police-city")).status_code == 404
    without = await desk.call("police-county", "POST", f"legs/{leg['id']}/forwarded", json={"to": "police-city"})
    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (422, "/reason")
    await desk.call("police-county", "POST", f"legs/{leg['id']}/fulfilled", json={"outcome": "child_safe"})
    late = await forward(desk, leg["id"], "police-county", to="police-city")
    assert (late.status_code, late.json()["state"]) == (409, "fulfilled")
