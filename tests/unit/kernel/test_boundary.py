"""Requests are counted by what the program declares, and never by what a client makes up: each label stays in memory."""

import asyncio
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Message
from uvicorn.server import ServerState

from shared.api.boundary import Boundary
from shared.api.connections import ConnectionLimits, with_limits
from shared.api.metrics import REQUESTS
from shared.api.rates import RateLimit

PATH = "/counted/{id}"


def application(rate: RateLimit | None = None) -> FastAPI:
    app = FastAPI()

    @app.get(PATH)
    async def counted(id: str) -> str:  # noqa: A002 - the route's own name
        return id

    app.add_middleware(Boundary, rate=rate)
    return app


async def status_of(app: FastAPI, method: str, path: str, **scope: Any) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    request = {"method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    await app(
        {"type": "http", "http_version": "1.1", "scheme": "http", **request, "root_path": "", **scope}, receive, send
    )
    return int(sent[0]["status"])


def labels() -> set[tuple[str, str, str]]:
    """Return the labels under which requests have been counted."""
    samples = (sample for metric in REQUESTS.collect() for sample in metric.samples)
    return {(one.labels["method"], one.labels["route"], one.labels["status"]) for one in samples}


async def test_a_made_up_method_or_address_has_no_count_of_its_own() -> None:
    """Given a route, when a client makes up methods and addresses, then they are counted together, and none is kept."""
    app, before = application(), labels()
    assert await status_of(app, "GET", "/counted/1") == 200
    for number in range(20):
        assert await status_of(app, "A" * 1_000 + str(number), f"/counted/{number}") == 405
        assert await status_of(app, f"B{number}", f"/nothing/{number}") == 404
    assert labels() - before <= {("GET", PATH, "200"), ("", PATH, "405"), ("", "", "404")}
    assert ("GET", PATH, "200") in labels()


async def test_a_client_is_limited_by_its_own_address_however_it_is_written() -> None:
    """Given addresses of IPv4 within IPv6, and what a proxy says that is none, then each has a limit of its own, and none is a fault."""
    app = application(RateLimit(0.2, lambda: 0.0))
    for host in (
        "::ffff:10.0.0.1",
        "::ffff:10.0.0.2",
        "10.0.0.3:4711",
        "unknown:",
        "2001:db8:0:1::1",
        "2001:db8:0:2::1",
    ):
        assert await status_of(app, "GET", "/counted/1", client=(host, 1)) == 200, host
        assert await status_of(app, "GET", "/counted/1", client=(host, 1)) == 429, host
    assert await status_of(app, "GET", "/counted/1", client=("2001:db8:0:1::2", 1)) == 429


async def test_a_request_of_two_lengths_is_refused_whatever_it_asks() -> None:
    """Given a length and chunks at once, of which a proxy and a server may believe one each, then nothing is read, and the connection ends."""
    both = [(b"content-length", b"10"), (b"transfer-encoding", b"chunked")]
    for method, path in (("GET", "/counted/1"), ("POST", "/nothing")):
        assert await status_of(application(), method, path, headers=both) == 400
    for one in both:
        assert await status_of(application(), "GET", "/counted/1", headers=[one]) == 200


class Wire(asyncio.Transport):
    """A connection from an address, and what is written to it."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 40_000)})
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return bool(self.written)

    def close(self) -> None:
        """Keep what was written."""


@pytest.mark.parametrize(
    ("addresses", "refused"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"], 1),
        (["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"], 0),
        (["::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3"], 0),
    ],
)
async def test_a_network_of_ipv6_has_the_connections_of_one_address(addresses: list[str], refused: int) -> None:
    """Given two connections for each address, then the third of one /64 network, which one client may use, is refused."""
    protocol = with_limits(ConnectionLimits(per_address=2))
    config, state = uvicorn.Config(FastAPI()), ServerState()
    config.load()
    wires = [Wire(address) for address in addresses]
    for wire in wires:
        protocol(config, state, {}).connection_made(wire)
    assert [wire.written[:12] for wire in wires if wire.written] == [b"HTTP/1.1 503"] * refused


def test_a_slow_rate_has_a_burst_of_its_own() -> None:
    """Given one request in ten minutes with five at once, when a sixth comes, then it waits the ten minutes."""
    now = 0.0
    rate = RateLimit(1 / 600, clock=lambda: now, burst=3000)
    assert [rate.take("192.0.2.1") for _ in range(6)] == [0, 0, 0, 0, 0, 600]
    now = 600.0
    assert [rate.take("192.0.2.1"), rate.take("192.0.2.2")] == [0, 0]
