"""The queries of a stream: its state, history and duties. Each passes the read gate before its response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.dependencies import Dependencies
from shared.api.history_view import history_view
from shared.api.parameters import ACCESS_REASON, AS_OF, ID, KNOWN_AT, ON_DAY, declared
from shared.api.problems import problem_response, problems
from shared.api.request import (
    read_actor,
    read_day,
    read_id,
    read_query,
    read_reason,
    read_time,
    today,
)
from shared.api.schemas import DutyLine, History, StateView
from shared.domain.duties_by_day import duties_on
from shared.domain.messages import Actor
from shared.domain.permissions import AccessFacts, Denial, read_denial
from shared.event_store import RecordedEvent
from shared.messaging.linking import linked_marks
from shared.runtime.service import Service

STATE: Final = (ID, AS_OF, KNOWN_AT, ACCESS_REASON)
HISTORY: Final = (ID, ACCESS_REASON)
DUTIES: Final = (ID, ON_DAY, KNOWN_AT, ACCESS_REASON)


def add_queries(app: FastAPI, service: Service[Any]) -> None:
    """Add the routes of the state, the history and the duties of a stream."""
    path = f"/v1/{service.collection}/{{id}}"

    @app.get(path, tags=["queries"], response_model=StateView, responses=problems(404), openapi_extra=declared(STATE))
    async def state(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """Return the state: of all events, or of those that had occurred by `as_of` and were recorded by `known_at`."""
        actor = await read_actor(request)
        query = read_query(request, STATE)
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        records = await history_of(request, service, actor, id, "state")
        facts = [_parse_closed(service, record) for record in records]
        view = service.read_model.view_of(facts, as_of=as_of, known_at=known_at) if facts else None
        if view is None:
            return not_found_response(service, id)
        shown = service.permissions[actor.role].shown(view)
        return JSONResponse({"id": str(read_id(id)), "version": facts[-1].version, **shown})

    @app.get(
        f"{path}/history",
        tags=["queries"],
        response_model=History,
        responses=problems(404),
        openapi_extra=declared(HISTORY),
    )
    async def history(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """List every event in order, with both times, actor, rules, rationale, hash and the ids of its corrections."""
        actor = await read_actor(request)
        read_query(request, HISTORY)
        records = await history_of(request, service, actor, id, "history")
        if not records:
            return not_found_response(service, id)
        personal = "personal" in service.permissions[actor.role].parts
        at: Dependencies = request.app.state.deps
        facts = await at.handler.open(records) if personal else [_parse_closed(service, record) for record in records]
        return JSONResponse({"stream": records[0].stream, "events": history_view(facts)})

    @app.get(
        f"{path}/duties",
        tags=["queries"],
        response_model=list[DutyLine],
        responses=problems(404),
        openapi_extra=declared(DUTIES),
    )
    async def duties(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """List the duties as they stood at the end of a day (today by default), by due date."""
        actor = await read_actor(request)
        query = read_query(request, DUTIES)
        as_of = read_day(query, "as_of") or today()
        records = await history_of(request, service, actor, id, "duties")
        if not records:
            return not_found_response(service, id)
        facts = [_parse_closed(service, record) for record in records]
        duties = duties_on(service.read_model, facts, as_of, read_time(query, "known_at"))
        return JSONResponse([duty.as_json(as_of) for duty in duties])


async def history_of(
    request: Request,
    service: Service[Any],
    actor: Actor,
    id_: str,
    part: str,
    path: str = "",
    only: frozenset[str] | None = None,
) -> list[RecordedEvent]:
    """Pass the read gate and load the records of a stream. `only` limits the roles.

    Returns an empty list if the stream does not exist, or the actor may not know of it.
    Raises `NotAllowed`, `LogUnavailable`, `EventStoreUnavailable` or `Malformed`.
    """
    at: Dependencies = request.app.state.deps
    stream = service.stream_name(read_id(id_))
    reason = read_reason(request)
    records = list((await at.event_store.load(stream)).records)
    denial: Denial | None
    if only is not None and actor.role not in only:
        denial = Denial(
            f"the role {actor.role} may not print this: ask a colleague with the role {' or '.join(sorted(only))}"
        )
    else:
        denial = await denial_of(at, service, actor, records)
    return records if await at.gate.read(actor, part, f"{stream}{path}", reason, denial=denial) else []


def not_found_response(service: Service[Any], id_: str) -> JSONResponse:
    """Build the response 404: the stream does not exist, or did not exist then."""
    return problem_response(
        404,
        "unknown",
        "There is no such record",
        f"{service.stream_name(read_id(id_))} does not exist, or did not exist then: check the id and the times.",
    )


async def denial_of(
    at: Dependencies, service: Service[Any], actor: Actor, records: Sequence[RecordedEvent]
) -> Denial | None:
    """Check the permission of an actor for the stream of these records. Returns None if it may be read."""
    permission = service.permissions.get(actor.role)
    if not records or permission is None:
        return None
    if permission.where or actor.conflicts:
        facts = AccessFacts.of_history(service.events, [_parse_closed(service, record) for record in records])
    else:
        facts = AccessFacts.of_opening(records[0].body)
    linked = await linked_marks(at.database, facts.mentions) if permission.linked else frozenset[str]()
    return read_denial(actor, permission, facts, service.inherited_labels, linked)


def _parse_closed(service: Service[Any], record: RecordedEvent) -> Any:
    """Parse a record without decryption, since state and duties need no personal field."""
    return service.events.read(record.body, position=record.position, recorded_at=record.recorded_at, hash=record.hash)
