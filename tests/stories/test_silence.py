"""Does nobody's silence pass? Clocks, rungs, replacement, and intake's own clock."""

import signal
from functools import partial
from typing import Any

from tests.support.broker import until
from tests.support.world import World


async def test_an_agency_silent_through_all_rungs_raises_each_once_in_order(world: World) -> None:
    town = await world.town()
    for agency in (town.police, town.police_up, town.joint_conference):
        await agency.takes(feed=True)
    receipt = await world.reporter("hospital").files(town, "M6")
    leg = await world.leg_that(receipt["report"], town.police, delivered=True)
    for minutes in (11, 11, 11, 60, 11):
        await world.forward(minutes=minutes)
        await until(partial(caught_up, world, leg["leg"]))
    rungs = await until(lambda: all_rungs(world, leg["leg"]))
    assert [(e["rung"], e["who"], e["to"]) for e in rungs] == [
        (0, "duty_officer", town.police.code),
        (1, "superior", town.police_up.code),
        (2, "joint_conference", town.joint_conference.code),
        (3, "city_joint_conference", "jc-root"),
    ]
    clocks = [e["clock"] for e in await world.journal("referral", "leg.overdue", leg=leg["leg"])]
    assert (len(clocks), {"seen", "accepted"} <= set(clocks)) == (len(set(clocks)), True)
    for agency in (town.police, town.police_up, town.joint_conference):
        told = await until(partial(escalations, agency, leg["leg"]))
        assert [entry["about"] for entry in told] == ["leg.escalated"]


async def caught_up(world: World, leg: str) -> bool:
    """The sweep has caught up with the moved clock: nothing of the case is due."""
    query = "select next_due > heli_now() from case_file where id = (select case_id from leg where id = $1)"
    return bool(await world.databases["referral"].fetchval(query, leg))


async def all_rungs(world: World, leg: str) -> list[dict[str, object]]:
    found = await world.journal("referral", "leg.escalated", leg=leg)
    return found if len(found) == 4 else []


async def escalations(agency: Any, leg: str) -> list[dict[str, object]]:
    return [entry for entry in await agency.feed() if entry["about"] == "leg.escalated" and entry["leg"] == leg]


async def test_a_declined_red_leg_is_replaced_at_once_by_the_next_agency_up(world: World) -> None:
    town = await world.town()
    await town.police.takes(feed=True)
    await town.police_up.takes(feed=True)
    receipt = await world.reporter("hospital").files(town, "M6")
    leg = await world.leg_that(receipt["report"], town.police, delivered=True)
    assert (await town.police.answers(leg, "declined")).status_code == 422
    assert (await town.police.answers(leg, "declined", reason="not_my_region")).status_code == 200
    after = await world.leg_that(receipt["report"], town.police_up, delivered=True)
    assert (after["replaces"], after["duty"]) == (leg["leg"], leg["duty"])


async def test_a_report_whose_cases_do_not_open_in_time_is_told_to_operations_and_the_police(world: World) -> None:
    town = await world.town()
    operations = await ops(world)
    await town.police.takes(webhook=True)
    await world.stack.kill("referral", signal.SIGSTOP)
    try:
        receipt = await world.reporter().files(town, "L1b")
        await world.databases["intake"].execute(
            "update report set next_due = heli_now(), opened_due = heli_now() where id = $1", receipt["report"]
        )
        await until(lambda: world.receiver.of(town.police.code, "report.stalled"))
        await until(lambda: world.receiver.of(operations, "report.stalled"))
    finally:
        await world.stack.kill("referral", signal.SIGCONT)
    await world.leg(receipt["report"], town.police)
    assert len(await world.journal("intake", "report.stalled", report=receipt["report"])) == 1


async def ops(world: World) -> str:
    """The operations desk takes webhooks."""
    made = await world.as_operator("PUT", "/notification/endpoints/ops-root", json={"webhook": {"url": world.receiver.url("ops-root")}})
    world.receiver.secrets["ops-root"] = made.json()["secret"]
    return "ops-root"
