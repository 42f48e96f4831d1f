"""Outermost middleware of every API and of the console: rate limits, common headers, and the answer to unexpected errors."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.api.metrics import REQUESTS
from shared.api.problems import TooManyRequests, fault_response, too_many_response
from shared.api.rates import RateLimit, Turns
from shared.settings import Settings

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every response: no caching (RFC 9111), no guessing of media types (Fetch standard)."""

_LOG: Final = logging.getLogger(__name__)


def guard(app: FastAPI, settings: Settings) -> None:
    """Add the middleware to an application, with the rate limits of its settings."""
    by_actor, by_address = settings.rates
    app.state.actor_rate = None if by_actor is None else RateLimit(by_actor)
    app.state.actor_turns = None if by_actor is None else Turns()
    app.add_middleware(Boundary, rate=None if by_address is None else RateLimit(by_address))


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
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _count(scope, message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if self._rate is not None and (seconds := self._rate.take(_client_address(scope))):
                await too_many_response(TooManyRequests(seconds))(scope, receive, answer)
            else:
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


def _count(scope: Scope, status: int) -> None:
    """Count an answer by the pattern of its route: the address and the method of what no route takes are the client's.

    A route whose path alone fits is there too, with whatever method the client made up.
    """
    route = scope.get("route")
    path, method = getattr(route, "path", ""), scope["method"]
    REQUESTS.labels(method if method in (getattr(route, "methods", None) or ()) else "", path, status).inc()


def _client_address(scope: Scope) -> str:
    """Return the address of the client. For IPv6 return its /64 network, since one client may use all of it."""
    client = scope.get("client")
    host = "" if client is None else str(client[0])
    return host if ":" not in host else str(ipaddress.ip_address(host).packed[:8])
