"""TLS of an API, as deploy/kubernetes asks for it: whom its clients trust, and a certificate that is renewed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import uvicorn
import uvloop
from cryptography.x509 import load_pem_x509_certificate
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shared.api.connections import ConnectionLimits
from shared.observing.certificate import CERTIFICATE
from shared.runtime.application import uvicorn_options
from shared.runtime.server import Server
from shared.servers.http_client import client_tls, shared_client
from shared.servers.settings import InvalidSetting, Settings
from tests.authority import Authority
from tests.integration.local.waiting import eventually
from tests.ports import free_ports

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy")


class Quiet(Server):
    """A server whose signals are those of the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture(
    params=[pytest.param(asyncio.DefaultEventLoopPolicy, marks=pytest.mark.nightly), uvloop.EventLoopPolicy]
)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Give the loop of the tests, and that of the processes."""
    policy: asyncio.AbstractEventLoopPolicy = request.param()
    return policy


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Serve over TLS, by a certificate of the authority `own` for `localhost`."""
    Authority.made(tmp_path / "own").issue("localhost", tmp_path)
    Authority.made(tmp_path / "other")
    (chosen,) = free_ports(1)
    settings = Settings(
        port=chosen, tls_certificate=tmp_path / "server.crt", tls_key=tmp_path / "server.key", connections=2
    )
    limits = replace(ConnectionLimits.of(settings), head_seconds=3)
    app = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("here"))])
    options = uvicorn_options(settings, limits)
    server = Quiet(uvicorn.Config(app, host=settings.host, port=settings.port, **options))
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    yield chosen
    server.end()
    await serving


async def ask(port: int, authority: Path, host: str = "localhost") -> str:
    """Ask the server as a process of ours does that trusts an authority."""
    client_tls.cache_clear()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OOC_TLS_AUTHORITY", str(authority))
        try:
            async with shared_client(5) as client:
                return (await client.get(f"https://{host}:{port}/")).text
        finally:
            client_tls.cache_clear()


def told_end(file: Path) -> float:
    """Return the end of a certificate that the metrics tell."""
    (metric,) = CERTIFICATE.collect()
    return {sample.labels["file"]: sample.value for sample in metric.samples}[str(file)]


async def test_clients_check_the_certificate_and_nothing_is_said_in_clear(port: int, tmp_path: Path) -> None:
    """Given the server's authority, a client is answered; by another, another name, an old TLS or none, nobody is."""
    assert await ask(port, tmp_path / "own") == "here"
    for authority, host in (("other", "localhost"), ("own", "127.0.0.1")):
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await ask(port, tmp_path / authority, host)
    old = ssl.create_default_context(cafile=tmp_path / "own")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with httpx2.AsyncClient(verify=old) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://localhost:{port}/")
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(f"http://localhost:{port}/")


async def test_a_renewed_certificate_is_shown_without_a_restart(port: int, tmp_path: Path) -> None:
    """Given a certificate that is renewed in two steps, then the old one is shown until the new one is whole, whose end is told."""
    file = tmp_path / "server.crt"
    assert told_end(file) == load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
    CERTIFICATE.clear()
    renewed = tmp_path / "renewed"
    renewed.mkdir()
    Authority.made(tmp_path / "next").issue("localhost", renewed)
    (renewed / "server.crt").replace(tmp_path / "server.crt")
    await asyncio.sleep(2)  # it looks each second
    assert await ask(port, tmp_path / "own") == "here"
    (renewed / "server.key").replace(tmp_path / "server.key")

    async def is_renewed() -> bool:
        try:
            return await ask(port, tmp_path / "next") == "here"
        except httpx2.ConnectError:
            return False

    await eventually(is_renewed)
    assert told_end(file) == load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()


async def test_whoever_does_not_end_the_handshake_is_counted_and_let_go(port: int, tmp_path: Path) -> None:
    """Given silent clients up to the limit, then a further one is refused, they are let go, and the next is answered."""
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    with pytest.raises(httpx2.TransportError):
        await ask(port, tmp_path / "own")
    async with asyncio.timeout(30):
        assert [await reader.read() for reader, _ in silent] == [b"", b""]
    for _, writer in silent:
        writer.close()
    for _ in range(3):
        assert await ask(port, tmp_path / "own") == "here"


async def test_nothing_that_was_said_before_the_handshake_counts(port: int, tmp_path: Path) -> None:
    """Given a request in clear, then it is answered by nothing in clear, and counts as no part of a later one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(30):
        assert b"HTTP" not in await reader.read()
    writer.close()
    assert await ask(port, tmp_path / "own") == "here"


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file without a certificate, or none, then the setting is named."""
    client_tls.cache_clear()
    for name in ("empty", "missing"):
        if name == "empty":
            (tmp_path / name).touch()
        monkeypatch.setenv("OOC_TLS_AUTHORITY", str(tmp_path / name))
        with pytest.raises(InvalidSetting, match="OOC_TLS_AUTHORITY"):
            client_tls()
