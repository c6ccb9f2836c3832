"""Has everything happened that will happen? Asked of tables and groups again and again, until yes or until it takes too long."""

import asyncio
import time
from collections.abc import Mapping

import asyncpg
from aiokafka.errors import KafkaError

from tests.stories.faults.again import lag
from tests.stories.faults.ledger import Ledger

PATIENCE_SECONDS = 180.0
STILL_SECONDS = 60.0
"""Without any change for so long it is over. The longest pause of a sound stack: 45 s, the lease of a webhook whose sender was killed."""
LOOK_SECONDS = 0.3
QUERIES = {
    "referral": {
        "cases": "select count(*) from case_file",
        "legs": "select count(*) from leg",
        "legs delivered": "select count(*) from leg where delivered_at is not null",
        "legs accepted": "select count(*) from leg where accepted_at is not null and agency <> $1",
        "ladders at their end": "select count(*) from leg where rung >= $2 and agency = $1",
    },
    "intake": {
        "reports opened": "select count(*) from report where opened_at is not null",
        "legs followed as accepted": "select count(*) from report_leg where accepted_at is not null",
    },
    "guardianship": {"cases filed": "select count(*) from child_case"},
    "notification": {
        "rungs told": "select count(*) from delivery where about = 'leg.escalated' and state = 'delivered'",
        "deliveries under way": "select count(*) from delivery where due is not null",
    },
}
TOO_MUCH = ", which is too much"
"""Then there is nothing to wait for."""
LEFT = "select (select count(*) from outbox) + (select count(*) from mailbox)"
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError)


def wanted(ledger: Ledger) -> dict[str, int]:
    cases = ledger.cases
    answering = cases * len(ledger.answers)
    return {
        "cases": cases,
        "legs": ledger.legs,
        "legs delivered": ledger.legs,
        "legs accepted": answering,
        "ladders at their end": cases,
        "reports opened": len(ledger.children),
        "legs followed as accepted": answering,
        "cases filed": cases,
        "rungs told": cases * len(ledger.ladder),
        "deliveries under way": 0,
    }


async def settled(urls: Mapping[str, str], bootstrap: str, ledger: Ledger) -> list[str]:
    """Returns what has not come about in time: nothing, if all is well."""
    changed = began = time.monotonic()
    unmet, before = ["nothing was asked"], [""]
    while time.monotonic() < min(began + PATIENCE_SECONDS, changed + STILL_SECONDS):
        if unmet != before:
            before, changed = unmet, time.monotonic()
        try:
            unmet = await _unmet(urls, ledger) or [f"{group} is {count} behind" for group, count in (await lag(bootstrap)).items()]
        except AWAY as reason:
            unmet = [f"{type(reason).__name__} when asked"]
        if not unmet or TOO_MUCH in "".join(unmet):
            return unmet
        await asyncio.sleep(LOOK_SECONDS)
    return unmet


async def _unmet(urls: Mapping[str, str], ledger: Ledger) -> list[str]:
    unmet, numbers = [], wanted(ledger)
    for service, queries in QUERIES.items():
        db = await asyncpg.connect(urls[service], timeout=10)
        try:
            for name, query in queries.items():
                given = (ledger.silent, len(ledger.ladder))[: query.count("$")]
                if (count := await db.fetchval(query, *given)) != numbers[name]:
                    unmet.append(f"{name}: {count} instead of {numbers[name]}{TOO_MUCH if 0 < numbers[name] < count else ''}")
            if left := await db.fetchval(LEFT):
                unmet.append(f"{left} rows to be sent or taken in {service}")
        finally:
            await db.close()
    return unmet
