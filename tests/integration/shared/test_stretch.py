"""Does the relay read and hand over no more often than its work asks for?"""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.relay import BATCH, Relay, Stretch
from tests.integration.shared.test_relay import empty, letter, put, running
from tests.support.broker import make_topics, until


async def test_what_one_reading_holds_is_sent_without_another(
    pool: asyncpg.Pool, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes meanwhile has company in the next stretch; of more than a reading holds none waits for a rest."""
    topic, relay = f"once-{uuid4().hex}", Relay(pool, kafka_bootstrap, asyncio.Event(), asyncio.Event())
    read: list[Stretch] = []
    reads: list[tuple[int, int]] = []
    await make_topics(kafka_bootstrap, topic)
    send, taken = relay._send_all, relay._read  # noqa: SLF001 - how often it reads is not to be seen from outside

    async def sent(one: Stretch) -> bool:
        read.clear()
        more = await send(one)
        reads.append((len(read), one.handed))
        return more

    async def counted(one: Stretch) -> None:
        read.append(one)
        await taken(one)

    monkeypatch.setattr("shared.relay.STRETCH_SECONDS", 60.0)  # however slow the machine
    monkeypatch.setattr(relay, "_send_all", sent)
    monkeypatch.setattr(relay, "_read", counted)
    await put(pool, *(letter(topic, f"k{n}", "1") for n in range(5)))
    async with running(relay):
        await until(lambda: (1, 5) in reads)
        await put(pool, *(letter(topic, f"k{n}", "1") for n in range(BATCH + 5)))
        await until(lambda: any(handed == BATCH + 5 and count >= 2 for count, handed in reads))
    assert await empty(pool)


async def test_while_a_partition_has_its_turn_the_relay_waits_for_it(
    pool: asyncpg.Pool, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One partition takes one batch at a time: to ask meanwhile whether it takes the next keeps everything else from running."""
    topic, relay, asked = f"turns-{uuid4().hex}", Relay(pool, kafka_bootstrap, asyncio.Event(), asyncio.Event()), list[int]()
    await make_topics(kafka_bootstrap, topic, partitions=1)
    hand_over = relay._hand_over  # noqa: SLF001 - how often it is asked is not to be seen from outside

    async def counted(stretch: Stretch) -> Any:
        asked.append(1)
        return await hand_over(stretch)

    monkeypatch.setattr(relay, "_hand_over", counted)
    await put(pool, *(letter(topic, "k", "x" * 2000) for _ in range(BATCH * 4)))
    async with running(relay):
        await until(lambda: empty(pool))
    assert len(asked) < 200
