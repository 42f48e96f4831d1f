"""Frozen returns over HTTP: made by an analyst, kept to the byte, and shown beside what would be counted today."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from services.reporting.access import ACCESS
from services.reporting.dependencies import Dependencies
from services.reporting.measures import MEASURES
from services.reporting.queries.asking import ask, ask_for_reader
from services.reporting.queries.questions import refusing_bad_questions
from services.reporting.queries.timeline import Note
from services.reporting.queries.verifications import proved
from services.reporting.returns.extract import OF, as_xml, extract_of, schema
from services.reporting.returns.frozen import (
    ACTION,
    PAGE_SIZE,
    FrozenReturn,
    ReturnQuestion,
    compare_with_today,
    find_return,
    keep_return,
    list_returns,
    prepare_return,
    return_id,
)
from shared.api.access_log import AccessLog, LogUnavailable
from shared.api.authorisation import ReadGate
from shared.api.bodies import read_model
from shared.api.parameters import ACCESS_REASON, IDEMPOTENCY_KEY, PAGE, an_id, choice
from shared.api.problems import Malformed, key_reused_response, problem_response
from shared.api.request import Caller, read_id, read_key, read_query, read_reason
from shared.api.routes import declared, json_body
from shared.api.schemas import Schema
from shared.domain.messages import Actor
from shared.servers.database import retry_or_raise
from shared.servers.settings import Settings

READ: Final = "returns"
FREEZE: Final = "return_freezing"

_RETURN_ID: Final = an_id("return_id", "Which return.", "path")
_FORMAT: Final = choice("format", "How it is answered.", ("json", "xml"), "give json or xml", default="json")


class FreezeReturn(BaseModel):
    """What a return answers: a measure of a period, as `GET /v1/measures/{measure}` counts it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    measure: str = Field(description="Which measure.", json_schema_extra={"enum": list(MEASURES)})
    first: date = Field(alias="from", description="The first day of the period.")
    last: date = Field(alias="to", description="The last day of the period.")
    group_by: str | None = Field(default=None, description="Counts each group apart.")


class ReturnLine(Schema):
    """A frozen return: who froze it and when, its question, its positions and its digest. Both days are included."""

    return_id: UUID
    frozen_at: datetime = Field(description="When it was frozen, in UTC.")
    frozen_by: UUID = Field(description="The id of the analyst who froze it.")
    organisation: str = Field(description="The organisation of the analyst.")
    measure: str = Field(description="The name of the measure.")
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    group_by: str | None = Field(description="The grouping, if one was asked for.")
    positions: dict[str, int] = Field(description="For each service the position up to which its events were counted.")
    definition_version: str = Field(description="The version of the measure's definition.")
    sha256: str = Field(description="Of the frozen bytes, in hexadecimal; the access log holds it too.")


class ReturnList(Schema):
    """A page of frozen returns, the latest first."""

    page: int
    page_size: int
    returns: list[ReturnLine]


class Difference(Schema):
    """A column of a return whose value would be another today."""

    column: str = Field(description="The name of the value in the answer.")
    frozen: Any = Field(description="The value as it was frozen.")
    today: Any = Field(description="The value as it would be today.")


class LaterEvent(Schema):
    """An event after the return's positions, in a stream of which something else would be counted today."""

    stream: str = Field(description="The stream, `service/uuid`.")
    version: int
    type: str = Field(description="The name of the event.")
    position: int = Field(description="Its position in the service's event store.")
    occurred_at: datetime = Field(description="When it happened, in UTC.")
    recorded_at: datetime = Field(description="When it was recorded, in UTC.")
    sentence: str = Field(description="The event in plain English.")
    notes: list[Note] = Field(description="Its sealed fields, such as the reason, and the rationales of rules.")


class Today(Schema):
    """The same question, counted again today, and each difference with its reason."""

    reproduced: bool = Field(description="Whether the events up to the return's positions give its very bytes again.")
    answer: dict[str, Any] = Field(description="The answer of today.")
    differences: list[Difference]
    because: list[str] = Field(description="Why it differs, in words.")
    later_events: list[LaterEvent] = Field(
        description="Those of records that the reader may see, with the reasons that they state: an analyst sees none."
    )
    later_events_total: int


