"""PostgreSQL in memory: a primary with its write-ahead log, a standby that follows it, and asyncpg's face towards the product.

What stands here is what a failover can touch: a commit is in the log before it is visible; with a synchronous standby it is
visible only when that has it, or when the wait is cancelled, and then on the primary alone; a promotion begins a timeline
with what the standby has; a row that a transaction has written is locked until its end. What the statements mean is in
`statements`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context, copy_context
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

from tests.simulation.loop import CURRENT, Loop, Process, current
from tests.simulation.network import Network

T = TypeVar("T")

Key = Any
Table = dict[Key, Any]
Write = tuple[str, Key, Any]
"""Table, key and row of a write; None for a row that is gone."""

Answer = Callable[..., "Sequence[Any] | None"]

CHECK_SECONDS: Final = 5.0
"""How often a statement that waits looks whether its caller is still there (`client_connection_check_interval`)."""


class Row(tuple[Any, ...]):
    """A row with names, as asyncpg's Record has."""

    __slots__ = ()
    names: ClassVar[tuple[str, ...]] = ()

    def __getitem__(self, at: Any) -> Any:
        return super().__getitem__(self.names.index(at) if isinstance(at, str) else at)

    def keys(self) -> tuple[str, ...]:
        """Return the names."""
        return self.names

    def items(self) -> Iterator[tuple[str, Any]]:
        """Return names and values."""
        return zip(self.names, self, strict=True)


def rows(names: str, values: Any) -> list[Row]:
    """Return rows of these columns."""
    kind = _kinds.get(names)
    if kind is None:
        kind = _kinds[names] = type("Named", (Row,), {"names": tuple(names.split()), "__slots__": ()})
    return [kind(value) for value in values]


_kinds: dict[str, type[Row]] = {}


def refusal(sqlstate: str, why: str) -> asyncpg.PostgresError:
    """Return the error that a function raises with a SQLSTATE."""
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": sqlstate, "M": why})
    return error


class MustWait(Exception):
    """A row is locked by another transaction."""

    def __init__(self, holder: Transaction) -> None:
        super().__init__()
        self.holder = holder


class Transaction:
    """What a session has written and locked since it began."""

    def __init__(self, node: Node, session: Session) -> None:
        self.node = node
        self.session = session
        self.writes: dict[tuple[str, Key], Any] = {}
        self.emits = False
        """Whether it commits something though it has written no row (`pg_logical_emit_message`)."""
        self.synchronous = session.synchronous
        self.failed = False
        self._locks: set[tuple[str, Key]] = set()
        self._ended: asyncio.Future[None] | None = None

    def get(self, table: str, key: Key = None) -> Any:
        """Return a row; None if there is none."""
        if (table, key) in self.writes:
            return self.writes[table, key]
        return self.node.tables.get(table, {}).get(key)

    def all(self, table: str) -> Table:
        """Return the rows of a table by key."""
        merged = dict(self.node.tables.get(table, {}))
        for (of, key), row in self.writes.items():
            if of == table:
                merged[key] = row
        return {key: row for key, row in merged.items() if row is not None}

    def lock(self, table: str, key: Key = None, *, skip: bool = False) -> bool:
        """Lock a row until the end. Raises `MustWait`; with `skip` returns False instead."""
        holder = self.node.locks.setdefault((table, key), self)
        if holder is not self:
            if skip:
                return False
            raise MustWait(holder)
        self._locks.add((table, key))
        return True

    def put(self, table: str, key: Key, row: Any) -> None:
        """Write a row."""
        self.lock(table, key)
        self.writes[table, key] = row

    def delete(self, table: str, key: Key) -> None:
        """Delete a row."""
        if self.get(table, key) is not None:
            self.put(table, key, None)

    async def ended(self) -> None:
        """Return when it has ended."""
        if self._ended is None:
            self._ended = self.node.loop.create_future()
        await asyncio.shield(self._ended)

    def end(self) -> None:
        """Give the locks back."""
        for lock in self._locks:
            self.node.locks.pop(lock, None)
        self._locks.clear()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)


