"""Following a receipt: GET /v1/commands/{command_id} says what a command recorded, and what waits of what follows from it.

A service knows its own database alone. There it has the receipt, and what waits at the services that follow its events,
which their events of waits tell. The commands that follow are computed from the recorded events, as a dry run does. Whether
one of them was recorded, or had nothing to do, is for its service to say, under its own command id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.dependencies import Dependencies
from shared.api.dry_run import Followers
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.problems import problem_response
from shared.api.queries import history_of
from shared.api.request import Caller, read_id, read_reason
from shared.api.routes import declared
from shared.api.schemas import CommandOutcome, FollowingState
from shared.database import retry_or_raise
from shared.domain.consequences import FollowingCommand, following_commands
from shared.domain.service import Service
from shared.domain.waiting import is_wait
from shared.event_store import EventStoreUnavailable, RecordedEvent, StoredReceipt
from shared.messaging.parking import stream_with_nothing_to_do
from shared.messaging.waiting import KnownWait, WaitState, waits_named, waits_of

COMMAND_ID: Final = an_id("command_id", "The id of the command, as its receipt names it.", "path")
OUTCOME: Final = (COMMAND_ID, ACCESS_REASON)


def add_command_outcomes(app: FastAPI, service: Service[Any], followers: Followers) -> None:
    """Add the route of what a command recorded. `followers` are the services whose reactions follow its events."""

    @app.get("/v1/commands/{command_id}", tags=["queries"], response_model=CommandOutcome, **declared(OUTCOME, 404))
    async def command_outcome(request: Request, actor: Caller, command_id: str) -> JSONResponse:
        """Say what a command recorded, or that it waits, and the state of each command that follows in other services."""
        reason = read_reason(request)
        at: Dependencies = request.app.state.deps
        id_ = read_id(command_id, COMMAND_ID.name)
        stored = (await at.event_store.load("", id_)).kept
        if stored is not None and is_wait(stored.records[0].type):
            stored = None
        own = (await _waits(at, [id_])).get(id_)
        if own is not None and (own.known.service != service.name or own.known.wait.kind != "REACTION"):
            own = None
        idle = await _idle_stream(at, id_) if stored is None and own is None else None
        stream = stored.stream if stored is not None else own.known.wait.targets[0] if own is not None else idle
        records: Sequence[RecordedEvent] = ()
        if stream is not None:
            records = await history_of(request, service, actor, stream.partition("/")[2], "state", f"/commands/{id_}")
        else:
            await at.gate.read(actor, "state", f"{service.name}/commands/{id_}", reason)
        # A stream that has not begun holds nothing that could not be read.
        unbegun = idle is not None and not (await at.event_store.load(idle)).records
        if not records and not unbegun:
            return problem_response(
                404,
                "unknown",
                "There is no such command",
                f"No command {id_} has been recorded in {service.name}, and none waits here: check the id, or ask later.",
            )
        answer = CommandOutcome(
            command_id=id_,
            state=_state(stored, own),
            receipt=None if stored is None else at.handler.receipt_of(id_, stored),
            sentence=own.known.wait.sentence if stored is None and own is not None else None,
            follows=[] if stored is None else await _follows(at, service, followers(), stored),
        )
        return JSONResponse(answer.model_dump(mode="json"))


def _state(
    stored: StoredReceipt | None, own: WaitState | None
) -> Literal["recorded", "nothing_to_do", "waiting", "closed"]:
    if stored is not None:
        return "recorded"
    if own is None:
        return "nothing_to_do"
    return "closed" if own.closed else "waiting"


async def _idle_stream(at: Dependencies, command_id: UUID) -> str | None:
    """Look up where the command of a reaction had nothing to do."""

    async def look() -> str | None:
        async with at.database.acquire() as connection:
            return await stream_with_nothing_to_do(connection, command_id)

    return await retry_or_raise(look, EventStoreUnavailable)


async def _follows(
    at: Dependencies, service: Service[Any], followers: Iterable[Service[Any]], stored: StoredReceipt
) -> list[FollowingState]:
    """Look up the state of each command that follows from the recorded events."""
    facts = [service.events.read(record.body) for record in stored.records]
    following = list(following_commands(service, followers, facts))
    waits = await _waits(at, [one.command_id for one in following])
    held_streams = await _held_streams(at, stored.stream) if following else []
    return [_state_of(one, waits.get(one.command_id), held_streams) for one in following]


def _state_of(following: FollowingCommand, wait: WaitState | None, held_streams: Sequence[KnownWait]) -> FollowingState:
    """Return the state of a following command, as far as this service knows it: waiting, in quarantine, or neither."""
    quarantined = next(
        (
            one
            for one in held_streams
            if one.service == following.service.name and one.wait.version <= following.fact.version
        ),
        None,
    )
    state, sentence = "not_waiting", None
    if wait is not None and not wait.ended:
        state, sentence = "waiting", wait.known.wait.sentence
    elif wait is not None and wait.closed:
        state, sentence = "closed", wait.known.wait.sentence
    elif quarantined is not None:
        state, sentence = "quarantined", quarantined.wait.sentence
    return FollowingState.model_validate(
        {
            "service": following.service.name,
            "reaction": following.reaction.name,
            "command_id": following.command_id,
            "stream": following.stream,
            "type": following.effect.command.type,
            "event_id": following.fact.event_id,
            "only_if_begun": following.effect.if_begun,
            "state": state,
            "sentence": sentence,
        }
    )


async def _waits(at: Dependencies, ids: Sequence[UUID]) -> dict[UUID, WaitState]:
    async def look() -> dict[UUID, WaitState]:
        async with at.database.acquire() as connection:
            return await waits_named(connection, ids)

    return await retry_or_raise(look, EventStoreUnavailable)


async def _held_streams(at: Dependencies, stream: str) -> list[KnownWait]:
    """Load where the stream of a receipt is in quarantine."""

    async def look() -> list[KnownWait]:
        async with at.database.acquire() as connection:
            waits = await waits_of(connection, stream)
        return [one for one in waits if one.wait.kind == "STREAM" and one.wait.source == stream]

    return await retry_or_raise(look, EventStoreUnavailable)
