"""Parsers of requests: body, ids, times and reasons. Each raises `Malformed` for malformed input."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import ValidationError

from shared.api.bodies import read_body
from shared.api.parameters import ACCESS_REASON, DAY, IDEMPOTENCY_KEY, TIME_HINT, UUID_HINT, UUID_TEXT, Parameter
from shared.api.problems import Malformed, TooManyRequests
from shared.api.rates import UNDER_WAY, RateLimit, network_of
from shared.domain.dates import end_of_day, local_day
from shared.domain.messages import Actor, Command
from shared.domain.service import Service
from shared.handling.stream_queue import Turns

MAX_PARAMETERS: Final = 50
"""The most query parameters of a request, repetitions included; their check takes quadratic time."""


BEARER: Final = HTTPBearer(scheme_name="token", bearerFormat="JWT", auto_error=False)


async def read_actor(
    request: Request,
    _token: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],  # for the OpenAPI document
) -> Actor:
    """Verify the bearer token and return the actor, when it is the turn of the request among those of the actor.

    Raises `InvalidToken`, `IssuerUnavailable`, or `TooManyRequests` above the rate limit of an actor.
    """
    actor: Actor = await request.app.state.deps.tokens.actor(request.headers.get("authorization"))
    addresses: RateLimit | None = request.app.state.address_rate
    if addresses is not None:
        addresses.give_back(network_of(request.client))  # who is known counts alone: many come by the console's address
    rate: RateLimit | None = request.app.state.actor_rate
    if rate is not None and (seconds := rate.take(str(actor.id), _size_of(request))):
        raise TooManyRequests(seconds)
    turns: Turns | None = request.app.state.actor_turns
    if turns is not None:
        under_way: AsyncExitStack = request.scope[UNDER_WAY]
        await under_way.enter_async_context(turns.turn(str(actor.id)))
    return actor


def _size_of(request: Request) -> int:
    """Return a body's length by its head; without one it counts as the largest."""
    length = request.headers.get("content-length")
    if length is None:
        limit: int = request.app.state.body_limit if "transfer-encoding" in request.headers else 0
        return limit
    return int(length)


Caller = Annotated[Actor, Depends(read_actor)]
"""The actor of a route behind a token."""


async def read_command(request: Request, service: Service[Any], limit: int, received_at: datetime) -> Command:
    """Parse the command in the body of a request. Raises `Malformed`, or `HTTPException` 415 for another media type."""
    return parse_command(service, await read_body(request, limit), received_at)


def parse_command(service: Service[Any], body: bytes, received_at: datetime) -> Command:
    """Parse the command in the bytes of a JSON body, received then. Raises `Malformed`."""
    try:
        command = service.parse_command(body, received_at)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
    if command.rationale.keys() - service.decider.rules.ids:
        rule_ids = ", ".join(sorted(service.decider.rules.ids))
        raise Malformed(("rationale", f"give each reason under the id of a rule of {service.name}: {rule_ids}"))
    return command


def read_id(text: str, name: str = "id") -> UUID:
    """Parse the UUID of a path or header. Raises `Malformed`."""
    if not UUID_TEXT.fullmatch(text):
        raise Malformed((name, UUID_HINT))
    return UUID(text)


def read_key(request: Request) -> str:
    """Read the header Idempotency-Key. Raises `Malformed`."""
    return IDEMPOTENCY_KEY.validate(request.headers.get(IDEMPOTENCY_KEY.name, ""))


def read_reason(request: Request) -> str | None:
    """Read the header Access-Reason, a code. Raises `Malformed`."""
    reason = request.headers.get(ACCESS_REASON.name)
    return None if reason is None else ACCESS_REASON.validate(reason)


def read_query(request: Request) -> dict[str, str]:
    """Read the query parameters by name, which the route's `ParameterCheck` has checked; of a repeated one, the last."""
    return dict(request.query_params)


def check_parameters(request: Request, declared: Sequence[Parameter]) -> None:
    """Check the parameters of a request.

    Raises `Malformed` for unknown and wrongly repeated ones, else for a malformed one, else for the missing ones.
    """
    if request.scope["query_string"].count(b"&") >= MAX_PARAMETERS:
        raise Malformed(("query", f"there are more than {MAX_PARAMETERS} parameters: give each parameter once"))
    values = request.query_params
    allowed = {parameter.name: parameter for parameter in declared if parameter.place == "query"}
    unknown = "this route has no parameters: remove it"
    if allowed:
        unknown = f"there is no such parameter: choose from {', '.join(allowed)}"
    wrong = [
        (name, "this parameter is given twice: give it once" if name in allowed else unknown)
        for name in values
        if name not in allowed or (len(values.getlist(name)) > 1 and not allowed[name].repeatable)
    ]
    if wrong:
        raise Malformed(*wrong)
    missing = []
    for parameter in declared:
        texts = _texts(request, parameter)
        for text in () if parameter.lenient else texts:
            parameter.validate(text)
        if parameter.required and not texts:
            missing.append((parameter.name, parameter.hint))
    if missing:
        raise Malformed(*missing)


def _texts(request: Request, parameter: Parameter) -> list[str]:
    if parameter.place == "query":
        return request.query_params.getlist(parameter.name)
    places: Mapping[str, str] = request.headers if parameter.place == "header" else request.path_params
    text = places.get(parameter.name)
    return [] if text is None else [text]


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """Parse a time with its zone, or a date, which means the end of that Europe/London day. Raises `Malformed`.

    The query comes from `read_query`, so its text has the format of a time, but may still be an impossible one.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        is_day = DAY.fullmatch(text)
        moment = end_of_day(date.fromisoformat(text)) if is_day else datetime.fromisoformat(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise Malformed((name, TIME_HINT)) from None
    # The range of the times in commands; time zones overflow at the ends of Python's own range.
    if not 1900 <= moment.year < 2200:
        raise Malformed((name, TIME_HINT))
    return moment


def read_times(request: Request) -> tuple[datetime | None, datetime | None]:
    """Parse the two times of a question (bitemporal): `as_of` and `known_at`. Raises `Malformed`."""
    query = read_query(request)
    return read_time(query, "as_of"), read_time(query, "known_at")


def read_day(query: Mapping[str, str], name: str) -> date | None:
    """Parse a date, or a time of which the Europe/London date counts. Raises `Malformed`."""
    moment = read_time(query, name)
    return None if moment is None else local_day(moment)


def today() -> date:
    """Return the current date in Europe/London."""
    return local_day(datetime.now(UTC))
