"""Clients that say nothing, half of a request or too slowly, that do not read, or that come in crowds, end by themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from services.education.service import service
from shared.api.connections import ConnectionLimits
from shared.runtime.application import service_api
from shared.servers.settings import Settings
from tests import loopback
from tests.hostile.serving import answer_to, served
from tests.integration.api import conftest
from tests.integration.api.conftest import Client

settings = conftest.settings
SHORT = ConnectionLimits(head_seconds=0.5, body_seconds=0.5, read_seconds=0.5)
HEAD = b"GET /health/live HTTP/1.1\r\nHost: h\r\n"


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return service_api(service, settings)


@pytest.fixture
async def port(app: FastAPI, settings: Settings) -> AsyncIterator[int]:
    async with served(app, settings, SHORT, idle_seconds=1) as port:
        yield port


async def answered(port: int) -> None:
    async with loopback.client(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/health/live")).status_code == 200


@pytest.mark.parametrize("sent_bytes", [b"", b"GET", HEAD, HEAD + b"X: "])
async def test_a_connection_without_a_whole_head_ends(port: int, sent_bytes: bytes) -> None:
    """Given a client that says nothing, or half a head, it is told so (408) and let go."""
    answer = await answer_to(port, sent_bytes)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    await answered(port)


async def test_a_head_that_trickles_ends_as_early_as_one_that_stops(port: int) -> None:
    """Given a byte now and then, the deadline stays where it was set by the first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun, answer = monotonic(), b""
    async with asyncio.timeout(60):
        while not reader.at_eof():
            writer.write(b"X")
            try:
                async with asyncio.timeout(0.1):
                    answer += await reader.read(1000)
            except TimeoutError:
                continue
            except ConnectionError:
                break
    writer.close()
    assert monotonic() - begun < 10
    await answered(port)


async def test_a_body_that_does_not_come_ends(app: FastAPI, port: int, issuer: str) -> None:
    """Given a head that promises a body, and half of it, the request ends and nothing is left of it."""
    async with loopback.client() as http:
        token = await Client(http, issuer).token("SAFE_SCHOOLS_OFFICER")
    head = (
        "POST /v1/sessions/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11/commands HTTP/1.1\r\nHost: h\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\nContent-Length: 100\r\n\r\n"
    )
    answer = await answer_to(port, head.encode(), b'{"type":')
    assert answer.startswith(b"HTTP/1.1 408 ")
    await answered(port)


async def test_a_body_that_nobody_reads_ends_too(port: int) -> None:
    """Given an answer before the body has come, the connection does not wait for the body for ever."""
    head = b"POST /v1/sessions/x/commands HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
    answer = await answer_to(port, head, b"x")
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_second_request_is_held_to_the_same_limits(port: int) -> None:
    """Given one whole request and half of another on the same connection, the connection ends."""
    answer = await answer_to(port, HEAD + b"\r\n", HEAD)
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_an_idle_connection_ends(port: int) -> None:
    """After its answer, a connection on which nothing is asked is closed."""
    assert (await answer_to(port, HEAD + b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_does_not_read_is_let_go(app: FastAPI, settings: Settings) -> None:
    """Given an answer that does not fit the sockets' buffers and a client that reads none of it, the connection ends."""
    tasks: list[asyncio.Task[None]] = []

    @app.get("/large")
    async def large() -> StreamingResponse:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        return StreamingResponse(b"x" * 1_000_000 for _ in range(50))

    async with served(app, settings, SHORT) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        async with asyncio.timeout(60):
            assert await reader.read(1000)
            await asyncio.wait(tasks)
            with contextlib.suppress(ConnectionError):
                assert len(await reader.read()) < 50_000_000
        writer.close()
        await answered(port)


async def test_a_crowd_is_refused_beyond_the_cap_and_the_rest_go_on(app: FastAPI, settings: Settings) -> None:
    """Given more silent connections than there may be, those too many are told (503) at once; once the others have had
    their time, anyone is answered again."""
    limits = ConnectionLimits(total=40, per_address=None, head_seconds=8)
    async with served(app, settings, limits) as port:
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        refused = await answer_to(port, HEAD + b"\r\n")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in refused
        async with asyncio.timeout(60):
            answers = [await reader.read() for reader, _ in connections]
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        for _, writer in connections:
            writer.close()
        await answered(port)


async def test_one_address_cannot_take_all_connections(app: FastAPI, settings: Settings) -> None:
    """Given the cap for one address, its further connections are refused, and another address is answered."""
    async with served(app, settings, ConnectionLimits(per_address=20)) as port:
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        assert (await answer_to(port, HEAD + b"\r\n")).startswith(b"HTTP/1.1 503 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        writer.write(HEAD + b"Connection: close\r\n\r\n")
        async with asyncio.timeout(60):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        for _, one in [*connections, (reader, writer)]:
            one.close()
