"""Which spans did the services export? A tiny OTLP/HTTP collector; it keeps every byte, so that a story can search them all."""

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SERVER, CLIENT, CONSUMER = 2, 3, 5


class Span(msgspec.Struct, frozen=True):
    """One span as it was exported; ids are hex, `parent` is empty for a root, `links` are trace ids."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    links: tuple[str, ...]


class Traces:
    """Started with the object; `spans` grows while the services export."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.spans: dict[str, Span] = {}
        traces = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                traces.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {item.key: item.value.string_value or str(item.value.int_value) for item in span.attributes}
                    links = tuple(link.trace_id.hex() for link in span.links)
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    self.spans[ids[1]] = Span(names["service.name"], span.name, span.kind, *ids, attributes, links)

    def of(self, wanted: Callable[[Span], bool]) -> list[Span]:
        return [span for span in list(self.spans.values()) if wanted(span)]

    def of_trace(self, trace: str) -> list[Span]:
        return self.of(lambda span: span.trace == trace)

    def path(self, span: Span) -> list[Span]:
        """The span and what it goes back to, up to its root; it ends early where a parent was never exported."""
        found = [span]
        while found[-1].parent in self.spans:
            found.append(self.spans[found[-1].parent])
        return found

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
