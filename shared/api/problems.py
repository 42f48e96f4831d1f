"""Problem details (RFC 9457): every error response of an API, with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.api.access_log import AccessLogBehindWitness, LogUnavailable
from shared.api.authentication import InvalidToken, IssuerUnavailable
from shared.api.authorisation import NotAllowed
from shared.domain.dates import BeyondCalendar
from shared.domain.decisions import BrokenRule
from shared.domain.declared import read_beside
from shared.domain.policy import NoPolicy
from shared.domain.remedies import remedy_of
from shared.event_store import (
    ClocksApart,
    EventStoreUnavailable,
    StoreBehindTopic,
    StoreBehindWitness,
    TimelineNotCompared,
)
from shared.privacy.keyring import KeyDestroyed, KeyMissing, KeyringClockApart, KeyringUnavailable, UnusableKey

MEDIA_TYPE = "application/problem+json"

_RFC_9110_PHRASES: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Python before 3.13 has the names of RFC 7231 for these."""


def phrase_of(status: int) -> str:
    """Name an HTTP status as RFC 9110, section 15, does: the same on every Python."""
    return _RFC_9110_PHRASES.get(status) or HTTPStatus(status).phrase


_DECLARED: Final = read_beside(__file__)
PROBLEM_TYPES: Final[Mapping[str, tuple[tuple[int, ...], str]]] = {
    kind: (tuple(statuses), meaning) for kind, (statuses, meaning) in _DECLARED["types"].items()
}
"""Each kind of problem: its statuses, the usual one first, its meaning and its remedy."""


class FieldError(BaseModel):
    """A malformed field, parameter or header, and the remedy."""

    field: str
    message: str


class RuleBroken(BaseModel):
    """A broken rule, or a warning without a rationale: its id, its text, its source in law or practice, and its remedy."""

    id: str
    text: str
    source: str
    lifted_by: list[str] = Field(description="The commands that lift it, in the order of their use; [] if none does.")
    known: list[UUID] = Field(
        default=[], description="Of a rule on who is known already: the ids of those persons, each once."
    )


def listed_rules(rules: Iterable[BrokenRule]) -> list[RuleBroken]:
    return [
        RuleBroken(
            id=rule.id, text=rule.text, source=rule.source, lifted_by=list(rule.lifted_by), known=list(rule.known)
        )
        for rule in rules
    ]


