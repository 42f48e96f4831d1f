"""Connections to PostgreSQL: pools that survive a restart of the server, and which errors are worth another try."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import stamina

T = TypeVar("T")
Connection = Any
"""A connection of asyncpg, from its pool or its own."""

TRANSIENT: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that was lost in the middle of a call
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # too many connections, or no room on the disk
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)
"""Errors after which the same call, sent again, may well succeed."""


def database_dsn(server: str, database: str) -> str:
    """The address of one database on a server."""
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{database}"))


def as_role(address: str, role: str, password: str | None = None) -> str:
    """The same address for another role, without the password of the one before; without a role where it is empty."""
    parts = urlsplit(address)
    secret = "" if password is None else f":{quote(password, safe='')}"
    login = f"{role}{secret}@" if role else ""
    return urlunsplit(parts._replace(netloc=login + parts.netloc.rpartition("@")[2]))


async def create_pool(dsn: str, *, max_size: int = 8) -> asyncpg.Pool[asyncpg.Record]:
    """A connection pool; waits up to a minute for the server to answer."""

    async def connect() -> asyncpg.Pool[asyncpg.Record]:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max_size,
            command_timeout=15,
            timeout=10,
            max_inactive_connection_lifetime=300,
            reset=_as_it_is,
        )

    return await retry_for(connect, 60)


async def _as_it_is(_connection: object) -> None:
    """Nothing is undone when a connection goes back: nobody changes a session, and it would cost each call a round trip.

    A transaction left open is rolled back all the same.
    """


async def retry_for(
    call: Callable[[], Awaitable[T]],
    seconds: float,
    on: tuple[type[Exception], ...] | Callable[[Exception], bool] = TRANSIENT,
) -> T:
    """Call again, with growing pauses, while it fails with one of these errors; the last one passes after `seconds`."""

    def passing(error: Exception) -> bool:
        if callable(on):
            return on(error)
        # asyncpg calls an argument that does not fit an interface error too; that one fails every time.
        return isinstance(error, on) and not isinstance(error, ValueError)

    began = time.monotonic()
    try:
        return await call()  # nearly always: what makes the pauses costs more than many a call
    except Exception as error:
        left = seconds - (time.monotonic() - began)
        if left <= 0 or not passing(error):
            raise
    async for attempt in stamina.retry_context(
        on=passing, attempts=None, timeout=left, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable")


async def retry_or_raise(call: Callable[[], Awaitable[T]], unavailable: type[Exception], seconds: float = 15) -> T:
    """Call until it answers; after `seconds` of transient errors raise `unavailable`."""
    try:
        return await retry_for(call, seconds)
    except TRANSIENT as error:
        if isinstance(error, ValueError):
            raise
        raise unavailable(f"the database did not answer for {seconds:g} seconds: {error}") from error
