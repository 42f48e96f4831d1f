"""How the routes ask the database: again while it does not answer, by a reader, and saying how fresh the answer is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse

from services.reporting.projection.snapshot import Pool
from services.reporting.queries.freshness import json_answer, stale_services
from services.reporting.queries.min_position import furthest, not_yet, wait_for
from services.reporting.queries.visibility import Reader, reader_of
from shared.api.dependencies import ApiDependencies
from shared.api.request import read_reason
from shared.domain.messages import Actor
from shared.event_store import EventStoreUnavailable
from shared.servers.database import retry_or_raise

T = TypeVar("T")


async def ask(question: Callable[[], Awaitable[T]]) -> T:
    """Ask the database, again after a transient error. Raises `EventStoreUnavailable`."""
    return await retry_or_raise(question, EventStoreUnavailable)


async def ask_for_reader(pool: Pool, actor: Actor) -> Reader:
    """Return the reader for an actor. Raises `EventStoreUnavailable`."""
    return await ask(lambda: reader_of(pool, actor))


Question = Callable[[Reader], Awaitable[Mapping[str, Any]]]
"""What is asked of the projected events, as far as a reader may see them."""


async def answer_reader(request: Request, actor: Actor, part: str, path: str, question: Question) -> JSONResponse:
    """Answer a question as soon as `min_position` is reached. Raises as the gate and the database do."""
    at: ApiDependencies = request.app.state.deps
    wanted = furthest(request)
    await at.gate.read(actor, part, f"reporting/{path}", read_reason(request))
    if late := await wait_for(at.database, wanted):
        return not_yet(late)
    reader = await ask_for_reader(at.database, actor)
    return await answer_projected(at.database, await ask(lambda: question(reader)))


async def answer_projected(pool: Pool, answer: Mapping[str, Any]) -> JSONResponse:
    """Answer from projected events, with the services whose latest events may be missing. Raises `EventStoreUnavailable`."""
    return json_answer(answer, await ask(lambda: stale_services(pool)))
