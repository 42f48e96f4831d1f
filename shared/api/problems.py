"""Problem details (RFC 9457): what an API answers where it does not do what was asked, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from shared.api.authorisation import (
    InvalidToken,
    IssuerUnavailable,
    LogUnavailable,
    NotAllowed,
)
from shared.domain.dates import BeyondCalendar
from shared.domain.messages import BrokenRule
from shared.domain.policy import NoPolicy
from shared.event_store import EventStoreUnavailable, StoreBehindTopic
from shared.privacy.keyring import KeyDestroyed, KeyringUnavailable, UnusableKey

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """A field, parameter or header that cannot be understood, and what to do."""

    field: str
    message: str


class RuleBroken(BaseModel):
    """A rule that refuses, or that waits for a rationale: its id, its text and its source in law or practice."""

    id: str
    text: str
    source: str


class Problem(BaseModel):
    """Why what was asked was not done, and what to do about it (RFC 9457). Members beyond the first four are of a type."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(pattern="^/problems/[a-z-]+$", description="Which problem: a relative reference that is stable.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default=[], description="422: every field that is wrong.")
    rules: list[RuleBroken] = Field(default=[], description="422: every rule that refuses or waits for a rationale.")
    needs_rationale: bool = Field(default=False, description="422: whether a rationale for `rules` lets it go ahead.")
    expected_version: int | None = Field(default=None, description="409: the version that the command expected.")
    actual_version: int | None = Field(default=None, description="409: the version that the record has.")
    reference: str | None = Field(default=None, description="500: what to tell the operators, who find it in the log.")


_MEANINGS: Final = {
    401: "There is no valid access token: sign in.",
    403: "The actor's role or a declared conflict of interest forbids it.",
    404: "There is no such thing, there was none then, or it belongs to another area or organisation.",
    409: "Not as things stand: read again, and decide again.",
    410: "The key of a person has been destroyed: nothing more can be recorded of them.",
    415: "The body is not sent as application/json.",
    422: "The request cannot be understood, a rule refuses it, or it waits for a rationale. Nothing was recorded.",
    429: "There are too many requests of this token or address: wait as long as Retry-After says.",
    500: "A fault of the service: tell its operators the reference.",
    503: "Something that this rests on does not answer: try again in a moment.",
}
_HEADERS: Final = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "2"}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with these problems, as OpenAPI 3.1 describes them."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **(
                {"headers": {name: {"schema": {"type": "string"}} for name in _HEADERS[status]}}
                if status in _HEADERS
                else {}
            ),
        }
        for status in statuses
    }


class TooManyRequests(Exception):
    """A token or an address has used up its rate; the next request may come after `seconds` (429)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many requests: the next one may come after {seconds:.1f} seconds")
        self.seconds = seconds


class Malformed(Exception):
    """Input that cannot be understood: which field, and what to do (422)."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = errors

    @classmethod
    def of(cls, error: ValidationError | RequestValidationError) -> Malformed:
        """From pydantic's errors, without the values and names that were given: they may be personal."""
        return cls(*((_place(item["loc"]), _message(item)) for item in error.errors()))


MAX_ERRORS: Final = 20
"""How many wrong fields an answer names; the rest is counted."""

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_HEADER: Final = re.compile(r"[A-Z][a-z]{1,19}(-[A-Z][a-z]{1,19}){1,2}")


def _place(location: Sequence[int | str]) -> str:
    """The dotted path of a wrong field. Members of the command union are left out; keys of a rationale are texts."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, str) and part[:1].isupper() and part.isidentifier() and not parts:
            continue
        parts.append(str(part))
        if part == "rationale":
            break
    return ".".join(parts) or "body"


def _shown(field: str) -> str:
    """A field's path as an answer names it: a part that looks like no field or header may be personal."""
    parts = ((part if _FIELD.fullmatch(part) or part.isdecimal() else "…") for part in field.split("."))
    return field if _HEADER.fullmatch(field) else ".".join(parts)[:200]


_MESSAGES: Final = {
    "missing": "this field is missing: add it",
    "extra_forbidden": "there is no such field: remove it or correct its name",
    "timezone_aware": "a time needs its zone: write it as 2026-06-09T23:50:00+01:00",
}


def _message(item: Any) -> str:
    kind = item["type"]
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        known = item.get("ctx", {}).get("expected_tags")
        return "the type of command is missing or unknown" + (f": there is {known}" if known else "")
    if item["loc"][-1:] == ("[key]",):
        return "give each reason under the id of a rule, such as R12"
    return _MESSAGES.get(kind) or str(item["msg"])


