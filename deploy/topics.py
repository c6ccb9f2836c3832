"""Which topics must exist, and how do they come to be? By this file and `topics.yaml`, never by an accident."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

DECLARED = Path(__file__).with_name("topics.yaml")
DAY_MS = 24 * 60 * 60 * 1000
ALREADY_EXISTS = 36
OF_THE_TOPIC = 1
"""The broker's number for a setting that was made for the topic itself."""
DEAD_LETTER_DAYS = 14
DEAD_LETTER_BYTES = 2 * 1024 * 1024
"""Twice what any other topic takes: a dead letter is the record itself and where it came from."""
REPLICAS = 3  # where there are so many brokers


def declared(agencies: Iterable[str], replicas: int = 1) -> list[NewTopic]:
    """Every topic that the declaration asks for, with the pair of each agency."""
    content = yaml.safe_load(DECLARED.read_text())
    topics = [topic for entry in content["topics"] for topic in _with_dead_letters(entry, replicas)]
    for code in sorted(set(agencies)):
        topics += [_topic({**entry, "name": entry["name"].replace("<code>", code)}, replicas) for entry in content["patterns"]]
    return topics


async def apply(bootstrap: str, agencies: list[str]) -> list[str]:
    """Creates what is missing and returns its names, gives the rest its declared settings; raises RuntimeError when the broker refuses or a topic differs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        wanted = declared(agencies, min(brokers, REPLICAS))  # aiokafka cannot leave the number to the broker
        present = set(await admin.list_topics())
        await _check(admin, [topic for topic in wanted if topic.name in present])
        await _align(admin, [topic for topic in wanted if topic.name in present])
        missing = [topic for topic in wanted if topic.name not in present]
        return await _create(admin, missing) if missing else []
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> list[str]:
    answer = await admin.create_topics(topics, timeout_ms=30_000)
    # aiokafka raises nothing here: each topic's error stands in the answer
    outcome = {entry[0]: (entry[1], entry[2] if len(entry) > 2 else "") for entry in answer.topic_errors}  # noqa: PLR2004
    refused = [f"{name}: error {code} {text or ''}".strip() for name, (code, text) in outcome.items() if code not in {0, ALREADY_EXISTS}]
    if refused:
        raise RuntimeError(f"The broker refused to create topics: {'; '.join(refused)}. Repair: heli doctor, then heli topics apply")
    return sorted(name for name, (code, _) in outcome.items() if code == 0)


async def _check(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    """The order per key hangs on the number of partitions: a topic made otherwise is refused, never silently used."""
    if not topics:
        return
    described = {entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics([topic.name for topic in topics])}
    wrong = [
        f"{topic.name} has {described[topic.name]} partitions instead of {topic.num_partitions}"
        for topic in topics
        if described.get(topic.name, 0) not in {0, topic.num_partitions}
    ]
    if wrong:
        raise RuntimeError(f"{'; '.join(wrong)}. Repair: heli reset (local), or delete the topic while every service is stopped")


async def _align(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    """A topic of an earlier release gets the settings that are declared now; what somebody set beside them stays."""
    if not topics:
        return
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics])
    found = {resource[3]: resource[4] for answer in answers for resource in answer.resources}
    changed = []
    for topic in topics:
        own = {name: value for name, value, _, source, *_ in found.get(topic.name, ()) if source == OF_THE_TOPIC}
        if not topic.topic_configs.items() <= own.items():  # aiokafka sends the whole list: what is missing in it is unset
            changed.append(ConfigResource(ConfigResourceType.TOPIC, topic.name, own | topic.topic_configs))
    for answer in await admin.alter_configs(changed) if changed else ():
        if refused := [f"{name}: error {code} {text or ''}".strip() for code, text, _, name in answer.resources if code]:
            raise RuntimeError(f"The broker refused settings of topics: {'; '.join(refused)}. Repair: heli doctor, then heli topics apply")


def _with_dead_letters(entry: dict[str, Any], replicas: int) -> Iterator[NewTopic]:
    yield _topic(entry, replicas)
    if entry.get("dead_letters"):
        yield _topic(
            {**entry, "name": f"{entry['name']}.dlt", "cleanup": "delete", "retention_days": DEAD_LETTER_DAYS, "bytes": DEAD_LETTER_BYTES},
            replicas,
        )


def _topic(entry: dict[str, Any], replicas: int) -> NewTopic:
    configs = {"cleanup.policy": entry["cleanup"]}
    if "retention_days" in entry:
        configs["retention.ms"] = str(entry["retention_days"] * DAY_MS)
    if "bytes" in entry:
        configs["max.message.bytes"] = str(entry["bytes"])
    if entry.get("uncompressed"):
        configs["compression.type"] = "uncompressed"
    if entry.get("broker_time"):
        configs["message.timestamp.type"] = "LogAppendTime"
    return NewTopic(entry["name"], num_partitions=entry["partitions"], replication_factor=replicas, topic_configs=configs)
