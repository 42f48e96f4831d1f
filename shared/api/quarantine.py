"""Held records, gaps, alarms, and what operators decide about them: the same routes on every service that consumes events.

GET  /v1/alarms                       what a person must look at, with what is known of it
POST /v1/alarms/{id}/acknowledge      take an alarm back that nothing takes back by itself
GET  /v1/quarantine                   streams whose records are held (the dead letters of this service's consumer)
GET  /v1/quarantine/{id}              the held records of one, without their content
POST /v1/quarantine/{id}/retry        try them again
POST /v1/quarantine/{id}/release      skip them up to an offset: they will never be applied
GET  /v1/gaps                         streams that wait for a missing version
POST /v1/gaps/{id}/release            do without the missing versions
GET  /v1/decisions                    what was decided, by whom and why, latest first

Every decision can be rehearsed (`dry_run=true`), needs a reason, and is kept for ever. The API records it; the worker,
which alone has what applies an event, takes it up within a second.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.parameters import ACCESS_REASON, ID, Parameter, declared
from shared.api.problems import Malformed, problem_response, problems
from shared.api.request import (
    read_actor,
    read_id,
    read_query,
    read_reason,
)
from shared.api.schemas import AlarmLine, Schema
from shared.database import Connection, retry_or_raise
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer import alarms, kind_of, quarantined_streams
from shared.messaging.consumer.decisions import (
    Decision,
    NothingHeld,
    acknowledge_alarm,
    decisions,
    release_gap,
    release_quarantined,
    request_retry,
)
from shared.messaging.consumer.quarantine import gaps, quarantined_records

T = TypeVar("T")

READ: Final = "operations"
"""The right to read what is held and what was decided."""

DECIDE: Final = "operations_decide"
"""The right to decide about it."""

TAKEN_UP_SECONDS: Final = 10.0
"""How long the answer to a retry waits for the worker to have tried."""

_LOOK_SECONDS: Final = 0.1

_REASON: Final = replace(
    ACCESS_REASON,
    description="Why this is decided: a code, such as the number of the incident. It is kept for ever with the decision.",
    required=True,
)
_DRY_RUN: Final = Parameter(
    "dry_run",
    "true: say what would be done, and do nothing.",
    re.compile("true|false"),
    "give true or false",
    schema={"type": "boolean", "default": False},
)
_THROUGH: Final = Parameter(
    "through_offset",
    "The offset of the last record to be skipped; all held records of the stream where it is absent.",
    re.compile("[0-9]{1,18}"),
    "give the offset of a held record",
    schema={"type": "integer", "minimum": 0},
)
_LISTED: Final = (ACCESS_REASON,)
_ONE: Final = (ID, ACCESS_REASON)
_DECIDED: Final = (ID, _DRY_RUN, _REASON)
_RELEASED: Final = (ID, _THROUGH, _DRY_RUN, _REASON)


class StandingAlarm(AlarmLine):
    """An alarm with what is known of it."""

    id: UUID
    detail: str


class HeldStream(Schema):
    """A stream whose records are held, in order, behind one that could not be taken."""

    id: UUID
    consumer: str
    stream: str
    records: int
    since: datetime
    cause: str = Field(description="The name of the alarm that the first record raised.")
    error: str


class HeldHeader(Schema):
    """A header of a held record, without its content."""

    name: str
    bytes: int | None


class HeldRecord(Schema):
    """A held record: what places it, and of its content only sizes and digests."""

    topic: str
    partition: int
    offset: int
    version: int | None
    type: str
    event_id: str
    position: int
    recorded_at: datetime | None
    hash: str
    cause: str
    error: str
    counted: bool
    quarantined_at: datetime
    headers: list[HeldHeader]
    body_bytes: int
    body_sha256: str


class HeldRecords(HeldStream):
    """A stream whose records are held, with its first hundred."""

    held: list[HeldRecord]


class GapLine(Schema):
    """A stream that waits for a missing version: it was taken to `held`, and `found` is what came."""

    id: UUID
    consumer: str
    topic: str
    partition: int
    offset: int
    stream: str
    held: int
    found: int
    waiting: int
    since: datetime


class DecisionLine(Schema):
    """A decision, as it is kept for ever."""

    consumer: str
    action: str
    stream: str
    first_version: int | None
    last_version: int | None
    topic: str | None
    partition: int | None
    offset: int | None
    cause: str
    error: str
    counted: bool
    actor: str
    reason: str
    decided_at: datetime


class Decided(Schema):
    """What was decided, or would be."""

    dry_run: bool
    records: int = Field(description="How many held records it concerns.")
    left: int | None = Field(description="How many are held afterwards; null: not known (yet).")
    error: str | None = Field(description="What the first of those met.")
    taken_up: bool = Field(description="Whether the worker has acted on it; one that is down does so when it starts.")
    decisions: list[DecisionLine]


def add_quarantine(app: FastAPI, name: str) -> None:
    """Mount the routes on the API of a service of this name, whose `app.state.at` has `database`, `gate` and `tokens`."""
    _add_alarms(app, name)
    _add_held(app, name)
    _add_retry(app, name)
    _add_releases(app, name)


def _add_alarms(app: FastAPI, name: str) -> None:
    @app.get("/v1/alarms", tags=["operations"], response_model=list[StandingAlarm], openapi_extra=declared(_LISTED))
    async def alarm_list(request: Request) -> JSONResponse:
        """What a person must look at, oldest first, with what is known of it."""
        await _let_read(request, _LISTED, f"{name}/alarms")
        return _shown(await _ask(request, _standing))

    @app.post(
        "/v1/alarms/{id}/acknowledge",
        tags=["operations"],
        response_model=Decided,
        responses=problems(404),
        openapi_extra=declared(_DECIDED),
    )
    async def acknowledge(request: Request, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Take an alarm back that nothing takes back by itself; one whose cause lasts is raised again."""
        decision = await _let_decide(request, _DECIDED, "ACKNOWLEDGE_ALARM", f"{name}/alarms/{read_id(id)}")

        async def decide(connection: Connection) -> list[Decision]:
            alarm = _of_id(id, await _standing(connection), "alarm")
            who = {"actor": decision.actor, "reason": decision.reason}
            return [await acknowledge_alarm(connection, alarm["consumer"], alarm["name"], alarm["place"], **who)]

        return await _answer(request, decision, decide)


