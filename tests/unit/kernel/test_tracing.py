"""Traces go to the collector that is set, name nobody, and cost nothing where none is."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from shared.api.boundary import Boundary
from shared.observing import tracing
from shared.observing.tracing import current_traceparent, messaging, span, start_tracing, with_trace_id
from tests.collector import Collector, collector

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CASE = "0198c0de-0000-7000-8000-000000000001"


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Trace to a collector during a test; what it got is complete once `flush` was called."""
    with collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.address)
        start_tracing("test-api")
        yield running
        tracing.trace_by(None)


def flush() -> None:
    """Export what was traced."""
    tracing._provider.force_flush()


def test_a_request_is_a_span_below_the_one_of_its_caller(collected: Collector) -> None:
    """Given a request with a traceparent, then its span names the route and the status, and no address, id or error's text."""

    async def application(scope: dict[str, object], _receive: object, send: object) -> None:
        if scope["path"] == "/health/live":
            raise ValueError("not traced")
        scope["route"] = type("Route", (), {"path": "/v1/cases/{id}", "methods": {"GET"}})()
        with span(
            "inner", attributes=messaging("process", "here", 2), links=[f'{{"traceparent":"{PARENT}"}}'.encode()]
        ):
            assert str(current_traceparent())[3:35] == TRACE
            assert with_trace_id(None, "info", {})["trace_id"] == TRACE
        raise ValueError(f"something of {CASE}")

    client = TestClient(Boundary(application), raise_server_exceptions=False)  # type: ignore[arg-type]
    assert client.get(f"/v1/cases/{CASE}?name=Alex", headers={"traceparent": PARENT}).status_code == 500
    assert client.get("/health/live").status_code == 500
    flush()
    inner, outer = collected.spans
    assert (outer.name, outer.trace, outer.parent) == ("GET /v1/cases/{id}", TRACE, "00f067aa0ba902b7")
    assert outer.attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/cases/{id}",
        "http.response.status_code": "500",
    }
    assert (inner.trace, inner.parent, inner.links) == (TRACE, outer.id, (TRACE,))
    assert inner.attributes["messaging.batch.message_count"] == "2"
    assert CASE.encode() not in collected.bytes
    assert b"Alex" not in collected.bytes


def test_an_error_is_its_type_alone(collected: Collector) -> None:
    """Given an error in a span, then its type is exported, and not its text."""
    with pytest.raises(KeyError), span("work"):
        raise KeyError(CASE)
    flush()
    (work,) = collected.spans
    assert work.attributes == {"error.type": "KeyError"}
    assert CASE.encode() not in collected.bytes


@pytest.mark.parametrize("header", ["00-0-0-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", "é"])
def test_a_malformed_traceparent_begins_a_trace(collected: Collector, header: str) -> None:
    """Given a header that is no traceparent, then the span begins a trace of its own."""
    with span("work", parent=header):
        pass
    flush()
    (work,) = collected.spans
    assert (work.parent, int(work.trace, 16) > 0) == ("", True)


def test_without_a_collector_nothing_is_traced_or_loaded() -> None:
    """Given no collector, then OpenTelemetry is not even imported, and a span yields nothing."""
    code = (
        "import sys; from shared.observing.tracing import *; start_tracing('x')\n"
        "with span('a', links=[b'x']) as one: assert one is None and current_traceparent() is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
