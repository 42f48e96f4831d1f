"""Limits of connections: time-outs for the head, the body and a client that does not read, and a maximum number.

uvicorn limits only the idle time after a response (`timeout_keep_alive`). A connection without a complete request stayed
open for ever. Another server (granian) has more limits, but also another process model. A protocol class, which uvicorn
accepts as an option, needs only one more timer. It begins TLS itself: if the socket does, a client that does not end the
handshake is counted by nobody, for a minute.
"""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from shared.api.problems import MEDIA_TYPE, Problem, phrase_of
from shared.api.rates import network_of
from shared.servers.settings import Settings


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The maximum number of connections, and time-outs in seconds."""

    total: int = 1000
    per_address: int | None = 250
    """The most connections from one address. None: no limit, behind a proxy."""
    head_seconds: float = 10.0
    """From the connection, with its handshake, or the first byte of a later request, to the end of the head."""
    body_seconds: float = 30.0
    """From the end of the head to the end of the body."""
    read_seconds: float = 30.0
    """The longest pause of a client that does not read a response larger than the buffer of the socket (backpressure)."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.connections, None if settings.trusted_proxies else settings.connections_per_address)


class BoundedProtocol(H11Protocol):
    """An HTTP/1.1 connection with limits. `with_limits` creates the class for a server."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    by_address: ClassVar[Counter[str]] = Counter()
    tls: ClassVar[ssl.SSLContext | None] = None

    _pending_part: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _address: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it above the maximum. It is made again by the end of the handshake."""
        super().connection_made(transport)
        if self._address is not None:
            return
        self._address = network_of(self.client)
        self.by_address[self._address] += 1
        limit = self.limits.per_address
        if len(self.connections) > self.limits.total or (limit is not None and self.by_address[self._address] > limit):
            self._refuse(503, "There are too many connections: close some, and try again in a moment.")
            return
        self._set_deadline()
        if self.tls is not None:
            self._begin_tls(transport, self.tls)

    def _begin_tls(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        ended: asyncio.Future[None] = self.loop.create_future()
        handshake = _Handshake(self.loop, self, tls, ended, server_side=True)
        ended.add_done_callback(self._after_handshake)
        transport.set_protocol(handshake)
        handshake.connection_made(transport)

    def _after_handshake(self, ended: asyncio.Future[None]) -> None:
        error = ended.exception()
        if self._speaks_in_clear:
            self.connection_lost(error if isinstance(error, Exception) else None)

    @property
    def _speaks_in_clear(self) -> bool:
        """Whether the handshake of TLS is not over."""
        return self.tls is not None and self.scheme == "http"

    def connection_lost(self, exc: Exception | None) -> None:
        if self._address is not None:
            self.by_address[self._address] -= 1
            if not self.by_address[self._address]:
                del self.by_address[self._address]
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes, and set the deadline of the rest of the request."""
        super().data_received(data)
        self._set_deadline()

    def on_response_complete(self) -> None:
        """Continue with the next request, which may have arrived in part."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._set_deadline()
        # Between two requests uvicorn's own timer runs, until the first byte of the next one.

    def pause_writing(self) -> None:
        """Start the time-out of a client that does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the time-out of a client that has read."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP/1.1."""
        self._refuse(400, msg)

    def _set_deadline(self) -> None:
        """Set one deadline for the next part of a request. Single bytes do not extend it."""
        state = self.conn.their_state
        part = "head" if state is h11.IDLE else "body" if state is h11.SEND_BODY else None
        if part == self._pending_part:
            return
        self._pending_part = part
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if part is not None:
            seconds = self.limits.head_seconds if part == "head" else self.limits.body_seconds
            why = f"The {part} of the request did not come within {seconds:g} seconds: send it again."
            self._deadline = self.loop.call_later(seconds, self._refuse, 408, why)

    def _refuse(self, status: int, why: str) -> None:
        """Send a problem, unless a response has begun, and close the connection."""
        if self.transport.is_closing():
            return
        if self._speaks_in_clear:
            self.transport.abort()
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_problem_bytes(status, why))
        self.transport.close()


class _Handshake(SSLProtocol):
    max_size = 32_768
    """Of the buffer that each connection has, in bytes; asyncio's is 256 KiB."""


def with_limits(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """Create a protocol class with these limits and its own counters."""
    return type("LimitedProtocol", (BoundedProtocol,), {"limits": limits, "by_address": Counter[str]()})


_RETRY: Final = {503: "Retry-After: 2\r\n"}


def _problem_bytes(status: int, why: str) -> bytes:
    """Encode a whole response, for a connection without a request for the application."""
    phrase = phrase_of(status)
    body = Problem(type="/problems/http", title=phrase, status=status, detail=why).model_dump_json(exclude_unset=True)
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body.encode())}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{_RETRY.get(status, '')}"
        f"Connection: close\r\n\r\n{body}"
    ).encode()
