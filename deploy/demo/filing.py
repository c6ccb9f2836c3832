"""How do the sample's reporters file? Each with its unit's token, several at once, the same key again when nobody confirmed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx

from deploy.keys import Claims
from deploy.local.state import State

AT_ONCE = 8
ATTEMPTS, PAUSE_SECONDS = 20, 1.0
BUSY = 503
Row = dict[str, Any]


class Receipt(NamedTuple):
    """What the reporter holds afterwards."""

    key: str
    report: str
    code: str


class Filing:
    """`receipts` grow while it goes on; `refused` names what was not accepted. `on_first` is called at the first receipt."""

    def __init__(self, state: State, url: str, on_first: Callable[[], None]) -> None:
        self.receipts: list[Receipt] = []
        self.refused: list[str] = []
        self._state, self._url, self._on_first = state, url, on_first
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def file(self, reports: list[Row]) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=60, trust_env=False) as http:
            await asyncio.gather(*(self._file(http, report) for report in reports))

    async def _file(self, http: httpx.AsyncClient, report: Row) -> None:
        claims = Claims(kind="reporter", party=report["unit"], region=report["unit_region"], reporter_kind=report["kind"])
        headers = {"authorization": f"Bearer {self._state.token(claims)}", "idempotency-key": report["key"]}
        async with self._turn:
            seen = datetime.now(UTC) - timedelta(minutes=report["seen_minutes"])
            answer = await self._post(http, report["body"] | {"seen_at": seen.isoformat()}, headers)
        if answer is None or answer.status_code != httpx.codes.ACCEPTED:
            said = f"HTTP {answer.status_code} {answer.text[:300]}" if answer is not None else "no answer"
            self.refused.append(f"report {report['key']} was not accepted: {said}")
            return
        if not self.receipts:
            self._on_first()
        self.receipts.append(Receipt(report["key"], answer.json()["report"], answer.json()["code"]))

    async def _post(self, http: httpx.AsyncClient, body: Row, headers: dict[str, str]) -> httpx.Response | None:
        """One body for all attempts: with the same key another one would be another report."""
        answer = None
        for _ in range(ATTEMPTS):
            try:
                answer = await http.post("/intake/reports", json=body, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != BUSY:
                return answer
            await asyncio.sleep(PAUSE_SECONDS)
        return answer
