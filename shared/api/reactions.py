"""Parked reactions, and what a person decides about them.

GET  /v1/reactions               parked reactions, which wait until their target stream changes
GET  /v1/reactions/{id}          one of them
POST /v1/reactions/{id}/retry    try it again now; waits for the worker
POST /v1/reactions/{id}/close    never do it: recorded for ever with who and why

Each decision can be rehearsed (`dry_run=true`) and needs a reason, a code. A closure may have words of its own besides,
in the body: they are sealed. What is wrong with a fact is put right by a correction, where it was recorded.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from shared.api.authorisation import NotAllowed
from shared.api.bodies import read_model
from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, ID
from shared.api.quarantine import DRY_RUN, REASON, TAKEN_UP_SECONDS, OperatorDecision, let_decide, nothing_response
from shared.api.queries import denial_of
from shared.api.request import Caller, read_id, read_reason
from shared.api.routes import declared, json_body
from shared.api.schemas import ReactionDecided, WaitingReaction
from shared.command_handler import Accepted, Forbidden, NoChange
from shared.database import Connection, retry_or_raise
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, FreeText
from shared.domain.permissions import AccessFacts, boundary
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from shared.domain.waiting import CloseWaiting, waiting_service
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer import NothingHeld
from shared.messaging.reactions import ParkedReaction, ReactionRunner, lock_parked, parked_reactions
from shared.messaging.wait_recorder import reaction_wait, record_wait
from shared.messaging.waiting import end_wait

_LISTED: Final = (ACCESS_REASON,)
_ONE: Final = (ID, ACCESS_REASON)
_DECIDED: Final = (ID, DRY_RUN, REASON)
_LOOK_SECONDS: Final = 0.1
_MAX_BODY: Final = 100_000
_ASK: Final = "update parked set retry = true where command_id = $1"
_STANDS: Final = "select retry from parked where command_id = $1"
_REMOVE: Final = "delete from parked where command_id = $1"


class ClosureWords(BaseModel):
    """Why a reaction is closed, in a person's own words; they are sealed."""

    model_config = ConfigDict(extra="forbid")

    why: FreeText | None = None


def add_reactions(app: FastAPI, service: Service[Any]) -> None:
    """Add the routes of the parked reactions of a deciding service."""
    _add_reads(app, service)
    _add_retry(app, service)
    _add_closure(app, service)


