"""A school's report reaches police, civil affairs and education, and each of them accepts."""

from tests.support.broker import until
from tests.support.world import World


async def test_a_schools_report_reaches_every_department_and_each_accepts_its_own_way(world: World) -> None:
    town, school = await world.town(), world.reporter("school")
    await town.police.takes(feed=True)
    await town.civil_affairs.takes(webhook=True)
    await town.education.takes(webhook=True, feed=True)
    receipt = await school.files(town, "L1a")

    told = await until(town.police.feed)
    assert (told[0]["type"], told[0]["sequence"]) == ("heli.notice.issued.v1", 1)
    assert not {"age", "sex", "name"} & set(told[0])
    await town.police.replies({"leg": told[0]["leg"], "answer": "accepted"})

    webhook = (await until(lambda: world.receiver.of(town.civil_affairs.code)))[0]
    await world.http.post(webhook["data"]["link"].removeprefix(world.stack.url))

    leg = await world.leg_that(receipt["report"], town.education, delivered=True)
    assert (await town.education.answers(leg, "accepted")).status_code == 200

    for agency in (town.police, town.civil_affairs, town.education):
        await world.leg_that(receipt["report"], agency, delivered=True, seen=True, accepted=True)

    async def followed() -> bool:
        seen = await school.progress(receipt["code"])
        return (seen["counts"]["accepted"], seen["counts"]["delivered"]) == (3, 3)

    await until(followed)
    assert not world.receiver.rejected
