"""In which words are stories told? A world with four real services, real Kafka and PostgreSQL, and towns with their agencies."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from deploy import topics
from deploy.keys import Claims
from deploy.local import postgres_home
from deploy.local.state import SERVICES, State
from deploy.local.supervisor import Stack
from shared.regions import Regions
from tests.support.broker import everything, send, until
from tests.support.receiver import Receiver

ROOT = """agencies:
- {code: jc-root, name: 省联席会议办公室, department: joint_conference, region: "230000000000", phone: 0000-1}
- {code: ops-root, name: 运行值班, department: operations, region: "230000000000", phone: 0000-2}
"""
SHIFTED = (
    "create table if not exists heli_shift (by interval not null); insert into heli_shift select interval '0' where not exists"
    " (select from heli_shift); create or replace function heli_now() returns timestamptz language sql volatile parallel safe as"
    " 'select clock_timestamp() + (select by from heli_shift)'"
)
DEPARTMENTS = ("police", "civil_affairs", "education", "township", "joint_conference")


class Agency(msgspec.Struct, frozen=True):
    """An agency of a story and what it can do."""

    world: "World"
    code: str
    department: str
    region: str
    token: str

    async def takes(self, *, webhook: bool = False, feed: bool = False) -> "Agency":
        """Registers how it is told. A feed needs its topics first: an operator makes them."""
        if feed:
            await topics.apply(self.world.stack.bootstrap, [self.code])
        body = {"webhook": {"url": self.world.receiver.url(self.code)} if webhook else None, "feed": feed}
        answer = await self.call("PUT", f"/notification/endpoints/{self.code}", json=body)
        assert answer.status_code == 201, answer.text
        if webhook:
            self.world.receiver.secrets[self.code] = answer.json()["secret"]
        return self

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | {"authorization": f"Bearer {self.token}"}
        return await self.world.http.request(method, path, headers=headers, **more)

    async def answers(self, leg: dict[str, Any], answer: str, **body: Any) -> httpx.Response:
        return await self.call("POST", f"/referral/legs/{leg['leg']}/{answer}", json=body)

    async def replies(self, *bodies: dict[str, Any] | bytes) -> None:
        """Writes on its replies topic."""
        topic = f"heli.agency.{self.code}.replies.v1"
        values = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        await send(self.world.stack.bootstrap, topic, *((None, value, []) for value in values))

    async def feed(self) -> list[dict[str, Any]]:
        """Everything on its own topic, with type and number."""
        records = await everything(self.world.stack.bootstrap, f"heli.agency.{self.code}.v1")
        headers = [{name: (value or b"").decode() for name, value in record.headers} for record in records]
        return [
            {"type": h["ce_type"], "sequence": int(h["ce_sequence"]), "id": h["ce_id"], "headers": h, **json.loads(record.value)}
            for h, record in zip(headers, records, strict=True)
        ]


class Town(msgspec.Struct, frozen=True):
    """A township of its own for one story, with an agency per department."""

    world: "World"
    region: str
    village: str
    agencies: dict[str, Agency]

    def __getattr__(self, name: str) -> Agency:
        try:
            return self.agencies[name]
        except KeyError:
            raise AttributeError(name) from None


class World:
    """Four processes, one Kafka, one PostgreSQL, one receiver; time moves for all of them together."""

    def __init__(self, folder: Path, **stack: Any) -> None:
        self.folder = folder
        directory = folder / "directory.yaml"
        directory.write_text(ROOT)
        environment = {"HELI_RETRY_SCHEDULE": "0.3,0.6,1,2", **stack.pop("environment", {})}
        self.state = State(folder / "heli")
        self.stack = Stack(self.state, directory_file=directory, environment=environment, **{"supervise": False, **stack})
        self.receiver = Receiver()
        self._towns = list(_townships())
        self._units = itertools.count(1)
        self.databases: dict[str, asyncpg.Pool] = {}

    async def start(self) -> None:
        await self.receiver.start()
        await self.stack.start()
        self.http = httpx.AsyncClient(base_url=self.stack.url, timeout=30, trust_env=False)
        self.operator = self.state.token(Claims(kind="operator", party="operator", region="230000000000"))
        for name in SERVICES:
            self.databases[name] = await asyncpg.create_pool(self.stack.database_url(name), min_size=0, max_size=3)
            await self.databases[name].execute(SHIFTED)

    async def stop(self) -> None:
        for pool in self.databases.values():
            pool.terminate()
        await self.http.aclose()
        await self.stack.stop()
        await self.receiver.stop()
        postgres_home.remove(self.state.postgres)

    async def forward(self, **by: float) -> None:
        """Moves time on, for every service at once."""
        for name in SERVICES:
            await self.databases[name].execute("update heli_shift set by = by + $1", timedelta(**by))

    async def as_operator(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={"authorization": f"Bearer {self.operator}"}, **more)

    async def town(self, *, without: tuple[str, ...] = (), county: str = "2399") -> Town:
        """A town that no other story uses; its agencies have a superior each (placed where no report comes from), and take nothing yet."""
        region = next(town for town in self._towns if town.code.startswith(county))
        self._towns.remove(region)
        villages = _villages(region)
        agencies = {}
        for department in DEPARTMENTS:
            short = department.replace("_", "-")
            for code, superior in (
                (f"{short}-up-{region.code[:9]}", None),
                (f"{short}-{region.code[:9]}", f"{short}-up-{region.code[:9]}"),
            ):
                if department in without or (department == "joint_conference" and superior is None):
                    continue
                above = "jc-root" if department == "joint_conference" else superior
                place = villages[-1] if superior is None else region.code
                name = f"{department}_up" if superior is None else department
                agencies[name] = await self.agency(code, department, place, above)
        return Town(self, region.code, villages[0], agencies)

    async def agency(self, code: str, department: str, region: str, superior: str | None) -> Agency:
        body = {"name": code, "department": department, "region": region, "superior": superior, "phone": "0000-3"}
        answer = await self.as_operator("PUT", f"/referral/agencies/{code}", json=body)
        assert answer.status_code == 201, answer.text
        token = self.state.token(Claims(kind="agency", party=code, department=department, region=region))
        return Agency(self, code, department, region, token)

    def reporter(self, kind: str = "school") -> "Reporter":
        party = f"unit-{next(self._units)}-{uuid4().hex[:6]}"
        return Reporter(self, party, self.state.token(Claims(kind="reporter", party=party, reporter_kind=kind, region="230000000000")))

    async def referral(self, report: str) -> list[dict[str, Any]]:
        """The cases of a report, with legs and clocks, as an operator sees them."""
        found: list[dict[str, Any]] = (await self.as_operator("GET", f"/referral/operator/reports/{report}")).json()["cases"]
        return found

    async def legs(self, report: str) -> list[dict[str, Any]]:
        return [leg for case in await self.referral(report) for leg in case["legs"]]

    async def leg(self, report: str, agency: Agency) -> dict[str, Any]:
        """The leg of an agency, once it is there."""

        async def found() -> Any:
            return next((leg for leg in await self.legs(report) if leg["agency"] == agency.code), None)

        leg: dict[str, Any] = await until(found)
        return leg

    async def leg_that(self, report: str, agency: Agency, **facts: bool) -> dict[str, Any]:
        """The leg of an agency, once the named clocks are met (or not)."""

        async def found() -> Any:
            leg = await self.leg(report, agency)
            return leg if all((leg["clocks"][clock]["at"] is not None) == met for clock, met in facts.items()) else None

        leg: dict[str, Any] = await until(found)
        return leg

    async def journal(self, service: str, kind: str, **fields: Any) -> list[dict[str, Any]]:
        rows = await self.databases[service].fetch("select data, actor from journal where type = $1 order by seq", f"heli.{kind}.v1")
        events = [json.loads(row["data"]) | {"actor": row["actor"]} for row in rows]
        return [event for event in events if all(str(event.get(name)) == str(value) for name, value in fields.items())]

    async def parked(self) -> dict[str, int]:
        return {name: await self.databases[name].fetchval("select count(*) from parked") for name in SERVICES}


class Reporter(msgspec.Struct, frozen=True):
    """A reporter unit."""

    world: World
    party: str
    token: str

    async def files(self, town: Town, *situations: str, key: str | None = None, **more: Any) -> dict[str, Any]:
        """Files a report about one child of nine years, unless told otherwise; returns the receipt."""
        answer = await self.posts(body_of(town, *situations, **more), key)
        assert answer.status_code == 202, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def posts(self, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        headers = {"idempotency-key": key or uuid4().hex}
        return await self.call("POST", "/intake/reports", json=body, headers=headers)

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | {"authorization": f"Bearer {self.token}"}
        return await self.world.http.request(method, path, headers=headers, **more)

    async def progress(self, code: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/intake/reports/{code}/progress")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def body_of(town: Town, *situations: str, **more: Any) -> dict[str, Any]:
    child = {"name": "测试甲", "sex": "female", "age": 9}
    body = {
        "situations": list(situations),
        "groups": [],
        "seen_at": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(),
        "region": town.village,
        "children": [child],
        "facts": "合成情况,仅供测试",
        "received_by": "测试员",
    }
    return body | more


def _townships() -> Iterator[Any]:
    return (region for region in Regions.load() if region.level == "township" and region.code.startswith(("2399", "230112")))


def _villages(town: Any) -> list[str]:
    return [region.code for region in Regions.load() if region.parent == town.key]


async def together(*waits: Any) -> list[Any]:
    return list(await asyncio.gather(*waits))
