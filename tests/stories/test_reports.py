"""What may a reporter rely on? One receipt, one case per child, the right agencies, and to hear how it goes on."""

import asyncio
from uuid import uuid4

from tests.support.broker import until
from tests.support.world import World, body_of


async def test_the_same_report_posted_twice_is_one_report_with_the_same_bytes(world: World) -> None:
    town, school = await world.town(), world.reporter()
    body, key = body_of(town, "L1a"), uuid4().hex
    answers = await asyncio.gather(*(school.posts(body, key) for _ in range(4)))
    answers.append(await school.posts(body, key))
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    other = await school.posts(body | {"facts": "另一份"}, key)
    assert (other.status_code, other.json()["title"]) == (422, "idempotency-key-reused")
    report = answers[0].json()["report"]
    await until(lambda: world.referral(report))
    assert len(await world.journal("intake", "report.accepted", report=report)) == 1
    assert len(await world.journal("referral", "case.opened", report=report)) == 1


async def test_three_siblings_in_one_report_have_a_case_each_and_groups_given_once_hold_for_all(world: World) -> None:
    town, village = await world.town(), world.reporter("village_committee")
    children = [{"name": f"测试{n}", "sex": "male", "age": age} for n, age in enumerate((3, 7, 17))]
    children.append({"name": "测试母", "sex": "female", "age": 40})
    receipt = await village.files(town, groups=["K2"], children=children)

    async def opened() -> list[str]:
        cases = await world.referral(receipt["report"])
        return sorted(case["child"] for case in cases) if len(cases) == 3 else []

    assert len(set(await until(opened))) == 3
    for case in await world.referral(receipt["report"]):
        assert {leg["department"] for leg in case["legs"]} >= {"civil_affairs", "township"}
    stubs = await until(lambda: children_of(world, town.township.token, 3))
    assert {stub["age"] for stub in stubs} == {3, 7, 17}


async def children_of(world: World, token: str, count: int) -> list[dict[str, int]]:
    answer = await world.http.get("/guardianship/children", headers={"authorization": f"Bearer {token}"})
    found: list[dict[str, int]] = answer.json()["children"]
    return found if len(found) == count else []


async def test_a_village_whose_township_code_means_another_place_reaches_its_own_township(world: World) -> None:
    """230104112: 永源镇 for civil affairs, 民主镇 for statistics; a village under that code lies in 民主镇, which is 230104114 there."""
    right = await world.agency("town-minzhu", "township", "230104114000", "jc-root")
    wrong = await world.agency("town-yongyuan", "township", "230104112000", "jc-root")
    town = await world.town()
    receipt = await world.reporter().files(town, "L1a", region="230104112201")
    await world.leg(receipt["report"], right)
    assert not [leg for leg in await world.legs(receipt["report"]) if leg["agency"] == wrong.code]


async def test_where_no_agency_is_responsible_the_joint_conference_office_holds_the_leg_with_the_same_clocks(world: World) -> None:
    town = await world.town(without=("education",))
    receipt = await world.reporter().files(town, "L1a")
    leg = await world.leg(receipt["report"], town.joint_conference)
    assert (leg["department"], leg["unassigned"], leg["clocks"]["seen"]["due"] is not None) == ("education", True, True)


async def test_the_reporter_hears_of_progress_by_webhook_and_another_unit_gets_404(world: World) -> None:
    town, school, other = await world.town(), world.reporter(), world.reporter()
    url = world.receiver.url(school.party)
    made = await school.call("PUT", f"/notification/endpoints/{school.party}", json={"webhook": {"url": url}})
    world.receiver.secrets[school.party] = made.json()["secret"]
    await town.police.takes(feed=True)
    receipt = await school.files(town, "M6")
    leg = await world.leg_that(receipt["report"], town.police, delivered=True)
    await town.police.answers(leg, "accepted")
    await town.police.answers(leg, "fulfilled", outcome="child_safe")

    def facts() -> set[str]:
        told = world.receiver.of(school.party, "report.progressed")
        return {body["data"]["fact"] for body in told if body["data"]["department"] == "police"}

    await until(lambda: facts() == {"delivered", "accepted", "done"})
    assert (await other.call("GET", f"/intake/reports/{receipt['code']}/progress")).status_code == 404
    assert (await other.call("GET", f"/intake/reports/{uuid4()}/progress")).status_code == 404
