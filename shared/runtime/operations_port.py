"""Monitoring of a process without an API: probes, metrics, consumers' positions and alarms, on a port of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI
from mode import Service
from prometheus_client.core import GaugeMetricFamily, Metric

from shared.api.boundary import guard
from shared.api.connections import ConnectionLimits
from shared.api.dependencies import OwnDatabase
from shared.api.openapi import new_application
from shared.api.operations import add_health, add_metrics, add_progress
from shared.api.problems import install_handlers
from shared.runtime.application import uvicorn_options
from shared.runtime.server import Server
from shared.servers.database import Pool, WriteProbe
from shared.servers.settings import Settings

Counts = Callable[[Pool], Awaitable[Mapping[str, Mapping[str, int]]]]
"""Counts the waits in the database of a process, by kind and state."""

_WRITE: Final = "update progress set finished_at = finished_at where part = (select min(part) from progress)"
"""Changes nothing; a worker's role calls no function of the access log."""


def operations_app(name: str, topics: Collection[str], pool: Pool, settings: Settings, counts: Counts) -> FastAPI:
    """Build the monitoring application of a process that consumes these topics, with its database."""

    @asynccontextmanager
    async def holding() -> AsyncIterator[OwnDatabase]:
        yield OwnDatabase(pool)

    async def waiting(database: Pool) -> Iterable[Metric]:
        return [_gauges(name, kind, of_kind) for kind, of_kind in (await counts(database)).items()]

    app = new_application(f"Operations of {name}", "What monitoring asks.", holding)
    guard(app, settings)
    install_handlers(app)
    add_health(app, WriteProbe(_WRITE))
    add_metrics(app, name, topics, waiting, decides=False)
    add_progress(app, name, topics, counts)
    return app


def _gauges(process: str, kind: str, by_state: Mapping[str, int]) -> Metric:
    gauge = GaugeMetricFamily(f"ooc_{kind}", f"How many {kind} are in a state.", labels=("service", "state"))
    for state, count in by_state.items():
        gauge.add_metric((process, state.lower()), count)
    return gauge


class OperationsPort(Service):
    """The part of a worker that answers monitoring at `OOC_PORT`. A port that is taken ends the worker."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__()
        options = uvicorn_options(settings, ConnectionLimits.of(settings))
        self._ended = asyncio.Event()
        self._server = _Server(uvicorn.Config(app, host=settings.host, port=settings.port, **options))

    @Service.task
    async def _serve(self) -> None:
        try:
            await self._server.serve()
        finally:
            self._ended.set()

    async def on_stop(self) -> None:
        self._server.end()
        if self._server.started:
            await self._ended.wait()


class _Server(Server):
    """A server beside other parts: the signals are the worker's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
