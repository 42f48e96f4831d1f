"""Connections to PostgreSQL: addresses, pools, and retries of transient errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import stamina
from asyncpg.connect_utils import SessionAttribute

if TYPE_CHECKING:
    from mode import Service

T = TypeVar("T")
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection = Any
"""A connection of asyncpg, pooled or not."""

PATIENCE_SECONDS: Final = 15.0
"""How long a request waits for a database that does not answer."""

TRANSIENT: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection lost during a call
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidCatalogNameError,  # a database that was dropped, and is restored
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # too many connections, or a full disk
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that was demoted
    asyncpg.LockNotAvailableError,  # lock_timeout: somebody holds a lock for long
)
"""Transient errors: the same call may succeed when repeated."""


LEASE_SECONDS: Final = 7.0
"""Seconds for which a lease is held without being renewed."""

WRITABLE: Final = SessionAttribute.read_write
"""Chooses the writable host of an address: a standby is none."""

_SESSION: Final = {"client_connection_check_interval": "5s", "search_path": "public"}
"""Ends statements whose caller has gone, except commits; ignores settings of roles and databases that lead to other tables."""


def database_dsn(server: str, database: str) -> str:
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{database}"))


def database_of(address: str) -> str:
    """Return the name of the database of an address, whose options may name files."""
    return urlsplit(address).path.removeprefix("/")


def as_role(address: str, role: str, password: str | None = None) -> str:
    """Change the role and password of an address, also where its options give them. An empty role removes both."""
    parts = urlsplit(address)
    secret = "" if password is None else f":{quote(password, safe='')}"
    login = f"{role}{secret}@" if role else ""
    options = [o for o in parts.query.split("&") if unquote(o.partition("=")[0]) not in {"user", "password"}]
    return urlunsplit(parts._replace(netloc=login + parts.netloc.rpartition("@")[2], query="&".join(options)))


def without_password(address: str) -> tuple[str, dict[str, str]]:
    """Split an address into one without its password and the variable in which a program of PostgreSQL finds that.

    Everybody on a machine reads the arguments of its programs.
    """
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query))
    password = options.get("password") if parts.password is None else unquote(parts.password)
    role = parts.username or quote(options.get("user", ""), safe="")
    return as_role(address, role), {} if password is None else {"PGPASSWORD": password}


def hosts_of(address: str) -> list[str]:
    """Return the address of each host that an address names: `//host:port,host:port/`."""
    parts = urlsplit(address)
    login, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{login}{at}{host}")) for host in hosts.split(",")]


async def writable_host(address: str) -> str:
    """Return the address of the writable host, for a program that accepts one host only. Raises the last error."""
    host, connection = await _connect_to_writable(address, timeout=10)
    await connection.close()
    return host


_last_writable: dict[str, str] = {}
"""The last writable host of each address: it is tried first, since a hanging one costs ten seconds."""


async def _connect_to_writable(address: str, **options: Any) -> tuple[str, Connection]:
    """Connect to the writable host. Raises the last error.

    asyncpg would end at a host that answers and is not ready: one that starts, is full, or whose proxy has nothing behind it.
    """
    last = _last_writable.get(address)
    *others, end = sorted(hosts_of(address), key=lambda host: host != last)
    for host in others:
        with suppress(*TRANSIENT):
            connection = await asyncpg.connect(host, target_session_attrs=WRITABLE, **options)
            _last_writable[address] = host
            return host, connection
    connection = await asyncpg.connect(end, target_session_attrs=WRITABLE, **options)
    _last_writable[address] = end
    return end, connection


@asynccontextmanager
async def connected(address: str, **options: Any) -> AsyncIterator[Connection]:
    """Yield a connection, which ends with the body. Raises what connecting raises."""
    connection = await asyncpg.connect(address, **{"timeout": 60} | options)
    try:
        yield connection
    finally:
        await connection.close()


async def _connect_for_pool(dsn: str | None = None, **options: Any) -> Connection:
    return (await _connect_to_writable(dsn or "", **options))[1]


class WriteProbe:
    """Whether a database accepts writes now: an API that can only read, or whose writes wait for a standby, is not ready."""

    def __init__(self, statement: str = "select probe_write()") -> None:
        self._statement = statement
        self._asked: asyncio.Task[str] | None = None

    async def __call__(self, pool: Pool) -> None:
        """Return once a write has been committed. Raises a transient error, after three seconds too."""
        # One that waits for a standby is not asked again beside: it would wait too, on a connection more.
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(pool.execute(self._statement, timeout=600))
        await asyncio.wait_for(asyncio.shield(self._asked), 3)


class _Connection(asyncpg.Connection):
    """A connection that never makes a success of a commit that no synchronous standby has confirmed.

    Asked to cancel, PostgreSQL would end its wait for the standby, and the commit stands on the primary alone.
    """

    async def _cancel(self, waiter: asyncio.Future[None], _cancelled: object = None) -> None:
        """Close the socket of a call that takes too long, or whose caller has gone: PostgreSQL goes on waiting."""
        self._abort()  # type: ignore[attr-defined]
        if not waiter.done():
            waiter.set_result(None)

    def _process_log_message(self, fields: dict[str, str], _last_query: str) -> None:
        """Lose the connection if PostgreSQL warns that it stopped waiting (its function, in every language)."""
        if fields.get("R") == "SyncRepWaitForLSN":
            self._abort()  # type: ignore[attr-defined]  # its borrower returns it to the pool


async def connect(dsn: str, *, statement_seconds: float, **settings: str) -> Connection:
    """Open a connection of its own; `settings` are those of the session."""
    options = {"command_timeout": statement_seconds, "server_settings": _SESSION | settings}
    return (await _connect_to_writable(dsn, timeout=10, connection_class=_Connection, **options))[1]


async def create_pool(dsn: str, *, max_size: int = 8, statement_seconds: float = 15) -> Pool:
    """Open a connection pool. Waits up to 60 seconds for the server, then raises the last error."""

    async def open_pool() -> Pool:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max_size,
            command_timeout=statement_seconds,
            timeout=10,
            connection_class=_Connection,
            connect=_connect_for_pool,
            server_settings=_SESSION,
            max_inactive_connection_lifetime=300,
            reset=_skip_reset,
        )

    return await retry_for(open_pool, 60)


async def _skip_reset(_connection: object) -> None:
    """Skip the reset of a returned connection, which would cost one round trip for each call.

    No code changes session settings. The pool still rolls back an open transaction.
    """


class LeaseLost(Exception):
    """The lease was lost to another process."""


class Lease:
    """The right of one process to a task that a service runs once: one for each database role and database.

    Its holder renews it by what it does, and beside what has an end of its own (`keep`). If it hangs, the lease expires, and
    another takes over: so what it does must be fenced, or must fail or change nothing when it comes late.
    """

    def __init__(self) -> None:
        self._holder = uuid4()
        self._renewed = 0.0
        self.asking = asyncio.Lock()
        """The lock of the connection: take it for each query while the lease is kept."""

    async def take(self, connection: Connection) -> bool:
        """Take or renew the lease, and return whether it is held; not if another process has it."""
        now = time.monotonic()
        async with self.asking:
            held: bool = await connection.fetchval("select take_lease($1, $2)", self._holder, LEASE_SECONDS)
        if held:
            self._renewed = now
        return held

    async def renew(self, connection: Connection, *, at_once: bool = False) -> None:
        """Renew the lease if that is due, or at once. Raises `LeaseLost`.

        It is a write: once it has returned, each synchronous standby has what was read before.
        """
        due = at_once or time.monotonic() - self._renewed > LEASE_SECONDS / 4
        if due and not await self.take(connection):
            raise LeaseLost("another process has taken over")

    @asynccontextmanager
    async def keep(self, connection: Connection) -> AsyncIterator[None]:
        """Renew the lease while in the context: two holders slower than its term would take it from each other for ever.

        The body must end by itself within a minute. A process that hangs renews nothing.
        """
        ended = asyncio.Event()

        async def beat() -> None:
            while not ended.is_set():
                try:
                    async with asyncio.timeout(LEASE_SECONDS / 4):
                        await ended.wait()
                except TimeoutError:
                    await self.renew(connection)

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            ended.set()  # a statement that is cancelled takes the connection with it
            await asyncio.gather(beating, return_exceptions=True)  # if the lease was lost, the next renewal raises

    @asynccontextmanager
    async def enter(self, connection: Connection, context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """Enter a slow context, and keep the lease until it is entered."""
        async with AsyncExitStack() as stack:
            async with self.keep(connection):
                value = await stack.enter_async_context(context)
            yield value

    async def give_back(self, connection: Connection) -> None:
        await connection.execute("select take_lease($1, 0)", self._holder)

    @asynccontextmanager
    async def hold(
        self, dsn: str, name: str, part: Service, *, pause: float, seconds: float, **settings: str
    ) -> AsyncIterator[Connection]:
        """Yield a connection of its own once the lease is held; all others wait here.

        It asks again every `pause` seconds, and raises `asyncio.CancelledError` if `part` stops. A statement
        on the connection may take `seconds`. PostgreSQL shows it by its `name`; `settings` are further settings of the session.
        """
        connection = await connect(dsn, statement_seconds=seconds, application_name=name, **settings)
        try:
            while not await self.take(connection):
                await part.sleep(pause)
                if part.should_stop:
                    raise asyncio.CancelledError
            yield connection
        finally:
            try:
                with suppress(Exception):
                    async with asyncio.timeout(2):
                        await self.give_back(connection)
            finally:  # if that is cancelled too
                with suppress(Exception):
                    await connection.close(timeout=2)


async def retry_for(
    call: Callable[[], Awaitable[T]],
    seconds: float,
    on: tuple[type[Exception], ...] | Callable[[Exception], bool] = TRANSIENT,
) -> T:
    """Retry a call with growing pauses, while it fails with one of these errors. After `seconds`, raises the last error."""

    def is_transient(error: Exception) -> bool:
        if callable(on):
            return on(error)
        # asyncpg raises InterfaceError for an unsuitable argument too; a retry cannot help there.
        return isinstance(error, on) and not isinstance(error, ValueError)

    started = time.monotonic()
    try:
        return await call()  # nearly always; the retry machinery would cost more than most calls
    except Exception as error:
        remaining = seconds - (time.monotonic() - started)
        if remaining <= 0 or not is_transient(error):
            raise
    async for attempt in stamina.retry_context(
        on=is_transient, attempts=None, timeout=remaining, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable")


async def retry_or_raise(
    call: Callable[[], Awaitable[T]], unavailable: type[Exception], seconds: float | None = None
) -> T:
    """Retry a call; after `seconds` of transient errors (`PATIENCE_SECONDS`), raise `unavailable`."""
    seconds = PATIENCE_SECONDS if seconds is None else seconds
    try:
        return await retry_for(call, seconds)
    except TRANSIENT as error:
        if isinstance(error, ValueError):
            raise
        # Callers hear its kind alone: what it says may name hosts and logins. Each retry is logged.
        raise unavailable(f"the database did not answer for {seconds:g} seconds ({type(error).__name__})") from error
