"""The one way to ask for something: POST /v1/{collection}/{id}/commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema

from shared.access import SYSTEM, NotAllowed
from shared.api.asking import KEY, read_actor, read_command, read_correlation, read_id, read_traceparent
from shared.api.surroundings import Surroundings
from shared.deciding import Asked
from shared.handle import Accepted, Conflict, KeyReused, NoEffect, OutOfBounds, Result, UnknownStream
from shared.messages import Actor, Answer, NeedsRationale, Refused
from shared.problems import Malformed, problem, refused
from shared.service import Service
from shared.settings import Settings


def add_commands(app: FastAPI, service: Service[Any], settings: Settings) -> None:
    """Mount the service's commands."""

    @app.post(f"/v1/{service.collection}/{{id}}/commands", status_code=201, response_model=Answer, tags=["commands"])
    async def command(request: Request, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Ask for something to happen. The answer is a receipt; the same Idempotency-Key again gives it again."""
        at: Surroundings = request.app.state.at
        actor = await read_actor(request)
        asked = await read_command(request, service, settings.body_limit)
        stream = read_id(id)
        key = request.headers.get("idempotency-key", "")
        if not KEY.fullmatch(key):
            raise Malformed(
                (
                    "Idempotency-Key",
                    "send this header with 1 to 200 visible characters: a new key for each command, the same for a retry",
                )
            )
        target = service.stream_name(stream)
        name = type(asked).__name__
        if actor.role == SYSTEM or actor.role not in service.roles_for(type(asked)):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(
                f"the role {actor.role} may not send {name}; it is for {', '.join(sorted(service.roles_for(type(asked))))}"
            )
        command_id = at.handler.command_id(actor.id, key)
        result = await at.handler.handle(
            Asked(
                command=asked,
                stream=stream,
                command_id=command_id,
                actor=actor,
                received_at=datetime.now(UTC),
                correlation_id=read_correlation(request) or command_id,
                traceparent=read_traceparent(request),
            )
        )
        return await _answered(at, actor, name, target, result)


async def _answered(at: Surroundings, actor: Actor, name: str, target: str, result: Result) -> JSONResponse:
    """The HTTP answer to a handled command; what was refused is logged."""
    match result:
        case Accepted(answer, repeated):
            headers = {"Idempotency-Replayed": "true"} if repeated else None
            return JSONResponse(answer.model_dump(mode="json"), 201, headers)
        case NoEffect():
            return problem(
                409, "no-effect", "There is nothing to be done", f"{target} needs no {name} any more: read it again."
            )
        case Refused(rules):
            await at.log.record(actor, name, target, outcome="REFUSED", rules=result.ids)
            return refused(rules, needs_rationale=False)
        case NeedsRationale(rules):
            await at.log.record(actor, name, target, outcome="NEEDS_RATIONALE", rules=result.ids)
            return refused(rules, needs_rationale=True)
        case Conflict(expected, actual):
            return problem(
                409,
                "conflict",
                "The record has moved on",
                f"You expected version {expected}, it is at version {actual}: read it again, and decide again.",
                expected_version=expected,
                actual_version=actual,
            )
        case UnknownStream():
            return problem(
                404, "unknown", "There is no such record", f"{target} does not exist: check the id, or begin it first."
            )
        case KeyReused():
            raise Malformed(
                ("Idempotency-Key", "this key was used before for another request: use a new key for a new command")
            )
        case OutOfBounds(why):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(why)


def describe_commands(app: FastAPI, service: Service[Any]) -> None:
    """Put the union of commands into the OpenAPI document: a new command needs no edit here."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = original()
            refs, schema = models_json_schema(
                [(command, "validation") for command in service.commands], ref_template="#/components/schemas/{model}"
            )
            document.setdefault("components", {}).setdefault("schemas", {}).update(schema.get("$defs", {}))
            mapping = {command.__name__: refs[command, "validation"]["$ref"] for command in service.commands}
            operation = document["paths"][f"/v1/{service.collection}/{{id}}/commands"]["post"]
            operation["requestBody"] = {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "oneOf": [{"$ref": ref} for ref in mapping.values()],
                            "discriminator": {"propertyName": "type", "mapping": mapping},
                        }
                    }
                },
            }
            operation.setdefault("parameters", []).append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": True,
                    "schema": {"type": "string", "maxLength": 200},
                }
            )
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
