"""Who may read what? The open leg is the right; every reading is recorded; a revoked key is refused; nothing personal leaves."""

import asyncio
from typing import Any
from uuid import uuid4

from deploy.keys import Claims, revoke, token_id
from tests.support.broker import until
from tests.support.world import World


async def test_an_officer_who_opens_the_report_before_the_right_arrived_gets_404_and_after_it_the_report(world: World) -> None:
    town = await world.town()
    receipt = await world.reporter().files(town, "L1a")
    path = f"/intake/reports/{receipt['report']}"
    early = await town.police.call("GET", path)
    if early.status_code != 200:
        assert (early.status_code, early.headers["retry-after"], early.json()["title"]) == (404, "2", "not-found")
    found = await until(lambda: opened(town.police, path))
    assert found["children"][0]["name"] == "测试甲"
    assert "测试员" in str(found)
    civil = await until(lambda: opened(town.civil_affairs, path))
    assert "测试员" not in str(civil)
    read = await world.journal("intake", "report.read", report=receipt["report"])
    assert {event["agency"] for event in read} == {town.police.code, town.civil_affairs.code}
    assert (await town.police_up.call("GET", path)).content == (await town.police.call("GET", f"/intake/reports/{uuid4()}")).content


async def opened(agency: Any, path: str) -> dict[str, object]:
    answer = await agency.call("GET", path)
    return answer.json() if answer.status_code == 200 else {}


async def test_when_the_leg_has_ended_the_right_to_read_has_ended(world: World) -> None:
    town = await world.town()
    receipt = await world.reporter().files(town, "L1a")
    leg = await world.leg(receipt["report"], town.police)
    path = f"/intake/reports/{receipt['code']}"
    await until(lambda: opened(town.police, path))
    await town.police.answers(leg, "fulfilled", outcome="child_safe")
    await until(lambda: closed(town.police, path))


async def closed(agency: Any, path: str) -> bool:
    return bool((await agency.call("GET", path)).status_code == 404)


async def test_a_revoked_key_is_refused_within_five_seconds(world: World) -> None:
    token = world.state.token(Claims(kind="agency", party="police-x", department="police", region="230000000000"))
    headers = {"authorization": f"Bearer {token}"}
    assert (await world.http.get("/referral/legs", headers=headers)).status_code == 200
    revoke(world.state.jwks, token_id(token))

    async def refused() -> bool:
        return bool((await world.http.get("/referral/legs", headers=headers)).status_code == 401)

    await until(refused, seconds=5)


async def test_the_one_tap_link_shows_no_personal_value_changes_nothing_and_only_its_button_accepts(world: World) -> None:
    town = await world.town()
    await town.police.takes(webhook=True)
    receipt = await world.reporter().files(town, "L1a")
    link = (await until(lambda: world.receiver.of(town.police.code)))[0]["data"]["link"].removeprefix(world.stack.url)
    page = await world.http.get(link)
    assert page.status_code == 200
    assert receipt["code"] in page.text
    assert "110" in page.text
    assert "测试" not in page.text
    leg = await world.leg(receipt["report"], town.police)
    assert (leg["clocks"]["seen"]["at"], leg["clocks"]["accepted"]["at"]) == (None, None)
    await asyncio.gather(*(world.http.post(link) for _ in range(3)))
    await world.leg_that(receipt["report"], town.police, accepted=True)
    assert len(await world.journal("referral", "leg.accepted", leg=leg["leg"])) == 1
    assert (await world.http.get(link[:-4] + "AAAA")).status_code == 404
