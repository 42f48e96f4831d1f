"""What a request says: its body, ids, times and reasons; whatever cannot be understood is `Malformed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError

from shared.api.bodies import look_over, read_body
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
from shared.domain.dates import local_day
from shared.domain.duties_by_day import end_of_day
from shared.domain.messages import Actor, Command
from shared.runtime.service import Service

MAX_PARAMETERS: Final = 50
"""Parameters of an address, repetitions included; each is looked for among all."""


async def read_actor(request: Request) -> Actor:
    """Who asks, by the bearer token, before anything else is said.

    Raises `BadToken`, `IssuerUnavailable`, or `TooManyRequests` where this actor sends more than one may.
    """
    actor: Actor = await request.app.state.deps.tokens.actor(request.headers.get("authorization"))
    rate: RateLimit | None = request.app.state.actor_rate
    if rate is not None and (seconds := rate.take(str(actor.id))):
        raise TooManyRequests(seconds)
    return actor


async def read_command(request: Request, service: Service[Any], limit: int, received_at: datetime) -> Command:
    """The command of a request's body, received then; raises `Malformed`, or `HTTPException` 415 where the body is no JSON."""
    return parse_command(service, await read_body(request, limit), received_at)


def parse_command(service: Service[Any], body: bytes, received_at: datetime) -> Command:
    """Parse the command in the bytes of a JSON body, received then; raises `Malformed`."""
    look_over(body)
    try:
        command = service.parse_command(body, received_at)
    except ValidationError as error:
        raise Malformed.of(error) from error
    if command.rationale.keys() - service.decider.rules.ids:
        known = ", ".join(sorted(service.decider.rules.ids))
        raise Malformed(("rationale", f"give each reason under the id of a rule of {service.name}: {known}"))
    return command


def read_id(text: str, name: str = "id") -> UUID:
    """An id of a path or a header of this name; raises `Malformed`."""
    if not UUID_TEXT.fullmatch(text):
        raise Malformed((name, UUID_HINT))
    return UUID(text)


def read_key(request: Request) -> str:
    """The Idempotency-Key header; raises `Malformed`."""
    return IDEMPOTENCY_KEY.take(request.headers.get(IDEMPOTENCY_KEY.name, ""))


def read_correlation(request: Request) -> UUID | None:
    """The Correlation-Id header; raises `Malformed`."""
    text = request.headers.get(CORRELATION.name)
    return None if text is None else UUID(CORRELATION.take(text))


def read_traceparent(request: Request) -> str | None:
    """The W3C traceparent header, where it is well formed."""
    text = request.headers.get(TRACEPARENT.name, "")
    return text if TRACEPARENT.pattern.fullmatch(text) else None


def read_reason(request: Request) -> str | None:
    """The reason for a read: a code, so that the log holds nothing personal; raises `Malformed`."""
    reason = request.headers.get(ACCESS_REASON.name)
    return None if reason is None else ACCESS_REASON.take(reason)


def read_query(request: Request, known: Sequence[Parameter]) -> dict[str, str]:
    """The query parameters by name, the last of one that is repeatable.

    Raises `Malformed` for one that is unknown, given twice or, by its pattern, of no meaning.
    """
    if request.scope["query_string"].count(b"&") >= MAX_PARAMETERS:
        raise Malformed(("query", f"there are more than {MAX_PARAMETERS} parameters: give each that is needed once"))
    given, there_is = request.query_params, {one.name: one for one in known if one.place == "query"}
    wrong = [
        (
            name,
            "this parameter is given twice: give it once"
            if name in there_is
            else f"there is no such parameter; there is {', '.join(there_is) or 'none'}",
        )
        for name in given
        if name not in there_is or (len(given.getlist(name)) > 1 and not there_is[name].repeatable)
    ]
    if wrong:
        raise Malformed(*wrong)
    for name, parameter in there_is.items():
        for text in given.getlist(name):
            parameter.take(text)
    return dict(given)


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """A time with its zone, or a date, which means the end of that Europe/London day; raises `Malformed`.

    The query is one that `read_query` gave: the text has the pattern of a time, and may yet be no time.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        if DAY.fullmatch(text):
            return _within(end_of_day(date.fromisoformat(text)))
        return _within(datetime.fromisoformat(text.replace(" ", "+")))
    except (ValueError, OverflowError):
        raise Malformed((name, TIME_HINT)) from None


def _within(moment: datetime) -> datetime:
    # The years of a command's times: at the ends of Python's own, zones overflow.
    if not 1900 <= moment.year < 2200:
        raise ValueError("give a year from 1900 to 2199")
    return moment


def read_day(query: Mapping[str, str], name: str) -> date | None:
    """A date, or a time whose Europe/London date counts; raises `Malformed`."""
    moment = read_time(query, name)
    return None if moment is None else local_day(moment)


def end_of_today() -> date:
    """Today, in Europe/London."""
    return local_day(datetime.now(UTC))
