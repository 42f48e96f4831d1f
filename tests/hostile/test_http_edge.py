"""What every answer holds, whatever was asked: no cache, no guessed type, no word of a fault, no redirect, no flood."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from services.education.service import service
from services.reporting.api import reporting_api
from shared.api.problems import MEDIA_TYPE
from shared.api.rates import AT_ONCE, BURST_SECONDS, MAX_KEYS, RateLimit
from shared.runtime.application import service_api
from shared.servers.settings import Settings
from tests import loopback
from tests.hostile.serving import answer_to, served
from tests.integration.api import conftest
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN

settings = conftest.settings


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    made = service_api(service, settings)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def api(app: FastAPI, issuer: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://education") as http:
        yield Client(http, issuer)


PATHS = [
    "/health/live",
    "/health/ready",
    "/status",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/nowhere",
    "/v1/sessions/x",
    "/v1/reactions",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_answer_is_cached_or_taken_for_another_type(api: Client, path: str) -> None:
    """Every answer, of whatever status, says no-store and nosniff."""
    for answer in (await api.http.get(path), await api.http.delete(path), await api.read(path)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*PATHS, "//elsewhere.example", "/v1/sessions"])
async def test_nobody_is_sent_to_the_host_that_a_client_names(api: Client, path: str) -> None:
    """A request with a trailing slash or another Host is answered here or with 404, and never redirected."""
    answer = await api.http.get(f"{path}/", headers={"Host": "elsewhere.example"})
    assert answer.status_code < 300 or answer.status_code >= 400
    assert "location" not in answer.headers
    assert "elsewhere.example" not in answer.text


async def test_another_method_is_answered_with_those_that_there_are(api: Client) -> None:
    """405 lists the methods of the path, of all its routes (RFC 9110, section 15.5.6)."""
    answer = await api.http.delete(f"/v1/sessions/{uuid4()}/commands")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert (await api.http.post("/status")).headers["Allow"] == "GET"


async def test_a_fault_tells_the_client_a_reference_and_the_log_the_rest(
    app: FastAPI, api: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a fault inside, the answer is a problem without a word of it, and the log holds it once, under the same
    reference; the connection goes on."""

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError("Leo Hartnell's record is broken")

    caplog.set_level(logging.INFO)
    async with served(app, settings) as port, loopback.client(base_url=f"http://127.0.0.1:{port}") as http:
        answer = await http.get("/fault")
        assert (await http.get("/health/live")).status_code == 200
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert "Hartnell" not in answer.text
    assert "Traceback" not in answer.text
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 1
    assert answer.json()["reference"] in tracebacks[0].getMessage()


