"""Does the leg that one side wants to end wait for the other side's word, and is an error ended by whoever oversees it?"""

from typing import Any

import httpx

from tests.integration.referral.desk import Desk
from tests.integration.referral.test_claims import events, police_leg


async def step(desk: Desk, leg: Any, party: str, what: str, **said: Any) -> httpx.Response:
    return await desk.call(party, "POST", f"legs/{leg['id']}/{what}", json=said or None)


async def test_the_office_asks_the_agency_keeps_the_operator_asks_again_and_it_lets_go(desk: Desk) -> None:
    leg = await police_leg(desk)
    early = await step(desk, leg, "police-county", "withdrawn")
    assert (early.status_code, early.json()["title"], early.json()["state"]) == (409, "not-asked", "issued")
    assert (await step(desk, leg, "jc-county", "withdrawal", reason="duplicate")).status_code == 200
    shown = (await desk.call("police-county", "GET", f"legs/{leg['id']}")).json()
    assert (shown["state"], shown["withdrawal"]["by"], shown["withdrawal"]["reason"]) == ("issued", "jc-county", "duplicate")
    assert (await step(desk, leg, "police-county", "kept")).status_code == 200
    assert (await desk.call("police-county", "GET", f"legs/{leg['id']}")).json()["withdrawal"] is None
    assert (await step(desk, leg, "operator", "withdrawal", reason="child_moved")).status_code == 200
    gone = await step(desk, leg, "police-county", "withdrawn")
    assert (gone.status_code, gone.json()["state"]) == (200, "withdrawn")
    (row,) = await desk.pool.fetch("select ended, end_code, withdrawal_by from leg where id = $1", leg["id"])
    assert dict(row) == {"ended": "withdrawn", "end_code": "child_moved", "withdrawal_by": "operator"}
    assert [await events(desk, kind) for kind in ("withdrawn", "voided")] == [1, 0]
    assert [one["leg"] for one in await desk.listed("police-county", state="withdrawn")] == [str(leg["id"])]


async def test_a_leg_issued_in_error_is_voided_with_a_reason_by_whoever_oversees_it_alone(desk: Desk) -> None:
    leg = await police_leg(desk)
    assert (await step(desk, leg, "police-county", "void", reason="wrong_child")).status_code == 404
    assert (await step(desk, leg, "civil-county", "withdrawal", reason="other")).status_code == 404
    assert (await desk.call("jc-county", "POST", f"legs/{leg['id']}/void", json={})).status_code == 422
    assert (await step(desk, leg, "jc-county", "void", reason="wrong_child")).json()["state"] == "void"
    late = await step(desk, leg, "police-county", "accepted")
    assert (late.status_code, late.json()["state"]) == (409, "void")
    assert (await step(desk, leg, "operator", "withdrawal", reason="other")).json()["state"] == "void"
    assert await events(desk, "voided") == 1
