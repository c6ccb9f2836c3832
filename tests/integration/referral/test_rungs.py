"""Does a rung that was taken note of by HTTP fall silent, and the next one ring all the same, on a real database?"""

from datetime import timedelta

import pytest

from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def referral(desk: Desk) -> Referral:
    """The rooms behind the desk, to make cases and move time."""
    return Referral(desk.pool)


async def until_minute(referral: Referral, minutes: int) -> None:
    for _ in range(minutes):
        await referral.forward(MINUTE)
        await referral.sweep()


async def test_whom_a_rung_told_takes_note_of_it_by_http_and_the_next_rung_comes(desk: Desk, referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    leg = next(leg for leg in case.legs.values() if leg.agency == "police-county")
    await until_minute(referral, 23)
    path = f"legs/{leg.id}/rungs/2/ack"
    stranger = await desk.call("police-city", "POST", path)
    first, again = await desk.call("jc-county", "POST", path), await desk.call("jc-county", "POST", path)
    assert (stranger.status_code, first.status_code) == (404, 200)
    assert first.json() == again.json()
    await until_minute(referral, 45)
    assert [e["rung"] for e in await referral.events("leg.escalated") if e["leg"] == str(leg.id)] == [0, 1, 2, 3]
    assert [e for e in await referral.events("leg.reminded") if e["leg"] == str(leg.id)] == []
    shown = (await desk.call("police-county", "GET", f"legs/{leg.id}")).json()["rungs"]
    assert [(rung["to"], rung["acknowledged"] is not None) for rung in shown] == [
        ("police-county", False), ("police-city", False), ("jc-county", True), ("jc-city", False),
    ]  # fmt: skip
    assert shown[2]["acknowledged"]["by"] == "jc-county/agency"
    assert len(await referral.events("leg.acknowledged")) == 1


async def test_a_rung_that_nobody_takes_note_of_is_told_again_to_its_limit(referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    leg = next(leg for leg in case.legs.values() if leg.agency == "police-county")
    await until_minute(referral, 62)
    for _ in range(20):
        await referral.forward(HOUR / 2)
        await referral.sweep()
    said = [(e["rung"], e["times"], e["to"]) for e in await referral.events("leg.reminded") if e["leg"] == str(leg.id)]
    assert said == [(2, 1, "jc-county"), (2, 2, "jc-county"), *((3, time, "jc-city") for time in range(1, 13))]
