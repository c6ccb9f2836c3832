"""Does a duty that goes on to another agency take notice, clock and right to read with it?"""

from typing import Any

from tests.stories.test_rights import closed, opened
from tests.support.broker import until
from tests.support.world import World


async def test_a_leg_forwarded_by_topic_is_told_to_the_next_agency_with_the_first_clock_and_the_right_to_read(world: World) -> None:
    town = await world.town()
    await town.police.takes(feed=True)
    await town.police_up.takes(feed=True)
    receipt = await world.reporter("hospital").files(town, "M6")
    leg = await world.leg_that(receipt["report"], town.police, delivered=True)
    path = f"/intake/reports/{receipt['code']}"
    await until(lambda: opened(town.police, path))
    await town.police.replies({"leg": leg["leg"], "answer": "forwarded", "to": town.police_up.code, "reason": "not_my_region"})
    after = await world.leg_that(receipt["report"], town.police_up, delivered=True)
    assert (after["replaces"], after["clocks"]["accepted"]["due"]) == (leg["leg"], leg["clocks"]["accepted"]["due"])
    await until(lambda: opened(town.police_up, path))
    await until(lambda: closed(town.police, path))
    (told,) = [entry for entry in await town.police_up.feed() if entry["about"] == "leg.issued"]
    assert (told["leg"], told["replaces"]) == (after["leg"], leg["leg"])
    await town.police_up.replies({"leg": after["leg"], "answer": "forwarded", "to": town.education.code, "reason": "not_my_duty"})
    assert (await until(lambda: refusals(town.police_up)))[0]["reason"] == "not-their-duty"


async def refusals(agency: Any) -> list[dict[str, Any]]:
    return [entry for entry in await agency.feed() if entry["about"] == "answer.refused"]
