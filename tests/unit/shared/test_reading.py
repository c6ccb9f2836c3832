"""What is read of a record, and what is never looked at?"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from services.guardianship import consumer as guardianship
from services.notification import consumer as notification
from shared import telemetry
from shared.broker import Listener, Unreadable, read
from shared.contracts import envelope
from shared.contracts.referral import LegSeen
from shared.messages import Message, Record
from shared.parking import Parked, TooMuchParked

OFF = TracerProvider(sampler=ALWAYS_OFF)
NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
HEADERS: dict[str, bytes | None] = {
    "ce_specversion": b"1.0",
    "ce_id": b"e",
    "ce_type": b"heli.case.opened.v1",
    "ce_source": b"/referral",
    "ce_subject": b"s",
    "ce_time": b"2026-11-24T02:00:00.000000+00:00",
}


class Rescue:
    """A room that only notes what it is asked to do."""

    def __init__(self) -> None:
        self.buried: list[Any] = []
        self.parked: list[Parked] = []
        self.handled: list[Message] = []

    pool: Any = None

    async def bury(self, _group: str, letters: dict[str, Any]) -> None:
        self.buried += letters.values()

    async def park(self, parked: list[Parked]) -> None:
        self.parked += parked

    async def handle(self, messages: list[Message]) -> None:
        self.handled += messages


def record(value: bytes | None, **changes: bytes | None) -> Record:
    headers = tuple((name, content) for name, content in (HEADERS | changes).items())
    return Record("heli.referral.v1", 0, 0, None, value, headers, NOW)


async def heard(*records: Record, by: Callable[[Any], Listener] = guardianship.referral_listener) -> Rescue:
    rescue = Rescue()
    await by(rescue).apply(records)
    return rescue


@pytest.mark.parametrize("value", [None, b"", b"no json", b"[" * 100_000])
async def test_of_a_type_that_is_for_others_nothing_is_looked_at(value: bytes | None) -> None:
    found = await heard(record(value, ce_type=LegSeen.type_.encode(), ce_id=None, ce_time=b"never"))
    assert (found.buried, found.parked, found.handled) == ([], [], [])


@pytest.mark.parametrize("value", [b"no json", b"[1]", b"5", b'{"case": ', b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
async def test_data_that_is_no_object_is_a_dead_letter_as_it_came(value: bytes) -> None:
    found = await heard(record(value))
    assert ([letter.value for letter in found.buried], found.parked, found.handled) == ([value], [], [])


async def test_an_object_that_breaks_its_contract_is_parked() -> None:
    found = await heard(record(b'{"case": 5}'))
    assert ([parked.reason for parked in found.parked], found.buried, found.handled) == (["contract"], [], [])


STRANGE: dict[str, bytes | None] = {"ce_type": b"com.example.thing"}


@pytest.mark.parametrize(
    ("value", "changes", "count"),
    [(b"{}", {"ce_id": None}, 1), (b"no json", {}, 1), (None, {}, 1), (b"{}", {"ce_type": None}, 1), (b"{}", {}, 0)],
)
async def test_a_type_of_a_stranger_must_be_an_event_at_all(value: bytes | None, changes: dict[str, bytes | None], count: int) -> None:
    for listener in (guardianship.referral_listener, notification.DirectoryListener):
        found = await heard(record(value, **(STRANGE | changes)), by=listener)
        assert (len(found.buried), found.parked, found.handled) == (count, [], [])


async def test_a_dead_letter_does_not_wait_for_what_must_be_parked_behind_it() -> None:
    class Full(Rescue):
        async def park(self, parked: list[Parked]) -> None:
            raise TooMuchParked(len(parked))

    full: Any = Full()
    with pytest.raises(TooMuchParked):
        await guardianship.referral_listener(full).apply([record(b"no json"), record(b'{"case": 5}'), record(b"nor this")])
    assert [letter.value for letter in full.buried] == [b"no json"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_id": None}, "missing-ce_id"),
        ({"ce_specversion": b""}, "missing-ce_specversion"),
        ({"ce_specversion": b"0.3"}, "ce_specversion-unknown"),
        ({"ce_time": b"yesterday"}, "ce_time-malformed"),
        ({"ce_id": b"a\0b"}, "ce_id-malformed"),
        ({"ce_subject": b"s" * (envelope.LONGEST + 1)}, "ce_subject-malformed"),
        ({"ce_source": b"/" * (envelope.LONGEST + 1)}, "ce_source-malformed"),
    ],
)
def test_a_header_that_makes_it_no_event_is_named(changes: dict[str, bytes | None], reason: str) -> None:
    found = read(record(b"{}", **changes))
    assert isinstance(found, Unreadable)
    assert found.reason == reason


def test_long_headers_are_allowed_up_to_their_limit_each() -> None:
    longest = b"x" * envelope.LONGEST
    found: Any = read(record(b"{}", ce_id=longest, ce_source=longest, ce_subject=longest))
    assert (found.incoming.id, found.incoming.source, found.incoming.subject) == ("x" * envelope.LONGEST,) * 3


def test_bad_text_in_a_header_is_replaced_and_a_null_is_empty() -> None:
    found: Any = read(record(b"{}", ce_subject=None, note=None, ce_source=b"\xff"))
    assert (found.incoming.subject, found.incoming.source) == ("", "\ufffd")


def test_the_last_of_two_types_counts() -> None:
    one = record(b"{}")
    both = msgspec.structs.replace(one, headers=(*one.headers, ("ce_type", b"heli.leg.seen.v1")))
    assert envelope.named_type(both.headers) == b"heli.leg.seen.v1"
    assert read(both).incoming.type == "heli.leg.seen.v1"  # type: ignore[union-attr]


@pytest.mark.parametrize(("given", "kept"), [("00", "00"), ("02", "02"), ("fc", "00"), ("fe", "02")])
def test_an_act_that_nobody_records_hands_on_its_trace_with_the_flags_that_we_know(
    given: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: OFF)
    act, span = uuid4().hex, uuid4().hex[:16]
    begun = telemetry.begin("act", "internal", parent=f"cc-{act}-{span}-{given}")
    assert telemetry.traceparent_of(begun) == f"00-{act}-{span}-{kept}"
    context = begun.get_span_context()
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}", begun.is_recording()) == (act, span, False)


def test_each_act_that_nobody_records_and_nobody_caused_has_a_trace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: OFF)
    one, other = (telemetry.begin("act", "internal") for _ in range(2))
    assert one.get_span_context().is_valid
    assert one.get_span_context().trace_id == int(telemetry.traceparent_of(one).split("-")[1], 16)
    assert one.get_span_context().trace_id != other.get_span_context().trace_id
    assert not telemetry.sampled(telemetry.traceparent_of(one))