async def test_an_aborted_upload_leaves_no_traceback(
    app: FastAPI, api: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a client that goes away within its body, nothing is recorded and nothing is logged as an error."""
    stream = uuid4()
    head = (
        f"POST /v1/sessions/{stream}/commands HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {await api.token('SAFE_SCHOOLS_OFFICER')}\r\nIdempotency-Key: k\r\nContent-Length: 5000\r\n\r\n"
    )
    async with served(app, settings) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + json.dumps(PLAN).encode())
        await writer.drain()
        async with loopback.client(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/health/live")).status_code == 200
            writer.transport.abort()
            assert (await http.get("/health/live")).status_code == 200
            assert (await Client(http, api.issuer).read(f"/v1/sessions/{stream}")).status_code == 404
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "text",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 40_000,
    ],
)
async def test_what_is_no_http_is_answered_with_a_problem(app: FastAPI, settings: Settings, text: bytes) -> None:
    """Bytes that are no HTTP request, or a head without end, get a problem, and the connection is closed."""
    async with served(app, settings) as port:
        answer = await answer_to(port, text)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert MEDIA_TYPE.encode() in head
    assert b"no-store" in head
    assert json.loads(body)["status"] == 400


@pytest.fixture
def hand() -> tuple[list[float], Callable[[], float]]:
    """Return a clock that the test sets."""
    now = [1000.0]
    return now, lambda: now[0]


def test_a_rate_allows_a_burst_and_then_its_share(hand: tuple[list[float], Callable[[], float]]) -> None:
    """After five seconds' worth at once, one more comes each time that its share of a second has passed."""
    now, clock = hand
    rate = RateLimit(10, clock)
    assert [rate.take("a") for _ in range(int(10 * BURST_SECONDS))] == [0.0] * 50
    assert rate.take("a") == pytest.approx(0.1)
    assert rate.take("b") == 0.0
    now[0] += 0.1
    assert rate.take("a") == 0.0
    assert rate.take("a") > 0
    now[0] += 3600
    assert [rate.take("a") for _ in range(50)] == [0.0] * 50
    assert rate.take("a") > 0


def test_a_flood_of_addresses_takes_no_more_memory_than_there_is_for_it(
    hand: tuple[list[float], Callable[[], float]],
) -> None:
    """Of any number of client addresses, the rate limiter stores a bounded number, the latest ones."""
    now, clock = hand
    rate = RateLimit(10, clock)
    for n in range(3 * MAX_KEYS):
        rate.take(str(n))
        now[0] += 1e-6
    assert len(rate._full_at) <= MAX_KEYS
    assert str(3 * MAX_KEYS - 1) in rate._full_at


async def test_an_actor_and_an_address_are_told_when_to_come_again(
    settings: Settings, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given limits, one request too many is 429 with Retry-After, of one actor or of all strangers of an address, who do not count together."""
    monkeypatch.setattr(
        RateLimit.__init__, "__defaults__", (lambda: 1000.0, BURST_SECONDS)
    )  # however long the requests take
    narrow = settings.model_copy(update={"actor_rate": 0.8, "address_rate": 2.0})
    app = service_api(service, narrow)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://education") as http,
    ):
        api = Client(http, issuer)
        first, second = await api.token("SUPERVISOR", sub=uuid4()), await api.token("SUPERVISOR", sub=uuid4())
        path = f"/v1/sessions/{uuid4()}"
        statuses = [(await api.read(path, token=first)).status_code for _ in range(5)]
        assert statuses == [404, 404, 404, 404, 429]
        assert (await api.read(path, token=second)).status_code == 404
        answers = [await http.get("/health/live") for _ in range(11)]
        assert [answer.status_code == 429 for answer in answers] == [False] * 10 + [True]
        refused = answers[-1]
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["Content-Type"] == MEDIA_TYPE
        assert refused.headers["Cache-Control"] == "no-store"


async def test_whoever_sends_much_may_send_seldom(
    settings: Settings, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a limit, a large body counts as several requests, also one that does not say its size: what is stored fills disks."""
    monkeypatch.setattr(RateLimit.__init__, "__defaults__", (lambda: 1000.0, BURST_SECONDS))
    app = service_api(service, settings.model_copy(update={"actor_rate": 10.0}))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://education") as http,
    ):
        api = Client(http, issuer)

        async def chunked() -> AsyncIterator[bytes]:
            yield b"{}"

        for content, taken in ((lambda: b" " * 99_000, 5), (lambda: b"{}", 50), (chunked, 1)):
            headers = {"Authorization": f"Bearer {await api.token('SUPERVISOR', sub=uuid4())}"}
            path = f"/v1/sessions/{uuid4()}/commands"
            answers = [await http.post(path, content=content(), headers=headers) for _ in range(taken + 1)]
            assert [answer.status_code == 429 for answer in answers] == [False] * taken + [True]


async def test_an_actor_with_many_requests_leaves_others_their_turn(settings: Settings, issuer: str) -> None:
    """Given an actor who has as many requests under way as there may be, then their next one waits, and another is answered."""
    app = service_api(service, settings.model_copy(update={"actor_rate": 100.0}))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://education") as http,
        contextlib.AsyncExitStack() as under_way,
    ):
        api, greedy = Client(http, issuer), uuid4()
        first, second = await api.token("SUPERVISOR", sub=greedy), await api.token("SUPERVISOR", sub=uuid4())
        path = f"/v1/sessions/{uuid4()}"
        for _ in range(AT_ONCE):
            await under_way.enter_async_context(app.state.actor_turns.turn(str(greedy)))
        waits = asyncio.create_task(api.read(path, token=first))
        assert (await api.read(path, token=second)).status_code == 404
        assert not waits.done()
        await under_way.aclose()
        assert (await waits).status_code == 404
        assert app.state.actor_turns.busy == {}


def test_production_is_limited_and_a_local_system_is_not(settings: Settings) -> None:
    """By default a production process limits request rates, and a local system does not."""
    assert settings.rates == (None, None)
    assert settings.model_copy(update={"mode": "production"}).rates == (100.0, 400.0)
    for made in (service_api(service, settings), reporting_api(settings)):
        assert made.state.actor_rate is None
    made = reporting_api(settings.model_copy(update={"mode": "production"}))
    assert isinstance(made.state.actor_rate, RateLimit)


async def test_an_address_is_not_what_a_client_says_of_itself(settings: Settings) -> None:
    """Without a trusted proxy, X-Forwarded-For does not change the address of a client."""
    app = service_api(service, settings.model_copy(update={"address_rate": 1.0}))
    async with served(app, settings) as port, loopback.client(base_url=f"http://127.0.0.1:{port}") as http:
        answers = [await http.get("/health/live", headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(12)]
    assert [answer.status_code for answer in answers].count(429) >= 1