class Node:
    """A server: its tables as they are visible, and its write-ahead log, which has more than that while a commit waits."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.loop = cluster.loop
        self.name = name
        self.timeline = 1
        self.tables: dict[str, Table] = {}
        self.wal: list[list[Write]] = []
        self.locks: dict[tuple[str, Key], Transaction] = {}
        self.sessions: list[Session] = []
        self.recovers = False
        self.replicated = 0
        """The place in the log that the standby has confirmed."""
        self._waits: list[tuple[int, asyncio.Future[bool]]] = []
        self.process = Process(self.loop, name)

    def apply(self, writes: Sequence[Write]) -> None:
        """Make writes visible."""
        for table, key, row in writes:
            if row is None:
                self.tables.setdefault(table, {}).pop(key, None)
            else:
                self.tables.setdefault(table, {})[key] = row

    async def commit(self, transaction: Transaction) -> bool:
        """Commit; returns whether each synchronous standby has it."""
        writes = [(table, key, row) for (table, key), row in transaction.writes.items()]
        confirmed = True
        if writes or transaction.emits:
            self.wal.append(writes)
            place = len(self.wal)
            self.cluster.ship(self)
            if self.cluster.synchronous and transaction.synchronous and self.replicated < place:
                wait: asyncio.Future[bool] = self.loop.create_future()
                self._waits.append((place, wait))
                confirmed = await wait
            self.apply(writes)
        transaction.end()
        return confirmed

    def confirm(self, place: int) -> None:
        """Note that the standby has the log up to a place."""
        self.replicated = max(self.replicated, place)
        waits, self._waits = self._waits, []
        for until, wait in waits:
            if until > self.replicated:
                self._waits.append((until, wait))
            elif not wait.done():
                wait.set_result(True)

    def cancel_waits(self) -> None:
        """End each wait for the standby, as `pg_cancel_backend` does: the commits become visible here alone."""
        if self._waits:
            self.loop.note(f"{self.name}: {len(self._waits)} waits for the standby are cancelled")
        for _, wait in self._waits:
            if not wait.done():
                wait.set_result(False)
        self._waits = []

    def kill(self) -> None:
        """End the server and its sessions."""
        self.process.kill()
        for session in self.sessions:
            session.connection.lose_later()
        self.sessions, self.locks, self._waits = [], {}, []

    def start(self, wal: Sequence[list[Write]] | None = None) -> None:
        """Start from the log, or from a copy of another's: what was in it is visible now."""
        if wal is not None:
            self.wal = list(wal)
        self.tables = {}
        for writes in self.wal:
            self.apply(writes)
        self.process = Process(self.loop, self.name)
        self.replicated = 0


