"""The API of reporting: measures, cases and the daily sheet.

    GET /v1/measures/{measure}   ?from=&to=&group_by=&format=json|csv&as_of=&known_at=
    GET /v1/cases                ?state=&officer=&due_before=&page=
    GET /v1/cases/{case_id}      ?min_position=service:position (repeatable)
    GET /v1/duties               ?as_of=&overdue=

Each read passes the gate, like every read of the house. Cases and duties are those of the reader's own area.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from services.reporting import queries
from services.reporting.cases import case, cases
from services.reporting.ethnicity import Grant, keyring_grant
from services.reporting.measures import MEASURES
from services.reporting.period import BadQuestion
from services.reporting.readings import CONSUMER, READINGS
from services.reporting.sheet import daily_sheet
from services.reporting.table import as_csv
from services.vocabulary import Role
from shared.access import AccessLog, Gate, Tokens
from shared.api.asking import end_of_today, read_day, read_id, read_query, read_reason, read_time
from shared.api.operations import consumed, health, standing_alarms
from shared.database import pool, retrying
from shared.feed import events_topic, passed
from shared.keyring import PostgresKeyring
from shared.ledger import LedgerUnavailable
from shared.messages import Actor
from shared.problems import Malformed, install, problem
from shared.settings import Settings

_OFFICER: Final = frozenset({"cases", "duties", "measures"})
READERS: Final = {
    Role.SAFE_SCHOOLS_OFFICER.value: _OFFICER,
    Role.INTERNET_SAFETY_OFFICER.value: _OFFICER,
    Role.YJS_CASE_MANAGER.value: _OFFICER,
    Role.RJ_FACILITATOR.value: _OFFICER,
    Role.POLICE_DECISION_MAKER.value: _OFFICER,
    Role.SUPERVISOR.value: _OFFICER,
    Role.AUDITOR.value: _OFFICER,
    Role.DATA_PROTECTION_OFFICER.value: _OFFICER,
    Role.ANALYST.value: frozenset({"measures"}),
}
"""Role -> what it may read here: officers their cases, analysts numbers alone."""

REASONS: Final = frozenset({Role.AUDITOR.value, Role.DATA_PROTECTION_OFFICER.value})

STATE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
PAGE_NUMBER: Final = re.compile(r"[1-9][0-9]{0,4}")

PATIENCE_SECONDS: Final = 15.0
"""How long a query waits for the position that it asks for."""


@dataclass
class Surroundings:
    """What the API needs at hand while it runs."""

    database: asyncpg.Pool[asyncpg.Record]
    gate: Gate
    tokens: Tokens
    ethnicity: Grant


def reporting_api(settings: Settings) -> FastAPI:
    """The application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        kek = settings.read_kek()
        database = await pool(settings.database("reporting"), most=12)
        keys = await pool(settings.database("keyring"), most=2)
        gate = Gate(AccessLog(database), READERS, REASONS)
        tokens = Tokens(settings.issuer, settings.audience)
        app.state.at = Surroundings(database, gate, tokens, keyring_grant(PostgresKeyring(keys, kek)))
        try:
            yield
        finally:
            await database.close()
            await keys.close()

    app = FastAPI(
        title="reporting of the out-of-court partnership",
        version="1",
        description="What is counted and shown across services, from events. Every read is recorded.",
        lifespan=lifespan,
    )
    install(app)
    _measures(app)
    _cases(app)
    _duties(app)
    _operations(app)

    @app.exception_handler(BadQuestion)
    async def _bad(_request: Request, raised: Exception) -> JSONResponse:
        return problem(
            422,
            "malformed",
            "The question cannot be answered",
            str(raised),
            errors=[{"field": "query", "message": str(raised)}],
        )

    return app


async def _passing(request: Request, what: str, target: str, *, allowed: str | None = None) -> Actor:
    """The actor, once the gate has let the read pass."""
    at: Surroundings = request.app.state.at
    actor = await at.tokens.actor(request.headers.get("authorization"))
    await at.gate.read(actor, what, f"reporting/{target}", read_reason(request), allowed=allowed)
    return actor


def _areas(actor: Actor) -> list[str] | None:
    """The areas whose cases an actor sees; None: all."""
    area = actor.labels.get("area")
    return None if area == "*" else [] if area is None else [area]


def _measures(app: FastAPI) -> None:
    @app.get("/v1/measures/{measure}", tags=["measures"])
    async def measure(request: Request, measure: str) -> Response:
        """A measure of a period of Europe/London days, both included, as JSON or CSV."""
        query = read_query(request, "from", "to", "group_by", "format", "as_of", "known_at")
        wanted = query.get("format", "json")
        if wanted not in ("json", "csv"):
            raise Malformed(("format", "give json or csv"))
        first, last = read_day(query, "from"), read_day(query, "to")
        if first is None or last is None:
            raise Malformed(
                *((name, "give a date, such as 2026-06-09") for name in ("from", "to") if name not in query)
            )
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        at: Surroundings = request.app.state.at
        # The log takes no text that anyone may write into an address.
        await _passing(request, "measures", f"measures/{measure if measure in MEASURES else 'unknown'}")
        found = await retrying(
            lambda: queries.measure(
                at.database, measure, first, last, query.get("group_by"), as_of, known_at, ethnicity=at.ethnicity
            ),
            LedgerUnavailable,
        )
        if wanted == "csv":
            name = f"{measure}-{first}-{last}.csv"
            return Response(
                as_csv(found), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
            )
        return JSONResponse(found)


