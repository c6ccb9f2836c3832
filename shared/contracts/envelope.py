"""How does an event travel? CloudEvents 1.0 binary mode on Kafka: `ce_*` headers, the data as JSON in the value."""

from datetime import datetime
from functools import cache, lru_cache
from typing import Any, ClassVar
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


def text_headers(headers: Any) -> dict[str, str]:
    """Header values as text, whatever a stranger put there: a null is empty, bad UTF-8 is replaced."""
    return {str(name): (value or b"").decode("utf-8", "replace") for name, value in headers}


def read(headers: dict[str, str], value: bytes | None) -> Incoming:
    """Reads one record. Raises ValueError with a slug when it is no event of ours."""
    if value is None:
        raise ValueError("tombstone")
    missing = [name for name in ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time") if not headers.get(name)]
    if missing:
        raise ValueError(f"missing-{missing[0]}")
    if wrong := [name for name in IDENTIFYING if "\0" in headers.get(name, "") or len(headers.get(name, "")) > LONGEST]:
        raise ValueError(f"{wrong[0]}-malformed")
    if headers["ce_specversion"] != "1.0":
        raise ValueError("ce_specversion-unknown")
    try:
        time = datetime.fromisoformat(headers["ce_time"])
        msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except ValueError as reason:
        raise ValueError("ce_time-malformed" if "isoformat" in str(reason) else "json-malformed") from None
    return Incoming(
        id=headers["ce_id"],
        type=headers["ce_type"],
        source=headers["ce_source"],
        subject=headers.get("ce_subject", ""),
        time=time,
        traceparent=headers.get("traceparent") or None,
        data=value,
    )
