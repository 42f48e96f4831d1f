"""Processes for the checks of `ooc verify` whose work grows with the history: as many at once as there are cores.

A process is sent a check by its name, with the name of the service and the end of its log. It opens connections of its
own, as the same database role, and sends back how far the check has come, and what it has found. It inherits nothing: no event loop, no
connection, no signal handler (`spawn`). It ends with the process that verifies, however that one ends.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Final, Self

import uvloop

from services.console.idle import REPORTING
from services.console.service_verification import Finding, streams_of
from services.console.verification_checks import COSTS, Check, Progress, streams_and_projection
from services.registry import deciding_services
from services.reporting.snapshot import Pool
from shared.database import create_pool
from shared.kafka import VERIFIER
from shared.runtime.garbage_collection import exempt_from_collection
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from shared.runtime.verification.log import LogEnd
from shared.runtime.verification.problems import Passed

WORTH: Final = 20_000
"""Events from which on processes are worth their start, which takes some seconds of a core."""

MOST: Final = 8
"""Processes at most: there are eight checks to share, and each process takes some 150 MB."""

COLLECTED_AFTER: Final = 500_000
"""New objects after which garbage is looked for: more than a page of 5,000 events makes, since each page frees its own."""

STATEMENT_SECONDS: Final = 600.0
"""How long one statement may take: some read or count a whole table."""


class CheckFailed(Exception):
    """A process of the verification ended, or could not run a check: nothing is known of what it was to check."""


def processes_for(events: int) -> int:
    """Return how many processes verify a history of so many events; 1: none but this one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST) if events >= WORTH else 1


async def connect(settings: Settings, name: str) -> Pool:
    """Open a pool of a database, by its bare name, as the role of verification; raises `NoPassword`."""
    dsn = settings.database(name, role_name(RoleKind.VERIFY))
    return await create_pool(dsn, max_size=2, statement_seconds=STATEMENT_SECONDS)


@asynccontextmanager
async def begun(findings: AsyncIterator[Finding]) -> AsyncIterator[AsyncIterator[Finding]]:
    """Begin to look for some findings at once; yields what yields them in their order."""
    ready: asyncio.Queue[Finding | None] = asyncio.Queue()

    async def look() -> None:
        try:
            async for finding in findings:
                ready.put_nowait(finding)
        finally:
            ready.put_nowait(None)

    task = asyncio.create_task(look())

    async def yielded() -> AsyncIterator[Finding]:
        while (finding := await ready.get()) is not None:
            yield finding
        await task

    try:
        yield yielded()
    finally:
        task.cancel()
        await asyncio.wait([task])
        task.cancelled() or task.exception()  # has been raised above, where anyone still wanted the findings


class Processes:
    """Some processes that verify, until the context ends; then they are killed, whatever they are doing."""

    def __init__(self, settings: Settings, count: int, progress: Progress) -> None:
        self.differences: dict[str, list[str]] = {}
        """By service: what differs between reporting's tables and a fresh fold of its facts."""
        self._settings = settings
        self._count = count
        self._progress = progress
        self._waiting: asyncio.PriorityQueue[_Work] = asyncio.PriorityQueue()
        self._failure: CheckFailed | None = None

    async def __aenter__(self) -> Self:
        spawn = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess] = []
        self._tasks: list[asyncio.Task[None]] = []
        for _ in range(self._count):
            here, there = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(there, self._settings), daemon=True)
            with _deaf_to_interrupts():
                process.start()
            there.close()  # so that the pipe ends where the process ends
            self._processes.append(process)
            self._tasks.append(asyncio.create_task(self._share(process, here)))
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for process in self._processes:
            process.join()

    async def run(self, checks: Sequence[Check], service: Service[Any], *sources: Any) -> AsyncIterator[Any]:
        """Begin all checks of a service, and yield their results in order; raises `CheckFailed`."""
        begun = [(check, self._begin(check, service.name, sources[-1])) for check in checks]
        for check, result in begun:
            if check is streams_of:
                streams, self.differences[service.name] = await result
                yield streams
            else:
                yield await result

    def _begin(self, check: Check, service: str, end: Any) -> asyncio.Future[Any]:
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        result.add_done_callback(lambda one: one.cancelled() or one.exception())  # another failure may be raised first
        if self._failure is not None:
            result.set_exception(self._failure)
        else:
            events = end.position if isinstance(end, LogEnd) else 0
            self._waiting.put_nowait(_Work(-events * COSTS.get(check, 0), check, service, end, result))
        return result

    async def _share(self, process: SpawnProcess, connection: Connection[Any, Any]) -> None:
        """Give a process one check after the other. Where it ends, every check that has no result fails."""
        work = None
        try:
            with connection:
                while True:
                    work = await self._waiting.get()
                    connection.send((work.check, work.service, work.end))
                    passed = self._progress.of(work.check)
                    while isinstance(answer := await _receive(connection), int):
                        passed(answer)
                    found, error = answer
                    if not work.result.done():  # else nobody waits for it any more
                        work.result.set_exception(CheckFailed(error)) if error else work.result.set_result(found)
        except (EOFError, OSError):
            process.join()
            self._failure = CheckFailed(_ended(process.exitcode))
            unfinished = [] if work is None else [work]
            while not self._waiting.empty():
                unfinished.append(self._waiting.get_nowait())
            for one in unfinished:
                if not one.result.done():
                    one.result.set_exception(self._failure)


@dataclass(order=True)
class _Work:
    """A check of a service that waits for a process. The one that takes longest is first, so that all end together."""

    rank: int
    check: Check = field(compare=False)
    service: str = field(compare=False)
    end: Any = field(compare=False)
    result: asyncio.Future[Any] = field(compare=False)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Block SIGINT: a process that begins meanwhile never hears of Ctrl-C; this one hears of it at the end."""
    resource_tracker.ensure_running()  # it would unblock the signal, were it begun by the process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _receive(connection: Connection[Any, Any]) -> Any:
    """Wait for what the other end sends, and return it; raises EOFError where that is closed."""
    if connection.poll():
        return connection.recv()
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
    return connection.recv()


def _ended(code: int | None) -> str:
    """Say how a process ended, and what to do."""
    how = f"by signal {-code} ({signal.Signals(-code).name})" if code is not None and code < 0 else f"with {code}"
    return (
        f"A process of the verification ended {how}, so what it was to check is not known. If the machine was short of"
        " memory, give `--processes 1`, and begin again."
    )


def _serve(connection: Connection[Any, Any], settings: Settings) -> None:
    """Run what is sent, one after the other, until there is nobody who sends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    exempt_from_collection(COLLECTED_AFTER)
    while True:
        try:
            check, service, end = connection.recv()
        except EOFError:
            return
        try:
            answer = uvloop.run(_check(settings, check, service, end, connection.send)), ""
        except Exception as error:  # noqa: BLE001 - said where the findings are said
            answer = None, f"A check could not be run: {type(error).__name__}: {error}"
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


async def _check(settings: Settings, check: Check, name: str, end: Any, passed: Passed) -> Any:
    service = next(one for one in deciding_services() if one.name == name)
    async with AsyncExitStack() as closing:
        database = await closing.enter_async_context(await connect(settings, name))
        keyring = await closing.enter_async_context(await connect(settings, "keyring"))
        sources = (service, database, keyring, settings.kafka_as(VERIFIER), end, passed)
        if check is not streams_of:
            return await check(*sources)
        reporting = await closing.enter_async_context(await connect(settings, REPORTING))
        return await streams_and_projection(*sources, reporting)
