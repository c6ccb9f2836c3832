"""Is a trace recognised by its bit, and does a later act link back without linking to itself?"""

import sys
from typing import Any

import pytest

from shared import telemetry

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "expected"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_sampled_is_one_bit_of_the_flags(flags: str, expected: object) -> None:
    assert telemetry.sampled(f"00-{TRACE}-{SPAN}-{flags}") is expected


@pytest.mark.parametrize("text", [None, "", "t", "00-xx-yy-01", f"00-{'0' * 32}-{SPAN}-01"])
def test_what_is_no_traceparent_is_not_sampled(text: str | None) -> None:
    assert telemetry.sampled(text) is False


@pytest.mark.parametrize(
    ("text", "kept"), [(f"00-{TRACE}-{'c' * 16}-00", True), (f"00-{TRACE}-{SPAN}-01-more", False), ("x" * 100_000, False)]
)
def test_a_stranger_fills_no_memory_with_what_has_not_the_length_of_a_traceparent(text: str, kept: object) -> None:
    before = sys.getrefcount(text)
    telemetry.sampled(text)
    assert (sys.getrefcount(text) > before) is kept


def test_what_our_own_spans_say_of_themselves_is_sampled() -> None:
    assert telemetry.sampled(telemetry.traceparent_of(telemetry.begin("act", "internal")))


def test_a_span_links_to_other_traces_only() -> None:
    here, there = (f"00-{trace}-{SPAN}-01" for trace in (TRACE, "f" * 32))
    span: Any = telemetry.begin("act", "internal", parent=here, links=[here, there, "", None, "no traceparent"])
    assert [f"{link.context.trace_id:032x}" for link in span.links] == ["f" * 32]


def test_what_a_request_concerned_is_said_of_the_request_too_while_it_lasts() -> None:
    request: Any = telemetry.begin("POST", "server")
    work: Any = telemetry.begin("apply", "internal", parent=telemetry.traceparent_of(request))
    telemetry.label(work, {"heli.case": "c"})
    assert (dict(work.attributes), dict(request.attributes)) == ({"heli.case": "c"}, {"heli.case": "c"})
    request.end()
    telemetry.label(work, {"heli.case": "d"})
    assert dict(request.attributes) == {"heli.case": "c"}
