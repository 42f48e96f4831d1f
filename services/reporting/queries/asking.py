"""How the routes ask the database: again while it does not answer, by a reader, and saying how fresh the answer is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi.responses import JSONResponse

from services.reporting.projection.snapshot import Pool
from services.reporting.queries.freshness import json_answer, stale_services
from services.reporting.queries.visibility import Reader, reader_of
from shared.database import retry_or_raise
from shared.domain.messages import Actor
from shared.event_store import EventStoreUnavailable

T = TypeVar("T")


async def ask(question: Callable[[], Awaitable[T]]) -> T:
    """Ask the database, again after a transient error. Raises `EventStoreUnavailable`."""
    return await retry_or_raise(question, EventStoreUnavailable)


async def ask_for_reader(pool: Pool, actor: Actor) -> Reader:
    """Return the reader for an actor. Raises `EventStoreUnavailable`."""
    return await ask(lambda: reader_of(pool, actor))


async def answer_projected(pool: Pool, answer: Mapping[str, Any]) -> JSONResponse:
    """Answer from projected events, with the services whose latest events may be missing. Raises `EventStoreUnavailable`."""
    return json_answer(answer, await ask(lambda: stale_services(pool)))
