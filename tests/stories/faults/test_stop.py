"""Is work lost, or done again, when a service is asked to stop in the middle of it?"""

import asyncio
import signal

import pytest
from aiokafka import TopicPartition

from tests.stories.faults.settle import LEFT
from tests.stories.faults.test_kills import insist
from tests.support.broker import admin, everything, until
from tests.support.world import World

REPORTS = 60


@pytest.mark.parametrize("name", ["intake", "referral", "notification", "guardianship"])
async def test_sigterm_under_load_finishes_what_was_begun_and_redelivers_nothing(world: World, name: str) -> None:
    town, school = await world.town(), world.reporter()
    for agency in (town.police, town.civil_affairs, town.education, town.township):
        await agency.takes(feed=True)
    slots = asyncio.Semaphore(8)

    async def one(number: int) -> str:
        async with slots:
            return str((await insist(school, town, number))["report"])

    filing = asyncio.gather(*(one(number) for number in range(REPORTS)))
    await until(lambda: some_cases(world, town.region))
    await world.stack.kill(name, signal.SIGTERM)
    await until(lambda: world.stack.service(name).pid is None, seconds=40)
    assert world.stack.service(name).code == 0
    assert await applied_but_not_committed(world, name) == []
    assert await world.databases[name].fetchval(LEFT) == 0
    await world.stack.restart(name)
    reports = await filing
    await until(lambda: all_delivered(world, reports))
    assert len(set(reports)) == REPORTS


async def some_cases(world: World, region: str) -> bool:
    query = "select count(*) > 5 from leg where agency like '%' || $1"
    return bool(await world.databases["referral"].fetchval(query, region[:9]))


async def all_delivered(world: World, reports: list[str]) -> bool:
    query = (
        "select count(*) filter (where l.delivered_at is null) = 0 and count(distinct c.report) = $2"
        " from leg l join case_file c on c.id = l.case_id where c.report = any($1)"
    )
    return bool(await world.databases["referral"].fetchval(query, reports, len(reports)))


async def applied_but_not_committed(world: World, name: str) -> list[str]:
    """Records that had their effect and would come again: a clean stop leaves none."""
    found = []
    async with admin(world.stack.bootstrap) as client:
        for topic in ("heli.intake.v1", "heli.referral.v1", "heli.notification.v1"):
            offsets = await client.list_consumer_group_offsets(f"{name}.{topic}")
            rows = await world.databases[name].fetch("select id from inbox where source = $1", topic)
            applied = {row["id"].split("/")[0] for row in rows}
            for record in await everything(world.stack.bootstrap, topic):
                event = (dict(record.headers).get("ce_id") or b"").decode()
                done = offsets.get(TopicPartition(topic, record.partition))
                if event in applied and (done is None or record.offset >= done.offset):
                    found.append(event)
    return found
