"""Does `heli topics apply` give a topic its declared settings, also one that an earlier release made?"""

from pathlib import Path
from typing import Any
from uuid import uuid4

import aiokafka.codec
import pytest
import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy import topics
from tests.support.broker import admin, everything, make_topics


@pytest.fixture
def declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real patterns alone: the broker is shared with other tests."""
    path = tmp_path / "topics.yaml"
    path.write_text(yaml.safe_dump({"topics": [], "patterns": yaml.safe_load(topics.DECLARED.read_text())["patterns"]}))
    monkeypatch.setattr(topics, "DECLARED", path)


async def settings_of(bootstrap: str, topic: str) -> dict[str, str]:
    async with admin(bootstrap) as client:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    found: Any = answer.resources[0][4]
    return {entry[0]: entry[1] for entry in found}


@pytest.mark.usefixtures("declaration")
async def test_a_topic_of_an_earlier_release_gets_the_declared_settings_and_keeps_its_own(kafka_bootstrap: str) -> None:
    code = uuid4().hex
    replies = f"heli.agency.{code}.replies.v1"
    await make_topics(kafka_bootstrap, replies, partitions=1)
    async with admin(kafka_bootstrap) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, replies, {"segment.ms": "7777777"})])
    assert await topics.apply(kafka_bootstrap, [code]) == [f"heli.agency.{code}.v1"]
    found = await settings_of(kafka_bootstrap, replies)
    assert (found["compression.type"], found["message.timestamp.type"]) == ("uncompressed", "LogAppendTime")
    assert found["segment.ms"] == "7777777"
    assert await topics.apply(kafka_bootstrap, [code]) == []


@pytest.mark.usefixtures("declaration")
@pytest.mark.parametrize("codec", ["zstd", "lz4", "snappy", "gzip"])
async def test_a_reply_in_any_codec_is_read_by_a_consumer_that_has_none(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    code = uuid4().hex
    await topics.apply(kafka_bootstrap, [code])
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, compression_type=codec)
    await producer.start()
    await producer.send_and_wait(f"heli.agency.{code}.replies.v1", b"a" * 1000)
    await producer.stop()
    monkeypatch.setattr(aiokafka.codec, "cramjam", None)
    assert [record.value for record in await everything(kafka_bootstrap, f"heli.agency.{code}.replies.v1")] == [b"a" * 1000]
