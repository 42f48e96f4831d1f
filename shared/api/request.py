"""Parsers of requests: body, ids, times and reasons. Each raises `Malformed` for malformed input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError

from shared.api.bodies import check_body, read_body
from shared.api.parameters import (
    ACCESS_REASON,
    CORRELATION,
    DAY,
    IDEMPOTENCY_KEY,
    TIME_HINT,
    TRACEPARENT,
    UUID_HINT,
    UUID_TEXT,
    Parameter,
)
from shared.api.problems import Malformed, TooManyRequests
from shared.api.rates import RateLimit
from shared.domain.dates import end_of_day, local_day
from shared.domain.messages import Actor, Command
from shared.runtime.service import Service

MAX_PARAMETERS: Final = 50
"""The most query parameters of a request, repetitions included; their check takes quadratic time."""


async def read_actor(request: Request) -> Actor:
    """Verify the bearer token and return the actor. Every route calls it first.

    Raises `InvalidToken`, `IssuerUnavailable`, or `TooManyRequests` above the rate limit of an actor.
    """
    actor: Actor = await request.app.state.deps.tokens.actor(request.headers.get("authorization"))
    rate: RateLimit | None = request.app.state.actor_rate
    if rate is not None and (seconds := rate.take(str(actor.id))):
        raise TooManyRequests(seconds)
    return actor


async def read_command(request: Request, service: Service[Any], limit: int, received_at: datetime) -> Command:
    """Parse the command in the body of a request. Raises `Malformed`, or `HTTPException` 415 for another media type."""
    return parse_command(service, await read_body(request, limit), received_at)


def parse_command(service: Service[Any], body: bytes, received_at: datetime) -> Command:
    """Parse the command in the bytes of a JSON body, received then. Raises `Malformed`."""
    check_body(body)
    try:
        command = service.parse_command(body, received_at)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
    if command.rationale.keys() - service.decider.rules.ids:
        known = ", ".join(sorted(service.decider.rules.ids))
        raise Malformed(("rationale", f"give each reason under the id of a rule of {service.name}: {known}"))
    return command


def read_id(text: str, name: str = "id") -> UUID:
    """Parse the UUID of a path or header. Raises `Malformed`."""
    if not UUID_TEXT.fullmatch(text):
        raise Malformed((name, UUID_HINT))
    return UUID(text)


def read_key(request: Request) -> str:
    """Read the header Idempotency-Key. Raises `Malformed`."""
    return IDEMPOTENCY_KEY.validate(request.headers.get(IDEMPOTENCY_KEY.name, ""))


def read_correlation(request: Request) -> UUID | None:
    """Read the header Correlation-Id. Raises `Malformed`."""
    text = request.headers.get(CORRELATION.name)
    return None if text is None else UUID(CORRELATION.validate(text))


def read_traceparent(request: Request) -> str | None:
    """Read the header traceparent (W3C Trace Context). Returns None if it is missing or malformed."""
    text = request.headers.get(TRACEPARENT.name, "")
    return text if TRACEPARENT.pattern.fullmatch(text) else None


def read_reason(request: Request) -> str | None:
    """Read the header Access-Reason, a code. Raises `Malformed`."""
    reason = request.headers.get(ACCESS_REASON.name)
    return None if reason is None else ACCESS_REASON.validate(reason)


def read_query(request: Request, known: Sequence[Parameter]) -> dict[str, str]:
    """Read the query parameters by name; of a repeated one, the last value.

    Raises `Malformed` for an unknown, wrongly repeated or malformed parameter.
    """
    if request.scope["query_string"].count(b"&") >= MAX_PARAMETERS:
        raise Malformed(("query", f"there are more than {MAX_PARAMETERS} parameters: give each parameter once"))
    values = request.query_params
    allowed = {parameter.name: parameter for parameter in known if parameter.place == "query"}
    wrong = [
        (
            name,
            "this parameter is given twice: give it once"
            if name in allowed
            else f"there is no such parameter: choose from {', '.join(allowed)}"
            if allowed
            else "this route has no parameters: remove it",
        )
        for name in values
        if name not in allowed or (len(values.getlist(name)) > 1 and not allowed[name].repeatable)
    ]
    if wrong:
        raise Malformed(*wrong)
    for name, parameter in allowed.items():
        for text in values.getlist(name):
            parameter.validate(text)
    return dict(values)


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """Parse a time with its zone, or a date, which means the end of that Europe/London day. Raises `Malformed`.

    The query comes from `read_query`, so its text has the format of a time, but may still be an impossible one.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        if DAY.fullmatch(text):
            return _check_year(end_of_day(date.fromisoformat(text)))
        return _check_year(datetime.fromisoformat(text.replace(" ", "+")))
    except (ValueError, OverflowError):
        raise Malformed((name, TIME_HINT)) from None


def _check_year(moment: datetime) -> datetime:
    # The range of the times in commands; time zones overflow at the ends of Python's own range.
    if not 1900 <= moment.year < 2200:
        raise ValueError("give a year from 1900 to 2199")
    return moment


def read_day(query: Mapping[str, str], name: str) -> date | None:
    """Parse a date, or a time of which the Europe/London date counts. Raises `Malformed`."""
    moment = read_time(query, name)
    return None if moment is None else local_day(moment)


def today() -> date:
    """Return the current date in Europe/London."""
    return local_day(datetime.now(UTC))
