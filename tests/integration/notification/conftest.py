"""Notification joined as it runs, on a database of its own; no Kafka: events are handed to its rooms, the broker's part is played."""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from deploy import keys
from services.notification import app, store
from services.notification.domain import Notice
from services.notification.sweep import Sender
from shared.messages import Message, Response
from shared.room import Room
from shared.runtime import Service
from shared.settings import Settings
from tests.support import county
from tests.support.notices import LEG, REPORT

ACK = "with gone as (delete from outbox returning on_ack) insert into mailbox (body) select on_ack from gone where on_ack is not null"


class Notification:
    """What a test may do with notification alone."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.pool = service, service.pool
        self.notices: Room = service.rooms[0]
        self.endpoints: Room = service.rooms[1]
        assert service.send is not None
        self.sender: Sender = service.send.__self__  # type: ignore[attr-defined]
        self._key = keys.read_signing_key(folder / "key.pem")
        transport = httpx.ASGITransport(app=service.api)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://heli", trust_env=False)

    async def prepare(self) -> None:
        await self.pool.execute("create table shift (by interval not null)")
        await self.pool.execute("insert into shift values (interval '0')")
        await self.pool.execute(
            "create or replace function heli_now() returns timestamptz language sql volatile as"
            " 'select clock_timestamp() + (select by from shift)'"
        )
        await store.update_directory(self.pool, list(county.AGENCIES))

    async def forward(self, seconds: float) -> None:
        await self.pool.execute("update shift set by = by + $1", timedelta(seconds=seconds))

    def bearer(self, party: str, kind: str = "agency") -> dict[str, str]:
        extra: dict[str, Any] = {"department": "police"} if kind == "agency" else {"reporter_kind": "school"} if kind == "reporter" else {}
        token = keys.issue(self._key, keys.Claims(kind=kind, party=party, region=county.COUNTY, **extra))
        return {"Authorization": f"Bearer {token}"}

    async def register(
        self, party: str, *, url: str | None = None, feed: bool = False, kind: str = "agency", version: int | None = None
    ) -> httpx.Response:
        body = {"webhook": {"url": url} if url else None, "feed": feed}
        headers = self.bearer(party, kind) | ({"If-Match": f'"{version}"'} if version else {})
        return await self.http.put(f"/notification/endpoints/{party}", json=body, headers=headers)

    async def hear(self, body: Any, event: str = "event-1") -> Response:
        key = getattr(body, "leg", None) or REPORT
        return (await self.notices.handle([Message(body=body, aggregate=key, id=event, source="test")]))[0]

    async def sweep(self) -> int:
        """Everything that is due ticks, and every attempt is performed and its outcome brought back."""
        swept = await self.notices.sweep()
        self.sender.take(swept.sends)
        await self.sender.settled()
        return len(swept.sends)

    async def acknowledge(self) -> None:
        """The broker takes everything that is in the outbox."""
        await self.pool.execute(ACK)
        assert self.service.mailbox is not None
        while await self.service.mailbox.take():
            pass

    async def notice(self) -> Notice:
        async with self.pool.acquire() as db, db.transaction():
            return (await store.load(db, [LEG]))[LEG]

    async def states(self) -> dict[str, str]:
        rows = await self.pool.fetch("select party, channel, state from delivery order by created_at, id")
        return {f"{row['party']}/{row['channel']}": row["state"] for row in rows}

    async def events(self, short: str) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select data from journal where type = $1 order by seq", f"heli.{short}.v1")
        return [msgspec.json.decode(row["data"]) for row in rows]


@pytest.fixture
async def notification(database: Callable[[str], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Notification]:
    (tmp_path / "key.pem").write_bytes(keys.new_signing_key())
    keys.write_jwks(tmp_path / "jwks.json", keys.read_signing_key(tmp_path / "key.pem"))
    settings = Settings(
        service="notification",
        database_url=await database("notification"),
        kafka="127.0.0.1:1",
        public_url="http://heli",
        jwks=tmp_path / "jwks.json",
        link_key="a key of this test",
        webhook_networks=(ipaddress.ip_network("127.0.0.0/8"),),
        retry_schedule=(2, 10, 60),
    )
    service = await app.build(settings)
    notification = Notification(service, tmp_path)
    await notification.prepare()
    yield notification
    await notification.http.aclose()
    assert service.drain is not None
    await service.drain()
    await service.api.state.engine.dispose()
    await service.pool.close()