class Cluster:
    """A primary and its standby. `synchronous`: commits wait for the standby."""

    def __init__(self, loop: Loop, network: Network, name: str, *, synchronous: bool) -> None:
        self.loop = loop
        self.network = network
        self.name = name
        self.synchronous = synchronous
        self.primary, self.standby = Node(self, f"{name}-pg1"), Node(self, f"{name}-pg2")
        self.standby.recovers = True
        self.linked = True
        """Whether the standby hears of the primary."""

    def fill(self, tables: dict[str, Table]) -> None:
        """Give both servers these rows."""
        writes = [(table, key, row) for table, by_key in tables.items() for key, row in by_key.items()]
        for node in (self.primary, self.standby):
            node.wal.append(writes)
            node.apply(writes)
        self.primary.replicated = 1

    @property
    def timeline(self) -> str:
        """The history that the primary writes."""
        return f"{self.name}/{self.primary.timeline:08X}"

    def ship(self, node: Node) -> None:
        """Send the log to the standby, which confirms it."""
        if self.linked and node is self.primary:
            self.loop.call_later(self.network.delay(), self._receive, node, self.standby, context=_nobody())

    def _receive(self, primary: Node, standby: Node) -> None:
        if not self.linked or standby is not self.standby or primary is not self.primary:
            return
        if not standby.process.alive:
            return
        for writes in primary.wal[len(standby.wal) :]:
            standby.wal.append(writes)
            standby.apply(writes)
        self.loop.call_later(self.network.delay(), self._confirmed, primary, len(standby.wal), context=_nobody())

    def _confirmed(self, primary: Node, place: int) -> None:
        if self.linked and primary is self.primary and primary.process.alive:
            primary.confirm(place)

    def cut(self) -> None:
        """Separate the standby from the primary."""
        self.linked = False
        self.loop.note(f"{self.name}: the standby is cut off")

    def mend(self) -> None:
        """Bring back whoever is away, and have the standby follow again."""
        if not self.primary.process.alive:
            self.primary.start()
        if not self.standby.process.alive or self.standby.timeline != self.primary.timeline or self.standby.sessions:
            self._copy()
        for node in (self.primary, self.standby):
            node.process.resume()
        self.linked = True
        self.loop.note(f"{self.name}: the standby follows")
        self.ship(self.primary)

    def _copy(self) -> None:
        """Make the standby a copy of the primary."""
        self.standby.kill()
        self.standby.start(self.primary.wal)
        self.standby.timeline = self.primary.timeline

    def restart(self) -> None:
        """Kill the primary and start it again: what its log holds is visible now, replicated or not."""
        self.primary.kill()
        self.primary.start()
        self.ship(self.primary)

    def promote(self, *, zombie: bool = False) -> None:
        """Promote the standby with what it has. The old primary is killed, or is a zombie until `mend`: cut off, and not aware of it."""
        lost = len(self.primary.wal) - len(self.standby.wal)
        if not zombie:
            self.primary.kill()
        self.linked = False
        self.primary, self.standby = self.standby, self.primary
        self.primary.timeline += 1
        self.primary.recovers, self.standby.recovers = False, True
        self.loop.note(f"{self.name}: {self.primary.name} is promoted, {lost} commits of the old primary are gone")

    def set_back(self, place: int) -> None:
        """Set both servers back to an earlier place in the log, as a restored disk is: on the same timeline."""
        self.loop.note(f"{self.name}: set back by {len(self.primary.wal) - place} commits")
        kept = self.primary.wal[:place]
        self.primary.kill()
        self.primary.start(kept)
        self._copy()
        self.mend()


def _nobody() -> Context:
    """Return a context of no process: the network's."""
    context = copy_context()
    context.run(CURRENT.set, None)
    return context


