"""Logs: one JSON object a line on stderr, from structlog and the standard library alike. Ids and codes, nothing personal."""

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

import asyncpg
import structlog

from shared.observing.tracing import with_trace_id

CLIENTS: Final = ("aiokafka", "faust", "mode")
SELDOM_SECONDS: Final = 10.0


def log_to_stderr(process: str) -> None:
    """Log from here on as JSON lines that name the process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        with_trace_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(format_trace),
    ]
    structlog.contextvars.bind_contextvars(process=process)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in (*CLIENTS, "uvicorn.access", "httpx2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Seldom(logging.Filter):
    """Let a line of a Kafka client through once in `SELDOM_SECONDS`: without a broker it says the same many times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._again: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place = record.pathname, record.lineno
        if record.name.partition(".")[0] not in CLIENTS or record.created >= self._again.get(place, 0):
            self._again[place] = record.created + SELDOM_SECONDS
            return True
        return False


_HOUSE: Final = ("shared.", "services.", "tools.", "ooc.")


def format_trace(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """Format an error and its causes, the first cause first: places and types, and no message that may quote a request."""
    return "".join(_lines(exc_info[1]))


def _lines(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _lines(inner)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__qualname__}{_message_of(error)}\n"


def _message_of(error: BaseException) -> str:
    """Return what an error says if it quotes no value: errors of this house, of the system and of PostgreSQL's own."""
    if isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.DataError):
        return f": {error.args[0]}" if error.args else ""  # without the row, which is its detail
    return f": {error}" if isinstance(error, OSError) or type(error).__module__.startswith(_HOUSE) else ""
