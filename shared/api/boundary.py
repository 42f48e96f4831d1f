"""The outermost layer of every API: rate limits, headers of every answer, and an answer to whatever goes wrong inside."""

from __future__ import annotations

import ipaddress
import logging
from typing import Final
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.api.problems import TooManyRequests, fault, too_many
from shared.api.rates import RateLimit
from shared.runtime.settings import Settings

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: nothing is kept by a cache, and nothing is taken for another type than it says (RFC 9111, Fetch)."""

_LOG: Final = logging.getLogger(__name__)


def guard(app: FastAPI, settings: Settings) -> None:
    """Put the boundary around an application, with the rate limits of its settings."""
    by_actor, by_address = settings.rates
    app.state.actor_rate = None if by_actor is None else RateLimit(by_actor)
    app.add_middleware(Boundary, rate=None if by_address is None else RateLimit(by_address))


class Boundary:
    """ASGI middleware: nothing passes to the server but an answer with the headers of the house."""

    def __init__(self, app: ASGIApp, rate: RateLimit | None = None) -> None:
        self._app = app
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; other kinds of scope pass as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            if self._rate is not None and (seconds := self._rate.take(_address(scope))):
                await too_many(TooManyRequests(seconds))(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except ClientDisconnect:
            return  # nobody is left to be answered, and nothing was recorded
        except Exception:
            if started:
                raise
            reference = str(uuid4())
            _LOG.exception("fault %s in %s %s", reference, scope["method"], scope["path"])
            await fault(reference)(scope, receive, answer)


def _address(scope: Scope) -> str:
    """The client's address; of version 6 the network of 64 bits, all of which one client may use."""
    client = scope.get("client")
    host = "" if client is None else str(client[0])
    return host if ":" not in host else str(ipaddress.ip_address(host).packed[:8])