class Session:
    """The server's end of a connection."""

    def __init__(self, node: Node, connection: FakeConnection, role: str, settings: dict[str, str]) -> None:
        self.node = node
        self.connection = connection
        self.role = role
        self.synchronous = settings.get("synchronous_commit") not in {"off", "local"}
        self.idle_seconds = _seconds(settings.get("idle_in_transaction_session_timeout", "0"))
        self.gone = False
        """Whether the client is gone."""
        self.local_idle_seconds: float | None = None
        self.listens: set[str] = set()
        self._busy = False
        self._transaction: Transaction | None = None
        self._savepoints: list[dict[tuple[str, Key], Any]] = []
        self._idle: asyncio.TimerHandle | None = None
        node.sessions.append(self)

    async def begin(self) -> None:
        """Begin a transaction, or a savepoint within one."""
        if self._transaction is None:
            self._transaction = Transaction(self.node, self)
        else:
            self._savepoints.append(dict(self._transaction.writes))

    async def commit(self) -> None:
        """Release the savepoint, or commit."""
        if self._transaction is None:
            raise asyncpg.NoActiveSQLTransactionError("there is no transaction in progress")
        if self._savepoints:
            self._savepoints.pop()
            return
        transaction, self._transaction, self.local_idle_seconds = self._transaction, None, None
        if transaction.failed:
            transaction.end()
            return
        await self._commit(transaction)

    async def roll_back(self) -> None:
        """Roll back to the savepoint, or the whole."""
        self._roll_back()

    def _roll_back(self) -> None:
        if self._transaction is not None:
            if self._savepoints:
                self._transaction.writes = self._savepoints.pop()
                self._transaction.failed = False
            else:
                self._transaction.end()
                self._transaction = self.local_idle_seconds = None

    async def execute(self, answer: Answer, calls: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """Execute a statement, once for each tuple of arguments, in the open transaction or one of its own."""
        transaction = self._transaction or Transaction(self.node, self)
        if transaction.failed:
            raise asyncpg.InFailedSQLTransactionError("current transaction is aborted")
        try:
            found: Sequence[Any] = ()
            for arguments in calls:
                found = await self._once(transaction, answer, arguments)
        except BaseException:
            if self._transaction is None:
                transaction.end()
            else:
                transaction.failed = True
            raise
        if self._transaction is None:
            await self._commit(transaction)
        return found

    async def _once(self, transaction: Transaction, answer: Answer, arguments: Sequence[Any]) -> Sequence[Any]:
        until = self.node.loop.time() + (10 if answer.__name__ == "append" else 1e9)  # its lock_timeout
        while True:
            before = dict(transaction.writes)
            try:
                return answer(transaction, *arguments) or ()
            except MustWait as wait:
                transaction.writes = before
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_SECONDS):
                        await wait.holder.ended()
                if self.gone:
                    raise asyncpg.QueryCanceledError("connection to client lost") from None
                if self.node.loop.time() > until:
                    raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout") from None

    async def _commit(self, transaction: Transaction) -> None:
        if not await self.node.commit(transaction):
            self.connection.warn()

    async def serve(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do what the client asks."""
        self._busy = True
        if self._idle is not None:
            self._idle.cancel()
        try:
            return await work()
        finally:
            self._busy = False
            if self.gone:
                self._end()
            elif self._transaction is not None:
                seconds = self.idle_seconds if self.local_idle_seconds is None else self.local_idle_seconds
                if seconds:
                    self._idle = self.node.loop.call_later(seconds, self._end_idle)

    def _end_idle(self) -> None:
        if self._transaction is not None and not self._busy:
            self._end()
            self.connection.lose(asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"))

    def hang_up(self) -> None:
        """Notice that the client has gone; a statement, and a commit's wait, go on."""
        self.gone = True
        if not self._busy:
            self._end()

    def _end(self) -> None:
        self._savepoints = []
        self._roll_back()
        if self in self.node.sessions:
            self.node.sessions.remove(self)


def _seconds(setting: str) -> float:
    number = float(setting.rstrip("ms"))
    return number / 1000 if setting.endswith("ms") else number


class FakeConnection:
    """asyncpg's connection. What `shared.servers.database` makes of a time-out and of a warning is the product's own code."""

    _log_listeners = ()

    def __init__(self, servers: Servers, process: Process, timeout: float | None, kind: type[Any]) -> None:
        self.loop = servers.loop
        self.process = process
        self.session: Session
        self._servers = servers
        self._timeout = timeout
        self._kind = kind
        self._lost: Exception | None = None
        self._waiter: asyncio.Future[Any] | None = None
        self._listeners: list[tuple[str, Any, Any]] = []
        self.process.on_kill.append(self._on_kill)

    # --- what asyncpg offers ----------------------------------------------------------------------

    async def fetch(self, sql: str, *arguments: Any, timeout: float | None = None) -> Sequence[Any]:
        return await self._ask(lambda: self._execute(sql, [arguments]), timeout, sql)

    async def fetchrow(self, sql: str, *arguments: Any, timeout: float | None = None) -> Any:
        found = await self.fetch(sql, *arguments, timeout=timeout)
        return found[0] if found else None

    async def fetchval(self, sql: str, *arguments: Any, timeout: float | None = None) -> Any:
        found = await self.fetch(sql, *arguments, timeout=timeout)
        return found[0][0] if found else None

    async def execute(self, sql: str, *arguments: Any, timeout: float | None = None) -> str:
        await self.fetch(sql, *arguments, timeout=timeout)
        return ""

    async def executemany(self, sql: str, calls: Sequence[Sequence[Any]]) -> None:
        await self._ask(lambda: self._execute(sql, list(calls)), None, sql)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self._ask(self.session.begin)
        try:
            yield
        except BaseException:
            if self._lost is None:
                await self._ask(self.session.roll_back)
            raise
        await self._ask(self.session.commit)

    async def add_listener(self, channel: str, heard: Callable[..., None]) -> None:
        self._listeners.append((channel, heard, copy_context()))
        await self._ask(lambda: self._servers.listen(self.session, channel))

    async def close(self, **_: Any) -> None:
        self._abort()

    def is_closed(self) -> bool:
        return self._lost is not None

    def terminate(self) -> None:
        self._abort()

    # --- what shared.servers.database does to a connection ------------------------------------------------

    def _abort(self) -> None:
        self.lose(asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"))

    # --- the network ------------------------------------------------------------------------------

    async def _execute(self, sql: str, calls: Sequence[Sequence[Any]]) -> Sequence[Any]:
        return await self.session.execute(self._servers.answer_to(sql), calls)

    async def _ask(self, work: Callable[[], Awaitable[T]], timeout: float | None = None, what: str = "") -> T:
        if self._lost is not None:
            raise asyncpg.InterfaceError("connection is closed")
        if self._waiter is not None:
            raise asyncpg.InterfaceError("another operation is in progress")
        waiter: asyncio.Future[T] = self.loop.create_future()
        self._waiter = waiter
        self.session.node.process.start(self._serve(work, waiter))
        try:
            async with asyncio.timeout(timeout or self._timeout):
                return await waiter
        except (TimeoutError, asyncio.CancelledError):
            self._waiter = None
            if self._lost is None:
                self.loop.note(f"{self.process}: gave up {' '.join(what.split())[:60]}")
                self.loop.create_task(self._cancel(self.loop.create_future()))
            raise
        finally:
            self._waiter = None

    async def _cancel(self, waiter: asyncio.Future[None]) -> None:
        hook = self._kind._cancel
        if hook is asyncpg.Connection._cancel:  # type: ignore[attr-defined]
            await asyncio.sleep(self._servers.network.delay())
            self.session.node.cancel_waits()
        else:
            await hook(self, waiter)

    async def _serve(self, work: Callable[[], Awaitable[T]], waiter: asyncio.Future[T]) -> None:
        network = self._servers.network
        await asyncio.sleep(network.delay())
        if self._lost is not None:
            return
        if network.loses():
            self.lose_later()
            return
        try:
            answer = await self.session.serve(work)
        except Exception as error:  # noqa: BLE001 - the client gets it
            await asyncio.sleep(network.delay())
            if not waiter.done():
                waiter.set_exception(error)
            return
        await asyncio.sleep(network.delay())
        if network.loses():
            self.lose_later()
        elif not waiter.done():
            waiter.set_result(answer)

    def warn(self) -> None:
        """Hear PostgreSQL's warning that a commit stands on the primary alone."""
        if self._lost is None:
            self._kind._process_log_message(self, {"R": "SyncRepWaitForLSN"}, "")

    def hear(self, channel: str) -> None:
        """Hear of a NOTIFY."""
        for name, heard, context in self._listeners:
            if name == channel and self._lost is None:
                self.loop.call_later(self._servers.network.delay(), heard, context=context)

    def lose_later(self) -> None:
        """Lose the connection, as both ends notice after a while."""
        error = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        self.loop.call_later(self._servers.network.delay(), self.lose, error, context=_nobody())

    def lose(self, error: Exception) -> None:
        """Lose the connection."""
        if self._lost is None:
            self._lost = error
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
            if self._on_kill in self.process.on_kill:
                self.process.on_kill.remove(self._on_kill)
            self._hang_up_later()

    def _on_kill(self) -> None:
        self._lost = self._lost or asyncpg.ConnectionDoesNotExistError("killed")
        self._hang_up_later()

    def _hang_up_later(self) -> None:
        self.loop.call_later(self._servers.network.delay(), self.session.hang_up, context=_nobody())


class FakePool:
    """asyncpg's pool."""

    def __init__(self, servers: Servers, dsn: str, options: dict[str, Any]) -> None:
        self._servers = servers
        self._dsn = dsn
        self._options = options
        self._process = current()
        self._free: list[FakeConnection] = []
        self._room = asyncio.Semaphore(options.get("max_size", 8))

    async def fetch(self, sql: str, *arguments: Any, timeout: float | None = None) -> Sequence[Any]:
        async with self.acquire() as connection:
            return await connection.fetch(sql, *arguments, timeout=timeout)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any, timeout: float | None = None) -> str:
        async with self.acquire() as connection:
            return await connection.execute(sql, *arguments, timeout=timeout)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[FakeConnection]:
        async with self._room:
            connection = None
            while self._free and (connection := self._free.pop()).is_closed():
                connection = None
            connection = connection or await self._servers.connect_from(self._process, self._dsn, **self._options)
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    if connection.session._transaction is not None:
                        connection.terminate()
                    else:
                        self._free.append(connection)

    async def close(self) -> None:
        for connection in self._free:
            connection.terminate()


class Servers:
    """Every cluster by its name, which is the database's in an address, and the two functions of asyncpg that find it."""

    def __init__(self, loop: Loop, network: Network, answers: dict[str, Answer]) -> None:
        self.loop = loop
        self.network = network
        self.clusters: dict[str, Cluster] = {}
        self._answers = answers

    def add(self, name: str, *, synchronous: bool) -> Cluster:
        """Add a cluster."""
        cluster = self.clusters[name] = Cluster(self.loop, self.network, name, synchronous=synchronous)
        return cluster

    def answer_to(self, sql: str) -> Answer:
        """Return what answers a statement."""
        answer = self._answers.get(sql)
        if answer is None:
            unknown = AssertionError(f"tests/simulation/statements.py does not know this statement yet: {sql}")
            self.loop.end(unknown)
            raise unknown
        return answer

    async def connect(self, dsn: str, **options: Any) -> FakeConnection:
        """Connect, as `asyncpg.connect`."""
        return await self.connect_from(current(), dsn, **options)

    async def connect_from(self, process: Process, dsn: str, **options: Any) -> FakeConnection:
        """Connect a process to the server that takes writes."""
        parts = urlsplit(dsn)
        connection = FakeConnection(self, process, options.get("command_timeout"), options["connection_class"])
        await asyncio.sleep(self.network.delay())
        node = self.clusters[parts.path[1:]].primary
        if not node.process.alive or self.network.loses():
            raise ConnectionRefusedError(f"{node.name} is away")
        if node.process.paused:
            await asyncio.sleep(options.get("timeout") or 60)
            raise TimeoutError
        connection.session = Session(node, connection, parts.username or "", options.get("server_settings") or {})
        await asyncio.sleep(self.network.delay())
        return connection

    async def create_pool(self, dsn: str, **options: Any) -> FakePool:
        """Open a pool, as `asyncpg.create_pool`."""
        pool = FakePool(self, dsn, options)
        async with pool.acquire():
            return pool

    async def listen(self, session: Session, channel: str) -> None:
        """Note that a session listens."""
        session.listens.add(channel)

    def notify(self, node: Node, channel: str) -> None:
        """Tell every session of a server that listens."""
        for session in node.sessions:
            if channel in session.listens:
                session.connection.hear(channel)
