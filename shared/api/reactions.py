"""Parked reactions, and decisions on them.

GET  /v1/reactions               parked reactions, which wait until their target stream changes
GET  /v1/reactions/{id}          one of them
POST /v1/reactions/{id}/retry    retry it now; waits for the worker
POST /v1/reactions/{id}/close    never do it: recorded for ever with actor and reason

Each decision can be rehearsed (`dry_run=true`) and needs a reason, a code. A closure may have words of its own besides,
in the body: they are sealed. A wrong fact needs a correction in the service that recorded it.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from shared.api.authorisation import NotAllowed
from shared.api.bodies import read_model
from shared.api.dependencies import Dependencies
from shared.api.quarantine import DECIDED, LISTED, LOOK_SECONDS, ONE, TAKEN_UP_SECONDS, let_decide, nothing_response
from shared.api.queries import denial_of
from shared.api.request import Caller, read_id, read_reason
from shared.api.routes import declared, json_body
from shared.api.schemas import ReactionDecided, Schema, WaitingReaction
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, FreeText
from shared.domain.permissions import AccessFacts, boundary
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from shared.domain.waiting import CloseWaiting, waiting_service
from shared.event_store import EventStoreUnavailable
from shared.handling.command_handler import Accepted, Forbidden, NoChange
from shared.messaging.consumer.decisions import NothingHeld
from shared.messaging.reactions import ParkedReaction, ReactionRunner, lock_parked, parked_reaction, parked_reactions
from shared.messaging.waits import reaction_wait
from shared.servers.database import Connection, retry_or_raise

_MAX_BODY: Final = 100_000


class ClosureWords(Schema):
    """Why a reaction is closed, in a person's own words; they are sealed."""

    why: FreeText | None = None