def _add_reads(app: FastAPI, service: Service[Any]) -> None:
    @app.get("/v1/reactions", tags=["operations"], response_model=list[WaitingReaction], **declared(_LISTED))
    async def reactions(request: Request, actor: Caller) -> JSONResponse:
        """List the parked reactions that the reader may see, oldest first. Each waits for its target stream to change."""
        at: Dependencies = request.app.state.deps
        await at.gate.read(actor, "history", f"{service.name}/reactions", read_reason(request))
        waiting = await _parked(request)
        return JSONResponse([_view(service, one) for one in waiting if await _may_see(at, service, actor, one)])

    @app.get("/v1/reactions/{id}", tags=["operations"], response_model=WaitingReaction, **declared(_ONE, 404))
    async def reaction(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Return one parked reaction: its source event, its target record, and why it was refused."""
        at: Dependencies = request.app.state.deps
        await at.gate.read(actor, "history", f"{service.name}/reactions/{read_id(id)}", read_reason(request))
        try:
            return JSONResponse(_view(service, await _find(request, service, actor, read_id(id))))
        except NothingHeld as error:
            return nothing_response(error)


def _add_retry(app: FastAPI, service: Service[Any]) -> None:
    @app.post(
        "/v1/reactions/{id}/retry", tags=["operations"], response_model=ReactionDecided, **declared(_DECIDED, 404)
    )
    async def retry(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Try a parked reaction again, though its target has not changed; waits for the worker."""
        decision, id_ = await _decision(request, service, actor, "RETRY_REACTION", id)
        try:
            found = await _find(request, service, actor, id_)
        except NothingHeld as error:
            return nothing_response(error)
        if decision.dry_run:
            runner = ReactionRunner(request.app.state.deps.handler, found.consumer)
            why = await runner.foresee(found.command_id, found.reaction, found.body)
            foreseen = found if why is None else replace(found, rules=why.rules, reason=why.reason)
            return _decided(service, foreseen, dry_run=True, waits=why is not None, taken_up=False)
        await retry_or_raise(lambda: request.app.state.deps.database.execute(_ASK, id_), EventStoreUnavailable)
        until = time.monotonic() + TAKEN_UP_SECONDS
        while time.monotonic() < until:
            if (still_to_try := await _still_to_try(request, id_)) is not True:
                left = [] if still_to_try is None else [one for one in await _parked(request) if one.command_id == id_]
                return _decided(
                    service, left[0] if left else found, dry_run=False, waits=still_to_try is not None, taken_up=True
                )
            await asyncio.sleep(_LOOK_SECONDS)
        return _decided(service, found, dry_run=False, waits=None, taken_up=False)


def _add_closure(app: FastAPI, service: Service[Any]) -> None:
    body = json_body(ClosureWords.model_json_schema(), required=False)

    @app.post(
        "/v1/reactions/{id}/close",
        tags=["operations"],
        response_model=ReactionDecided,
        **declared(_DECIDED, 404, body=body),
    )
    async def close(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Close a parked reaction for good: what it carries is never recorded in its target."""
        decision, id_ = await _decision(request, service, actor, "CLOSE_REACTION", id)
        why = await _words(request)
        at: Dependencies = request.app.state.deps
        try:
            found = await _find(request, service, actor, id_)
            if not decision.dry_run:
                async with at.database.acquire() as connection, connection.transaction():
                    await _close(at, service, connection, found, actor, decision.reason, why)
        except NothingHeld as error:
            return nothing_response(error)
        return _decided(service, found, dry_run=decision.dry_run, waits=decision.dry_run, taken_up=not decision.dry_run)


async def _close(
    at: Dependencies,
    service: Service[Any],
    connection: Connection,
    found: ParkedReaction,
    actor: Actor,
    reason: str,
    why: str | None,
) -> None:
    """Record the closure, and remove the reaction in the same transaction as the row by which it is never done again.

    The event is recorded before the commit. Where that fails afterwards, the reaction still waits, `ooc verify` says so,
    and the same decision made again completes it. Raises `NothingHeld` or `NotAllowed`.
    """
    if not await lock_parked(connection, found.command_id):
        raise NothingHeld(f"The reaction {found.command_id} has been settled meanwhile: list again.")
    waits = at.handler.for_service(waiting_service(service))
    one = reaction_wait(service, found)
    await record_wait(waits, connection, found.command_id, one)
    command_id, now = uuid4(), datetime.now(UTC)
    command = CloseWaiting(reason=reason, why=None if why is None else Sealed(why))
    result = await waits.handle(CommandRequest(command, found.command_id, command_id, actor, now, command_id))
    if isinstance(result, Forbidden):
        raise NotAllowed(result.why)
    # Nothing else may be: without its record the reaction must not be removed.
    assert isinstance(result, (Accepted, NoChange)), result
    await connection.execute(_REMOVE, found.command_id)
    await end_wait(connection, found.command_id, now, closed=True)


async def _decision(
    request: Request, service: Service[Any], actor: Actor, action: str, id_: str
) -> tuple[OperatorDecision, UUID]:
    decision = await let_decide(request, actor, action, f"{service.name}/reactions/{read_id(id_)}")
    return decision, read_id(id_)


async def _words(request: Request) -> str | None:
    """Read the words of a closure; None where there is no body. Raises `Malformed`."""
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return None
    return (await read_model(request, ClosureWords, _MAX_BODY)).why


async def _parked(request: Request) -> list[ParkedReaction]:
    async def look() -> list[ParkedReaction]:
        async with request.app.state.deps.database.acquire() as connection:
            return await parked_reactions(connection)

    return await retry_or_raise(look, EventStoreUnavailable)


async def _still_to_try(request: Request, id_: UUID) -> bool | None:
    """Whether the worker has still to try a reaction; None where it waits no longer."""
    database = request.app.state.deps.database
    still_to_try: bool | None = await retry_or_raise(lambda: database.fetchval(_STANDS, id_), EventStoreUnavailable)
    return still_to_try


async def _find(request: Request, service: Service[Any], actor: Actor, id_: UUID) -> ParkedReaction:
    """Find a parked reaction that an actor may see. Raises `NothingHeld`."""
    for one in await _parked(request):
        if one.command_id == id_ and await _may_see(request.app.state.deps, service, actor, one):
            return one
    raise NothingHeld(f"No reaction of the id {id_} waits here: it may have been settled meanwhile; list again.")


def _view(service: Service[Any], one: ParkedReaction) -> dict[str, Any]:
    return {**one.view(), "sentence": reaction_wait(service, one).wait.sentence}


def _decided(
    service: Service[Any], one: ParkedReaction, *, dry_run: bool, waits: bool | None, taken_up: bool
) -> JSONResponse:
    return JSONResponse({"dry_run": dry_run, "waits": waits, "taken_up": taken_up, "reaction": _view(service, one)})


async def _may_see(at: Dependencies, service: Service[Any], actor: Actor, item: ParkedReaction) -> bool:
    """Tell whether an actor may read the source event of a reaction, and its target stream if that exists."""
    permission = service.permissions[actor.role]
    book = next(book for book in service.published if book.service == item.source_stream.partition("/")[0])
    source = AccessFacts.of_history(book, [book.read(item.body)])
    if boundary(actor, permission, source, service.inherited_labels) is not None:
        return False
    target = (await at.event_store.load(item.target_stream)).records
    if not target:
        return not permission.where
    return await denial_of(at, service, actor, target) is None
