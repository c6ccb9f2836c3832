"""Is everything that was ever published still readable, and does what we publish today stand in its schema?"""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from jsonschema import Draft202012Validator, FormatChecker

from shared.contracts import envelope
from shared.contracts.envelope import Event
from shared.contracts.notification import NOTICE_TYPES, NoticeData, feed_headers, feed_topic
from shared.contracts.schema import SAMPLES, SCHEMAS, Schema, breaks, path_of, schemas, structs, text_of

AT = datetime(2026, 11, 24, tzinfo=UTC)
GOLDEN = sorted(SAMPLES.glob("*/*.json"))
GIVEN_BY_SAVE = {"ce_sequence", "traceparent"}
"""Headers of a feed entry that it gets with its number, when it is saved."""


class Sample(msgspec.Struct, frozen=True):
    """A record as it was on the wire once: headers and value as text."""

    topic: str
    headers: dict[str, str]
    key: str
    value: dict[str, Any]

    @property
    def bytes(self) -> bytes:
        return msgspec.json.encode(self.value)


def sample(path: Path) -> Sample:
    return msgspec.json.decode(path.read_bytes(), type=Sample)


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def faults_of(value: Any, schema: Schema) -> list[str]:
    checked = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"/{'/'.join(str(part) for part in error.path)}: {error.validator}" for error in checked.iter_errors(value)]


def test_every_type_has_its_schema_and_the_files_are_those_of_today() -> None:
    today = {f"{type_}.json": text_of(schema) for type_, schema in schemas().items()}
    found = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.iterdir()}
    assert found == today, "python -m shared.contracts.schema --write"


@pytest.mark.parametrize("type_", sorted(structs()))
def test_every_type_goes_on_from_its_schema_and_is_well_formed(type_: str) -> None:
    today = schemas()[type_]
    Draft202012Validator.check_schema(today)
    assert breaks(json.loads(path_of(type_).read_bytes()), today) == ()


def test_every_type_has_a_golden_sample_and_no_sample_is_of_an_unknown_type() -> None:
    assert {path.parent.name for path in GOLDEN} == {*structs()}


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_a_golden_sample_is_still_read(path: Path) -> None:
    """By today's code, into today's struct, without losing what it says."""
    golden = sample(path)
    incoming = envelope.read([(name, value.encode()) for name, value in golden.headers.items()], golden.bytes)
    read = msgspec.json.decode(incoming.data, type=structs()[incoming.type])
    assert incoming.type == path.parent.name
    again = msgspec.json.decode(msgspec.json.encode(read))
    assert {name: again[name] for name in golden.value} == golden.value


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_a_golden_sample_stands_in_its_schema(path: Path) -> None:
    golden, schema = sample(path), schemas()[path.parent.name]
    assert golden.headers["ce_dataschema"] == schema["$id"]
    assert faults_of(golden.value, schema) == []


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_what_is_written_today_has_the_headers_topic_and_key_of_the_sample(path: Path) -> None:
    golden = sample(path)
    event = msgspec.json.decode(golden.bytes, type=structs()[path.parent.name])
    headers = {name: value.decode() for name, value in written(event, golden)}
    own = {name: value for name, value in golden.headers.items() if not (isinstance(event, NoticeData) and name in GIVEN_BY_SAVE)}
    assert list(headers) == list(own)
    assert {name for name in own if own[name] != headers[name]} == set()
    if isinstance(event, Event):
        assert (event.topic, event.key) == (golden.topic, golden.key)
    else:
        assert (feed_topic(golden.key), {*GIVEN_BY_SAVE} <= golden.headers.keys()) == (golden.topic, True)


def written(event: Any, golden: Sample) -> list[tuple[str, bytes]]:
    """The headers that today's code writes for the same event with the same id and time."""
    key, at = UUID(golden.headers["ce_id"]), datetime.fromisoformat(golden.headers["ce_time"])
    if isinstance(event, Event):
        return envelope.headers_of(event, id=key, at=at, traceparent=golden.headers["traceparent"])
    subject = golden.headers["ce_subject"]
    return list(feed_headers(about=event.about, code=golden.key, delivery=key, subject=subject, at=at))


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_the_official_sdk_reads_a_golden_sample(path: Path) -> None:
    golden = sample(path)
    headers = {name: value.encode() for name, value in golden.headers.items()}
    event = from_binary_event(KafkaMessage(headers=headers, key=golden.key, value=golden.bytes))
    assert (event.get_type(), event.get_id()) == (path.parent.name, golden.headers["ce_id"])
    assert (event.get_specversion(), event.get_source()) == ("1.0", golden.headers["ce_source"])
    assert event.get_subject() == golden.headers["ce_subject"]
    assert event.get_time() == datetime.fromisoformat(golden.headers["ce_time"])
    assert (event.get_datacontenttype(), event.get_data()) == ("application/json", golden.value)
    assert event.get_extension("sequence") == golden.headers.get("ce_sequence")


