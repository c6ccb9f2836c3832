"""How is one act followed through HTTP, outbox, Kafka, batch and webhook? W3C trace context, OpenTelemetry's own SDK, our own spans."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_LINKS = 128
KIND = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}


def configure(service: str) -> None:
    """Exports by OTLP/HTTP to wherever the standard variables say; without an endpoint spans are made and dropped."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"heli-{service}"}))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def context_of(traceparent: str | None) -> Any:
    """The context that a traceparent names; an empty or malformed one is no context."""
    return _propagator.extract({"traceparent": traceparent} if traceparent else {})


def traceparent_of(span: Span) -> str:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context=trace.set_span_in_context(span))
    return carrier.get("traceparent", "")


def sampled(traceparent: str | None) -> bool:
    return bool(traceparent) and traceparent.endswith("-01")  # type: ignore[union-attr]


def trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None  # noqa: PLR2004 - version, trace, span, flags


def begin(
    name: str, kind: str, *, parent: str | None = None, links: Sequence[str | None] = (), attributes: Mapping[str, Any] | None = None
) -> Span:
    """Starts a span. Without a parent it is a new act: it starts its own trace and links to what it goes back to."""
    found = [trace.get_current_span(context_of(link)).get_span_context() for link in links if link]
    return trace.get_tracer("heli").start_span(
        name,
        context=context_of(parent),
        kind=KIND[kind],
        links=[Link(context) for context in found if context.is_valid],
        attributes={key: value for key, value in (attributes or {}).items() if value is not None},
    )


def fail(span: Span, slug: str) -> None:
    """Marks a span as failed by its slug alone: exception texts may hold values."""
    span.set_attribute("error.type", slug)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def relayed(rows: Sequence[Any], headers: Any) -> Iterator[None]:
    """One span for one send of many records, linked to their sampled creation contexts."""
    contexts = []
    for row in rows[:_LINKS]:
        carried = dict(headers.decode(row["headers"])).get("traceparent")
        if carried and carried.endswith(b"-01"):
            contexts.append(carried.decode("ascii", "replace"))
    if not contexts:
        yield
        return
    attributes = {"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.batch.message_count": len(rows)}
    span = begin(f"send {rows[0]['topic']}", "client", links=contexts, attributes=attributes)
    try:
        yield
    finally:
        span.end()