class ProvedReturn(Schema):
    """The frozen bytes of a return, with what proves that they are as they were frozen, as in the bundle of a case."""

    answer: str = Field(description="The frozen answer as JSON, to the byte.")
    evidence: dict[str, Any]


class OneReturn(ReturnLine):
    """A frozen return, and what would be counted today."""

    definition: str
    policy: dict[str, Any] = Field(description="The dated values of reporting on the last day of the period.")
    answer: dict[str, Any]
    today: Today


def add_returns(app: FastAPI, settings: Settings) -> None:
    @app.post(
        "/v1/returns",
        status_code=201,
        tags=["returns"],
        response_model=ReturnLine,
        **declared((IDEMPOTENCY_KEY, ACCESS_REASON), 415, body=json_body(FreezeReturn.model_json_schema())),
    )
    async def freeze(request: Request, actor: Caller) -> JSONResponse:
        """Freeze a return: count a measure up to the positions that have been reached, and keep the answer to the byte."""
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        body = await read_model(request, FreezeReturn, settings.body_limit)
        question = ReturnQuestion(body.measure, body.first, body.last, body.group_by)
        id_ = return_id(actor.id, read_key(request))
        if at.gate.refusal(actor, FREEZE, reason) is not None:
            await at.gate.act(actor, FREEZE, ACTION, f"reporting/returns/{id_}", reason or "NONE")
        stored = await ask(lambda: find_return(at.database, id_))
        if stored is None:
            await _freeze(at, id_, question, actor, reason)
            stored = await ask(lambda: find_return(at.database, id_))
        assert stored is not None
        if stored.question != question:
            return key_reused_response("return")
        return JSONResponse(_line(stored), 201)

    @app.get("/v1/returns", tags=["returns"], response_model=ReturnList, **declared((PAGE, ACCESS_REASON)))
    async def all_returns(request: Request, actor: Caller) -> JSONResponse:
        """List the frozen returns, the latest first."""
        at: Dependencies = request.app.state.deps
        page = int(read_query(request).get("page", "1"))
        await at.gate.read(actor, READ, "reporting/returns", read_reason(request))
        items = await ask(lambda: list_returns(at.database, page))
        return JSONResponse({"page": page, "page_size": PAGE_SIZE, "returns": [_line(item) for item in items]})

    @app.get(
        "/v1/returns/{return_id}",
        tags=["returns"],
        response_model=OneReturn,
        **declared((_RETURN_ID, ACCESS_REASON), 404),
    )
    async def one_return(request: Request, actor: Caller, return_id: str) -> Response:
        """Return a frozen return, and beside it what the same question would answer today, and why."""
        return await _read(request, actor, return_id, partial(_show_beside_today, actor, read_reason(request)))

    @app.get(
        "/v1/returns/{return_id}/answer",
        tags=["returns"],
        response_model=dict[str, Any],
        **declared((_RETURN_ID, ACCESS_REASON), 404),
    )
    async def frozen_answer(request: Request, actor: Caller, return_id: str) -> Response:
        """Return the frozen bytes, whose SHA-256 the return names."""

        async def send_bytes(_at: Dependencies, item: FrozenReturn) -> Response:
            return Response(item.answer, media_type="application/json")

        return await _read(request, actor, return_id, send_bytes)

    @app.get(
        "/v1/returns/{return_id}/evidence",
        tags=["returns"],
        response_model=ProvedReturn,
        **declared((_RETURN_ID, ACCESS_REASON), 404),
    )
    async def proved_return(request: Request, actor: Caller, return_id: str) -> Response:
        """Return the frozen bytes with the signed evidence of the access log that they are as they were frozen."""
        return await _read(request, actor, return_id, partial(_prove, actor))


