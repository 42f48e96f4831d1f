"""Following a receipt: GET /v1/commands/{command_id} returns a command's events, or its wait, and the following commands.

A service knows its own database alone. The commands that follow are computed from the recorded events, as a dry run does.
The outcome of each is in its own service, under its own command id.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.dependencies import Dependencies
from shared.api.dry_run import Services, members_of
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.problems import unknown_response
from shared.api.queries import history_of
from shared.api.request import Caller, read_id, read_reason
from shared.api.routes import declared
from shared.api.schemas import CommandOutcome, Following
from shared.domain.consequences import following_commands
from shared.domain.service import Service
from shared.domain.waiting import Wait, is_wait
from shared.event_store import EventStoreUnavailable, RecordedEvent
from shared.messaging.parking import stream_with_nothing_to_do
from shared.messaging.reactions import parked_reaction
from shared.messaging.waits import closed_wait, reaction_wait
from shared.servers.database import Connection, retry_or_raise

COMMAND_ID: Final = an_id("command_id", "The id of the command, as its receipt names it.", "path")
OUTCOME: Final = (COMMAND_ID, ACCESS_REASON)


def add_command_outcomes(app: FastAPI, service: Service[Any], services: Services) -> None:
    """Add the route of what a command recorded. The reactions of `services` follow its events."""

    @app.get("/v1/commands/{command_id}", tags=["queries"], response_model=CommandOutcome, **declared(OUTCOME, 404))
    async def command_outcome(request: Request, actor: Caller, command_id: str) -> JSONResponse:
        """Say what a command recorded, or that it waits, and which commands follow in other services."""
        reason = read_reason(request)
        at: Dependencies = request.app.state.deps
        id_ = read_id(command_id, COMMAND_ID.name)
        stored = (await at.event_store.load("", id_)).receipt
        if stored is not None and is_wait(stored.records[0].type):
            stored = None
        waits = closed = idle = None
        if stored is None:
            waits, closed = await retry_or_raise(lambda: _wait_of(at.database, service, id_), EventStoreUnavailable)
        own = waits or closed
        if stored is None and own is None:
            idle = await retry_or_raise(lambda: stream_with_nothing_to_do(at.database, id_), EventStoreUnavailable)
        stream = stored.stream if stored is not None else own.targets[0] if own is not None else idle
        records: Sequence[RecordedEvent] = ()
        if stream is not None:
            _, records = await history_of(
                request, service, actor, stream.partition("/")[2], "state", f"/commands/{id_}"
            )
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
            state = "waiting" if waits else "closed" if closed else "nothing_to_do"
        facts = [service.events.read(record.body) for record in stored.records] if stored else []
        following = following_commands(service, services(), facts) if facts else ()
        answer = CommandOutcome(
            command_id=id_,
            state=state,
            receipt=None if stored is None else at.handler.receipt_of(id_, stored),
            sentence=own.sentence if stored is None and own is not None else None,
            follows=[Following(**members_of(one)) for one in following],
        )
        return JSONResponse(answer.model_dump(mode="json"))


async def _wait_of(connection: Connection, service: Service[Any], id_: UUID) -> tuple[Wait | None, Wait | None]:
    """Return the standing and the closed wait under the id of a reaction's command."""
    parked = await parked_reaction(connection, id_)
    if parked is not None:
        return reaction_wait(service, parked).wait, None
    return None, await closed_wait(connection, service, id_)
