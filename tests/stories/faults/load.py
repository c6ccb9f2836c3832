"""How do reporters file while everything breaks? One report after the other, each repeated under its key until it has a receipt."""

import asyncio
import json
import time
from typing import Any

import httpx

from tests.stories.faults.ledger import Ledger
from tests.stories.faults.plan import LOAD_SECONDS
from tests.support.world import Reporter, Town, World, body_of

GIVE_UP_SECONDS = 150.0
RETRY_SECONDS = 0.2
CHILD = {"name": "测试甲", "sex": "female", "age": 9}


async def file_reports(world: World, town: Town, ledger: Ledger, prefix: str, reports: int) -> list[str]:
    """Returns when each has its receipt, or after a long time. Says what went wrong."""
    school, began = world.reporter("school"), time.monotonic()

    async def one(number: int) -> list[str]:
        await asyncio.sleep(max(began + number * LOAD_SECONDS / reports - time.monotonic(), 0))  # the pace of the load
        children = 2 if number % 5 == 0 else 1
        body = body_of(town, "L1a", facts=f"合成情况 {number}", children=[CHILD] * children)
        key, times = f"{prefix}-{number}", 2 if number % 6 == 0 else 1  # some press the button twice
        return [said for said in await asyncio.gather(*(_insist(school, body, key, ledger, children) for _ in range(times))) if said]

    return [said for part in await asyncio.gather(*map(one, range(reports))) for said in part]


async def _insist(school: Reporter, body: dict[str, Any], key: str, ledger: Ledger, children: int) -> str | None:
    headers = {"idempotency-key": key, "content-type": "application/json"}
    content, end = json.dumps(body).encode(), time.monotonic() + GIVE_UP_SECONDS
    answer = httpx.Response(503)
    while time.monotonic() < end:
        try:
            answer = await school.call("POST", "/intake/reports", content=content, headers=headers, timeout=5)
        except httpx.TransportError:
            answer = httpx.Response(503)
        if answer.status_code == 202:
            return ledger.file(key, answer.json()["report"], children)
        if answer.status_code < 500:
            return f"key {key} was refused: {answer.status_code} {answer.text[:200]}"
        await asyncio.sleep(RETRY_SECONDS)
    return f"key {key} got no receipt: {answer.status_code} {answer.text[:200]}"
