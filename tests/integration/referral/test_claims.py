"""Who gets a leg when a whole office reaches for it?"""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from services.referral import handlers
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.identifiers import case_id, uuid7
from shared.messages import Message
from tests.integration.referral.conftest import NOW
from tests.integration.referral.desk import Desk
from tests.support import county

OFFICERS = [f"officer-{number}" for number in range(50)]


async def police_leg(desk: Desk) -> dict[str, Any]:
    report = uuid7()
    child = ChildNamed(number=1, child=uuid4(), age=9, sex="female")
    event = ReportAccepted(
        report=report, code=report.hex[-9:], situations=("L1a",), groups=(), region=county.VILLAGE, reporter_kind="school",
        seen_at=NOW, received_at=NOW, children=(child,),
    )  # fmt: skip
    key = case_id(report, 1)
    await desk.service.rooms[0].handle([Message(body=handlers.OpenCase(key, event, child), aggregate=key, id=str(key))])
    (row,) = await desk.pool.fetch("select id, agency from leg where case_id = $1 and department = 'police'", key)
    return dict(row)


async def step(desk: Desk, leg: dict[str, Any], what: str, officer: str) -> httpx.Response:
    return await desk.call(leg["agency"], "POST", f"legs/{leg['id']}/{what}", json={"officer": officer})


async def events(desk: Desk, short: str) -> int:
    return int(await desk.pool.fetchval("select count(*) from journal where type = $1", f"heli.leg.{short}.v1"))


async def test_of_fifty_at_once_one_wins_and_the_others_learn_only_that_and_when(desk: Desk) -> None:
    leg = await police_leg(desk)
    answers = await asyncio.gather(*(step(desk, leg, "claim", officer) for officer in OFFICERS))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    (winner,) = [officer for officer, answer in zip(OFFICERS, answers, strict=True) if answer.status_code == 200]
    refusals = [answer.json() for answer in answers if answer.status_code == 409]
    assert {refusal["title"] for refusal in refusals} == {"leg-claimed"}
    assert all(refusal["claimed_at"] and refusal["state"] == "issued" for refusal in refusals)
    assert not any("officer-" in answer.text for answer in answers)
    assert await desk.pool.fetchval("select claimed_by from leg where id = $1", leg["id"]) == winner
    assert await events(desk, "claimed") == 1


async def test_the_same_officer_again_is_the_same_result_and_a_release_lets_the_next_one_in(desk: Desk) -> None:
    leg = await police_leg(desk)
    assert (await step(desk, leg, "release", "a")).status_code == 200
    first, again = await step(desk, leg, "claim", "a"), await step(desk, leg, "claim", "a")
    assert (first.json(), await events(desk, "claimed")) == (again.json(), 1)
    assert (await step(desk, leg, "release", "b")).status_code == 409
    assert (await step(desk, leg, "release", "a")).json()["claimed_at"] is None
    assert (await step(desk, leg, "claim", "b")).status_code == 200
    assert (await events(desk, "claimed"), await events(desk, "released")) == (2, 1)


async def test_a_bulk_assignment_takes_a_leg_from_whoever_had_it_and_needs_an_officer(desk: Desk) -> None:
    leg = await police_leg(desk)
    await step(desk, leg, "claim", "a")
    given = await desk.bulk(leg["agency"], "assigned", [{"leg": str(leg["id"]), "officer": "b"}])
    assert (given.status_code, given.json()["rows"][0]["status"]) == (207, 200)
    assert await desk.pool.fetchval("select claimed_by from leg where id = $1", leg["id"]) == "b"
    nobody = await desk.bulk(leg["agency"], "assigned", [{"leg": str(leg["id"])}])
    assert (nobody.status_code, nobody.json()["rows"][0]["status"]) == (422, 422)


async def test_a_stranger_finds_nothing_and_an_ended_leg_refuses_with_its_state(desk: Desk) -> None:
    leg = await police_leg(desk)
    stranger = await desk.call("civil-county", "POST", f"legs/{leg['id']}/claim", json={"officer": "a"})
    assert stranger.status_code == 404
    await desk.call(leg["agency"], "POST", f"legs/{leg['id']}/fulfilled", json={"outcome": "child_safe"})
    late = await step(desk, leg, "claim", "a")
    assert (late.status_code, late.json()["state"]) == (409, "fulfilled")


async def test_a_claim_without_its_time_cannot_be_stored(desk: Desk) -> None:
    leg = await police_leg(desk)
    with pytest.raises(asyncpg.CheckViolationError):
        await desk.pool.execute("update leg set claimed_by = 'a' where id = $1", leg["id"])
