"""Probes and positions, without a token and without data; and the reactions that wait."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, declared
from shared.api.problems import problem_response, problems
from shared.api.queries import denial_of
from shared.api.request import read_actor, read_query, read_reason
from shared.api.schemas import ServiceStatus, WaitingReaction
from shared.database import TRANSIENT, retry_or_raise
from shared.domain.messages import Actor
from shared.domain.permissions import AccessFacts, boundary
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer import alarms, kind_of
from shared.messaging.reactions import ParkedReaction, parked_reactions
from shared.runtime.service import Service

REACTIONS: Final = (ACCESS_REASON,)


def health(app: FastAPI, ready: Callable[[Request], Awaitable[None]]) -> None:
    """The probes: live says that the process answers, ready that it can do its work."""

    @app.get("/health/live", tags=["operations"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @app.get("/health/ready", tags=["operations"], response_model=dict[str, str], responses=problems(503))
    async def is_ready(request: Request) -> JSONResponse:
        """What it depends on answers."""
        try:
            await ready(request)
        except (*TRANSIENT, EventStoreUnavailable) as error:
            return problem_response(503, "unavailable", "Not ready", f"a database does not answer: {error}")
        return JSONResponse({"status": "ready"})


async def consumed(database: asyncpg.Pool[asyncpg.Record]) -> dict[str, dict[str, int]]:
    """How far the consumers with a checkpoint in this database have come: topic -> partition -> next offset."""
    found: dict[str, dict[str, int]] = {}
    for row in await database.fetch("select topic, partition, next_offset from checkpoint"):
        found.setdefault(row["topic"], {})[str(row["partition"])] = row["next_offset"]
    return found


async def standing_alarms(database: asyncpg.Pool[asyncpg.Record]) -> list[dict[str, str]]:
    """What a person must look at, of every process of the service: consumers and relay. Streams' ids are not told here."""
    async with database.acquire() as connection:
        return [
            {
                "name": alarm.name,
                "consumer": alarm.consumer,
                "place": alarm.place,
                "raised_at": alarm.raised_at.isoformat(),
                "meaning": kind_of(alarm.name).meaning,
                "runbook": kind_of(alarm.name).runbook,
            }
            for alarm in await alarms(connection)
        ]


def add_operations(app: FastAPI, service: Service[Any]) -> None:
    """Mount the probes, the positions and the list of reactions that wait."""

    async def ready(request: Request) -> None:
        await request.app.state.deps.event_store.head()

    health(app, ready)

    @app.get("/status", tags=["operations"], response_model=ServiceStatus, responses=problems(503))
    async def status(request: Request) -> JSONResponse:
        """Positions: of the event store, of the relay, of the reactions; how many reactions wait and streams are quarantined."""
        at: Dependencies = request.app.state.deps

        async def look() -> dict[str, Any]:
            head = await at.event_store.head()
            relayed = await at.database.fetchrow("select position, offsets from relayed")
            return {
                "service": service.name,
                "time": max(datetime.now(UTC), head.recorded_at).isoformat(),
                "position": head.position,
                "relayed": None
                if relayed is None
                else {"position": relayed["position"], "offsets": json.loads(relayed["offsets"])},
                "reacts_to": list(service.consumed_topics),
                "consumed": await consumed(at.database),
                "parked": await at.database.fetchval("select count(*) from parked"),
                "quarantined": await at.database.fetchval("select count(distinct stream) from quarantine"),
                "alarms": await standing_alarms(at.database),
            }

        return JSONResponse(await retry_or_raise(look, EventStoreUnavailable))

    @app.get(
        "/v1/reactions", tags=["operations"], response_model=list[WaitingReaction], openapi_extra=declared(REACTIONS)
    )
    async def reactions(request: Request) -> JSONResponse:
        """Reactions that were refused and wait until their target stream moves, oldest first: those in the reader's reach."""
        at: Dependencies = request.app.state.deps
        actor = await read_actor(request)
        read_query(request, REACTIONS)
        await at.gate.read(actor, "history", f"{service.name}/reactions", read_reason(request))
        async with at.database.acquire() as connection:
            waiting = await parked_reactions(connection)
        return JSONResponse([item.view() for item in waiting if await _in_reach(at, service, actor, item)])


async def _in_reach(at: Dependencies, service: Service[Any], actor: Actor, item: ParkedReaction) -> bool:
    """Whether an actor may read both ends of a reaction: the event that it follows, and its target if that has begun."""
    permission = service.permissions[actor.role]
    book = next(book for book in service.published if book.service == item.source_stream.partition("/")[0])
    source = AccessFacts.of_history(book, [book.read(item.body)])
    if boundary(actor, permission, source, service.inherited_labels) is not None:
        return False
    target = (await at.event_store.load(item.target_stream)).records
    if not target:
        return not permission.where
    return await denial_of(at, service, actor, target) is None
