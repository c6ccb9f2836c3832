"""Intake on a database of its own: HTTP, room, consumer and sweep, with its callers' tokens; no Kafka."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from deploy import keys
from services.intake import app
from shared.contracts import referral
from shared.contracts.envelope import Event
from shared.identifiers import case_id, derived_child_id, leg_id, parse_short_code, uuid7
from shared.runtime import Service
from shared.settings import Settings
from tests.support import county, reports
from tests.support.cable import Cable
from tests.support.records import arrived

AGENCY = {"police": "police-county", "civil_affairs": "civil-county", "education": "edu-county", "health": "health-county"}
CHILD_KEY = b"a key of tests"


class Intake:
    """What a test may do with intake alone."""

    def __init__(self, service: Service, folder: Path, cable: Cable) -> None:
        self.service, self.cable, self.pool = service, cable, service.pool
        self.room = service.rooms[0]
        transport = httpx.ASGITransport(service.api)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://heli")
        self._signer, self._jwks = keys.read_signing_key(folder / "key.pem"), folder / "jwks.json"
        self.offset = 0

    def token(self, party: str = "school-1", **claims: Any) -> str:
        kind = claims.pop("kind", "reporter")
        extra = {"reporter_kind": "school"} if kind == "reporter" else {}
        return keys.issue(self._signer, keys.Claims(kind=kind, party=party, region=county.COUNTY, **(extra | claims)))

    def reporter(self, party: str = "school-1") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(party)}"}

    def agency(self, department: str, party: str = "") -> dict[str, str]:
        token = self.token(party or AGENCY[department], kind="agency", department=department, role="duty_officer")
        return {"Authorization": f"Bearer {token}"}

    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token('ops', kind='operator')}"}

    def revoke(self, token: str) -> None:
        keys.revoke(self._jwks, keys.token_id(token))

    async def post(self, body: Any, key: str | None = None, **headers: str) -> httpx.Response:
        sent = self.reporter() | {"Idempotency-Key": key or str(uuid7()), "Content-Type": "application/json"} | headers
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.http.post("/intake/reports", content=content, headers=sent)

    async def filed(self, *children: dict[str, Any], **changes: Any) -> tuple[UUID, str]:
        """A report that was accepted: id, and short code as events carry it."""
        response = await self.post(reports.body(*children, **changes))
        assert response.status_code == 202, response.text
        return UUID(response.json()["report"]), parse_short_code(response.json()["code"])

    async def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        return await self.http.get(f"/intake/{path}", headers=headers)

    async def hear(self, *events: Event) -> None:
        """What referral says arrives, as records of its topic."""
        listener = self.service.listeners[referral.TOPIC]
        await listener.apply([arrived(event, self.offset + place) for place, event in enumerate(events, 1)])
        self.offset += len(events)

    async def later(self, by: timedelta) -> None:
        """Moves the service's time."""
        await self.pool.execute(
            "create or replace function heli_now() returns timestamptz language sql volatile as"
            f" 'select clock_timestamp() + interval ''{by.total_seconds()} seconds'''"
        )

    async def events(self, short: str) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select data from journal where type = $1 order by seq", f"heli.{short}.v1")
        return [msgspec.json.decode(row["data"]) for row in rows]

    async def count(self, table: str) -> int:
        return int(await self.pool.fetchval(f"select count(*) from {table}"))


def opened(report: UUID, code: str, number: int = 1) -> referral.CaseOpened:
    return referral.CaseOpened(
        report=report,
        code=code,
        case=case_id(report, number),
        number=number,
        child=derived_child_id(report, number),
        age=9,
        sex="female",
        region=county.VILLAGE,
        grade="red",
        groups=(),
        legs=1,
        rules="r",
        calendar="c",
    )


def about(report: UUID, code: str, department: str, number: int = 1) -> dict[str, Any]:
    case = case_id(report, number)
    leg = leg_id(case, list(AGENCY).index(department) + 1)
    fields = {"leg": leg, "agency": AGENCY[department], "department": department, "duty": "x", "grade": "red"}
    return {"report": report, "code": code, "case": case} | fields


def issued(report: UUID, code: str, department: str, number: int = 1) -> referral.LegIssued:
    due = referral.Dues()
    fields: dict[str, Any] = {"region": county.VILLAGE, "unassigned": False, "replaces": None, "issued_at": datetime.now(UTC), "due": due}
    return referral.LegIssued(**about(report, code, department, number), **fields)


def fact(kind: type[referral.LegFact], report: UUID, code: str, department: str, **more: Any) -> referral.LegFact:
    return kind(**about(report, code, department), at=datetime.now(UTC), via="http", **more)


@pytest.fixture
async def intake(database: Callable[[str], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Intake]:
    (tmp_path / "key.pem").write_bytes(keys.new_signing_key())
    keys.write_jwks(tmp_path / "jwks.json", keys.read_signing_key(tmp_path / "key.pem"))
    cable = Cable(await database("intake"))
    await cable.mend()
    settings = Settings(
        service="intake", database_url=cable.url, kafka="127.0.0.1:9", jwks=tmp_path / "jwks.json", child_key=CHILD_KEY, pool_size=4
    )
    service = await app.build(settings)
    service.api.state.pool = service.pool
    intake = Intake(service, tmp_path, cable)
    yield intake
    await intake.http.aclose()
    await service.api.state.engine.dispose()
    await service.pool.close()
    await cable.cut()
