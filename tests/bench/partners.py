"""What do three agencies do in a bench? Each takes its legs in its own way (topic, webhook, HTTP alone) and accepts every one at once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer

from deploy.keys import Claims
from shared.paging import MOST
from tests.bench import wire
from tests.bench.client import Client, clients, receiver
from tests.bench.ground import Ground
from tests.support import county

PARTIES = ("police-county", "civil-county", "town-qinghe")
ISSUED = "heli.notice.issued.v1"
CALLERS, LOOK_SECONDS, SETTLED_SECONDS = 8, 0.2, 2.0


class Notice(msgspec.Struct):
    leg: str


class Leg(msgspec.Struct):
    leg: str
    issued_at: datetime


class Page(msgspec.Struct):
    legs: list[Leg]
    next: str | None = None


_notice, _page = msgspec.json.Decoder(Notice), msgspec.json.Decoder(Page)


@asynccontextmanager
async def partners(ground: Ground, ways: dict[str, str]) -> AsyncIterator[None]:
    """Registers each party for its way and plays it while the context lasts; one that breaks off ends it."""
    async with AsyncExitStack() as stack:
        asked: asyncio.Queue[str] = asyncio.Queue()
        port = await stack.enter_async_context(receiver(lambda body: _taken(body, asked)))
        for party, way in ways.items():
            await register(ground, party, webhook=f"http://127.0.0.1:{port}/{party}" if way == "webhook" else None, feed=way == "topic")
        work: list[Coroutine[Any, Any, None]] = []
        for party, way in ways.items():
            if way == "topic":
                work.append(_by_topic(ground, party, await stack.enter_async_context(_feed(ground, party))))
            else:
                callers = await stack.enter_async_context(clients(_port(ground), token(ground, party), CALLERS + 1))
                queue = asked if way == "webhook" else asyncio.Queue[str]()
                work += [_accepting(caller, queue) for caller in callers[1:]]
                work += [_looking(callers[0], queue)] if way == "http" else []
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
            yield
            for task in tasks:
                task.cancel()


def token(ground: Ground, party: str) -> str:
    department = county.DIRECTORY[party].department
    return ground.state.token(Claims(kind="agency", party=party, department=department, region=county.COUNTY))


def _port(ground: Ground) -> int:
    return ground.state.ports["referral"]


async def register(ground: Ground, party: str, *, webhook: str | None, feed: bool) -> None:
    """Puts its endpoint, whether there is one or not."""
    path = f"{ground.stack.service_url('notification')}/notification/endpoints/{party}"
    body = {"webhook": {"url": webhook} if webhook else None, "feed": feed}
    async with httpx.AsyncClient(trust_env=False, timeout=30, headers={"authorization": f"Bearer {token(ground, party)}"}) as http:
        known = (await http.get(path)).headers.get("etag")
        answer = await http.put(path, json=body, headers={"if-match": known} if known else {})
        answer.raise_for_status()


def _taken(body: dict[str, Any], asked: "asyncio.Queue[str]") -> None:
    if body["type"] == ISSUED:
        asked.put_nowait(body["data"]["leg"])


@asynccontextmanager
async def _feed(ground: Ground, party: str) -> AsyncIterator[AIOKafkaConsumer]:
    topic = f"heli.agency.{party}.v1"
    async with wire.reading(ground.bootstrap, await wire.ends(ground.bootstrap, topic)) as consumer:
        yield consumer


async def _by_topic(ground: Ground, party: str, consumer: AIOKafkaConsumer) -> None:
    """Reads its own topic and answers on its replies topic."""
    async with wire.producing(ground.bootstrap) as producer:
        async for record in consumer:
            if dict(record.headers)["ce_type"] == ISSUED.encode():
                reply = b'{"leg":"%s","answer":"accepted"}' % _notice.decode(record.value).leg.encode()
                await producer.send(f"heli.agency.{party}.replies.v1", reply)


async def _accepting(caller: Client, asked: "asyncio.Queue[str]") -> None:
    while True:
        leg = await asked.get()
        status, body = await caller.call("POST", f"/referral/legs/{leg}/accepted", b"{}")
        if status == 404:
            asked.put_nowait(leg)
        elif status != 200:
            raise RuntimeError(f"referral answered {status}: {body[:300]!r}")


async def _looking(caller: Client, asked: "asyncio.Queue[str]") -> None:
    """An agency without a channel of its own looks at its list again and again."""
    seen: set[str] = set()
    after = ""
    while True:
        _, body = await caller.call("GET", f"/referral/legs?limit={MOST}{after}")
        page = _page.decode(body)
        for leg in page.legs:
            if leg.leg not in seen:
                seen.add(leg.leg)
                asked.put_nowait(leg.leg)
        # A page that is full is left behind only when nothing that belongs into it can still be on its way.
        if page.next and (datetime.now(UTC) - page.legs[-1].issued_at).total_seconds() > SETTLED_SECONDS:
            after = f"&after={page.next}"
        else:
            await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def following(ground: Ground, party: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads the topic of a party and answers nothing."""
    async with _feed(ground, party) as consumer:
        yield consumer
