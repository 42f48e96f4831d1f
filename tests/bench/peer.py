"""The peer: eventsourcing with PostgreSQL, as it is by default, which is its safe mode.

Safe: each insert locks the table (`LOCK TABLE … IN EXCLUSIVE MODE`), so that the order of its notifications is the order
of commit (eventsourcing.postgres, `PostgresApplicationRecorder._lock_table`), which is what our event store promises too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import InfrastructureFactory, StoredEvent, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import Environment

from tests.bench.figures import milliseconds

LENGTH: Final = 10
"""How many events a stream has before another is begun, as in our own benches."""


def _named() -> str:
    try:
        return f"eventsourcing {version('eventsourcing')}"
    except PackageNotFoundError:
        return "eventsourcing"


PEER: Final = _named()


def environment(dsn: str, connections: int) -> dict[str, str]:
    """Its settings for a database of ours."""
    parts = urlsplit(dsn)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": "trusted",
        "POSTGRES_POOL_SIZE": str(connections),
        "POSTGRES_MAX_OVERFLOW": "32",
    }


class _Threads:
    """Threads that call again and again until the time is over."""

    def __init__(self, count: int, unit: str) -> None:
        self._count = count
        self._unit = unit

    def calling(self, seconds: float, caller: Callable[[], Callable[[], None]]) -> Mapping[str, float]:
        """Measure calls a second, and the time of one; each thread makes its own `caller`. An error ends the round."""
        took: list[list[float]] = [[] for _ in range(self._count)]
        failed: list[BaseException] = []
        start = time.perf_counter()
        until = start + seconds

        def work(mine: list[float]) -> None:
            try:
                call = caller()
                now = time.perf_counter()
                while now < until:
                    call()
                    mine.append(-now + (now := time.perf_counter()))
            except BaseException as error:  # noqa: BLE001 - goes to whoever waits
                failed.append(error)

        threads = [threading.Thread(target=work, args=(mine,)) for mine in took]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        durations = [seconds for mine in took for seconds in mine]
        return {self._unit: len(durations) / (time.perf_counter() - start), "p99 ms": milliseconds(durations)["p99 ms"]}


class Recorder:
    """Its recorder alone, with bytes ready to be stored: the least that appending costs it."""

    def __init__(self, dsn: str, callers: int, body: bytes) -> None:
        settings = Environment("Bench", environment(dsn, min(callers, 32)))
        self._factory: Any = InfrastructureFactory.construct(settings)
        self._recorder = self._factory.application_recorder()
        self._threads = _Threads(callers, "events/s")
        self._body = body

    def close(self) -> None:
        """Disconnect."""
        self._factory.close()

    async def round(self, seconds: float) -> Mapping[str, float]:
        """Events a second, and how long one takes."""
        return await asyncio.to_thread(self._threads.calling, seconds, self._caller)

    def _caller(self) -> Callable[[], None]:
        stream, at = uuid4(), 0

        def call() -> None:
            nonlocal stream, at
            self._recorder.insert_events([StoredEvent(stream, at + 1, "bench:Noted", self._body)])
            stream, at = (stream, at + 1) if at + 1 < LENGTH else (uuid4(), 0)

        return call


class Notebook(Aggregate):  # type: ignore[misc]
    """An aggregate that takes notes."""

    def __init__(self, text: str) -> None:
        self.text = text

    @event("Noted")  # type: ignore[untyped-decorator]
    def note(self, text: str) -> None:
        """Note a text."""
        self.text = text


class Notebooks(Application):  # type: ignore[misc]
    """Their application."""


class _Counter(Projection):  # type: ignore[misc]
    """A projection that writes nothing but how far it has come: the least that one can do."""

    def process_event(self, _domain_event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)


class Projecting:
    """Its projection runner, over as many events as `fill` has stored."""

    def __init__(self, dsn: str, text: str) -> None:
        self._environment = environment(dsn, 4)
        self._text = text
        self._rounds = 0
        self._events = 0

    def fill(self, events: int) -> None:
        """Store events, ten in a stream."""
        app = Notebooks(self._environment)
        for _ in range(events // LENGTH):
            notebook = Notebook(self._text)
            for _ in range(LENGTH - 1):
                notebook.note(self._text)
            app.save(notebook)
        self._events = app.recorder.max_notification_id()
        app.close()

    async def round(self, _seconds: float) -> Mapping[str, float]:
        """Events a second, for all events once."""
        return {"events/s": self._events / await asyncio.to_thread(self._projected)}

    def _projected(self) -> float:
        self._rounds += 1
        # A name of its own for each round, so that it begins at the beginning.
        counter_class = type(f"Counter{self._rounds}", (_Counter,), {})
        start = time.perf_counter()
        with ProjectionRunner(
            application_class=Notebooks,
            projection_class=counter_class,
            view_class=PostgresTrackingRecorder,
            env=self._environment,
        ) as runner:
            runner.wait(self._events, timeout=600)
            return time.perf_counter() - start
