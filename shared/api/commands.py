"""The route of all commands, and of their dry run: POST /v1/{collection}/{id}/commands?dry_run=true."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.authorisation import NotAllowed, command_denial
from shared.api.command_schemas import ANY_COMMAND, IN_OPENAPI
from shared.api.dependencies import Dependencies
from shared.api.dry_run import Services, dry_run_answer
from shared.api.parameters import CORRELATION, DRY_RUN, ID, IDEMPOTENCY_KEY, JUDGED_AT, TRACEPARENT
from shared.api.problems import Malformed, key_reused_response, problem_response, refused_response, unknown_response
from shared.api.request import Caller, read_command, read_id, read_key, read_query, read_time
from shared.api.routes import declared, json_body
from shared.api.schemas import DryRunAnswer
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.domain.receipts import Receipt
from shared.domain.service import Service
from shared.handling import command_handler
from shared.observing.tracing import current_traceparent
from shared.servers.settings import Settings

R = TypeVar("R")

COMMAND: Final = (ID, DRY_RUN, JUDGED_AT, IDEMPOTENCY_KEY, CORRELATION, TRACEPARENT)
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": DryRunAnswer, "description": "A dry run: what the command would do. Nothing was recorded."},
    201: {
        "description": "The command was recorded: its receipt.",
        "headers": {
            "Idempotency-Replayed": {"description": "Present if this key was used before.", "schema": {"const": "true"}}
        },
    },
}


def add_commands(app: FastAPI, service: Service[Any], settings: Settings, services: Services) -> None:
    """Add the route of the commands of a service. The reactions of `services` follow its events."""

    @app.post(
        f"/v1/{service.collection}/{{id}}/commands",
        status_code=201,
        response_model=Receipt,
        tags=["commands"],
        **declared(COMMAND, 404, 409, 410, 415, answers=ANSWERS, body=json_body({"$ref": IN_OPENAPI + ANY_COMMAND})),
    )
    async def send_command(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Execute a command. Returns a receipt; the same Idempotency-Key returns the same receipt again.

        With `dry_run=true` the command goes the same way but for the last step: the answer (200) says what it would do, or
        which rules refuse it, and nothing is recorded but a line in the access log. Every other problem is answered as
        for the command itself. With `as_of`, a later time, it is judged as if it were sent then: no rule calls that the future.
        """
        at: Dependencies = request.app.state.deps
        query = read_query(request)
        dry_run = query.get(DRY_RUN.name) == "true"
        judged_at = read_time(query, JUDGED_AT.name)
        if judged_at is not None and not dry_run:
            raise Malformed((JUDGED_AT.name, "give it with dry_run=true alone: a command is sent now"))
        stream = read_id(id)
        target = service.stream_name(stream)
        if denial := command_denial(service, actor.roles):
            # Checked before the body is read, to save its cost.
            await at.log.record(actor, "COMMAND", target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(denial)
        now = datetime.now(UTC)
        received_at = max(now, judged_at or now)
        body = await read_command(request, service, settings.body_limit, received_at)
        name = type(body).__name__
        if denial := command_denial(service, actor.roles, type(body)):
            await at.log.record(actor, name, target, outcome="FORBIDDEN", rules=["T2"])
            raise NotAllowed(denial)
        headers = request.headers
        command_id = at.handler.command_id(actor.id, read_key(request))
        traceparent = headers.get(TRACEPARENT.name, "")
        command_request = CommandRequest(
            command=body,
            stream=stream,
            command_id=command_id,
            actor=actor,
            received_at=received_at,
            correlation_id=UUID(headers[CORRELATION.name]) if CORRELATION.name in headers else command_id,
            traceparent=current_traceparent() or (traceparent if TRACEPARENT.pattern.fullmatch(traceparent) else None),
        )
        ask = at.handler.dry_run if dry_run else at.handler.handle
        acting, result = await in_narrowest_role(service, command_request, ask)
        outcome, rules = _logged_outcome(result.outcome if isinstance(result, command_handler.DryRun) else result)
        if dry_run:
            await at.log.record(acting, f"DRY_RUN_{name}", target, outcome=outcome or "GIVEN", rules=rules)
            if isinstance(result, (command_handler.DryRun, command_handler.Accepted)):
                answer = await dry_run_answer(at, service, services, actor, result, later=received_at > now)
                return JSONResponse(answer.model_dump(mode="json"))
        elif outcome is not None:
            await at.log.record(acting, name, target, outcome=outcome, rules=rules)
        assert not isinstance(result, command_handler.DryRun)
        return command_response(name, target, result)


async def in_narrowest_role(
    service: Service[Any], request: CommandRequest, ask: Callable[[CommandRequest], Awaitable[R]]
) -> tuple[Actor, R]:
    """Ask in the narrowest role of the actor that may send the command; the next one if rules or records refuse that role.

    Returns the actor in that role, and the answer; if every role is refused, those of the narrowest.
    """
    answers = list[tuple[Actor, R]]()
    for actor in service.acting(request.actor, type(request.command)):
        answer = await ask(replace(request, actor=service.placed(actor, request.command)))
        answers.append((actor, answer))
        outcome = answer.outcome if isinstance(answer, command_handler.DryRun) else answer
        if not isinstance(outcome, (Refused, command_handler.Forbidden)):
            return answers[-1]
    return answers[0]


def _logged_outcome(result: object) -> tuple[str | None, Sequence[str]]:
    """Return the outcome and the rules that the access log records of a result; (None, ()) unless it is a refusal.

    An unknown and a hidden record are both logged, so that neither the response nor its time distinguishes them.
    """
    match result:
        case Refused():
            return "REFUSED", result.ids
        case NeedsRationale():
            return "NEEDS_RATIONALE", result.ids
        case command_handler.StreamNotFound():
            return "UNKNOWN", ()
        case command_handler.Forbidden():
            return "FORBIDDEN", ("T2",)
        case command_handler.VersionConflict():
            return "CONFLICT", ()  # it has told the version of a record that its sender may not read
        case _:
            return None, ()


def command_response(name: str, target: str, result: command_handler.Result) -> JSONResponse:
    """Build the response to a command. Raises `Malformed` or `NotAllowed`, which have responses of their own."""
    match result:
        case command_handler.Accepted(receipt, repeated):
            headers = {"Idempotency-Replayed": "true"} if repeated else None
            return JSONResponse(receipt.model_dump(mode="json"), 201, headers)
        case command_handler.NoChange():
            return problem_response(
                "no-effect", "There is nothing to be done", f"{target} needs no {name} any more: read it again."
            )
        case Refused(rules) | NeedsRationale(rules):
            return refused_response(rules, needs_rationale=isinstance(result, NeedsRationale))
        case command_handler.VersionConflict(expected, actual):
            return problem_response(
                "conflict",
                "The record has moved on",
                f"You expected version {expected}, it is at version {actual}: read it again, and decide again.",
                expected_version=expected,
                actual_version=actual,
            )
        case command_handler.StreamNotFound() | command_handler.Forbidden(hidden=True):
            return unknown_response(
                "There is no such record", f"{target} does not exist: check the id, or begin it first."
            )
        case command_handler.IdempotencyKeyReused():
            return key_reused_response("command")
        case command_handler.Forbidden(why):
            raise NotAllowed(why)
