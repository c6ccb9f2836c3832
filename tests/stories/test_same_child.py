"""Is a child that two people report one story, for every agency that works for it?"""

from typing import Any

from shared.regions import Regions
from tests.support import reports
from tests.support.broker import until
from tests.support.world import Agency, World


def child(order: int) -> dict[str, Any]:
    return {"name": "测试同", "sex": "female", "age": 9, "id_number": reports.number("20170501", order=order)}


async def readable(agency: Agency, code: str) -> bool:
    return (await agency.call("GET", f"/intake/reports/{code}")).status_code == 200


async def filed_as(township: Agency, grades: dict[str, str]) -> bool:
    """The file of the child shows its cases as urgent as referral holds them."""
    children = (await township.call("GET", "/guardianship/children")).json()["children"]
    return any({case["case"]: case["grade"] for case in child["cases"]} == grades for child in children)


async def test_what_two_reporters_say_of_one_child_is_one_story_and_owed_once(world: World) -> None:
    town = await world.town()
    assert Regions.load().find(town.village) is not None
    first = await world.reporter().files(town, "L1a", children=[child(31)])
    leg = await world.leg(first["report"], town.police)
    hospital = world.reporter("hospital")
    second = await hospital.files(town, "L1b", children=[child(31)])

    async def linked() -> Any:
        cases = [*await world.referral(first["report"]), *await world.referral(second["report"])]
        return cases if len(cases) == 2 and all(case["grade"] == "red" for case in cases) else None

    one, other = await until(linked)
    assert await until(lambda: world.journal("referral", "case.raised", case=one["case"]))
    assert {event["story"] for event in await world.journal("referral", "case.linked", child=one["child"])} == {one["case"]}
    told = await world.journal("referral", "leg.issued", agency=town.police.code)
    assert [event["case"] for event in told] == [one["case"]]
    assert await until(lambda: readable(town.police, second["code"]))
    listed = (await town.police.call("GET", f"/referral/cases/{one['case']}")).json()
    assert [case["case"] for case in listed["linked"]] == [other["case"]]
    assert await until(lambda: filed_as(town.township, {one["case"]: "red", other["case"]: "red"}))
    await town.police.answers(leg, "accepted")

    async def heard() -> bool:
        return bool((await hospital.progress(second["code"]))["counts"]["accepted"])

    assert await until(heard)
    answer = await world.as_operator("POST", f"/referral/cases/{other['case']}/unlink", json={"reason": "number_mistyped"})
    assert answer.status_code == 200, answer.text
    assert await until(lambda: world.journal("referral", "leg.issued", agency=town.police.code, case=other["case"]))
    assert await world.parked() == dict.fromkeys(await world.parked(), 0)
