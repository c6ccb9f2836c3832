"""How does a topic tell its records once more? Byte-identical copies at its end, or a consumer group that begins anew."""

import asyncio
import contextlib
import itertools
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.stories.faults.facts import Record, partitions_of, read_topics

PATIENCE_SECONDS = 60
READERS = (
    ("intake", "heli.referral.v1"),
    ("referral", "heli.intake.v1"),
    ("referral", "heli.notification.v1"),
    ("referral", r"heli\.agency\.[^.]+\.replies\.v1"),
    ("guardianship", "heli.referral.v1"),
    ("notification", "heli.referral.v1"),
    ("notification", "heli.intake.v1"),
    ("notification", "heli.directory.v1"),
    ("notification", "heli.operations.v1"),
)
"""Who reads which topics. Both together are the name of the group."""


async def publish(bootstrap: str, topic: str, share: float, *, shuffled: bool, seed: int) -> Counter[tuple[str, str]]:
    """Sends a share of all records again, at least one, each to its own partition; waits for the first. Returns how often which id."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(KafkaError, OSError):  # the broker is struck too
                    if sent := await _publish(bootstrap, topic, share, shuffled=shuffled, seed=seed):
                        return sent
                await asyncio.sleep(0.3)
    raise RuntimeError(f"nothing of {topic} could be sent again within {PATIENCE_SECONDS} s")


def choose(records: Sequence[Record], share: float, *, shuffled: bool, seed: int) -> list[Record]:
    """The same ones whenever the same lie there."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    chosen = [record for record in records if chance.random() < share] or [chance.choice(records)]
    return chance.sample(chosen, len(chosen)) if shuffled else chosen


async def _publish(bootstrap: str, topic: str, share: float, *, shuffled: bool, seed: int) -> Counter[tuple[str, str]]:
    records = (await read_topics(bootstrap, lambda name: name == topic)).get(topic)
    if not records:
        return Counter()
    chosen = choose(records, share, shuffled=shuffled, seed=seed)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        sent = [await producer.send(topic, r.value, key=r.key, headers=list(r.headers), partition=r.partition) for r in chosen]
        await asyncio.wait_for(asyncio.gather(*sent), PATIENCE_SECONDS / 2)
    finally:
        await asyncio.wait_for(producer.stop(), 5)
    return Counter((topic, record.id) for record in chosen)


async def rewind(bootstrap: str, service: str) -> None:
    """Sets every group of a service back to offset 0. Waits until the broker has let its members go."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await _rewound(bootstrap, service):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.3)


async def _rewound(bootstrap: str, service: str) -> bool:
    """Whether there was anything to set back."""
    try:
        known = {group: partitions for group, partitions in (await offsets(bootstrap, service)).items() if partitions}
        for group, partitions in known.items():
            await _commit(bootstrap, group, dict.fromkeys(partitions, 0))
    except (KafkaError, OSError):
        return False
    return bool(known)


async def until_read(bootstrap: str, service: str) -> None:
    """Returns when a service has committed something: there is nothing else that it could read again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(KafkaError, OSError):
                if any((await offsets(bootstrap, service)).values()):
                    return
            await asyncio.sleep(0.3)


async def _commit(bootstrap: str, group: str, wanted: dict[TopicPartition, int]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(wanted))
        await asyncio.wait_for(consumer.commit(wanted), 10)
    finally:
        await consumer.stop()


async def offsets(bootstrap: str, service: str = "") -> dict[str, dict[TopicPartition, int]]:
    """What each group (of a service) has committed."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [group[0] for group in await admin.list_consumer_groups()]
        ours = [name for name in names if name.startswith(service) and "heli" in name]
        return {name: {p: m.offset for p, m in (await admin.list_consumer_group_offsets(name)).items()} for name in ours}
    finally:
        await admin.close()


async def lag(bootstrap: str) -> dict[str, int]:
    """How many records each group has not committed yet, where there are some."""
    return behind(await ends(bootstrap), await offsets(bootstrap))


async def ends(bootstrap: str) -> dict[TopicPartition, int]:
    """How far each partition of our topics has come."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        found: dict[TopicPartition, int] = await consumer.end_offsets(await partitions_of(consumer, lambda name: name.startswith("heli.")))
    finally:
        await consumer.stop()
    return found


def behind(last: Mapping[TopicPartition, int], committed: Mapping[str, Mapping[TopicPartition, int]]) -> dict[str, int]:
    """A group that has committed nothing, or nothing of a partition, has everything before it."""
    left: Counter[str] = Counter()
    for (service, topic), (partition, end) in itertools.product(READERS, last.items()):
        if re.fullmatch(topic, partition.topic):
            group = f"{service}.{topic}"
            left[group] += max(end - committed.get(group, {}).get(partition, 0), 0)
    return {group: count for group, count in left.items() if count}
