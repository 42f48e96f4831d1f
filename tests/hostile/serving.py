"""An API on a real socket, for clients that do not keep to HTTP, in the loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from shared.api.connections import ConnectionLimits
from shared.runtime.application import uvicorn_options
from shared.runtime.server import Server
from shared.servers.database import retry_for
from shared.servers.settings import Settings
from tests.ports import free_ports


@asynccontextmanager
async def served(
    app: FastAPI, settings: Settings, limits: ConnectionLimits | None = None, *, idle_seconds: int | None = None
) -> AsyncIterator[int]:
    """Yield the port on which the application is served as in production, but for shorter limits where they are given."""
    (port,) = free_ports(1)
    options = uvicorn_options(settings, limits or ConnectionLimits())
    if idle_seconds is not None:
        options["timeout_keep_alive"] = idle_seconds
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=port, **{**options, "loop": "none"}))
    # The signals are the test's own.
    serve = asyncio.create_task(server._serve())
    await retry_for(lambda: _holds(server.started), 180, on=(AssertionError,))
    try:
        yield port
    finally:
        server.end()
        await serve


async def _holds(condition: object) -> None:
    assert condition


async def answer_to(port: int, *portions: bytes, seconds: float = 60) -> bytes:
    """Send some bytes, and return what an API answers until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for portion in portions:
            writer.write(portion)
            await writer.drain()
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()
