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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.parameters import ACCESS_REASON, ID, Parameter
from shared.api.problems import problem_response
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.routes import declared
from shared.api.schemas import AlarmLine, Schema
from shared.database import Connection, retry_or_raise
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer import alarms, kind_of
from shared.messaging.consumer.decisions import (
    Decision,
    NothingHeld,
    acknowledge_alarm,
    decisions,
    release_gap,
    release_quarantined,
    request_retry,
)
from shared.messaging.consumer.quarantine import (
    HeldGap,
    QuarantinedRecord,
    QuarantinedStream,
    gaps,
    quarantined_records,
    quarantined_streams,
)

T = TypeVar("T")


class Identified(Protocol):
    """A line of a list, with the id by which it is decided about."""

    @property
    def id(self) -> UUID:
        """The id."""
        ...


L = TypeVar("L", bound=Identified)

READ: Final = "operations"
"""The right to read what is held and what was decided."""

DECIDE: Final = "operations_decide"
"""The right to decide about it."""

TAKEN_UP_SECONDS: Final = 10.0
"""How long the answer to a retry waits for the worker to have tried."""

_LOOK_SECONDS: Final = 0.1

REASON: Final = replace(
    ACCESS_REASON,
    description="Why this is decided: a code, such as the number of the incident. It is kept for ever with the decision.",
    hint=f"say why in this header: {ACCESS_REASON.hint}",
    required=True,
)
DRY_RUN: Final = Parameter(
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
_DECIDED: Final = (ID, DRY_RUN, REASON)
_RELEASED: Final = (ID, _THROUGH, DRY_RUN, REASON)


class StandingAlarm(AlarmLine):
    """An open alarm with its id, and the detail of this case."""

    id: UUID
    detail: str


class HeldStream(QuarantinedStream):
    """A stream in quarantine, with its first hundred records."""

    held: tuple[QuarantinedRecord, ...]


class Decided(Schema):
    """The decision on held records, or what it would be (`dry_run`)."""

    dry_run: bool
    records: int = Field(description="How many held records it concerns.")
    left: int | None = Field(description="How many are held afterwards; null: not known (yet).")
    error: str | None = Field(description="What the first of those met.")
    taken_up: bool = Field(description="Whether the worker has acted on it; one that is down does so when it starts.")
    decisions: list[Decision]


def add_quarantine(app: FastAPI, name: str) -> None:
    """Mount the routes on the API of a service of this name, whose `app.state.deps` has `database`, `gate` and `tokens`."""
    _add_alarms(app, name)
    _add_held(app, name)
    _add_retry(app, name)
    _add_releases(app, name)


def _add_alarms(app: FastAPI, name: str) -> None:
    @app.get("/v1/alarms", tags=["operations"], response_model=list[StandingAlarm], **declared(_LISTED))
    async def alarm_list(request: Request, actor: Caller) -> JSONResponse:
        """List the alarms that need a person, oldest first, with their details."""
        await let_read(request, actor, f"{name}/alarms")
        return _json_response(await _ask(request, _standing_alarms))

    @app.post("/v1/alarms/{id}/acknowledge", tags=["operations"], response_model=Decided, **declared(_DECIDED, 404))
    async def acknowledge(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Clear an alarm that is not cleared automatically; it is raised again if its cause lasts."""
        decision = await let_decide(request, actor, "ACKNOWLEDGE_ALARM", f"{name}/alarms/{read_id(id)}")

        async def decide(connection: Connection) -> list[Decision]:
            alarm = _of_id(id, await _standing_alarms(connection), "alarm")
            who = {"actor": decision.actor, "reason": decision.reason}
            return [await acknowledge_alarm(connection, alarm.consumer, alarm.name, alarm.place, **who)]

        return await _answer(request, decision, decide)


def _add_held(app: FastAPI, name: str) -> None:
    @app.get("/v1/quarantine", tags=["operations"], response_model=list[QuarantinedStream], **declared(_LISTED))
    async def held_streams(request: Request, actor: Caller) -> JSONResponse:
        """List the streams in quarantine, the oldest first."""
        await let_read(request, actor, f"{name}/quarantine")
        return _json_response(await _ask(request, quarantined_streams))

    @app.get("/v1/quarantine/{id}", tags=["operations"], response_model=HeldStream, **declared(_ONE, 404))
    async def held_records(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """List the held records of a stream in order, without their content: places, sizes, digests and errors."""
        await let_read(request, actor, f"{name}/quarantine/{read_id(id)}")

        async def look(connection: Connection) -> HeldStream:
            stream = _of_id(id, await quarantined_streams(connection), "stream in quarantine")
            records = await quarantined_records(connection, stream.consumer, stream.stream)
            return HeldStream(**dict(stream), held=tuple(records))

        try:
            return _json_response(await _ask(request, look))
        except NothingHeld as error:
            return nothing_response(error)

    @app.get("/v1/gaps", tags=["operations"], response_model=list[HeldGap], **declared(_LISTED))
    async def gap_list(request: Request, actor: Caller) -> JSONResponse:
        """List the streams that wait for a missing version, longest first."""
        await let_read(request, actor, f"{name}/gaps")
        return _json_response(await _ask(request, gaps))

    @app.get("/v1/decisions", tags=["operations"], response_model=list[Decision], **declared(_LISTED))
    async def decision_list(request: Request, actor: Caller) -> JSONResponse:
        """List the last thousand decisions, latest first."""
        await let_read(request, actor, f"{name}/decisions")
        return _json_response(await _ask(request, decisions))


def _add_retry(app: FastAPI, name: str) -> None:
    @app.post("/v1/quarantine/{id}/retry", tags=["operations"], response_model=Decided, **declared(_DECIDED, 404))
    async def retry(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Try the held records of a stream again, in order, to the first that fails; waits for the worker."""
        return await _decide(request, actor, "RETRY_QUARANTINE", f"{name}/quarantine", _STREAM, id, request_retry)


def _add_releases(app: FastAPI, name: str) -> None:
    @app.post("/v1/quarantine/{id}/release", tags=["operations"], response_model=Decided, **declared(_RELEASED, 404))
    async def release(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Skip the held records of a stream up to an offset: they will never be applied. The later ones are tried next."""
        through = request.query_params.get("through_offset")
        skip = partial(release_quarantined, through_offset=None if through is None else int(through))
        return await _decide(request, actor, "RELEASE_QUARANTINE", f"{name}/quarantine", _STREAM, id, skip)

    @app.post("/v1/gaps/{id}/release", tags=["operations"], response_model=Decided, **declared(_DECIDED, 404))
    async def release_a_gap(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Do without the versions that never came; the records that were held behind them are tried next."""
        return await _decide(request, actor, "RELEASE_GAP", f"{name}/gaps", _GAP, id, release_gap)


# --- who may, and what is asked -------------------------------------------------------------------


async def let_read(request: Request, actor: Actor, target: str) -> None:
    """Let a read pass the gate, which logs it; raises as every read does."""
    await request.app.state.deps.gate.read(actor, READ, target, read_reason(request))


class OperatorDecision:
    """Who decides and why, and whether it is only rehearsed."""

    def __init__(self, actor: Actor, reason: str, *, dry_run: bool) -> None:
        self.actor = f"{actor.role} {actor.id}"
        self.reason = reason
        self.dry_run = dry_run


async def let_decide(request: Request, actor: Actor, action: str, target: str) -> OperatorDecision:
    """Let a decision pass the gate, which logs it; raises as every read does."""
    dry_run = read_query(request).get("dry_run") == "true"
    reason = read_reason(request)
    assert reason is not None, "the route declares that it is required"
    await request.app.state.deps.gate.act(actor, DECIDE, f"REHEARSE_{action}" if dry_run else action, target, reason)
    return OperatorDecision(actor, reason, dry_run=dry_run)


def _of_id(id_: str, lines: Sequence[L], what: str) -> L:
    """Return the line of this id; raises `NothingHeld`."""
    wanted = read_id(id_)
    for line in lines:
        if line.id == wanted:
            return line
    raise NothingHeld(f"There is no {what} of the id {id_} here: it may have been settled meanwhile; list again.")


# --- what stands in the database ------------------------------------------------------------------


async def _standing_alarms(connection: Connection) -> list[StandingAlarm]:
    return [
        StandingAlarm(
            id=derived_uuid("alarm", one.consumer, one.name, one.place),
            meaning=kind_of(one.name).meaning,
            runbook=kind_of(one.name).runbook,
            **asdict(one),
        )
        for one in await alarms(connection)
    ]


async def _ask(request: Request, look: Callable[[Connection], Awaitable[T]]) -> T:
    async def once() -> T:
        async with request.app.state.deps.database.acquire() as connection:
            return await look(connection)

    return await retry_or_raise(once, EventStoreUnavailable)


@dataclass(frozen=True, slots=True)
class Concerned:
    """The stream that a decision concerns, and how many of its records are held."""

    consumer: str
    stream: str
    records: int


@dataclass(frozen=True, slots=True)
class _Kind:
    """What may be decided about: its name, and how those that stand are listed."""

    name: str
    listed: Callable[[Connection], Awaitable[Sequence[QuarantinedStream | HeldGap]]]


_STREAM: Final = _Kind("stream in quarantine", quarantined_streams)
_GAP: Final = _Kind("gap", gaps)


# --- answering ------------------------------------------------------------------------------------


async def _decide(
    request: Request,
    actor: Actor,
    action: str,
    place: str,
    kind: _Kind,
    id_: str,
    act: Callable[..., Awaitable[Decision | list[Decision]]],
) -> JSONResponse:
    """Decide about the held records of one stream."""
    decision = await let_decide(request, actor, action, f"{place}/{read_id(id_)}")
    found: list[Concerned] = []

    async def decide(connection: Connection) -> list[Decision]:
        one = _of_id(id_, await kind.listed(connection), kind.name)
        found[:] = [Concerned(one.consumer, one.stream, one.waiting if isinstance(one, HeldGap) else one.records)]
        made = await act(connection, one.consumer, one.stream, actor=decision.actor, reason=decision.reason)
        return made if isinstance(made, list) else [made]

    return await _answer(request, decision, decide, found)


async def _answer(
    request: Request,
    decision: OperatorDecision,
    decide: Callable[[Connection], Awaitable[list[Decision]]],
    concerned: Sequence[Concerned] | None = None,
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
        return nothing_response(error)
    skipped = sum(one.action == "skip" for one in made)
    answer = {
        "dry_run": decision.dry_run,
        "records": skipped or sum(one.records for one in concerned or ()),
        "left": None,
        "error": None,
        "taken_up": False,
        "decisions": made,
    }
    if concerned is None:
        answer |= {"left": 0, "taken_up": not decision.dry_run}
    elif not decision.dry_run:
        answer |= await _taken_up(request, concerned[0].consumer, concerned[0].stream)
    return _json_response(answer)


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


def _json_response(content: Any) -> JSONResponse:
    return JSONResponse(jsonable_encoder(content))


def nothing_response(error: NothingHeld) -> JSONResponse:
    """Build the response 404 to a decision about nothing."""
    return problem_response(404, "unknown", "There is nothing to decide", str(error))