def add_extracts(app: FastAPI) -> None:
    @app.get(
        "/v1/returns/{return_id}/extract",
        tags=["returns"],
        response_model=None,
        **declared(
            (_RETURN_ID, _FORMAT, ACCESS_REASON),
            404,
            answers={
                200: {
                    "content": {"application/json": {"schema": schema()}, "application/xml": {}},
                    "description": "The extract.",
                }
            },
        ),
    )
    async def extract(request: Request, actor: Caller, return_id: str) -> Response:
        """Return the cases behind a frozen pack, under ids of their own, for the Youth Justice Board: as JSON, or XML."""
        in_xml = read_query(request).get("format") == "xml"

        async def send(at: Dependencies, item: FrozenReturn) -> Response:
            if item.measure != OF:
                raise Malformed((_RETURN_ID.name, f"only a return of the measure {OF} has an extract: freeze one"))
            reader = await ask_for_reader(at.database, actor)
            async with at.past:
                found = await ask(lambda: extract_of(at.database, item, reader))
            return Response(as_xml(found), media_type="application/xml") if in_xml else JSONResponse(found)

        return await _read(request, actor, return_id, send, "/extract")


async def _freeze(at: Dependencies, id_: UUID, question: ReturnQuestion, actor: Actor, reason: str | None) -> None:
    """Count, and keep the return with its line in the access log: both or neither."""
    with refusing_bad_questions():
        async with at.past:
            prepared = await ask(lambda: prepare_return(at.database, id_, question, actor, at.ethnicity))

    async def keep() -> None:
        async with at.database.acquire() as connection, connection.transaction():
            if await keep_return(connection, prepared):
                gate = ReadGate(AccessLog(connection), ACCESS)
                await gate.act(actor, FREEZE, ACTION, prepared.log_target, reason or "NONE")

    await retry_or_raise(keep, LogUnavailable)


async def _read(
    request: Request,
    actor: Actor,
    return_id: str,
    show: Callable[[Dependencies, FrozenReturn], Awaitable[Response]],
    part: str = "",
) -> Response:
    at: Dependencies = request.app.state.deps
    reason = read_reason(request)
    id_ = read_id(return_id, _RETURN_ID.name)
    await at.gate.read(actor, READ, f"reporting/returns/{id_}{part}", reason)
    item = await ask(lambda: find_return(at.database, id_))
    if item is None:
        return problem_response("unknown", "There is no such return", f"No return is kept as {id_}: check the id.")
    if item.definition_version in MEASURES[item.measure].withheld:
        return problem_response(
            "withheld",
            "This return is shown no longer",
            f"Version {item.definition_version} of {item.measure} did not suppress small counts: freeze a new return.",
        )
    return await show(at, item)


async def _show_beside_today(actor: Actor, reason: str | None, at: Dependencies, item: FrozenReturn) -> Response:
    reader = await ask_for_reader(at.database, actor)
    async with at.past:
        today = await ask(lambda: compare_with_today(at.database, item, at.ethnicity, reader, at.keyring, reason))
    for record, classes in today.classes.items():
        await at.gate.log_opening(actor, classes, reason, f"reporting/returns/{item.id}/{record}")
    return JSONResponse(
        {
            **_line(item),
            "definition": item.definition,
            "policy": item.policy,
            "answer": json.loads(item.answer),
            "today": today.answer,
        }
    )


async def _prove(actor: Actor, at: Dependencies, item: FrozenReturn) -> Response:
    return await proved(at.database, actor, item.id, item.log_target, {"answer": item.answer.decode()})


def _line(item: FrozenReturn) -> Mapping[str, Any]:
    return {
        "return_id": str(item.id),
        "frozen_at": item.frozen_at.isoformat() if item.frozen_at else None,
        "frozen_by": str(item.actor),
        "organisation": item.organisation,
        "measure": item.measure,
        "from": item.first_day.isoformat(),
        "to": item.last_day.isoformat(),
        "group_by": item.group_by,
        "positions": dict(item.positions),
        "definition_version": item.definition_version,
        "sha256": item.sha256.hex(),
    }
