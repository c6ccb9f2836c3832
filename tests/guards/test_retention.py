"""Is a message forgotten by the inbox only when no topic can bring it again? Else a replayed record would have its effect twice."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.upkeep import INBOX_DAYS
from tests.guards.sources import ROOT

DECLARED = yaml.safe_load(Path(ROOT, "deploy/topics.yaml").read_text())
TOPICS: list[dict[str, Any]] = [*DECLARED["topics"], *DECLARED["patterns"]]


def faults_in(topics: list[dict[str, Any]]) -> list[str]:
    return [
        topic["name"] for topic in topics if topic["cleanup"] != "compact" and not 0 < topic.get("retention_days", INBOX_DAYS) < INBOX_DAYS
    ]


def test_every_topic_is_shorter_than_the_inbox() -> None:
    assert faults_in(TOPICS) == []


@pytest.mark.parametrize("planted", [{"retention_days": INBOX_DAYS}, {"retention_days": -1}, {}])
def test_a_planted_topic_that_is_kept_as_long_is_named(planted: dict[str, int]) -> None:
    assert faults_in([*TOPICS, {"name": "heli.planted.v1", "cleanup": "delete"} | planted]) == ["heli.planted.v1"]
