"""How does an event travel? CloudEvents 1.0 binary mode on Kafka: `ce_*` headers, the data as JSON in the value."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import ClassVar
from uuid import UUID

import msgspec

JSON = b"application/json"
IDENTIFYING = ("ce_id", "ce_type", "ce_source", "ce_subject")
LONGEST = 200
"""Characters of an identifying header: they become keys of tables."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one published event. Thin: ids, codes, times and grades, never a value that names a person.

    `report` is there whenever the event belongs to a report: the journals are joined by it.
    """

    type_: ClassVar[str]
    topic: ClassVar[str]
    source: ClassVar[str]
    key_field: ClassVar[str]
    subject_field: ClassVar[str]

    @property
    def key(self) -> str:
        return str(getattr(self, self.key_field))

    @property
    def subject(self) -> str:
        return str(getattr(self, self.subject_field))


class Incoming(msgspec.Struct, frozen=True):
    """A record that could be read as an event, its data still bytes."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    traceparent: str | None
    data: bytes


def encode(event: Event) -> bytes:
    return msgspec.json.encode(event)


class Head(msgspec.Struct, frozen=True):
    """What the headers of every event of a type have in common, as final bytes."""

    type: bytes
    source: bytes
    schema: bytes


@cache
def _head(kind: type[Event]) -> Head:
    return Head(kind.type_.encode(), kind.source.encode(), f"urn:heli:schema:{kind.type_}".encode())


@lru_cache(maxsize=64)
def _time(at: datetime) -> bytes:
    """All events of a batch are of one moment."""
    return at.isoformat(timespec="microseconds").encode()


def headers_of(event: Event, *, id: UUID, at: datetime, traceparent: str) -> list[tuple[str, bytes]]:  # noqa: A002 - CloudEvents calls it id
    """The headers of an event, fixed when it is written: a resend is byte-identical."""
    head = _head(type(event))
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(id).encode()),
        ("ce_type", head.type),
        ("ce_source", head.source),
        ("ce_subject", event.subject.encode()),
        ("ce_time", _time(at)),
        ("ce_dataschema", head.schema),
        ("traceparent", traceparent.encode()),
        ("content-type", JSON),
    ]


Headers = Sequence[tuple[str, bytes | None]]
_REQUIRED = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time")


def named_type(headers: Headers) -> bytes | None:
    """The type that a record names, before anything else of it is looked at."""
    return next((value for name, value in reversed(headers) if name == "ce_type"), None)


def read(headers: Headers, value: bytes | None) -> Incoming:
    """Reads one record, its data still as bytes that nobody has looked at. Raises ValueError with a slug when it is no event of ours.

    Whatever a stranger put into a header: a null is empty, bad UTF-8 is replaced.
    """
    if value is None:
        raise ValueError("tombstone")
    given = {name: (content or b"").decode("utf-8", "replace") for name, content in headers}
    for name in _REQUIRED:
        if not given.get(name):
            raise ValueError(f"missing-{name}")
    event, type_, source, subject = given["ce_id"], given["ce_type"], given["ce_source"], given.get("ce_subject", "")
    identifying = f"{event}{type_}{source}{subject}"
    if len(identifying) > LONGEST or "\0" in identifying:  # one of them may be at fault; a few long ones are not
        for name in IDENTIFYING:
            if "\0" in given.get(name, "") or len(given.get(name, "")) > LONGEST:
                raise ValueError(f"{name}-malformed")
    if given["ce_specversion"] != "1.0":
        raise ValueError("ce_specversion-unknown")
    try:
        time = datetime.fromisoformat(given["ce_time"])
    except ValueError:
        raise ValueError("ce_time-malformed") from None
    return Incoming(event, type_, source, subject, time, given.get("traceparent") or None, value)


def fault(value: bytes) -> str | None:
    """The slug of what keeps the data from being a JSON object. None: it is one, and may still break the contract of its type."""
    try:
        msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except RecursionError:
        return "nested-too-deep"
    except ValueError:
        return "json-malformed"
    return None
