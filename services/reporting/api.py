"""The API of reporting: measures, cases and the daily sheet.

    GET /v1/measures/{measure}   ?from=&to=&group_by=&format=json|csv&as_of=&known_at=
    GET /v1/cases                ?state=&officer=&due_before=&page=
    GET /v1/cases/{case_id}      ?min_position=service:position (repeatable)
    GET /v1/duties               ?as_of=&overdue=

and what operators look at and decide, as on every service (shared/api/quarantine.py).

Each read passes the gate, like every read of the house. Cases and duties show what the owning services would show to
the same token (visibility.py); a case of another area answers as an unknown one. What is wrong is said in this order:
the token (401), the question (422), the right to ask it (403), and what is not there (404).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from services.reporting import queries
from services.reporting.access import ACCESS
from services.reporting.case_list import PANEL_QUEUE, CaseLine, list_cases
from services.reporting.cases import case
from services.reporting.csv_export import as_csv
from services.reporting.daily_sheet import daily_sheet
from services.reporting.ethnicity import Grant, keyring_grant
from services.reporting.measures import MEASURES
from services.reporting.read_models import CONSUMER, READ_MODELS
from services.reporting.visibility import Reader, reader_of
from shared.api.access_log import AccessLog
from shared.api.authentication import TokenVerifier
from shared.api.authorisation import ReadGate
from shared.api.boundary import guard
from shared.api.openapi import complete_openapi, new_application
from shared.api.operations import add_health, consumed_offsets, standing_alarms
from shared.api.parameters import (
    ACCESS_REASON,
    AS_OF,
    KNOWN_AT,
    ON_DAY,
    Parameter,
    a_day,
    an_id,
    choice,
    declared,
)
from shared.api.problems import (
    Malformed,
    install_handlers,
    problem_response,
    problems,
)
from shared.api.quarantine import add_quarantine
from shared.api.request import (
    read_actor,
    read_day,
    read_id,
    read_query,
    read_reason,
    read_time,
    today,
)
from shared.api.schemas import (
    DutyLine,
    Schema,
    StateView,
    Status,
)
from shared.database import create_pool, retry_or_raise
from shared.domain.messages import Actor
from shared.domain.permissions import Denial
from shared.domain.policy import NoPolicy
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer import log_alarms
from shared.messaging.projection_consumer import events_topic, has_reached
from shared.privacy.keyring import PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.settings import Settings

_MEASURE: Final = choice(
    "measure", "Which measure.", MEASURES, f"there is no such measure; there is {', '.join(MEASURES)}", "path"
)
_GROUPINGS: Final = {name: tuple(measure.groupings) for name, measure in MEASURES.items()}
_BY: Final = "; ".join(f"{name} by {' or '.join(known)}" for name, known in _GROUPINGS.items() if known)
_GROUP_BY: Final = choice(
    "group_by",
    f"Counts each group apart: {_BY}.",
    sorted({one for by in _GROUPINGS.values() for one in by}),
    f"group {_BY}",
)
_FORMAT: Final = choice("format", "How it is answered.", ("json", "csv"), "give json or csv", default="json")
_MEASURES: Final = (
    _MEASURE,
    a_day("from", "The first day of the period.", required=True),
    a_day("to", "The last day of the period.", required=True),
    _GROUP_BY,
    _FORMAT,
    AS_OF,
    KNOWN_AT,
    ACCESS_REASON,
)

_PAGE: Final = Parameter(
    "page",
    "Which page.",
    re.compile(r"[1-9][0-9]{0,4}"),
    "give a page number from 1 to 99999",
    schema={"type": "integer", "minimum": 1, "maximum": 99999, "default": 1},
)
_STATES: Final = tuple(
    dict.fromkeys(
        [
            PANEL_QUEUE,
            *(
                state
                for name in ("referral", "disposal", "rj_conference")
                for state in map(str, READ_MODELS[name].states)
            ),
        ]
    )
)
_STATE: Final = choice(
    "state",
    "Cases with work in this state; PANEL_QUEUE: with a referral that waits for the panel.",
    _STATES,
    f"there is no such state; there is {', '.join(_STATES)}",
)
_CASES: Final = (
    _PAGE,
    _STATE,
    an_id("officer", "Cases of which this officer has any work.", "query"),
    a_day("due_before", "Cases with an unmet duty that is due before this day."),
    ACCESS_REASON,
)

_MIN_POSITION: Final = Parameter(
    "min_position",
    "The position token of a receipt: the answer waits until that has been projected.",
    re.compile(f"({'|'.join(READ_MODELS)}):[0-9]{{1,18}}"),
    "give the position_token of a receipt, such as disposal:1234",
    repeatable=True,
)
_CASE: Final = (an_id("case_id", "Which case.", "path"), _MIN_POSITION, ACCESS_REASON)

_OVERDUE: Final = Parameter(
    "overdue",
    "true: only what is past its day; false: only the rest.",
    re.compile("true|false"),
    "give true or false",
    schema={"type": "boolean"},
)
_DUTIES: Final = (ON_DAY, _OVERDUE, ACCESS_REASON)


class Measured(BaseModel):
    """A measure of a period; the other members are the measure's own."""

    model_config = ConfigDict(extra="allow")

    measure: str
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    definition_version: str
    positions: dict[str, int]


