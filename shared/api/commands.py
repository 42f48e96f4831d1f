"""The route of all commands: POST /v1/{collection}/{id}/commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema

from shared.api.authorisation import NotAllowed, command_denial
from shared.api.dependencies import Dependencies
from shared.api.parameters import CORRELATION, ID, IDEMPOTENCY_KEY, TRACEPARENT, declared
from shared.api.problems import (
    Malformed,
    problem_response,
    problems,
    refused_response,
)
from shared.api.request import (
    read_actor,
    read_command,
    read_correlation,
    read_id,
    read_key,
    read_query,
    read_traceparent,
)
from shared.command_handler import (
    Accepted,
    Forbidden,
    IdempotencyKeyReused,
    NoChange,
    Result,
    StreamNotFound,
    VersionConflict,
)
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.domain.receipts import Receipt
from shared.runtime.service import Service
from shared.runtime.settings import Settings

SCHEMAS: Final = "#/components/schemas/{model}"
COMMAND: Final = (ID, IDEMPOTENCY_KEY, CORRELATION, TRACEPARENT)
RECEIPT: Final[dict[int | str, dict[str, Any]]] = {
    201: {
        "description": "The command was recorded: its receipt.",
        "headers": {
            "Idempotency-Replayed": {
                "description": "Present if this key was used before.",
                "schema": {"const": "true"},
            }
        },
    }
}


def add_commands(app: FastAPI, service: Service[Any], settings: Settings) -> None:
    """Add the route of the commands of a service."""

    @app.post(
        f"/v1/{service.collection}/{{id}}/commands",
        status_code=201,
        response_model=Receipt,
        tags=["commands"],
        responses=RECEIPT | problems(404, 409, 410, 415),
        openapi_extra=declared(COMMAND, requestBody=_body(service)),
    )
    async def command(request: Request, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Execute a command. Returns a receipt; the same Idempotency-Key returns the same receipt again."""
        at: Dependencies = request.app.state.deps
        actor = await read_actor(request)
        read_query(request, COMMAND)
        stream = read_id(id)
        target = service.stream_name(stream)
        if denial := command_denial(service, actor.role):
            # Checked before the body is read, to save its cost.
            await at.log.record(actor, "COMMAND", target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(denial)
        received_at = datetime.now(UTC)
        body = await read_command(request, service, settings.body_limit, received_at)
        key = read_key(request)
        name = type(body).__name__
        if denial := command_denial(service, actor.role, type(body)):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(denial)
        command_id = at.handler.command_id(actor.id, key)
        result = await at.handler.handle(
            CommandRequest(
                command=body,
                stream=stream,
                command_id=command_id,
                actor=actor,
                received_at=received_at,
                correlation_id=read_correlation(request) or command_id,
                traceparent=read_traceparent(request),
            )
        )
        return await _command_response(at, actor, name, target, result)


async def _command_response(at: Dependencies, actor: Actor, name: str, target: str, result: Result) -> JSONResponse:
    """Build the response to a command. Refusals are written to the access log."""
    match result:
        case Accepted(receipt, repeated):
            headers = {"Idempotency-Replayed": "true"} if repeated else None
            return JSONResponse(receipt.model_dump(mode="json"), 201, headers)
        case NoChange():
            return problem_response(
                409, "no-effect", "There is nothing to be done", f"{target} needs no {name} any more: read it again."
            )
        case Refused(rules):
            await at.log.record(actor, name, target, outcome="REFUSED", rules=result.ids)
            return refused_response(rules, needs_rationale=False)
        case NeedsRationale(rules):
            await at.log.record(actor, name, target, outcome="NEEDS_RATIONALE", rules=result.ids)
            return refused_response(rules, needs_rationale=True)
        case VersionConflict(expected, actual):
            return problem_response(
                409,
                "conflict",
                "The record has moved on",
                f"You expected version {expected}, it is at version {actual}: read it again, and decide again.",
                expected_version=expected,
                actual_version=actual,
            )
        case StreamNotFound() | Forbidden(hidden=True):
            # Both are logged, so that neither the response nor its time distinguishes them.
            unknown = isinstance(result, StreamNotFound)
            await at.log.record(
                actor, name, target, outcome="UNKNOWN" if unknown else "FORBIDDEN", rules=[] if unknown else ["T2"]
            )
            return problem_response(
                404, "unknown", "There is no such record", f"{target} does not exist: check the id, or begin it first."
            )
        case IdempotencyKeyReused():
            raise Malformed(
                ("Idempotency-Key", "this key was used before for another request: use a new key for a new command")
            )
        case Forbidden(why):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(why)


def command_schemas(service: Service[Any]) -> dict[str, Any]:
    """Build the JSON schemas of all commands and of their parts, by name."""
    refs, definitions = models_json_schema(
        [(command, "validation") for command in service.commands], ref_template=SCHEMAS
    )
    schemas: dict[str, Any] = definitions["$defs"]
    for command in service.commands:
        schema = schemas[refs[command, "validation"]["$ref"].rpartition("/")[2]]
        # In Python the class implies the type; a request must state it.
        del schema["properties"]["type"]["default"]
        schema["required"] = ["type", *schema.get("required", [])]
    return schemas


def _body(service: Service[Any]) -> dict[str, Any]:
    """Build the request body of OpenAPI: the union of commands, discriminated by `type`."""
    mapping = {command.__name__: SCHEMAS.format(model=command.__name__) for command in service.commands}
    schema = {
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