class Problem(BaseModel):
    """The problem of a request, and its remedy (RFC 9457). The members after `detail` depend on `type`."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(
        description="The kind of problem: a stable relative reference. docs/reference/problems.md says what each means.",
        json_schema_extra={"enum": [f"/problems/{kind}" for kind in PROBLEM_TYPES]},
    )
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default=[], description="422: every field that is wrong.")
    rules: list[RuleBroken] = Field(default=[], description="422: every rule that refuses or waits for a rationale.")
    needs_rationale: bool = Field(default=False, description="422: whether a rationale for `rules` lets it go ahead.")
    expected_version: int | None = Field(default=None, description="409: the version that the command expected.")
    actual_version: int | None = Field(default=None, description="409: the version that the record has.")
    reference: str | None = Field(
        default=None, description="500: the reference of the error in the log, for the operators."
    )


_HEADERS: Final = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "2"}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Build the `responses` of a route for these statuses (OpenAPI 3.1)."""
    return {
        status: {
            "description": _DECLARED["statuses"][str(status)],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        | (
            {"headers": {name: {"schema": {"type": "string"}} for name in _HEADERS[status]}}
            if status in _HEADERS
            else {}
        )
        for status in statuses
    }


class TooManyRequests(Exception):
    """A token or address above its rate limit; the next request is allowed after `seconds` (429)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many requests: send the next one after {seconds:.1f} seconds")
        self.seconds = seconds


class Malformed(Exception):
    """Malformed input (422): pairs of a field and a remedy."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = errors

    @classmethod
    def from_validation(cls, error: ValidationError) -> Malformed:
        """Convert errors of pydantic, without the values and names in the input, which may be personal."""
        return cls(*map(_error, error.errors()))


MAX_ERRORS: Final = 20
"""The most fields that a response names; it counts the others."""

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_HEADER: Final = re.compile(r"[A-Z][a-z]{1,19}(-[A-Z][a-z]{1,19}){1,2}")


def _path(location: Sequence[int | str]) -> str:
    """Build the dotted path of a wrong field, without the member of the command union and the keys of a rationale."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, str) and part[:1].isupper() and part.isidentifier() and not parts:
            continue
        parts.append(str(part))
        if part == "rationale":
            break
    return ".".join(parts) or "body"


def _safe_path(field: str) -> str:
    """Hide each part of a path that is no name of a field or header, since it may be personal."""
    parts = ((part if _FIELD.fullmatch(part) or part.isdecimal() else "…") for part in field.split("."))
    return field if _HEADER.fullmatch(field) else ".".join(parts)[:200]


_NAMED: Final = re.compile(r"([a-z_]+): (.+)", re.DOTALL)
"""The text of a check of several fields: the wrong field, and the remedy."""


def _error(item: Any) -> tuple[str, str]:
    """Return the path of a wrong field, and the remedy."""
    path, message = _path(item["loc"]), _message(item)
    if item["type"] == "value_error" and (named := _NAMED.fullmatch(message)):
        return (named[1] if path == "body" else f"{path}.{named[1]}"), named[2]
    return path, message


def _message(item: Any) -> str:
    if item["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        expected_types = item.get("ctx", {}).get("expected_tags")
        return "the type of command is missing or unknown" + (
            f": choose one of {expected_types}" if expected_types else ": correct it"
        )
    if item["loc"][-1:] == ("[key]",):
        return "give each reason under the id of a rule, such as R12"
    return remedy_of(item)


def problem_response(
    kind: str,
    title: str,
    detail: str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Build a problem response of a type of `PROBLEM_TYPES`, with its usual status or another one."""
    (usual, *_), _ = PROBLEM_TYPES[kind]
    status = usual if status is None else status
    body = Problem(type=f"/problems/{kind}", title=title, status=status, detail=detail, **more)
    all_headers = {**_HEADERS.get(status, {}), **(headers or {})}
    return JSONResponse(body.model_dump(mode="json", exclude_unset=True), status, all_headers, MEDIA_TYPE)


EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "conflict": {"expected_version": 3, "actual_version": 4},
    "malformed": {"errors": [FieldError(field="occurred_at", message="write a time with its zone")]},
    "key-reused": {"errors": [FieldError(field="Idempotency-Key", message="use a new key for a new command")]},
    "refused": {"rules": [RuleBroken(id="X1", text="An example forbids it.", source="none", lifted_by=[])]},
    "needs-rationale": {
        "rules": [RuleBroken(id="X1", text="An example warns.", source="none", lifted_by=[])],
        "needs_rationale": True,
    },
    "fault": {"reference": "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"},
}
"""The members that an example of a kind of problem has besides those of every one."""


def example_response(kind: str) -> JSONResponse:
    (status, *_), meaning = PROBLEM_TYPES[kind]
    applied = {"Preference-Applied": f"example={kind}"}
    return problem_response(kind, phrase_of(status), meaning, headers=applied, **EXAMPLES.get(kind, {}))


def unknown_response(title: str, detail: str) -> JSONResponse:
    return problem_response("unknown", title, detail)


def key_reused_response(what: str) -> JSONResponse:
    """Build the response 422 to an Idempotency-Key that was used before for another `what`."""
    return problem_response(
        "key-reused",
        f"This key was used before for another {what}",
        f"Nothing was recorded. Use a new Idempotency-Key for a new {what}.",
        errors=[{"field": "Idempotency-Key", "message": f"this key was used before: use a new key for a new {what}"}],
    )


def too_many_response(error: TooManyRequests) -> JSONResponse:
    """Build the response 429, with Retry-After in whole seconds (RFC 9110, section 10.2.3)."""
    wait = {"Retry-After": str(ceil(error.seconds))}
    return problem_response("too-many-requests", "Slow down", f"{error}. Nothing was recorded.", headers=wait)


def fault_response(reference: str) -> JSONResponse:
    """Build the response 500. It names only the reference under which the log has the error."""
    return problem_response(
        "fault",
        "This service has a fault",
        f"Your request was not the cause. Tell the operators the reference {reference}. Before you repeat a command, read the"
        " record, or use the same Idempotency-Key.",
        reference=reference,
    )