def _cases(app: FastAPI) -> None:
    @app.get("/v1/cases", tags=["cases"])
    async def case_list(request: Request) -> JSONResponse:
        """The cases of the reader's area, those with the soonest duty first."""
        query = read_query(request, "state", "officer", "due_before", "page")
        at: Surroundings = request.app.state.at
        page = query.get("page", "1")
        if not PAGE_NUMBER.fullmatch(page):
            raise Malformed(("page", "give a page number from 1 to 99999"))
        if "state" in query and not STATE.fullmatch(query["state"]):
            raise Malformed(("state", "give the code of a state, such as PANEL_QUEUE"))
        officer = None if "officer" not in query else read_id(query["officer"], "officer")
        due_before = read_day(query, "due_before")
        actor = await _passing(request, "cases", "cases")
        found = await retrying(
            lambda: cases(
                at.database,
                state=query.get("state"),
                officer=officer,
                due_before=due_before,
                page=int(page),
                areas=_areas(actor),
                barred=actor.conflicts,
            ),
            LedgerUnavailable,
        )
        return JSONResponse(found)

    @app.get("/v1/cases/{case_id}", tags=["cases"])
    async def one_case(request: Request, case_id: str) -> JSONResponse:
        """The projected case: its referral, disposals, conferences, sessions and duties; waits for `min_position`."""
        at: Surroundings = request.app.state.at
        wanted = _min_positions(request)
        id_ = read_id(case_id, "case_id")
        # The answer is read first, since only it knows the case's area; it leaves after the gate has logged it.
        actor = await at.tokens.actor(request.headers.get("authorization"))
        late = await _wait(at, wanted)
        found = None if late else await retrying(lambda: case(at.database, id_), LedgerUnavailable)
        await _passing(request, "cases", f"cases/{id_}", allowed=_barred(actor, id_, found))
        if late:
            return problem(
                503,
                "not-yet",
                "Not yet",
                f"{late} has not been projected within {PATIENCE_SECONDS:g} seconds: ask again.",
            )
        if found is None:
            return problem(
                404, "unknown", "There is no such case", f"Nothing is known of the case {id_}: check the id."
            )
        return JSONResponse(found)


def _barred(actor: Actor, case_id: UUID, found: dict[str, Any] | None) -> str | None:
    """Why an actor may not see this case, whatever the role: another area, or a declared conflict of interest."""
    if case_id in actor.conflicts:
        return "a conflict of interest is declared for this case"
    areas = _areas(actor)
    if found is not None and areas is not None and found["area"] is not None and found["area"] not in areas:
        return "this belongs to another area"
    return None


def _min_positions(request: Request) -> list[tuple[str, int]]:
    unknown = set(request.query_params) - {"min_position"}
    if unknown:
        raise Malformed(*((name, "there is no such parameter; there is min_position") for name in sorted(unknown)))
    found: list[tuple[str, int]] = []
    for text in request.query_params.getlist("min_position"):
        service, _, position = text.partition(":")
        if service not in READINGS or not position.isdecimal() or len(position) > 18:
            raise Malformed(("min_position", "give the position_token of a receipt, such as disposal:1234"))
        found.append((service, int(position)))
    return found


async def _wait(at: Surroundings, wanted: list[tuple[str, int]]) -> str | None:
    """Wait until all positions have been projected; the first that was not in time."""
    until = time.monotonic() + PATIENCE_SECONDS
    for service, position in wanted:
        while not await retrying(lambda: passed(at.database, CONSUMER, service, position), LedgerUnavailable):  # noqa: B023 - called at once
            if time.monotonic() > until:
                return f"{service}:{position}"
            await asyncio.sleep(0.02)
    return None


def _duties(app: FastAPI) -> None:
    @app.get("/v1/duties", tags=["duties"])
    async def duties(request: Request) -> JSONResponse:
        """The daily sheet: every duty of the reader's area that is not met at the end of a day, soonest first."""
        query = read_query(request, "as_of", "overdue")
        overdue = query.get("overdue")
        if overdue not in (None, "true", "false"):
            raise Malformed(("overdue", "give true or false"))
        day = read_day(query, "as_of") or end_of_today()
        at: Surroundings = request.app.state.at
        actor = await _passing(request, "duties", "duties")
        found = await retrying(
            lambda: daily_sheet(
                at.database, day, None if overdue is None else overdue == "true", _areas(actor), actor.conflicts
            ),
            LedgerUnavailable,
        )
        return JSONResponse(found)


def _operations(app: FastAPI) -> None:
    async def ready(request: Request) -> None:
        await request.app.state.at.database.fetchval("select 1")

    health(app, ready)

    @app.get("/status", tags=["operations"])
    async def status(request: Request) -> JSONResponse:
        """How far the projection has come, and how many streams are quarantined."""
        at: Surroundings = request.app.state.at

        async def look() -> dict[str, Any]:
            return {
                "service": "reporting",
                "time": datetime.now(UTC).isoformat(),
                "reacts_to": sorted(events_topic(service) for service in READINGS),
                "consumed": await consumed(at.database),
                "parked": 0,
                "quarantined": await at.database.fetchval("select count(distinct stream) from quarantine"),
                "alarms": await standing_alarms(at.database),
            }

        return JSONResponse(await retrying(look, LedgerUnavailable))
