"""A collector of traces: what OpenTelemetry's exporter sends over HTTP, read back."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span as it was exported: ids in hexadecimal, attributes as texts."""

    process: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    """The traces that it is linked to."""
    attributes: dict[str, str]


class Collector:
    """What has come in."""

    def __init__(self) -> None:
        self.spans: list[CollectedSpan] = []
        self.bytes = b""
        self.address = ""

    def take(self, body: bytes) -> None:
        """Read one export."""
        self.bytes += body
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            process = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    values = {one.key: str(one.value.string_value or one.value.int_value) for one in span.attributes}
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    links = tuple(link.trace_id.hex() for link in span.links)
                    self.spans.append(CollectedSpan(process, span.name, *ids, links, values))


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector on a port of its own."""
    collected = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()
