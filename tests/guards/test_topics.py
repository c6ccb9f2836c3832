"""Is every topic of the contracts declared, with a place for dead letters, and nothing else (design, section 4)?"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.topics import DECLARED, declared
from services.referral.consumer import REPLIES
from shared.contracts.notification import feed_topic
from shared.contracts.schema import EVENTS
from tests.guards.sources import ROOT, Fault, shown

PUBLISHED = {event.topic for event in EVENTS}
REPLIES_TOPIC = "heli.agency.<code>.replies.v1"
PATTERNS = {feed_topic("<code>"), REPLIES_TOPIC}
COMPACTED = {"heli.directory.v1"}


def faults_in(path: Path, published: set[str]) -> Iterator[Fault]:
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    place = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    names = [entry["name"] for entry in content["topics"]]
    patterns = [entry["name"] for entry in content["patterns"]]
    yield from (Fault(place, 1, f"{name} is published and not declared") for name in sorted(published - {*names}))
    yield from (Fault(place, 1, f"{name} is needed by partners and not declared") for name in sorted(PATTERNS - {*patterns}))
    for entry in (*content["topics"], *content["patterns"]):
        line = next(number for number, row in enumerate(text.splitlines(), 1) if f"name: {entry['name']}" in row)
        yield from (Fault(place, line, f"{entry['name']}: {rule}") for rule in _rules(entry, published, [*names, *patterns]))


def _rules(entry: dict[str, Any], published: set[str], names: list[str]) -> Iterator[str]:
    name = entry["name"]
    if name not in published | PATTERNS:
        yield "nobody publishes to it"
    if names.count(name) > 1:
        yield "declared twice"
    if name in published and not entry.get("dead_letters"):
        yield f"no {name}.dlt"
    if (entry["cleanup"] == "compact") != (name in COMPACTED):
        yield "compacted, but not only its newest record counts" if entry["cleanup"] == "compact" else "not compacted"
    if name in PATTERNS and entry["partitions"] != 1:
        yield "an agency's topic has one partition: its numbers are in order"
    if entry["cleanup"] == "delete" and not entry.get("retention_days"):
        yield "no retention"


def test_every_topic_is_declared_and_nothing_else() -> None:
    assert shown(faults_in(DECLARED, PUBLISHED)) == []


def test_the_declaration_makes_every_topic_with_its_dead_letters() -> None:
    made = {topic.name for topic in declared(["police-county"])}
    agency = {feed_topic("police-county"), "heli.agency.police-county.replies.v1"}
    assert made == PUBLISHED | {f"{topic}.dlt" for topic in PUBLISHED} | agency


def test_the_replies_of_every_agency_are_heard_and_no_other_topic() -> None:
    heard = re.compile(REPLIES)
    assert heard.fullmatch(REPLIES_TOPIC.replace("<code>", "police-county"))
    others = {*PUBLISHED, feed_topic("police-county"), "heli.agency.a.b.replies.v1", "heli.agency.a.replies.v1.dlt"}
    assert not any(heard.fullmatch(topic) for topic in others)


ENTRY = "{{name: {name}, partitions: 1, cleanup: {cleanup}, retention_days: 14, dead_letters: {dlt}}}"


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([], ":1: heli.a.v1 is published and not declared"),
        ([("heli.a.v1", "delete", False)], ":2: heli.a.v1: no heli.a.v1.dlt"),
        ([("heli.a.v1", "delete", True), ("heli.b.v1", "delete", True)], ":3: heli.b.v1: nobody publishes to it"),
        ([("heli.a.v1", "compact", True)], ":2: heli.a.v1: compacted, but not only its newest record counts"),
    ],
)
def test_a_planted_declaration_is_named(tmp_path: Path, rows: list[tuple[str, str, bool]], rule: str) -> None:
    path = tmp_path / "topics.yaml"
    topics = [f"  - {ENTRY.format(name=name, cleanup=cleanup, dlt=str(dlt).lower())}" for name, cleanup, dlt in rows]
    patterns = [f"  - {ENTRY.format(name=name, cleanup='delete', dlt='false')}" for name in sorted(PATTERNS)]
    path.write_text("\n".join([f"topics:{'' if rows else ' []'}", *topics, "patterns:", *patterns]))
    assert shown(faults_in(path, {"heli.a.v1"})) == [f"topics.yaml{rule}"]
