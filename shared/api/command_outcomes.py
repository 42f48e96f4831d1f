"""Following a receipt: GET /v1/commands/{command_id} says what a command recorded, and what waits of what follows from it.

A service knows its own database alone: the receipt, and the waits that other services have published. The commands that
follow are computed from the recorded events, as a dry run does. Whether one of them was recorded, or had nothing to do, is
for its service to say, under its own command id.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.dependencies import Dependencies
from shared.api.dry_run import Followers, members_of
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.problems import unknown_response
from shared.api.queries import history_of
from shared.api.request import Caller, read_id, read_reason
from shared.api.routes import declared
from shared.api.schemas import CommandOutcome, FollowingState
from shared.domain.consequences import FollowingCommand, following_commands
from shared.domain.service import Service
from shared.domain.waiting import is_wait
from shared.event_store import EventStoreUnavailable, RecordedEvent, StoredReceipt
from shared.messaging.parking import stream_with_nothing_to_do
from shared.messaging.waiting import KnownWait, WaitState, waits_named, waits_of
from shared.servers.database import retry_or_raise

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
        stored = (await at.event_store.load("", id_)).receipt
        if stored is not None and is_wait(stored.records[0].type):
            stored = None
        own = (await retry_or_raise(lambda: waits_named(at.database, [id_]), EventStoreUnavailable)).get(id_)
        if own is not None and (own.known.service != service.name or own.known.wait.kind != "REACTION"):
            own = None
        idle = None
        if stored is None and own is None:
            idle = await retry_or_raise(lambda: stream_with_nothing_to_do(at.database, id_), EventStoreUnavailable)
        stream = stored.stream if stored is not None else own.known.wait.targets[0] if own is not None else idle
        records: Sequence[RecordedEvent] = ()
        if stream is not None:
            records = await history_of(request, service, actor, stream.partition("/")[2], "state", f"/commands/{id_}")
        else:
            await at.gate.read(actor, "state", f"{service.name}/commands/{id_}", reason)
        # A stream that has not begun holds nothing that could not be read.
        unbegun = idle is not None and not (await at.event_store.load(idle)).records
        if not records and not unbegun:
            return unknown_response(
                "There is no such command",
                f"No command {id_} has been recorded in {service.name}, and none waits here: check the id, or ask later.",
            )
        state: Literal["recorded", "nothing_to_do", "waiting", "closed"] = "recorded"
        if stored is None:
            state = "nothing_to_do" if own is None else "closed" if own.closed else "waiting"
        answer = CommandOutcome(
            command_id=id_,
            state=state,
            receipt=None if stored is None else at.handler.receipt_of(id_, stored),
            sentence=own.known.wait.sentence if stored is None and own is not None else None,
            follows=[] if stored is None else await _follows(at, service, followers(), stored),
        )
        return JSONResponse(answer.model_dump(mode="json"))


async def _follows(
    at: Dependencies, service: Service[Any], followers: Iterable[Service[Any]], stored: StoredReceipt
) -> list[FollowingState]:
    """Look up the state of each command that follows from the recorded events."""
    facts = [service.events.read(record.body) for record in stored.records]
    following = list(following_commands(service, followers, facts))
    if not following:
        return []
    ids = [command.command_id for command in following]
    waits = await retry_or_raise(lambda: waits_named(at.database, ids), EventStoreUnavailable)
    own_waits = await retry_or_raise(lambda: waits_of(at.database, stored.stream), EventStoreUnavailable)
    quarantined = [known for known in own_waits if known.wait.kind == "STREAM" and known.wait.source == stored.stream]
    return [_state_of(command, waits.get(command.command_id), quarantined) for command in following]


def _state_of(following: FollowingCommand, wait: WaitState | None, quarantined: Sequence[KnownWait]) -> FollowingState:
    """Return the state of a following command, as far as this service knows it: waiting, in quarantine, or neither."""
    state: Literal["waiting", "quarantined", "closed", "not_waiting"] = "not_waiting"
    sentence = None
    if wait is not None and wait.known.service == following.service.name and (wait.closed or not wait.ended):
        state, sentence = "closed" if wait.ended else "waiting", wait.known.wait.sentence
    else:
        for known in quarantined:
            if known.service == following.service.name and known.wait.version <= following.fact.version:
                state, sentence = "quarantined", known.wait.sentence
                break
    return FollowingState(**members_of(following), state=state, sentence=sentence)
