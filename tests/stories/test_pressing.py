"""Is the pressed agency told, and the office of the agency's silence and of its answer, each on its own topic or webhook?"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from tests.support.broker import until
from tests.support.command import heli
from tests.support.world import Agency, World


async def entries(agency: Agency, about: str) -> list[dict[str, Any]]:
    return [entry for entry in await agency.feed() if entry["about"] == about]


async def test_a_press_goes_to_the_agency_its_silence_and_its_answer_to_the_office_and_only_then_it_closes(world: World) -> None:
    town = await world.town()
    police = await town.police.takes(webhook=True)
    office = await town.joint_conference.takes(feed=True)
    school = world.reporter()
    receipt = await school.files(town, "L1a")
    leg = await world.leg(receipt["report"], police)
    due = datetime.now(UTC) + await shift(world) + timedelta(minutes=10)
    body = {"due": due.isoformat(), "reason": "no_progress"}
    made = await office.call("POST", f"/referral/legs/{leg['leg']}/press", json=body, headers={"idempotency-key": uuid4().hex})
    assert made.status_code == 201, made.text
    told = (await until(lambda: world.receiver.of(police.code, "leg.pressed")))[0]
    assert told["type"] == "heli.notice.pressed.v1"
    assert (told["data"]["who"], told["data"]["reason"], told["data"]["leg"]) == (office.code, "no_progress", leg["leg"])
    await world.forward(minutes=11)
    (silent,) = await until(partial(entries, office, "press.missed"))
    assert (silent["agency"], silent["leg"]) == (police.code, leg["leg"])
    early = await office.call("POST", f"/referral/legs/{leg['leg']}/press/close")
    assert (early.status_code, early.json()["title"]) == (409, "needs-answer")
    answered = await police.call("POST", f"/referral/legs/{leg['leg']}/press/answer", json={"answer": "under_way"})
    assert answered.status_code == 200, answered.text
    (answer,) = await until(partial(entries, office, "press.answered"))
    assert answer["answer"] == "under_way"
    assert (await office.call("POST", f"/referral/legs/{leg['leg']}/press/close")).status_code == 200
    shown = await heli(world, "joint", "answers", "--region", town.region, "--json")
    assert {row["agency"]: row["presses_missed"] for row in shown.document["agencies"]}[police.code] == 1
    reported = await heli(world, "joint", "reporters", "--region", town.region)
    assert (reported.code, school.party in reported.out, " of 1 late, half within " in reported.out) == (0, True, True)


async def shift(world: World) -> timedelta:
    """How far other stories have moved time on."""
    moved: timedelta = await world.databases["referral"].fetchval("select by from heli_shift")
    return moved
