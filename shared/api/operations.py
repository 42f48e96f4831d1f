"""Health probes, positions (high-water marks) and alarms, without a token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.core import Metric

from shared.api.dependencies import Dependencies
from shared.api.metrics import exposition
from shared.api.problems import problem_response, problems
from shared.api.schemas import ServiceStatus, Status
from shared.domain.service import Service
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer.alarms import alarms, kind_of
from shared.privacy.keyring import KeyringUnavailable
from shared.servers.database import TRANSIENT, Pool, WriteProbe, retry_or_raise
from shared.servers.version import version


class OpenMetrics(PlainTextResponse):
    """An answer in the text format of OpenMetrics 1.0."""

    media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"


ANSWER_SECONDS: Final = 3.0
NOBODY: Final = "nobody"
"""The subject of no key, for whom the keyring is asked."""

_STATUS: Final = """
    select (select jsonb_build_object('position', position, 'offsets', offsets) from relayed) as relayed,
           (select count(*) from parked) as parked, (select count(distinct stream) from quarantine) as quarantined
"""


def add_health(app: FastAPI, write: WriteProbe | None = None) -> None:
    """Add the probes: live (the process answers) and ready (its database takes writes)."""
    write = write or WriteProbe()

    @app.get("/health/live", tags=["operations"])
    async def live() -> dict[str, str]:
        """Respond if the process runs."""
        return {"status": "live", "version": version()}

    @app.get("/health/ready", tags=["operations"], response_model=dict[str, str], responses=problems(503))
    async def is_ready(request: Request) -> JSONResponse:
        """Respond if a command would be taken: the database of the process takes writes, and its keyring answers."""
        deps = request.app.state.deps
        try:
            await write(deps.database)
            if isinstance(deps, Dependencies):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await deps.handler.keyring.existing_keys([NOBODY])
        except (*TRANSIENT, KeyringUnavailable) as error:
            return problem_response(
                "unavailable",
                "Not ready",
                f"The database takes no writes, or the keyring does not answer ({type(error).__name__}): try again in a moment.",
            )
        return JSONResponse({"status": "ready", "version": version()})


def add_metrics(
    app: FastAPI,
    service: str,
    consumed: Collection[str],
    own: Callable[[Pool], Awaitable[Iterable[Metric]]] | None = None,
    *,
    decides: bool,
) -> None:
    """Add the metrics of a service that consumes these topics, for Prometheus; `decides`: whether it has an event store.

    `own` reads further metrics from its database.
    """

    @app.get("/metrics", tags=["operations"], response_class=OpenMetrics, responses=problems(503))
    async def metrics(request: Request) -> OpenMetrics:
        """Report positions, lag, what waits, alarms, leases, clocks, requests, and the latency of each step (OpenMetrics 1.0)."""
        database = request.app.state.deps.database

        async def read_metrics() -> bytes:
            return await exposition(database, service, consumed, await own(database) if own else (), decides=decides)

        return OpenMetrics(await retry_or_raise(read_metrics, EventStoreUnavailable))


async def consumed_offsets(database: asyncpg.Pool[asyncpg.Record]) -> dict[str, dict[str, int]]:
    """Read how far the consumer group is that is furthest behind in this database: topic -> partition -> next offset."""
    offsets: dict[str, dict[str, int]] = {}
    for row in await database.fetch(
        "select topic, partition, min(next_offset) as next_offset from checkpoint group by topic, partition"
    ):
        offsets.setdefault(row["topic"], {})[str(row["partition"])] = row["next_offset"]
    return offsets


async def standing_alarms(database: asyncpg.Pool[asyncpg.Record]) -> list[dict[str, str]]:
    """List the open alarms of every process of the service, consumers and relay, without the ids of streams."""
    return [
        {
            "name": alarm.name,
            "consumer": alarm.consumer,
            "place": alarm.place,
            "raised_at": alarm.raised_at.isoformat(),
            "meaning": kind_of(alarm.name).meaning,
            "runbook": kind_of(alarm.name).runbook,
        }
        for alarm in await alarms(database)
    ]


def add_progress(
    app: FastAPI,
    service: str,
    topics: Collection[str],
    counts: Callable[[Pool], Awaitable[Mapping[str, Mapping[str, int]]]] | None = None,
) -> None:
    """Add `GET /status` of a service that decides nothing: how far it has consumed these topics, and what is held.

    `counts` reads what else waits in its database.
    """

    @app.get("/status", tags=["operations"], response_model=Status, responses=problems(503))
    async def status(request: Request) -> JSONResponse:
        """Report the progress of the projection, and the number of quarantined streams."""
        database = request.app.state.deps.database

        async def read_status() -> dict[str, Any]:
            return {
                "service": service,
                "time": datetime.now(UTC).isoformat(),
                "reacts_to": sorted(topics),
                "consumed": await consumed_offsets(database),
                "parked": 0,
                "quarantined": await database.fetchval("select count(distinct stream) from quarantine"),
                "alarms": await standing_alarms(database),
                **(await counts(database) if counts else {}),
            }

        return JSONResponse(await retry_or_raise(read_status, EventStoreUnavailable))


def add_operations(app: FastAPI, service: Service[Any]) -> None:
    """Add the probes, the metrics, and the positions of event store, relay and reactions (`GET /status`)."""
    add_health(app)
    add_metrics(app, service.name, service.consumed_topics, decides=True)

    @app.get("/status", tags=["operations"], response_model=ServiceStatus, responses=problems(503))
    async def status(request: Request) -> JSONResponse:
        """Report the positions of event store, relay and reactions, and the numbers of parked reactions and quarantined streams."""
        at: Dependencies = request.app.state.deps

        async def read_status() -> dict[str, Any]:
            # What is consumed is read before the position, so that the position includes what followed from it.
            consumed = await consumed_offsets(at.database)
            head = await at.event_store.head()
            (row,) = await at.database.fetch(_STATUS)
            return {
                "service": service.name,
                "time": max(datetime.now(UTC), head.recorded_at).isoformat(),
                "position": head.position,
                "relayed": json.loads(row["relayed"] or "null"),
                "reacts_to": list(service.consumed_topics),
                "consumed": consumed,
                "parked": row["parked"],
                "quarantined": row["quarantined"],
                "alarms": await standing_alarms(at.database),
            }

        return JSONResponse(await retry_or_raise(read_status, EventStoreUnavailable))
