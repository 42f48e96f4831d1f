"""Traces (OpenTelemetry) from a click to the page with its effect, if a collector is set; else nothing is loaded.

Spans name routes, services, topics and numbers, never a case, a record or a person: the trace of an event is in its envelope
(`traceparent`, W3C Trace Context) and so in its header on Kafka, and a batch of events links to the trace of each.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any, Final, Literal

from shared.servers.version import version

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""The variables of OpenTelemetry's specification that name a collector; the SDK reads the others."""

MOST_LINKS: Final = 128
"""Links of a span at most, as the specification has it."""

Kind = Literal["SERVER", "CLIENT", "PRODUCER", "CONSUMER", "INTERNAL"]

TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_IN_BODY: Final = re.compile(rb'"traceparent":"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"')
_UNTRACED: Final = nullcontext()
_provider: Any = None
_tracer: Any = None
"""The tracer of this process; None: nothing is traced."""


def start_tracing(process: str) -> None:
    """Trace from here on, under the name of the process, if the environment names a collector."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    # What is not used is not loaded: an API is to start quickly.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": process, "service.version": version()}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace_by(provider)


def trace_by(provider: Any) -> None:
    """Trace by a provider of OpenTelemetry's SDK; None ends it."""
    global _provider, _tracer  # noqa: PLW0603 - a process traces or does not
    _provider = provider
    _tracer = None if provider is None else provider.get_tracer("ooc", version())


def span(
    name: str,
    kind: Kind = "INTERNAL",
    attributes: Mapping[str, str | int] | None = None,
    *,
    parent: str | None = None,
    links: Iterable[bytes] = (),
) -> AbstractContextManager[Any]:
    """Trace the body as a span, if this process is traced: below `parent`, a traceparent, or else below the current span.

    `links` are bodies of events, to whose traces it is linked. Yields the span, or None. Of an error only its type is kept,
    since its text may say more.
    """
    return _UNTRACED if _tracer is None else _span(name, kind, attributes, parent, links)


@contextmanager
def _span(
    name: str, kind: Kind, attributes: Mapping[str, str | int] | None, parent: str | None, links: Iterable[bytes]
) -> Iterator[Any]:
    from opentelemetry import trace  # noqa: PLC0415 - see above

    linked = (_IN_BODY.search(body) for body in links)
    contexts = (_context(found[1].decode()) for found in linked if found is not None)
    above = None if parent is None else _context(parent)
    with _tracer.start_as_current_span(
        name,
        context=None if above is None else trace.set_span_in_context(trace.NonRecordingSpan(above)),
        kind=trace.SpanKind[kind],
        attributes=attributes,
        links=[trace.Link(context) for context in islice(filter(None, contexts), MOST_LINKS)],
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(trace.StatusCode.ERROR)
            raise


def messaging(operation: str, destination: str, messages: int) -> dict[str, str | int]:
    """Return the attributes of a span about a batch (semantic conventions for messaging)."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
        "messaging.batch.message_count": messages,
    }


def _context(traceparent: str) -> Any:
    from opentelemetry import trace  # noqa: PLC0415 - see above

    found = TRACEPARENT.fullmatch(traceparent)
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return trace.SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=trace.TraceFlags(int(found[3], 16))
    )


def current_traceparent() -> str | None:
    """Return the traceparent of the current span; None if nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry import trace  # noqa: PLC0415 - see above

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def with_trace_id(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the trace to a line of the log, as a processor of structlog."""
    if (traceparent := current_traceparent()) is not None:
        line["trace_id"] = traceparent[3:35]
    return line
