"""Connections that end: time limits for head, body and a client that does not read, and a cap on how many there are.

uvicorn bounds the idle time after an answer (`timeout_keep_alive`), and nothing before the first one: a connection that
says nothing, or half a request, stayed for ever. Another server (granian) would bound these too, at the price of
another process model; its own protocol class, which uvicorn takes as a setting, needs one timer more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from shared.api.problems import MEDIA_TYPE, Problem


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections an API holds, and for how many seconds it waits for a client."""

    total: int = 1000
    per_address: int | None = 250
    """None: not counted, where all come from a proxy."""
    head_seconds: float = 10.0
    """From the connection, or from the first byte of a further request, to the end of its head."""
    body_seconds: float = 30.0
    """From the end of the head to the end of the body."""
    read_seconds: float = 30.0
    """How long a client may read nothing of an answer that does not fit the socket's buffer."""


class BoundedProtocol(H11Protocol):
    """An HTTP/1.1 connection with limits; `with_limits` makes the class that a server is given."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    by_address: ClassVar[Counter[str]] = Counter()

    _awaited: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _address: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse one too many."""
        super().connection_made(transport)
        self._address = "" if self.client is None else self.client[0]
        self.by_address[self._address] += 1
        most = self.limits.per_address
        if len(self.connections) > self.limits.total or (most is not None and self.by_address[self._address] > most):
            self._refuse(503, "There are too many connections: close some, and try again in a moment.")
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its deadlines."""
        if self._address is not None:
            self.by_address[self._address] -= 1
            if not self.by_address[self._address]:
                del self.by_address[self._address]
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and set the deadline of what is still to come."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request, parts of which may have come."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._watch()
        # Between two requests uvicorn's own timer runs, until the first byte of the next one.

    def pause_writing(self) -> None:
        """Give a client that does not read its time."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing to a client that has read."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP/1.1."""
        self._refuse(400, msg)

    def _watch(self) -> None:
        """Keep one deadline for the part of a request that is awaited; a byte now and then does not move it."""
        state = self.conn.their_state
        awaited = "head" if state is h11.IDLE else "body" if state is h11.SEND_BODY else None
        if awaited == self._awaited:
            return
        self._awaited = awaited
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if awaited is not None:
            seconds = self.limits.head_seconds if awaited == "head" else self.limits.body_seconds
            why = f"The {awaited} of the request did not come within {seconds:g} seconds: send it again."
            self._deadline = self.loop.call_later(seconds, self._refuse, 408, why)

    def _refuse(self, status: int, why: str) -> None:
        """Answer with a problem, unless an answer has begun, and close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_answer(status, why))
        self.transport.close()


def with_limits(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """The class of connections with these limits, which are counted apart from those of any other."""
    return type("LimitedProtocol", (BoundedProtocol,), {"limits": limits, "by_address": Counter[str]()})


_RETRY: Final = {503: "Retry-After: 2\r\n"}


def _answer(status: int, why: str) -> bytes:
    """A whole answer in bytes, for a connection whose request the application never sees."""
    phrase = HTTPStatus(status).phrase
    body = Problem(type="/problems/http", title=phrase, status=status, detail=why).model_dump_json(exclude_unset=True)
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body.encode())}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{_RETRY.get(status, '')}"
        f"Connection: close\r\n\r\n{body}"
    ).encode()
