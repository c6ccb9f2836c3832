"""Is anything lost or done twice when a process dies in the middle of two hundred reports?"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.support.broker import until
from tests.support.world import Agency, Reporter, Town, World, body_of

REPORTS = 200
EXPECTED = Counter({
    ("police", "silent"): REPORTS,
    ("civil_affairs", "accepted"): REPORTS,
    ("education", "accepted"): REPORTS,
    ("township", "delivered"): REPORTS,
})  # fmt: skip


async def kill_service(world: World, name: str) -> None:
    await world.stack.kill(name)
    await asyncio.sleep(1)  # the others go on without it: that is the fault, not a wait
    await world.stack.restart(name)


FAULTS: dict[str, Callable[[World], Awaitable[None]]] = {
    "intake": lambda world: kill_service(world, "intake"),
    "referral": lambda world: kill_service(world, "referral"),
    "guardianship": lambda world: kill_service(world, "guardianship"),
    "notification": lambda world: kill_service(world, "notification"),
    "kafka": lambda world: world.stack.restart_kafka(hard=True),
    "postgres": lambda world: world.stack.restart_postgres(hard=True),
}


@pytest.mark.parametrize("victim", FAULTS)
async def test_the_counts_per_state_are_those_of_an_undisturbed_run(world: World, victim: str) -> None:
    town = await world.town(county="230112")
    for agency in (town.police, town.police_up, town.joint_conference, town.education):
        await agency.takes(feed=True)
    for agency in (town.civil_affairs, town.township):
        await agency.takes(webhook=True)
    async with asyncio.TaskGroup() as partners:
        busy = [
            partners.create_task(accepts_by_http(world, town.civil_affairs)),
            partners.create_task(accepts_by_topic(world, town.education)),
        ]
        receipts = await files_through(world, town, FAULTS[victim])
        await until(lambda: settled(world, town), seconds=120)
        for task in busy:
            task.cancel()
    assert len({receipt["report"] for receipt in receipts}) == REPORTS
    assert await states(world, town) == EXPECTED
    await nothing_twice(world, town)
    for agency in (town.police, town.police_up, town.joint_conference, town.education):
        first = dict.fromkeys((entry["sequence"], entry["id"]) for entry in await agency.feed())
        assert [sequence for sequence, _ in first] == list(range(1, len(first) + 1))
    assert await world.parked() == dict.fromkeys(world.databases, 0)


async def files_through(world: World, town: Town, fault: Callable[[World], Awaitable[None]]) -> list[dict[str, Any]]:
    """Files the reports, eight at a time, each repeated under its key until it has a receipt; the fault strikes in between."""
    school, slots, done = world.reporter("school"), asyncio.Semaphore(8), asyncio.Event()
    receipts: list[dict[str, Any]] = []

    async def one(number: int) -> None:
        async with slots:
            receipts.append(await insist(school, town, number))
            if len(receipts) >= REPORTS // 4:
                done.set()

    async with asyncio.TaskGroup() as group:
        for number in range(REPORTS):
            group.create_task(one(number))
        await done.wait()
        await fault(world)
    return receipts


async def insist(school: Reporter, town: Town, number: int) -> dict[str, Any]:
    body = body_of(town, "L1a", facts=f"合成情况 {number}")
    while True:
        try:
            answer = await school.posts(body, f"{town.region}-{number}")
        except httpx.TransportError:
            answer = httpx.Response(503)
        if answer.status_code == 202:
            receipt: dict[str, Any] = answer.json()
            return receipt
        assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.2)  # what `Retry-After` asks for, shortened


async def accepts_by_http(world: World, agency: Agency) -> None:
    """Accepts every leg it was told of, and repeats an answer that got no reply."""
    answered: set[str] = set()
    while True:
        for body in world.receiver.of(agency.code, "leg.issued"):
            leg = body["data"]["leg"]
            if leg not in answered:
                try:
                    answer = await agency.answers(body["data"], "accepted")
                except httpx.TransportError:
                    continue
                if answer.status_code == 200:
                    answered.add(leg)
        await asyncio.sleep(0.05)


async def accepts_by_topic(world: World, agency: Agency) -> None:
    """Reads its own topic and answers on its replies topic."""
    producer = AIOKafkaProducer(bootstrap_servers=world.stack.bootstrap, enable_idempotence=True)
    consumer = AIOKafkaConsumer(f"heli.agency.{agency.code}.v1", bootstrap_servers=world.stack.bootstrap, auto_offset_reset="earliest")
    await asyncio.gather(producer.start(), consumer.start())
    try:
        async for record in consumer:
            leg = json.loads(record.value)["leg"]
            await producer.send(f"heli.agency.{agency.code}.replies.v1", json.dumps({"leg": leg, "answer": "accepted"}).encode())
    finally:
        await asyncio.gather(producer.stop(), consumer.stop())


LEGS = (
    "select l.department, case when l.accepted_at is not null then 'accepted' when l.rung = 3 then 'silent'"
    " when l.delivered_at is not null then 'delivered' else 'issued' end as state, count(*)"
    " from leg l join case_file c on c.id = l.case_id where l.agency = any($1) group by 1, 2"
)


async def states(world: World, town: Town) -> Counter[tuple[str, str]]:
    codes = [agency.code for agency in town.agencies.values()]
    rows = await world.databases["referral"].fetch(LEGS, codes)
    return Counter({(row["department"], row["state"]): row["count"] for row in rows})


async def settled(world: World, town: Town) -> bool:
    """Everything that will happen has happened: states as expected, nothing left to send, followed or filed."""
    if await states(world, town) != EXPECTED:
        return False
    left = [await pool.fetchval("select count(*) from outbox") for pool in world.databases.values()]
    escalated = await world.databases["notification"].fetchval(
        "select count(*) from delivery where about = 'leg.escalated' and state = 'delivered' and party = any($1)",
        [town.police.code, town.police_up.code, town.joint_conference.code],
    )
    files = await world.databases["guardianship"].fetchval("select count(*) from child where region = $1", town.village)
    return (sum(left), escalated, files) == (0, 3 * REPORTS, REPORTS)


async def nothing_twice(world: World, town: Town) -> None:
    codes = [agency.code for agency in town.agencies.values()]
    for kind, expected in (("leg.issued", 4 * REPORTS), ("leg.accepted", 2 * REPORTS), ("leg.escalated", 3 * REPORTS)):
        events = [event for event in await world.journal("referral", kind) if event["agency"] in codes]
        assert len(events) == len({(event["leg"], event.get("rung")) for event in events}) == expected, kind
    rungs: dict[str, list[int]] = {}
    for event in await world.journal("referral", "leg.escalated"):
        rungs.setdefault(event["leg"], []).append(event["rung"])
    assert all(fired == [0, 1, 2] for fired in rungs.values())
    accepted = await world.journal("intake", "report.accepted")
    opened = await world.journal("referral", "case.opened")
    assert {event["report"] for event in accepted} == {event["report"] for event in opened}
    assert len(accepted) == len(opened)
    delivered = [event["delivery"] for event in await world.journal("notification", "notice.delivered")]
    assert len(delivered) == len(set(delivered))