def add_reactions(app: FastAPI, service: Service[Any]) -> None:
    @app.get("/v1/reactions", tags=["operations"], response_model=list[WaitingReaction], **declared(LISTED))
    async def reactions(request: Request, actor: Caller) -> JSONResponse:
        """List the parked reactions that the reader may see, oldest first, and 200 to the events of one person. Each waits for its target stream to change."""
        at: Dependencies = request.app.state.deps
        await at.gate.read(actor, "history", f"{service.name}/reactions", read_reason(request))
        listed = await retry_or_raise(lambda: parked_reactions(at.database), EventStoreUnavailable)
        visible = [parked for parked in listed if await _may_see(at, service, actor, parked)]
        return JSONResponse([_view(service, parked) for parked in visible])

    @app.get("/v1/reactions/{id}", tags=["operations"], response_model=WaitingReaction, **declared(ONE, 404))
    async def reaction(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Return one parked reaction: its source event, its target record, and why it was refused."""
        at: Dependencies = request.app.state.deps
        await at.gate.read(actor, "history", f"{service.name}/reactions/{read_id(id)}", read_reason(request))
        try:
            return JSONResponse(_view(service, await _find(at, service, actor, read_id(id))))
        except NothingHeld as error:
            return nothing_response(error)

    @app.post("/v1/reactions/{id}/retry", tags=["operations"], response_model=ReactionDecided, **declared(DECIDED, 404))
    async def retry_reaction(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Try a parked reaction again, though its target has not changed; waits for the worker."""
        at: Dependencies = request.app.state.deps
        id_ = read_id(id)
        decision = await let_decide(request, actor, "RETRY_REACTION", f"{service.name}/reactions/{id_}")
        try:
            parked = await _find(at, service, actor, id_)
        except NothingHeld as error:
            return nothing_response(error)
        if decision.dry_run:
            runner = ReactionRunner(at.handler, parked.consumer)
            why = await runner.foresee(parked.command_id, parked.reaction, parked.body)
            foreseen = parked if why is None else replace(parked, rules=why.rules, reason=why.reason)
            return _decided(service, foreseen, dry_run=True, waits=why is not None, taken_up=False)
        mark = "update parked set retry = true where command_id = $1"
        await retry_or_raise(lambda: at.database.execute(mark, id_), EventStoreUnavailable)
        until = time.monotonic() + TAKEN_UP_SECONDS
        while time.monotonic() < until:
            to_try: bool | None = await retry_or_raise(
                lambda: at.database.fetchval("select retry from parked where command_id = $1", id_),
                EventStoreUnavailable,
            )
            if to_try is not True:
                return _decided(
                    service, await _look_up(at, id_) or parked, dry_run=False, waits=to_try is not None, taken_up=True
                )
            await asyncio.sleep(LOOK_SECONDS)
        return _decided(service, parked, dry_run=False, waits=None, taken_up=False)

    _add_closure(app, service)


def _add_closure(app: FastAPI, service: Service[Any]) -> None:
    body = json_body(ClosureWords.model_json_schema(), required=False)

    @app.post(
        "/v1/reactions/{id}/close",
        tags=["operations"],
        response_model=ReactionDecided,
        **declared(DECIDED, 404, body=body),
    )
    async def close_reaction(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Close a parked reaction for good: what it carries is never recorded in its target."""
        at: Dependencies = request.app.state.deps
        id_ = read_id(id)
        decision = await let_decide(request, actor, "CLOSE_REACTION", f"{service.name}/reactions/{id_}")
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        why = (await read_model(request, ClosureWords, _MAX_BODY)).why if has_body else None
        dry_run = decision.dry_run
        try:
            parked = await _find(at, service, actor, id_)
            if not dry_run:
                async with at.closing, at.database.acquire() as connection, connection.transaction():
                    await _close(at, service, connection, parked, actor, decision.reason, why)
        except NothingHeld as error:
            return nothing_response(error)
        return _decided(service, parked, dry_run=dry_run, waits=dry_run, taken_up=not dry_run)


async def _close(
    at: Dependencies,
    service: Service[Any],
    connection: Connection,
    parked: ParkedReaction,
    actor: Actor,
    reason: str,
    why: str | None,
) -> None:
    """Record the closure, and remove the reaction: a closed one is never done, even if it is still parked.

    The event is recorded before the commit. If the commit fails, the reaction still waits, and the same decision made again
    removes it. Raises `NothingHeld` or `NotAllowed`.
    """
    id_ = parked.command_id
    if not await lock_parked(connection, id_):
        raise NothingHeld(f"The reaction {id_} has been settled since it was listed: list again.")
    standing, command_id, now = reaction_wait(service, parked), uuid4(), datetime.now(UTC)
    words = None if why is None else Sealed(why)
    command = CloseWaiting(home=standing.home, wait=standing.wait, reason=reason, why=words)
    labels = standing.access.labels if standing.access else {}
    waits = at.handler.for_service(waiting_service(service))
    result = await waits.handle(CommandRequest(command, id_, command_id, actor, now, command_id, labels=labels))
    if isinstance(result, Forbidden):
        raise NotAllowed(result.why)
    # Nothing else may be: without its record the reaction must not be removed.
    assert isinstance(result, (Accepted, NoChange)), result
    await connection.execute("delete from parked where command_id = $1", id_)


async def _look_up(at: Dependencies, id_: UUID) -> ParkedReaction | None:
    return await retry_or_raise(lambda: parked_reaction(at.database, id_), EventStoreUnavailable)


async def _find(at: Dependencies, service: Service[Any], actor: Actor, id_: UUID) -> ParkedReaction:
    """Find a parked reaction that an actor may see. Raises `NothingHeld`."""
    parked = await _look_up(at, id_)
    if parked is None or not await _may_see(at, service, actor, parked):
        raise NothingHeld(f"No reaction of the id {id_} waits here: it may have been settled since; list again.")
    return parked


def _view(service: Service[Any], parked: ParkedReaction) -> dict[str, Any]:
    return {**jsonable_encoder(parked, exclude={"body"}), "sentence": reaction_wait(service, parked).wait.sentence}


def _decided(
    service: Service[Any], parked: ParkedReaction, *, dry_run: bool, waits: bool | None, taken_up: bool
) -> JSONResponse:
    return JSONResponse({"dry_run": dry_run, "waits": waits, "taken_up": taken_up, "reaction": _view(service, parked)})


async def _may_see(at: Dependencies, service: Service[Any], actor: Actor, item: ParkedReaction) -> bool:
    """Tell whether an actor may read the source event of a reaction, and its target stream if that exists."""
    return any([await _may_see_in_role(at, service, one, item) for one in actor.in_each_role()])


async def _may_see_in_role(at: Dependencies, service: Service[Any], actor: Actor, item: ParkedReaction) -> bool:
    permission = service.permission(actor)
    book = next(book for book in service.published if book.service == item.source_stream.partition("/")[0])
    source = AccessFacts.of_history(book, [book.read(item.body)])
    if boundary(actor, permission, source, service.inherited_labels) is not None:
        return False
    target = (await at.event_store.load(item.target_stream)).records
    if not target:
        return not permission.where
    return await denial_of(at, service, actor, target) is None