class ListedDuty(DutyLine):
    """A duty with whose it is."""

    service: str
    stream: UUID
    case_ids: list[UUID]
    officer: UUID | None
    area: str | None


class Sheet(Schema):
    """The daily sheet."""

    as_of: date
    positions: dict[str, int]
    duties: list[ListedDuty]


class CaseList(Schema):
    """A page of cases."""

    page: int
    page_size: int
    total: int
    positions: dict[str, int]
    cases: list[CaseLine]


class CaseHead(Schema):
    """The members of a projected case beside its streams."""

    case_id: UUID
    area: str | None
    panel_queue: bool
    referral: StateView | None
    duties: list[ListedDuty]
    positions: dict[str, int]


_STREAMS: Final[dict[str, Any]] = {model.collection: (list[StateView], ...) for model in READ_MODELS.values()}
OneCase: Final[type[CaseHead]] = create_model(
    "OneCase",
    __base__=CaseHead,
    __doc__="The projected case: the streams of each service stand under its collection.",
    **_STREAMS,
)


PATIENCE_SECONDS: Final = 15.0
"""How long a query waits for the position that it asks for."""


@dataclass
class Dependencies:
    """What the API needs at hand while it runs."""

    database: asyncpg.Pool[asyncpg.Record]
    gate: ReadGate
    tokens: TokenVerifier
    ethnicity: Grant


