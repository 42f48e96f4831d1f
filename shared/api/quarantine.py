"""Held records, gaps, alarms, and operators' decisions: the same routes on every service that consumes events.

GET  /v1/alarms                       the alarms that need a person, with details
POST /v1/alarms/{id}/attend           attend to an alarm, which stays open
POST /v1/alarms/{id}/acknowledge      clear an alarm that is not cleared automatically
GET  /v1/quarantine                   streams whose records are held (the dead letters of this service's consumer)
GET  /v1/quarantine/{id}              the held records of one, without their content
POST /v1/quarantine/{id}/retry        try them again
POST /v1/quarantine/{id}/release      skip them up to an offset: they will never be applied
GET  /v1/gaps                         streams that wait for a missing version
POST /v1/gaps/{id}/release            skip the missing versions
GET  /v1/decisions                    the decisions with actor and reason, latest first

Every decision can be rehearsed (`dry_run=true`), needs a reason, and is kept for ever. The API records it; the worker,
which alone has what applies an event, takes it up within a second.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.parameters import ACCESS_REASON, ID, Parameter
from shared.api.problems import unknown_response
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.routes import declared
from shared.api.schemas import AlarmLine, Schema
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.event_store import EventStoreUnavailable
from shared.messaging.consumer.alarms import alarms, kind_of
from shared.messaging.consumer.decisions import (
    Decision,
    NothingHeld,
    acknowledge_alarm,
    attend_alarm,
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
from shared.servers.database import Connection, retry_or_raise

T = TypeVar("T")

TAKEN_UP_SECONDS: Final = 10.0
"""The longest wait of a retry for the worker to try."""

LOOK_SECONDS: Final = 0.1

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
    "The offset of the last record to be skipped; all held records of the stream if it is absent.",
    re.compile("[0-9]{1,18}"),
    "give the offset of a held record",
    schema={"type": "integer", "minimum": 0},
)
LISTED: Final = (ACCESS_REASON,)
ONE: Final = (ID, ACCESS_REASON)
DECIDED: Final = (ID, DRY_RUN, REASON)


class StandingAlarm(AlarmLine):
    """An open alarm with its id, and the detail of this case."""

    id: UUID
    detail: str
    attended_by: str | None = Field(description="Who looks after it: role and id; null: nobody yet.")
    attended_at: datetime | None = Field(description="Since when.")


class HeldStream(QuarantinedStream):
    """A stream in quarantine, with its first hundred records."""

    held: tuple[QuarantinedRecord, ...]


L = TypeVar("L", bound=StandingAlarm | QuarantinedStream | HeldGap)


class Decided(Schema):
    """The decision on held records, or what it would be (`dry_run`)."""

    dry_run: bool
    records: int = Field(description="How many held records it concerns.")
    left: int | None = Field(description="How many are held afterwards; null: not known (yet).")
    error: str | None = Field(description="What the first of those met.")
    taken_up: bool = Field(description="Whether the worker has acted on it; one that is down does so when it starts.")
    decisions: list[Decision]


def add_quarantine(app: FastAPI, name: str) -> None:
    """Add the routes to the API of a service of this name, whose `app.state.deps` has `database`, `gate` and `tokens`."""
    _add_alarms(app, name)
    _add_held(app, name)
    _add_decisions(app, name)


def _add_alarms(app: FastAPI, name: str) -> None:
    @app.get("/v1/alarms", tags=["operations"], response_model=list[StandingAlarm], **declared(LISTED))
    async def alarm_list(request: Request, actor: Caller) -> JSONResponse:
        """List the alarms that need a person, oldest first, with their details."""
        await let_read(request, actor, f"{name}/alarms")
        return _json_response(await _ask(request, _standing_alarms))

    @app.post("/v1/alarms/{id}/acknowledge", tags=["operations"], response_model=Decided, **declared(DECIDED, 404))
    async def acknowledge(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Clear an alarm that is not cleared automatically; it is raised again if its cause lasts."""
        decision = await let_decide(request, actor, "ACKNOWLEDGE_ALARM", f"{name}/alarms/{read_id(id)}")
        return await _decide_alarm(request, decision, id, acknowledge_alarm)

    @app.post("/v1/alarms/{id}/attend", tags=["operations"], response_model=Decided, **declared(DECIDED, 404))
    async def attend(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Say that the caller looks after an alarm. It stands as before; raised again after its end it is a new one."""
        decision = await let_decide(request, actor, "ATTEND_ALARM", f"{name}/alarms/{read_id(id)}")
        return await _decide_alarm(request, decision, id, attend_alarm)


def _add_held(app: FastAPI, name: str) -> None:
    @app.get("/v1/quarantine", tags=["operations"], response_model=list[QuarantinedStream], **declared(LISTED))
    async def held_streams(request: Request, actor: Caller) -> JSONResponse:
        """List the streams in quarantine, the oldest first."""
        await let_read(request, actor, f"{name}/quarantine")
        return _json_response(await _ask(request, quarantined_streams))

    @app.get("/v1/quarantine/{id}", tags=["operations"], response_model=HeldStream, **declared(ONE, 404))
    async def held_records(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """List the held records of a stream in order, without their content: places, sizes, digests and errors."""
        await let_read(request, actor, f"{name}/quarantine/{read_id(id)}")

        try:
            stream = _of_id(id, await _ask(request, quarantined_streams), "stream in quarantine")
        except NothingHeld as error:
            return nothing_response(error)
        records = await _ask(request, partial(quarantined_records, consumer=stream.consumer, stream=stream.stream))
        return _json_response(HeldStream(**dict(stream), held=tuple(records)))

    @app.get("/v1/gaps", tags=["operations"], response_model=list[HeldGap], **declared(LISTED))
    async def gap_list(request: Request, actor: Caller) -> JSONResponse:
        """List the streams that wait for a missing version, longest first."""
        await let_read(request, actor, f"{name}/gaps")
        return _json_response(await _ask(request, gaps))

    @app.get("/v1/decisions", tags=["operations"], response_model=list[Decision], **declared(LISTED))
    async def decision_list(request: Request, actor: Caller) -> JSONResponse:
        """List the last thousand decisions, latest first."""
        await let_read(request, actor, f"{name}/decisions")
        return _json_response(await _ask(request, decisions))


def _add_decisions(app: FastAPI, name: str) -> None:
    @app.post("/v1/quarantine/{id}/retry", tags=["operations"], response_model=Decided, **declared(DECIDED, 404))
    async def retry_held(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Try the held records of a stream again, in order, to the first that fails; waits for the worker."""
        decision = await let_decide(request, actor, "RETRY_QUARANTINE", f"{name}/quarantine/{read_id(id)}")
        return await _decide_stream(request, decision, id, request_retry)

    @app.post(
        "/v1/quarantine/{id}/release",
        tags=["operations"],
        response_model=Decided,
        **declared((ID, _THROUGH, DRY_RUN, REASON), 404),
    )
    async def release_held(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Skip the held records of a stream up to an offset: they will never be applied. The later ones are tried next."""
        through = request.query_params.get("through_offset")
        skip = partial(release_quarantined, through_offset=None if through is None else int(through))
        decision = await let_decide(request, actor, "RELEASE_QUARANTINE", f"{name}/quarantine/{read_id(id)}")
        return await _decide_stream(request, decision, id, skip)

    @app.post("/v1/gaps/{id}/release", tags=["operations"], response_model=Decided, **declared(DECIDED, 404))
    async def release_a_gap(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Do without the versions that never came; the records that were held behind them are tried next."""
        decision = await let_decide(request, actor, "RELEASE_GAP", f"{name}/gaps/{read_id(id)}")
        return await _decide_stream(request, decision, id, release_gap, gaps, "gap")


async def let_read(request: Request, actor: Actor, target: str) -> None:
    """Pass the read gate. Raises `NotAllowed` or `LogUnavailable`."""
    await request.app.state.deps.gate.read(actor, "operations", target, read_reason(request))


@dataclass(frozen=True, slots=True)
class OperatorDecision:
    """The person who decides, the reason, and whether it is only rehearsed."""

    actor: str
    reason: str
    dry_run: bool


async def let_decide(request: Request, actor: Actor, action: str, target: str) -> OperatorDecision:
    """Pass the gate of decisions. Raises `NotAllowed` or `LogUnavailable`."""
    dry_run = read_query(request).get("dry_run") == "true"
    reason = read_reason(request)
    assert reason is not None, "the route declares that it is required"
    logged = f"REHEARSE_{action}" if dry_run else action
    actor = await request.app.state.deps.gate.act(actor, "operations_decide", logged, target, reason)
    return OperatorDecision(f"{actor.role} {actor.id}", reason, dry_run)


def _of_id(id_: str, lines: Sequence[L], what: str) -> L:
    """Return the line of this id. Raises `NothingHeld`."""
    wanted = read_id(id_)
    for line in lines:
        if line.id == wanted:
            return line
    raise NothingHeld(f"There is no {what} of the id {id_} here: it may have been settled since; list again.")


async def _standing_alarms(connection: Connection) -> list[StandingAlarm]:
    return [
        StandingAlarm(
            id=derived_uuid("alarm", alarm.consumer, alarm.name, alarm.place),
            meaning=kind_of(alarm.name).meaning,
            runbook=kind_of(alarm.name).runbook,
            **asdict(alarm),
        )
        for alarm in await alarms(connection)
    ]


async def _ask(request: Request, look: Callable[[Any], Awaitable[T]]) -> T:
    return await retry_or_raise(lambda: look(request.app.state.deps.database), EventStoreUnavailable)


class Concerned(NamedTuple):
    """The stream that a decision concerns, and how many of its records are held."""

    consumer: str
    stream: str
    records: int


async def _decide_alarm(
    request: Request, decision: OperatorDecision, id_: str, act: Callable[..., Awaitable[Decision]]
) -> JSONResponse:
    async def decide(connection: Connection) -> tuple[list[Decision], None]:
        alarm = _of_id(id_, await _standing_alarms(connection), "alarm")
        who = {"actor": decision.actor, "reason": decision.reason}
        return [await act(connection, alarm.consumer, alarm.name, alarm.place, **who)], None

    return await _answer(request, decision, decide)


async def _decide_stream(
    request: Request,
    decision: OperatorDecision,
    id_: str,
    act: Callable[..., Awaitable[Decision | list[Decision]]],
    look: Callable[[Connection], Awaitable[Sequence[QuarantinedStream | HeldGap]]] = quarantined_streams,
    what: str = "stream in quarantine",
) -> JSONResponse:
    async def decide(connection: Connection) -> tuple[list[Decision], Concerned]:
        held = _of_id(id_, await look(connection), what)
        made = await act(connection, held.consumer, held.stream, actor=decision.actor, reason=decision.reason)
        records = held.waiting if isinstance(held, HeldGap) else held.records
        return made if isinstance(made, list) else [made], Concerned(held.consumer, held.stream, records)

    return await _answer(request, decision, decide)


async def _answer(
    request: Request,
    decision: OperatorDecision,
    decide: Callable[[Connection], Awaitable[tuple[list[Decision], Concerned | None]]],
) -> JSONResponse:
    """Decide in one transaction, or rehearse it and roll it back; of a stream, wait until the worker has acted."""

    async def transact(pool: asyncpg.Pool[Any]) -> tuple[list[Decision], Concerned | None]:
        async with pool.acquire() as connection:
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
        made, concerned = await _ask(request, transact)
    except NothingHeld as error:
        return nothing_response(error)
    skipped = sum(decided.action == "skip" for decided in made)
    answer = {
        "dry_run": decision.dry_run,
        "records": skipped or (concerned.records if concerned else 0),
        "left": None,
        "error": None,
        "taken_up": False,
        "decisions": made,
    }
    if concerned is None:
        answer |= {"left": 0, "taken_up": not decision.dry_run}
    elif not decision.dry_run:
        answer |= await _taken_up(request, concerned.consumer, concerned.stream)
    return _json_response(answer)


_STATE: Final = """
    select count(*)::int as left, coalesce(bool_or(retry), false) as asked,
           (array_agg(error order by version nulls first, topic, partition, "offset"))[1] as error
    from quarantine where consumer = $1 and stream = $2
"""


async def _taken_up(request: Request, consumer: str, stream: str) -> dict[str, Any]:
    """Wait until the worker has tried the stream, and return the result; empty if it does not in time."""
    until = time.monotonic() + TAKEN_UP_SECONDS
    while True:
        row = await _ask(request, lambda database: database.fetchrow(_STATE, consumer, stream))
        if not row["asked"]:
            return {"left": row["left"], "error": row["error"], "taken_up": True}
        if time.monotonic() >= until:
            return {}
        await asyncio.sleep(LOOK_SECONDS)


def _json_response(content: Any) -> JSONResponse:
    return JSONResponse(jsonable_encoder(content))


def nothing_response(error: NothingHeld) -> JSONResponse:
    """Build the response 404 to a decision about nothing."""
    return unknown_response("There is nothing to decide", str(error))
