"""A collector of traces: takes what OpenTelemetry's exporters post, as any real one does."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass
class Collected:
    """What was posted until now. `raw` are the bytes, `spans` each with its `service` and `attributes`."""

    address: str = ""
    raw: bytes = b""
    spans: list["Told"] = field(default_factory=list)

    def find(self, **wanted: Any) -> list["Told"]:
        """Return the spans whose fields or attributes are these; `_` in a name stands for a dot."""
        return [
            span
            for span in list(self.spans)
            if all(span.told.get(name) == value for name, value in wanted.items())
        ]


@dataclass
class Told:
    """One span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    service: str
    attributes: dict[str, Any]

    @property
    def told(self) -> dict[str, Any]:
        attributes = {name.replace(".", "_"): value for name, value in self.attributes.items()}
        return {**vars(self), **attributes}


def _read(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collect() -> Iterator[Collected]:
    """Run a collector on a free port."""
    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            collected.raw += body
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _read(resource.resource.attributes)["service.name"]
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    collected.spans.append(
                        Told(
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.status.code == span.status.STATUS_CODE_ERROR,
                            service,
                            _read(span.attributes),
                        )
                    )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collected.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield collected
        server.shutdown()
        thread.join()