def test_a_consumer_of_today_ignores_fields_of_tomorrow_and_a_producer_may_not_write_them() -> None:
    golden = sample(SAMPLES / "heli.leg.issued.v1" / "1.json")
    tomorrow = golden.value | {"tomorrow": 1, "due": golden.value["due"] | {"tomorrow": 1}}
    read = msgspec.json.decode(msgspec.json.encode(tomorrow), type=structs()["heli.leg.issued.v1"])
    assert msgspec.json.decode(msgspec.json.encode(read)) == golden.value
    assert faults_of(tomorrow, schemas()["heli.leg.issued.v1"]) == ["/due: additionalProperties", "/: additionalProperties"]


def test_each_notice_type_says_what_it_is_about() -> None:
    for about, type_ in NOTICE_TYPES.items():
        assert schemas()[type_]["properties"]["about"] == {"const": about}


def test_a_value_of_another_kind_is_named_by_its_schema() -> None:
    value = sample(SAMPLES / "heli.leg.seen.v1" / "1.json").value
    schema = schemas()["heli.leg.seen.v1"]
    assert faults_of(value | {"grade": 7}, schema) == ["/grade: type"]
    assert faults_of(value | {"leg": "no id"}, schema) == ["/leg: format"]
    assert faults_of({name: part for name, part in value.items() if name != "at"}, schema) == ["/: required"]


OLD: Schema = {
    "type": "object",
    "properties": {
        "case": {"type": "string", "format": "uuid"},
        "grade": {"enum": ["red", "amber", "green"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "legs": {"type": "array", "items": {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}},
    },
    "required": ["case", "grade", "legs"],
    "additionalProperties": False,
}


def changed(*path: str, to: Any) -> Schema:
    new = deepcopy(OLD)
    place = new
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return new


@pytest.mark.parametrize(
    ("new", "faults"),
    [
        (changed("properties", "note", to=None), ["/note: removed field"]),
        (changed("properties", "case", to=None), ["/case: removed field"]),
        (changed("required", to=["case", "grade", "legs", "note"]), ["/note: became required"]),
        (changed("required", to=["case", "grade"]), ["/legs: became optional"]),
        (changed("properties", "grade", "enum", to=["red", "amber"]), ["/grade/: narrowed enum"]),
        (changed("properties", "case", to={"type": "string", "format": "uuid", "enum": ["a"]}), ["/case/: narrowed enum"]),
        (
            changed("properties", "case", to={"type": "integer"}),
            ['/case/: changed type, from {"type": "string", "format": "uuid"} to {"type": "integer"}'],
        ),
        (
            changed("properties", "case", "format", to=None),
            ['/case/: changed type, from {"type": "string", "format": "uuid"} to {"type": "string"}'],
        ),
        (
            changed("properties", "note", to={"type": "string"}),
            ['/note/: changed type, from {"anyOf": [{"type": "string"}, {"type": "null"}]} to {"type": "string"}'],
        ),
        (
            changed("properties", "legs", "items", "properties", "age", "type", to="string"),
            ['/legs/items/age/: changed type, from {"type": "integer"} to {"type": "string"}'],
        ),
        (changed("properties", "legs", "items", "properties", "age", to=None), ["/legs/items/age: removed field"]),
    ],
)
def test_a_planted_break_is_named(new: Schema, faults: list[str]) -> None:
    assert list(breaks(OLD, new)) == faults


def test_a_new_required_field_is_named_and_a_new_optional_one_is_not() -> None:
    more = changed("properties", "rung", to={"type": "integer", "default": 0})
    assert breaks(OLD, more) == ()
    assert breaks(OLD, more | {"required": [*OLD["required"], "rung"]}) == ("/rung: new required field",)


def test_other_words_another_default_and_a_wider_enum_break_nothing() -> None:
    said = changed("properties", "note", to={"anyOf": [{"type": "string"}, {"type": "null"}], "default": "", "description": "New words."})
    wider = changed("properties", "grade", "enum", to=["red", "amber", "green", "grey"])
    assert breaks(OLD, said) == breaks(OLD, wider) == ()
