"""How is one act followed through HTTP, outbox, Kafka, batch and webhook? W3C trace context, OpenTelemetry's own SDK, our own spans."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
LENGTH = 55
_LINKS = 128
_ids = RandomIdGenerator()
KNOWN_FLAGS = 0x03
"""Sampled, and that the trace id is random; W3C trace context wants all others zero in what is passed on."""
KIND = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_requests: WeakValueDictionary[int, Span] = WeakValueDictionary()
"""Server spans by their id: a request's span begins before anybody knows which report it concerns."""


def configure(service: str) -> None:
    """Exports by OTLP/HTTP to wherever the standard variables say; with nowhere to go nothing is sampled, unless one asks for it."""
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    sampler = None if endpoint or os.environ.get("OTEL_TRACES_SAMPLER") else ALWAYS_OFF
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": f"heli-{service}"}))
    if endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


class _Unrecorded(NonRecordingSpan):
    """Of an act that nobody records, which most are: all that there is of it is the id that ties together what follows from it."""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def get_span_context(self) -> SpanContext:
        return _named(self.traceparent)

    def __repr__(self) -> str:
        return f"_Unrecorded({self.traceparent})"


def traceparent_of(span: Span) -> str:
    if type(span) is _Unrecorded:
        return span.traceparent
    own = span.get_span_context()
    return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}" if own.is_valid else ""


def sampled(traceparent: str | None) -> bool:
    """Asks the one bit: the flags are 03 where the SDK also says that the trace id is random."""
    return _named(traceparent).trace_flags.sampled


def _named(traceparent: str | None) -> SpanContext:
    """Read here and not by OpenTelemetry's propagator, which takes three times as long."""
    return _read(traceparent) if traceparent and len(traceparent) == LENGTH else INVALID_SPAN_CONTEXT


@lru_cache(maxsize=1024)
def _read(traceparent: str) -> SpanContext:
    """Kept, because one act is named by many messages; what a stranger sends is of this length or is not kept."""
    found = _FORM.fullmatch(traceparent)
    if found is None:
        return INVALID_SPAN_CONTEXT
    named = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16) & KNOWN_FLAGS))
    return named if named.is_valid else INVALID_SPAN_CONTEXT


@lru_cache(maxsize=2)
def _tracer(provider: trace.TracerProvider) -> Tracer:
    """Kept: asking a provider for a tracer costs as much as deciding a message."""
    return provider.get_tracer("heli")


@lru_cache(maxsize=2)
def _heeds_parents(provider: trace.TracerProvider) -> bool:
    """Whether nothing is recorded of a trace of which nobody upstream recorded anything: so say all samplers that ask the parent."""
    sampler = provider.sampler if isinstance(provider, TracerProvider) else ALWAYS_OFF
    return sampler is ALWAYS_OFF or sampler.get_description().startswith("ParentBased")


@lru_cache(maxsize=2)
def _is_off(provider: trace.TracerProvider) -> bool:
    """Whether nothing is recorded of anything: no address to export to is configured."""
    return isinstance(provider, TracerProvider) and provider.sampler is ALWAYS_OFF


def _new_trace() -> str:
    return f"00-{_ids.generate_trace_id():032x}-{_ids.generate_span_id():016x}-{TraceFlags.RANDOM_TRACE_ID:02x}"


def trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None  # noqa: PLR2004 - version, trace, span, flags


def begin(
    name: str, kind: str, *, parent: str | None = None, links: Sequence[str | None] = (), attributes: Mapping[str, Any] | None = None
) -> Span:
    """Starts a span. Without a parent it is a new act: it starts its own trace. It links to what it goes back to in other traces."""
    origin, provider = _named(parent), trace.get_tracer_provider()
    # Most are one of these two: asking the SDK costs as much as deciding a message, and it would say the same.
    if parent and origin.is_valid and not origin.trace_flags.sampled and _heeds_parents(provider):
        return _Unrecorded(f"00{parent[2:-2]}{origin.trace_flags:02x}")
    if not origin.is_valid and _is_off(provider):
        return _Unrecorded(_new_trace())
    span = _tracer(provider).start_span(
        name,
        context=trace.set_span_in_context(NonRecordingSpan(origin), Context()) if origin.is_valid else Context(),
        kind=KIND[kind],
        attributes={key: value for key, value in attributes.items() if value is not None} if attributes else None,
    )
    if span.is_recording():  # most are not, and reading a link costs as much as beginning the span
        for other in map(_named, links):
            if other.is_valid and other.trace_id != origin.trace_id:
                span.add_link(other)
    if kind == "server":
        _requests[span.get_span_context().span_id] = span
    return span


def label(span: Span, labels: Mapping[str, str]) -> None:
    """Says to which report or case a span belongs, and the request that it answers with it."""
    parent: SpanContext | None = getattr(span, "parent", None)
    request = _requests.get(parent.span_id) if parent is not None else None
    for labelled in (span, request):
        if labelled is not None and labelled.is_recording():
            labelled.set_attributes(dict(labels))


def fail(span: Span, slug: str) -> None:
    """Marks a span as failed by its slug alone: exception texts may hold values."""
    span.set_attribute("error.type", slug)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def relayed(rows: Sequence[Any], headers_of: Callable[[bytes], Any]) -> Iterator[None]:
    """One span for one send of many records, linked to their sampled creation contexts."""
    contexts = []
    for row in () if _is_off(trace.get_tracer_provider()) else rows[:_LINKS]:
        carried = dict(headers_of(row["headers"])).get("traceparent")
        traceparent = (carried or b"").decode("ascii", "replace")
        if sampled(traceparent):
            contexts.append(traceparent)
    if not contexts:
        yield
        return
    attributes = {"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.batch.message_count": len(rows)}
    span = begin(f"send {rows[0]['topic']}", "client", links=contexts, attributes=attributes)
    try:
        yield
    finally:
        span.end()