def reporting_api(settings: Settings) -> FastAPI:
    """Build the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        kek = settings.read_kek()
        role = role_name(RoleKind.API, "reporting")
        database = await create_pool(settings.database("reporting", role), max_size=12)
        await log_alarms(database, "reporting-api")
        keys = await create_pool(settings.database("keyring", role), max_size=2)
        gate = ReadGate(AccessLog(database), ACCESS)
        tokens = TokenVerifier(settings.issuer, settings.audience, ("area",), needs_conflicts=settings.needs_conflicts)
        app.state.deps = Dependencies(database, gate, tokens, keyring_grant(PostgresKeyring(keys, kek)))
        try:
            yield
        finally:
            await database.close()
            await keys.close()

    app = new_application(
        "reporting of the out-of-court partnership",
        "What is counted and shown across services, from events. Every read is recorded.",
        lifespan=lifespan,
    )
    guard(app, settings)
    install_handlers(app)
    _measures(app)
    _cases(app)
    _duties(app)
    _operations(app)
    add_quarantine(app, "reporting")
    complete_openapi(app, settings)
    return app


async def _known(request: Request) -> tuple[Dependencies, Actor, str | None]:
    """Return the dependencies, the actor and the reason of a read, before any other check."""
    at: Dependencies = request.app.state.deps
    actor = await read_actor(request)
    return at, actor, read_reason(request)


async def _reader(at: Dependencies, actor: Actor) -> Reader:
    """Return the reader for an actor; raises `EventStoreUnavailable`."""
    return await retry_or_raise(lambda: reader_of(at.database, actor), EventStoreUnavailable)


def _measures(app: FastAPI) -> None:
    @app.get(
        "/v1/measures/{measure}",
        tags=["measures"],
        response_model=Measured,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The measure."}},
        openapi_extra=declared(_MEASURES),
    )
    async def measure(request: Request, measure: str) -> Response:
        """Answer a measure of a period of Europe/London days, both included, as JSON or CSV."""
        at, actor, reason = await _known(request)
        _MEASURE.validate(measure)
        query = read_query(request, _MEASURES)
        group_by = query.get("group_by")
        if group_by is not None and group_by not in _GROUPINGS[measure]:
            known = ", ".join(_GROUPINGS[measure])
            raise Malformed(("group_by", f"group {measure} by {known}" if known else f"leave it out for {measure}"))
        first, last = read_day(query, "from"), read_day(query, "to")
        if first is None or last is None:
            raise Malformed(
                *((name, "give a date, such as 2026-06-09") for name in ("from", "to") if name not in query)
            )
        if last < first:
            raise Malformed(("to", "the period ends before it begins: give a date that is not before 'from'"))
        as_of, known_at = read_time(query, "as_of"), read_time(query, "known_at")
        await at.gate.read(actor, "measures", f"reporting/measures/{measure}", reason)
        try:
            found = await retry_or_raise(
                lambda: queries.measure(
                    at.database, measure, first, last, group_by, as_of, known_at, ethnicity=at.ethnicity
                ),
                EventStoreUnavailable,
            )
        except NoPolicy:
            raise Malformed(
                ("to", "not every value that this measure needs is in force by then: give a later date")
            ) from None
        if query.get("format") == "csv":
            name = f"{measure}-{first}-{last}.csv"
            return Response(
                as_csv(found), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
            )
        return JSONResponse(found)


def _cases(app: FastAPI) -> None:
    @app.get("/v1/cases", tags=["cases"], response_model=CaseList, openapi_extra=declared(_CASES))
    async def case_list(request: Request) -> JSONResponse:
        """List the cases that the reader may see, those with the soonest duty first."""
        at, actor, reason = await _known(request)
        query = read_query(request, _CASES)
        officer = None if "officer" not in query else read_id(query["officer"], "officer")
        due_before = read_day(query, "due_before")
        await at.gate.read(actor, "cases", "reporting/cases", reason)
        reader = await _reader(at, actor)
        found = await retry_or_raise(
            lambda: list_cases(
                at.database,
                reader,
                state=query.get("state"),
                officer=officer,
                due_before=due_before,
                page=int(query.get("page", "1")),
            ),
            EventStoreUnavailable,
        )
        return JSONResponse(found)

    @app.get(
        "/v1/cases/{case_id}",
        tags=["cases"],
        response_model=OneCase,
        responses=problems(404),
        openapi_extra=declared(_CASE),
    )
    async def one_case(request: Request, case_id: str) -> JSONResponse:
        """Return the projected case: its streams by collection, and its duties; waits for `min_position`."""
        at, actor, reason = await _known(request)
        wanted = _min_positions(request)
        id_ = read_id(case_id, "case_id")
        found: dict[str, Any] | Denial | None = None
        late = None
        # Whom the gate refuses whatever the case is need not wait for that.
        if at.gate.refusal(actor, "cases", reason) is None:
            late = await _wait(at, wanted)
            # The answer is read first, since only it knows the case's area; it leaves after the gate has logged it.
            reader = await _reader(at, actor)
            found = await retry_or_raise(lambda: case(at.database, reader, id_), EventStoreUnavailable)
        denial = found if isinstance(found, Denial) else None
        await at.gate.read(actor, "cases", f"reporting/cases/{id_}", reason, denial=denial)
        if late:
            return problem_response(
                503,
                "not-yet",
                "Not yet",
                f"{late} has not been projected within {PATIENCE_SECONDS:g} seconds: ask again.",
            )
        if found is None or isinstance(found, Denial):
            return problem_response(
                404, "unknown", "There is no such case", f"Nothing is known of the case {id_}: check the id."
            )
        return JSONResponse(found)


def _min_positions(request: Request) -> dict[str, int]:
    """For each service the furthest position that is asked for; raises `Malformed`."""
    read_query(request, _CASE)
    found: dict[str, int] = {}
    for text in request.query_params.getlist("min_position"):
        service, _, position = text.partition(":")
        found[service] = max(found.get(service, 0), int(position))
    return found


async def _wait(at: Dependencies, wanted: Mapping[str, int]) -> str | None:
    """Wait until all positions have been projected; the first that was not in time."""
    until = time.monotonic() + PATIENCE_SECONDS
    for service, position in wanted.items():
        reached = partial(has_reached, at.database, CONSUMER, service, position)
        while not await retry_or_raise(reached, EventStoreUnavailable):
            if time.monotonic() > until:
                return f"{service}:{position}"
            await asyncio.sleep(0.02)
    return None


def _duties(app: FastAPI) -> None:
    @app.get("/v1/duties", tags=["duties"], response_model=Sheet, openapi_extra=declared(_DUTIES))
    async def duties(request: Request) -> JSONResponse:
        """Return the daily sheet: each duty that the reader may see and that is unmet at the end of a day, soonest first."""
        at, actor, reason = await _known(request)
        query = read_query(request, _DUTIES)
        overdue = query.get("overdue")
        day = read_day(query, "as_of") or today()
        await at.gate.read(actor, "duties", "reporting/duties", reason)
        reader = await _reader(at, actor)
        found = await retry_or_raise(
            lambda: daily_sheet(at.database, reader, day, None if overdue is None else overdue == "true"),
            EventStoreUnavailable,
        )
        return JSONResponse(found)


def _operations(app: FastAPI) -> None:
    async def ready(request: Request) -> None:
        await request.app.state.deps.database.fetchval("select 1")

    add_health(app, ready)

    @app.get("/status", tags=["operations"], response_model=Status, responses=problems(503))
    async def status(request: Request) -> JSONResponse:
        """Report the progress of the projection, and the number of quarantined streams."""
        at: Dependencies = request.app.state.deps

        async def look() -> dict[str, Any]:
            return {
                "service": "reporting",
                "time": datetime.now(UTC).isoformat(),
                "reacts_to": sorted(events_topic(service) for service in READ_MODELS),
                "consumed": await consumed_offsets(at.database),
                "parked": 0,
                "quarantined": await at.database.fetchval("select count(distinct stream) from quarantine"),
                "alarms": await standing_alarms(at.database),
            }

        return JSONResponse(await retry_or_raise(look, EventStoreUnavailable))
