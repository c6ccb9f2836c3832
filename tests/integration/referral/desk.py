"""What may a test do with referral by HTTP? The app as it is joined, with its callers' tokens; no Kafka."""

from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from deploy import keys
from services.referral import app
from shared.runtime import Service
from shared.settings import Settings
from tests.support import county


class Desk:
    """Callers and requests."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.pool = service, service.pool
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(service.api), base_url="http://heli")
        self._signer = keys.read_signing_key(folder / "key.pem")

    @classmethod
    async def over(cls, url: str, folder: Path) -> Self:
        (folder / "key.pem").write_bytes(keys.new_signing_key())
        keys.write_jwks(folder / "jwks.json", keys.read_signing_key(folder / "key.pem"))
        settings = Settings(service="referral", database_url=url, kafka="127.0.0.1:9", jwks=folder / "jwks.json", pool_size=4)
        service = await app.build(settings)
        service.api.state.pool = service.pool
        return cls(service, folder)

    async def close(self) -> None:
        await self.http.aclose()
        await self.service.api.state.engine.dispose()
        await self.service.pool.close()

    def token(self, party: str) -> str:
        entry = county.DIRECTORY.get(party)
        kind = "operator" if party == "operator" else "agency"
        department = (entry.department if entry else "police") if kind == "agency" else None
        return keys.issue(self._signer, keys.Claims(kind=kind, party=party, region=county.COUNTY, role=kind, department=department))

    async def call(self, party: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | {"Authorization": f"Bearer {self.token(party)}"}
        return await self.http.request(method, f"/referral/{path}", headers=headers, **more)

    async def listed(self, party: str, what: str = "legs", **filters: Any) -> list[dict[str, Any]]:
        """One page."""
        response = await self.call(party, "GET", what, params=filters)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()[what]
        return found

    async def bulk(self, party: str, answer: str, rows: list[dict[str, Any]], key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or uuid4().hex}
        return await self.call(party, "POST", "legs/bulk", json={"answer": answer, "legs": rows}, headers=headers)

    async def put(self, *entries: dict[str, Any], path: str = "import") -> httpx.Response:
        return await self.call("operator", "POST", f"agencies/{path}", json={"agencies": list(entries)})
