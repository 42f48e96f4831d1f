"""Requests are counted by what the program declares, and never by what a client makes up: each label stays in memory."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Message

from shared.api.boundary import Boundary
from shared.api.metrics import REQUESTS

PATH = "/counted/{id}"


def application() -> FastAPI:
    app = FastAPI()

    @app.get(PATH)
    async def counted(id: str) -> str:  # noqa: A002 - the route's own name
        return id

    app.add_middleware(Boundary)
    return app


async def status_of(app: FastAPI, method: str, path: str) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    request = {"method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    await app({"type": "http", "http_version": "1.1", "scheme": "http", "root_path": "", **request}, receive, send)
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
