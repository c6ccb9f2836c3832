"""What do the partners do? Real parties: each has a token, an endpoint, and takes and answers notices over HTTP or Kafka.

They know of Heli what a partner may know: its HTTP doors, its topics, the secret it was shown once, and the official
library for signatures.
"""

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterator
from typing import Any

import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.demo.cast import Role, outcome_of
from deploy.local import ports

AT_ONCE = 8
READ_ATTEMPTS = 60
ATTEMPTS, PAUSE_SECONDS = 60, 1.0
ISSUED = "leg.issued"
TAKEN, REFUSED, UNKNOWN, STUMBLED = 204, 401, 404, 500


class Partner:
    """One agency: what it was told and what it said."""

    def __init__(self, code: str, department: str, role: Role, token: str) -> None:
        self.code, self.department, self.role = code, department, role
        self.headers = {"authorization": f"Bearer {token}"}
        self.secret = ""
        self.taken: set[str] = set()
        self.refused: dict[str, int] = {}

    @property
    def topic(self) -> str:
        return f"heli.agency.{self.code}.v1"

    @property
    def replies(self) -> str:
        return f"heli.agency.{self.code}.replies.v1"


class _Server(uvicorn.Server):
    """Signals belong to the demo."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Partners:
    """All agencies of a run, in this process: one HTTP server, one consumer, one producer. `trouble` says what none of them expected."""

    def __init__(self, members: list[Partner], url: str, bootstrap: str) -> None:
        self.members = {member.code: member for member in members}
        self.trouble: list[str] = []
        self._by_topic = {member.topic: member for member in members if member.role.told == "topic"}
        self._bootstrap = bootstrap
        self._http = httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=AT_ONCE))
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = ports.pick_one()
        config = uvicorn.Config(self._application(), host="127.0.0.1", port=self._port, log_config=None, access_log=False, lifespan="off")
        self._server = _Server(config)

    # -- start and stop

    async def start(self) -> None:
        """Opens the receiver and the topics, then registers every partner."""
        self._begin(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, linger_ms=5)
        self._consumer = AIOKafkaConsumer(*self._by_topic, bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await asyncio.gather(self._producer.start(), self._consumer.start())
        self._begin(self._listen())
        await asyncio.gather(*(self._register(member) for member in self.members.values()))

    async def stop(self) -> None:
        self._server.should_exit = True
        for part in ("_consumer", "_producer"):
            if hasattr(self, part):
                with contextlib.suppress(Exception):  # the broker may be gone already
                    await getattr(self, part).stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _register(self, member: Partner) -> None:
        webhook = {"url": f"http://127.0.0.1:{self._port}/hooks/{member.code}"} if member.role.told == "webhook" else None
        body = {"webhook": webhook, "feed": webhook is None}
        async with self._turn:
            answer = await self._call(member, "PUT", f"/notification/endpoints/{member.code}", body)
        if not answer.is_success:
            raise RuntimeError(f"{member.code} could not register how it is told: HTTP {answer.status_code} {answer.text[:300]}")
        member.secret = answer.json().get("secret", "")

    async def _call(self, member: Partner, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Sent again while nobody takes it: whatever a partner sends may be sent twice."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(httpx.TransportError):
                answer = await self._http.request(method, path, json=body, headers=member.headers)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
            await asyncio.sleep(PAUSE_SECONDS)
        return await self._http.request(method, path, json=body, headers=member.headers)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (reason := task.exception()) is not None:
            self.trouble.append(f"a partner broke off: {type(reason).__name__}: {reason}")

    # -- told by webhook

    def _application(self) -> Starlette:
        async def hook(request: Request) -> Response:
            member = self.members.get(request.path_params["party"])
            try:
                body = await request.body()
            except ClientDisconnect:  # the sender ended in the middle: it will come again
                return Response(status_code=REFUSED)
            return Response(status_code=UNKNOWN if member is None else self._take(member, dict(request.headers), body))

        return Starlette(routes=[Route("/hooks/{party}", hook, methods=["POST"])])

    def _take(self, member: Partner, headers: dict[str, str], body: bytes) -> int:
        """A partner judges the signature first, knows a repetition by its id, and works after it has said 2xx."""
        try:
            Webhook(member.secret).verify(body, headers)
        except Exception as reason:  # noqa: BLE001 - the library lets ValueError and others out
            self.trouble.append(f"{member.code} was sent a webhook whose signature is not right: {type(reason).__name__}")
            return REFUSED
        delivery = headers["webhook-id"]
        if member.refused.get(delivery, 0) < member.role.stumbles:
            member.refused[delivery] = member.refused.get(delivery, 0) + 1
            return STUMBLED
        if delivery not in member.taken:
            member.taken.add(delivery)
            self._begin(self._answer_by_http(member, json.loads(body)["data"]))
        return TAKEN

    async def _answer_by_http(self, member: Partner, told: dict[str, Any]) -> None:
        if told["about"] != ISSUED:
            return
        async with self._turn:
            if member.role.reads:
                await self._read(member, told["report"])
            for answer in member.role.answers:
                said = await self._call(member, "POST", f"/referral/legs/{told['leg']}/{answer}", _details(member, answer))
                if not said.is_success:
                    self.trouble.append(f"{member.code} answered {answer} and got HTTP {said.status_code} {said.text[:200]}")

    async def _read(self, member: Partner, report: str) -> None:
        """The right to read may come seconds after the notice: 404 says when to ask again."""
        for _ in range(READ_ATTEMPTS):
            answer = await self._call(member, "GET", f"/intake/reports/{report}")
            if answer.is_success:
                if not answer.json()["children"]:
                    self.trouble.append(f"{member.code} was shown no child of a report on which it holds a leg")
                return
            await asyncio.sleep(float(answer.headers.get("retry-after", "2")))
        self.trouble.append(f"{member.code} may not read a report on which it holds a leg: HTTP {answer.status_code}")

    # -- told on their own topic

    async def _listen(self) -> None:
        async for record in self._consumer:
            headers = {name: (value or b"").decode() for name, value in record.headers}
            member, told = self._by_topic[record.topic], json.loads(record.value)
            if told["about"] != ISSUED or headers["ce_id"] in member.taken:
                continue
            member.taken.add(headers["ce_id"])
            for answer in member.role.answers:
                reply = {"leg": told["leg"], "answer": answer, **_details(member, answer)}
                await self._producer.send(member.replies, json.dumps(reply).encode())


def _details(member: Partner, answer: str) -> dict[str, str]:
    return {"outcome": outcome_of(member.department)} if answer == "fulfilled" else {}
