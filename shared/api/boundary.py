"""Outermost middleware of every API and of the console: rate limits, common headers, and the answer to unexpected errors."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.api.metrics import REQUESTS
from shared.api.problems import TooManyRequests, fault_response, problem_response, too_many_response
from shared.api.rates import AT_ONCE, UNDER_WAY, RateLimit, network_of
from shared.api.sandbox import Sandbox
from shared.domain.dates import add_months
from shared.handling.stream_queue import Turns
from shared.observing.tracing import span
from shared.servers.settings import Settings

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every response: no caching (RFC 9111), no guessing of media types (Fetch standard)."""

SUNSET: Final = "x-sunset"
"""The member of a deprecated operation or property in OpenAPI with the day from which it may be gone (ISO 8601).

A route is declared with `deprecated=True, openapi_extra={SUNSET: "2027-12-15"}`, twelve months before.
"""

_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
UNTRACED: Final = frozenset({"/health/live", "/health/ready", "/metrics", "/status"})
"""The routes of monitoring, called all the time."""

_LOG: Final = logging.getLogger(__name__)


def guard(app: FastAPI, settings: Settings) -> None:
    """Add the middleware to an application, with the rate limits of its settings."""
    by_actor, by_address = settings.rates
    app.state.actor_rate = None if by_actor is None else RateLimit(by_actor)
    app.state.body_limit = settings.body_limit
    app.state.actor_turns = None if by_actor is None else Turns(AT_ONCE)
    if settings.sandbox and settings.mode == "local":
        app.add_middleware(Sandbox)
    app.state.address_rate = None if by_address is None else RateLimit(by_address)
    app.add_middleware(Boundary, rate=app.state.address_rate)


class Boundary:
    """ASGI middleware that sends every response with the common headers.

    Headers that a response sets itself stay. `fault` makes the answer to an unexpected error, from its reference in the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        rate: RateLimit | None = None,
        headers: Mapping[str, str] = HEADERS,
        fault: Callable[[Scope, str], ASGIApp] = lambda _scope, reference: fault_response(reference),
    ) -> None:
        self._app = app
        self._rate = rate
        self._headers = headers
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; pass other kinds of scope on unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in UNTRACED:
            await self._answer(scope, receive, send, None)
            return
        traceparent = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None
        )
        with span("HTTP", "SERVER", parent=traceparent) as traced:
            await self._answer(scope, receive, send, traced)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, traced: Any) -> None:
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _count(scope, message["status"], traced)
                headers = MutableHeaders(scope=message)
                for name, value in {**self._headers, **_notice(scope.get("route"))}.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if {name for name, _ in scope["headers"]} >= _LENGTHS:
                await _two_lengths()(scope, receive, answer)
            elif self._rate is not None and (seconds := self._rate.take(network_of(scope.get("client")))):
                await too_many_response(TooManyRequests(seconds))(scope, receive, answer)
            else:
                async with AsyncExitStack() as scope[UNDER_WAY]:
                    await self._app(scope, receive, answer)
        except ClientDisconnect:
            return  # the client has left, and nothing was recorded
        except Exception:
            if started:
                raise
            reference = str(uuid4())
            # The route and not the address: nothing of a person stands in a log.
            _LOG.exception("fault %s in %s %s", reference, scope["method"], getattr(scope.get("route"), "path", ""))
            await self._fault(scope, reference)(scope, receive, answer)


def _notice(route: Any) -> Mapping[str, str]:
    """Return the headers of a route that goes: since when it is deprecated (RFC 9745), and its end (RFC 8594)."""
    if not (extra := getattr(route, "openapi_extra", None)) or SUNSET not in extra:
        return {}
    end = date.fromisoformat(extra[SUNSET])
    since, until = (datetime.combine(day, time(), UTC) for day in (add_months(end, -12), end))
    return {"Deprecation": f"@{since.timestamp():.0f}", "Sunset": format_datetime(until, usegmt=True)}


def _two_lengths() -> Response:
    """Build the response to what may be two requests in one (RFC 9112, section 6.3); the connection ends with it."""
    why = "Send the length of a body once: Content-Length or Transfer-Encoding."
    return problem_response("http", "Bad Request", why, status=400, headers={"Connection": "close"})


def _count(scope: Scope, status: int, traced: Any) -> None:
    """Count an answer, and name its span, by the pattern of its route: the address and the method of what no route takes are the client's.

    A route whose path alone fits is there too, with whatever method the client made up.
    """
    route = scope.get("route")
    path, method = getattr(route, "path", ""), scope["method"]
    method = method if method in (getattr(route, "methods", None) or ()) else ""
    REQUESTS.labels(method, path, status).inc()
    if traced is not None:
        traced.update_name(f"{method or 'HTTP'} {path}".strip())
        traced.set_attributes({"http.request.method": method or "_OTHER", "http.route": path})
        traced.set_attribute("http.response.status_code", status)