def _add_held(app: FastAPI, name: str) -> None:
    @app.get("/v1/quarantine", tags=["operations"], response_model=list[HeldStream], openapi_extra=declared(_LISTED))
    async def held_streams(request: Request) -> JSONResponse:
        """The streams whose records are held, longest first."""
        await _let_read(request, _LISTED, f"{name}/quarantine")
        return _shown(await _ask(request, _held))

    @app.get(
        "/v1/quarantine/{id}",
        tags=["operations"],
        response_model=HeldRecords,
        responses=problems(404),
        openapi_extra=declared(_ONE),
    )
    async def held_records(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """The held records of a stream in order, without their content: places, sizes, digests and errors."""
        await _let_read(request, _ONE, f"{name}/quarantine/{read_id(id)}")

        async def look(connection: Connection) -> dict[str, Any]:
            stream = _of_id(id, await _held(connection), "stream in quarantine")
            held = await quarantined_records(connection, stream["consumer"], stream["stream"])
            shown = [
                {**asdict(one), "headers": [{"name": header, "bytes": size} for header, size in one.headers]}
                for one in held
            ]
            return {**stream, "held": shown}

        try:
            return _shown(await _ask(request, look))
        except NothingHeld as error:
            return _nothing(error)

    @app.get("/v1/gaps", tags=["operations"], response_model=list[GapLine], openapi_extra=declared(_LISTED))
    async def gap_list(request: Request) -> JSONResponse:
        """The streams that wait for a missing version, longest first."""
        await _let_read(request, _LISTED, f"{name}/gaps")
        return _shown(await _ask(request, _gaps))

    @app.get("/v1/decisions", tags=["operations"], response_model=list[DecisionLine], openapi_extra=declared(_LISTED))
    async def decision_list(request: Request) -> JSONResponse:
        """The last thousand decisions, latest first."""
        await _let_read(request, _LISTED, f"{name}/decisions")
        return _shown([asdict(one) for one in await _ask(request, decisions)])


def _add_retry(app: FastAPI, name: str) -> None:
    @app.post(
        "/v1/quarantine/{id}/retry",
        tags=["operations"],
        response_model=Decided,
        responses=problems(404),
        openapi_extra=declared(_DECIDED),
    )
    async def retry(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """Try the held records of a stream again, in order, to the first that fails; waits for the worker."""
        decision = await _let_decide(request, _DECIDED, "RETRY_QUARANTINE", f"{name}/quarantine/{read_id(id)}")
        found: dict[str, Any] = {}

        async def decide(connection: Connection) -> list[Decision]:
            found.update(_of_id(id, await _held(connection), "stream in quarantine"))
            who = {"actor": decision.actor, "reason": decision.reason}
            return [await request_retry(connection, found["consumer"], found["stream"], **who)]

        return await _answer(request, decision, decide, found)


def _add_releases(app: FastAPI, name: str) -> None:
    @app.post(
        "/v1/quarantine/{id}/release",
        tags=["operations"],
        response_model=Decided,
        responses=problems(404),
        openapi_extra=declared(_RELEASED),
    )
    async def release(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """Skip the held records of a stream up to an offset: they will never be applied. The later ones are tried next."""
        decision = await _let_decide(request, _RELEASED, "RELEASE_QUARANTINE", f"{name}/quarantine/{read_id(id)}")
        through = request.query_params.get("through_offset")
        found: dict[str, Any] = {}

        async def decide(connection: Connection) -> list[Decision]:
            found.update(_of_id(id, await _held(connection), "stream in quarantine"))
            return await release_quarantined(
                connection,
                found["consumer"],
                found["stream"],
                through_offset=None if through is None else int(through),
                actor=decision.actor,
                reason=decision.reason,
            )

        return await _answer(request, decision, decide, found)

    @app.post(
        "/v1/gaps/{id}/release",
        tags=["operations"],
        response_model=Decided,
        responses=problems(404),
        openapi_extra=declared(_DECIDED),
    )
    async def release_a_gap(request: Request, id: str) -> JSONResponse:  # noqa: A002
        """Do without the versions that never came; the records that were held behind them are tried next."""
        decision = await _let_decide(request, _DECIDED, "RELEASE_GAP", f"{name}/gaps/{read_id(id)}")
        found: dict[str, Any] = {}

        async def decide(connection: Connection) -> list[Decision]:
            gap = _of_id(id, await _gaps(connection), "gap")
            found.update(gap, records=gap["waiting"])
            who = {"actor": decision.actor, "reason": decision.reason}
            return [await release_gap(connection, gap["consumer"], gap["stream"], **who)]

        return await _answer(request, decision, decide, found)


# --- who may, and what is asked -------------------------------------------------------------------


async def _let_read(request: Request, known: tuple[Parameter, ...], target: str) -> None:
    """Let a read pass the gate, which logs it; raises as every read does."""
    actor = await read_actor(request)
    read_query(request, known)
    await request.app.state.deps.gate.read(actor, READ, target, read_reason(request))


class _Decision:
    """Who decides and why, and whether it is only rehearsed."""

    def __init__(self, actor: Actor, reason: str, *, dry_run: bool) -> None:
        self.actor = f"{actor.role} {actor.id}"
        self.reason = reason
        self.dry_run = dry_run


async def _let_decide(request: Request, known: tuple[Parameter, ...], action: str, target: str) -> _Decision:
    """Let a decision pass the gate, which logs it; raises as every read does, and `Malformed` without a reason."""
    actor = await read_actor(request)
    dry_run = read_query(request, known).get("dry_run") == "true"
    reason = read_reason(request)
    if reason is None:
        raise Malformed((_REASON.name, f"say why in this header: {_REASON.hint}"))
    await request.app.state.deps.gate.act(actor, DECIDE, f"REHEARSE_{action}" if dry_run else action, target, reason)
    return _Decision(actor, reason, dry_run=dry_run)


def _of_id(id_: str, lines: list[dict[str, Any]], what: str) -> dict[str, Any]:
    """The line of this id; raises `NothingHeld`."""
    wanted = str(read_id(id_))
    for line in lines:
        if line["id"] == wanted:
            return line
    raise NothingHeld(f"There is no {what} of the id {id_} here: it may have been settled meanwhile; list again.")


# --- what stands in the database ------------------------------------------------------------------


async def _standing(connection: Connection) -> list[dict[str, Any]]:
    return [
        {
            "id": str(derived_uuid("alarm", one.consumer, one.name, one.place)),
            "name": one.name,
            "meaning": kind_of(one.name).meaning,
            "runbook": kind_of(one.name).runbook,
            "consumer": one.consumer,
            "place": one.place,
            "detail": one.detail,
            "raised_at": one.raised_at,
        }
        for one in await alarms(connection)
    ]


async def _held(connection: Connection) -> list[dict[str, Any]]:
    return [
        {
            "id": str(_stream_id(one.consumer, one.stream)),
            "consumer": one.consumer,
            "stream": one.stream,
            "records": one.events,
            "since": one.since,
            "cause": one.alarm,
            "error": one.error,
        }
        for one in await quarantined_streams(connection)
    ]


async def _gaps(connection: Connection) -> list[dict[str, Any]]:
    return [{"id": str(_stream_id(one.consumer, one.stream)), **asdict(one)} for one in await gaps(connection)]


def _stream_id(consumer: str, stream: str) -> UUID:
    """An id for an address: a record from outside may have called its stream by any name."""
    return derived_uuid("quarantine", consumer, stream)


async def _ask(request: Request, look: Callable[[Connection], Awaitable[T]]) -> T:
    async def once() -> T:
        async with request.app.state.deps.database.acquire() as connection:
            return await look(connection)

    return await retry_or_raise(once, EventStoreUnavailable)


# --- answering ------------------------------------------------------------------------------------


async def _answer(
    request: Request,
    decision: _Decision,
    decide: Callable[[Connection], Awaitable[list[Decision]]],
    stream: dict[str, Any] | None = None,
) -> JSONResponse:
    """Decide in one transaction, or rehearse it and roll it back; of a stream, wait until the worker has acted."""

    async def once(connection: Connection) -> list[Decision]:
        transaction = connection.transaction()
        await transaction.start()
        try:
            made = await decide(connection)
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if decision.dry_run else transaction.commit())
        return made

    try:
        made = await _ask(request, once)
    except NothingHeld as error:
        return _nothing(error)
    skipped = sum(one.action == "skip" for one in made)
    answer = {
        "dry_run": decision.dry_run,
        "records": skipped or (stream or {}).get("records", 0),
        "left": None,
        "error": None,
        "taken_up": False,
        "decisions": [asdict(one) for one in made],
    }
    if stream is None:
        answer |= {"left": 0, "taken_up": not decision.dry_run}
    elif not decision.dry_run:
        answer |= await _taken_up(request, stream["consumer"], stream["stream"])
    return _shown(answer)


_STATE: Final = """
    select count(*)::int as left, coalesce(bool_or(retry), false) as asked,
           (array_agg(error order by version nulls first, topic, partition, "offset"))[1] as error
    from quarantine where consumer = $1 and stream = $2
"""


async def _taken_up(request: Request, consumer: str, stream: str) -> dict[str, Any]:
    """Wait until the worker has tried the stream, and say what became of it; empty where it does not in time."""
    until = time.monotonic() + TAKEN_UP_SECONDS
    while True:
        row = await _ask(request, lambda connection: connection.fetchrow(_STATE, consumer, stream))
        if not row["asked"]:
            return {"left": row["left"], "error": row["error"], "taken_up": True}
        if time.monotonic() >= until:
            return {}
        await asyncio.sleep(_LOOK_SECONDS)


def _shown(content: Any) -> JSONResponse:
    return JSONResponse(jsonable_encoder(content))


def _nothing(error: NothingHeld) -> JSONResponse:
    return problem_response(404, "unknown", "There is nothing to decide", str(error))
