"""The one way to ask for something: POST /v1/{collection}/{id}/commands."""

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
from shared.domain.execution import CommandRequest
from shared.domain.messages import (
    Actor,
    NeedsRationale,
    Receipt,
    Refused,
)
from shared.runtime.service import Service
from shared.runtime.settings import Settings

SCHEMAS: Final = "#/components/schemas/{model}"
COMMAND: Final = (ID, IDEMPOTENCY_KEY, CORRELATION, TRACEPARENT)
RECEIPT: Final[dict[int | str, dict[str, Any]]] = {
    201: {
        "description": "It was recorded: the receipt.",
        "headers": {
            "Idempotency-Replayed": {
                "description": "Sent where this key was answered before.",
                "schema": {"const": "true"},
            }
        },
    }
}


def add_commands(app: FastAPI, service: Service[Any], settings: Settings) -> None:
    """Mount the service's commands."""

    @app.post(
        f"/v1/{service.collection}/{{id}}/commands",
        status_code=201,
        response_model=Receipt,
        tags=["commands"],
        responses=RECEIPT | problems(404, 409, 410, 415),
        openapi_extra=declared(COMMAND, requestBody=_body(service)),
    )
    async def command(request: Request, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Ask for something to happen. The answer is a receipt; the same Idempotency-Key again gives it again."""
        at: Dependencies = request.app.state.deps
        actor = await read_actor(request)
        read_query(request, COMMAND)
        stream = read_id(id)
        target = service.stream_name(stream)
        if why := command_denial(service, actor.role):
            # Said before the body is read: nothing that it holds could be done.
            await at.log.record(actor, "COMMAND", target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(why)
        received_at = datetime.now(UTC)
        asked = await read_command(request, service, settings.body_limit, received_at)
        key = read_key(request)
        name = type(asked).__name__
        if why := command_denial(service, actor.role, type(asked)):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(why)
        command_id = at.handler.command_id(actor.id, key)
        result = await at.handler.handle(
            CommandRequest(
                command=asked,
                stream=stream,
                command_id=command_id,
                actor=actor,
                received_at=received_at,
                correlation_id=read_correlation(request) or command_id,
                traceparent=read_traceparent(request),
            )
        )
        return await _answered(at, actor, name, target, result)


async def _answered(at: Dependencies, actor: Actor, name: str, target: str, result: Result) -> JSONResponse:
    """The HTTP answer to a handled command; what was refused is logged."""
    match result:
        case Accepted(answer, repeated):
            headers = {"Idempotency-Replayed": "true"} if repeated else None
            return JSONResponse(answer.model_dump(mode="json"), 201, headers)
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
            # Both are written to the log, so that neither the answer nor its time tells them apart.
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
    """The schema of each command, and of what they are made of, by name: a new command needs no edit here."""
    refs, found = models_json_schema([(one, "validation") for one in service.commands], ref_template=SCHEMAS)
    schemas: dict[str, Any] = found["$defs"]
    for command in service.commands:
        schema = schemas[refs[command, "validation"]["$ref"].rpartition("/")[2]]
        # In Python a command has its type by being of its class; in a request it must be said.
        del schema["properties"]["type"]["default"]
        schema["required"] = ["type", *schema.get("required", [])]
    return schemas


def _body(service: Service[Any]) -> dict[str, Any]:
    """The union of commands, discriminated by `type`, as the OpenAPI document has it."""
    mapping = {command.__name__: SCHEMAS.format(model=command.__name__) for command in service.commands}
    schema = {
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