def refused_response(rules: Sequence[BrokenRule], *, needs_rationale: bool) -> JSONResponse:
    """Build the response 422 with every broken rule, or with every warning without a rationale."""
    ids = ", ".join(rule.id for rule in rules)
    return problem_response(
        "needs-rationale" if needs_rationale else "refused",
        "A reason is needed" if needs_rationale else "The rules do not allow this",
        f"Give a rationale for {ids} to go ahead"
        if needs_rationale
        else f"Refused by {ids}: " + " ".join(r.text for r in rules),
        rules=listed_rules(rules),
        needs_rationale=needs_rationale,
        errors=[],
    )


def malformed_response(error: Malformed) -> JSONResponse:
    """Build the response 422 with up to `MAX_ERRORS` wrong fields."""
    listed = list(error.errors[:MAX_ERRORS])
    if (more := len(error.errors) - MAX_ERRORS) > 0:
        listed.append(("body", f"{more} more are wrong: correct these first"))
    return problem_response(
        "malformed",
        "The request cannot be understood",
        "Nothing was recorded. Correct these fields and send it again.",
        errors=[{"field": _safe_path(field), "message": message} for field, message in listed],
        rules=[],
        needs_rationale=False,
    )


def install_handlers(app: FastAPI) -> None:
    """Register the response to every known exception."""

    def respond_to(kind: str, title: str, *errors: type[Exception], headers: Mapping[str, str] | None = None) -> None:
        async def respond(_request: Request, raised: Exception) -> JSONResponse:
            members = getattr(raised, "members", {})
            return problem_response(kind, title, str(raised), headers=headers, **members)

        for error in errors:
            app.exception_handler(error)(respond)

    respond_to("token", "A valid access token is needed", InvalidToken)
    respond_to("forbidden", "You may not do or see this", NotAllowed)
    again = "Try again in a moment, with the same Idempotency-Key"
    respond_to("unavailable", again, EventStoreUnavailable, KeyringUnavailable, IssuerUnavailable, LogUnavailable)
    operators = {"Retry-After": "300"}  # nothing changes before a person has acted
    respond_to("key-missing", "The key of this record is missing: tell the operators", KeyMissing, headers=operators)
    respond_to("keyring", "A key of this record cannot be used: tell the operators", UnusableKey)
    respond_to("store-behind-topic", "No command is accepted until the event store is restored", StoreBehindTopic)
    agree = "No command is accepted until the clocks agree"
    respond_to("clocks-apart", agree, ClocksApart, KeyringClockApart, headers=operators)
    respond_to("timeline-not-compared", "The event store has moved, and is being compared", TimelineNotCompared)
    restored = "Nothing is recorded until the log is restored"
    respond_to("log-behind-witness", restored, StoreBehindWitness, AccessLogBehindWitness)
    respond_to("forgotten", "This person's key has been destroyed: nothing more can be recorded of them", KeyDestroyed)

    @app.exception_handler(TooManyRequests)
    async def _too_many(_request: Request, raised: TooManyRequests) -> JSONResponse:
        return too_many_response(raised)

    @app.exception_handler(Malformed)
    async def _malformed(_request: Request, raised: Malformed) -> JSONResponse:
        return malformed_response(raised)

    @app.exception_handler(NoPolicy)
    @app.exception_handler(BeyondCalendar)
    async def _out_of_time(_request: Request, raised: Exception) -> JSONResponse:
        # The day comes from the request: without policy or calendar, no rule or duty can be computed.
        return malformed_response(Malformed(("time", f"{raised}; check the year of each time")))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, raised: HTTPException) -> JSONResponse:
        headers = raised.headers
        if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # A path may have a route for each method; the framework names those of the first (RFC 9110, section 15.5.6).
            routes = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
            allowed = {method for route in routes for method in getattr(route, "methods", ())}
            headers = {"Allow": ", ".join(sorted(allowed))}
        return problem_response(
            "http",
            phrase_of(raised.status_code),
            f"{raised.detail}: see /docs for the routes of this API",
            status=raised.status_code,
            headers=headers,
        )