def problem_response(
    status: int, kind: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """A problem answer; `kind` makes its type, a relative reference that is stable and documented."""
    body = Problem(type=f"/problems/{kind}", title=title, status=status, detail=detail, **more)
    said = {**_HEADERS.get(status, {}), **(headers or {})}
    return JSONResponse(body.model_dump(mode="json", exclude_unset=True), status, said, MEDIA_TYPE)


def too_many(raised: TooManyRequests) -> JSONResponse:
    """When the next request may come, in whole seconds (RFC 9110, section 10.2.3)."""
    wait = {"Retry-After": str(ceil(raised.seconds))}
    return problem_response(429, "too-many-requests", "Slow down", f"{raised}; nothing was recorded.", headers=wait)


def fault(reference: str) -> JSONResponse:
    """A fault of ours, without a word of what went wrong: the log has that, under the reference."""
    return problem_response(
        500,
        "fault",
        "A fault of this service",
        f"Nothing that you sent was wrong. Tell the operators the reference {reference}; before you ask again for"
        " something to be recorded, read the record, or use the same Idempotency-Key.",
        reference=reference,
    )


def refused_response(rules: Sequence[BrokenRule], *, needs_rationale: bool) -> JSONResponse:
    """Every rule that refuses, or every warning that waits for a rationale."""
    ids = ", ".join(rule.id for rule in rules)
    return problem_response(
        422,
        "needs-rationale" if needs_rationale else "refused",
        "A reason is needed" if needs_rationale else "The rules do not allow this",
        f"Give a rationale for {ids} to go ahead"
        if needs_rationale
        else f"Refused by {ids}: " + " ".join(r.text for r in rules),
        rules=[{"id": rule.id, "text": rule.text, "source": rule.source} for rule in rules],
        needs_rationale=needs_rationale,
        errors=[],
    )


def malformed_response(error: Malformed) -> JSONResponse:
    """Which fields are wrong and what to do, up to a limit; nothing was recorded."""
    named = list(error.errors[:MAX_ERRORS])
    if (more := len(error.errors) - MAX_ERRORS) > 0:
        named.append(("body", f"{more} more are wrong: correct these first"))
    return problem_response(
        422,
        "malformed",
        "The request cannot be understood",
        "Nothing was recorded. Correct the fields named and send it again.",
        errors=[{"field": _shown(field), "message": message} for field, message in named],
        rules=[],
        needs_rationale=False,
    )


def install_handlers(app: FastAPI) -> None:
    """Answer every known error of the house as a problem."""

    def on(error: type[Exception], status: int, kind: str, title: str) -> None:
        @app.exception_handler(error)
        async def _answer(_request: Request, raised: Exception) -> JSONResponse:
            return problem_response(status, kind, title, str(raised))

    on(InvalidToken, 401, "token", "A valid access token is needed")
    on(NotAllowed, 403, "forbidden", "This is not yours to do or see")
    for unavailable in (EventStoreUnavailable, KeyringUnavailable, IssuerUnavailable, LogUnavailable):
        on(unavailable, 503, "unavailable", "Try again in a moment, with the same Idempotency-Key")
    on(UnusableKey, 503, "keyring", "A key of this record cannot be used: it needs a person who keeps the system")
    on(StoreBehindTopic, 503, "store-behind-topic", "Nothing is accepted until the event store has been restored")
    on(KeyDestroyed, 410, "forgotten", "This person's key has been destroyed: nothing more can be recorded of them")

    @app.exception_handler(TooManyRequests)
    async def _too_many(_request: Request, raised: Exception) -> JSONResponse:
        assert isinstance(raised, TooManyRequests)
        return too_many(raised)

    @app.exception_handler(Malformed)
    async def _malformed(_request: Request, raised: Exception) -> JSONResponse:
        assert isinstance(raised, Malformed)
        return malformed_response(raised)

    @app.exception_handler(NoPolicy)
    @app.exception_handler(BeyondCalendar)
    async def _out_of_time(_request: Request, raised: Exception) -> JSONResponse:
        # The day comes from the request: no rule is judged and no duty dated on a day that policy does not reach.
        return malformed_response(Malformed(("time", f"{raised}; check the year of the times given")))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, raised: Exception) -> JSONResponse:
        assert isinstance(raised, RequestValidationError)
        return malformed_response(Malformed.of(raised))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, raised: Exception) -> JSONResponse:
        assert isinstance(raised, HTTPException)
        return problem_response(
            raised.status_code,
            "http",
            HTTPStatus(raised.status_code).phrase,
            f"{raised.detail}: see /docs for what can be asked",
            headers=raised.headers,
        )
