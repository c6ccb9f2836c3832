"""How do the agencies of a round answer? By one-tap link, by topic, by HTTP, each until it is heard; one stays silent."""

import asyncio
import contextlib
import json
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.stories.faults.ledger import Ledger, fulfils
from tests.support.world import Agency, Town, World

LOOK_SECONDS = 0.1
ISSUED = "leg.issued"


async def settle_in(world: World) -> tuple[Town, Ledger]:
    """A town whose police are silent: civil affairs answer by link, education by topic, the township by HTTP."""
    town = await world.town(county="230112")
    by_feed = (town.police, town.police_up, town.joint_conference, town.education)
    by_webhook = (town.civil_affairs, town.township)
    for agency in by_feed:
        await agency.takes(feed=True)
    for agency in by_webhook:
        await agency.takes(webhook=True)
    made = await world.as_operator("PUT", "/notification/endpoints/ops-root", json={"webhook": {"url": world.receiver.url("ops-root")}})
    world.receiver.secrets["ops-root"] = made.json()["secret"]
    ledger = Ledger(
        duties={
            "receive_and_respond": town.police.code,
            "guardianship_protection": town.civil_affairs.code,
            "school_attention": town.education.code,
            "assess_and_register": town.township.code,
        },
        answers={town.civil_affairs.code: "accepted", town.education.code: "accepted", town.township.code: "fulfilled"},
        channels={a.code: "topic" for a in by_feed} | {a.code: "webhook" for a in by_webhook} | {"ops-root": "webhook"},
        silent=town.police.code,
        ladder=(town.police.code, town.police_up.code, town.joint_conference.code),
        misses=("seen", "accepted"),
        gap=2.0,
    )
    return town, ledger


async def by_link(world: World, agency: Agency) -> None:
    """Opens the page of every notice and presses its button."""
    pressed: set[str] = set()
    while True:
        for body in world.receiver.of(agency.code, ISSUED):
            with contextlib.suppress(httpx.TransportError):
                if body["id"] not in pressed and (await world.http.post(body["data"]["link"], timeout=5)).status_code == 303:
                    pressed.add(body["id"])
        await asyncio.sleep(LOOK_SECONDS)


async def by_http(world: World, agency: Agency) -> None:
    """Accepts every leg that it was told of, and ends some; repeats an answer that got no reply."""
    said: dict[str, list[str]] = {}
    while True:
        for body in world.receiver.of(agency.code, ISSUED):
            leg = body["data"]
            left = said.setdefault(leg["leg"], ["accepted", *(["fulfilled"] if fulfils(leg["report"]) else [])])
            with contextlib.suppress(httpx.TransportError):
                while left and await _answered(agency, leg, left[0]):
                    left.pop(0)
        await asyncio.sleep(LOOK_SECONDS)


async def _answered(agency: Agency, leg: dict[str, Any], answer: str) -> bool:
    more = {"outcome": "registered"} if answer == "fulfilled" else {}
    return (await agency.call("POST", f"/referral/legs/{leg['leg']}/{answer}", json=more, timeout=5)).status_code == 200


async def by_topic(world: World, agency: Agency) -> None:
    """Reads its own topic, each entry once, and answers on its replies topic."""
    heard: set[str] = set()
    while True:
        try:
            await _reply(world.stack.bootstrap, agency.code, heard)
        except (KafkaError, OSError):
            await asyncio.sleep(LOOK_SECONDS)


async def _reply(bootstrap: str, code: str, heard: set[str]) -> None:
    replies = f"heli.agency.{code}.replies.v1"
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer,
        AIOKafkaConsumer(f"heli.agency.{code}.v1", bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer,
    ):
        async for record in consumer:
            entry = json.loads(record.value)
            if entry["about"] == ISSUED and entry["leg"] not in heard:
                await producer.send_and_wait(replies, json.dumps({"leg": entry["leg"], "answer": "accepted"}).encode())
                heard.add(entry["leg"])


class Partners:
    """All of them, for as long as a stack lives."""

    def __init__(self, world: World, town: Town) -> None:
        work = (by_link(world, town.civil_affairs), by_http(world, town.township), by_topic(world, town.education))
        self._tasks = [asyncio.create_task(part) for part in work]

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def broken(self) -> list[str]:
        """A partner that stopped playing its part spoils the round: said, not hidden."""
        return [repr(task.exception()) for task in self._tasks if task.done() and not task.cancelled()]
