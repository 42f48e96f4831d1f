"""A route or a member that goes says so in each answer and in the document, a year before."""

from __future__ import annotations

from datetime import date
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from shared.api import deprecations
from shared.api.boundary import guard
from shared.api.deprecations import SUNSET, Deprecated
from shared.api.openapi import complete_openapi
from shared.servers.settings import Settings

SINCE = date(2026, 12, 15)
ROUTE = Deprecated("GET", "/v1/old/{id}", SINCE, "Ask GET /v1/new/{id}.")
MEMBER = Deprecated("GET", "/v1/new/{id}", SINCE, "Read `name`.", member="title")

LOCAL = Settings.model_construct(mode="local")


class Answer(BaseModel):
    name: str
    title: str


def application(settings: Settings = LOCAL) -> FastAPI:
    app = FastAPI()
    guard(app, settings)
    for path in (ROUTE.path, MEMBER.path, "/v1/kept/{id}"):

        @app.get(path, tags=["queries"], name=path)
        async def answer(id: str) -> Answer:  # noqa: A002 - the route's own name
            return Answer(name=id, title=id)

    complete_openapi(app, settings)
    return app


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare a route and a member that go, beside one that this API does not have."""
    elsewhere = Deprecated("GET", "/v1/elsewhere", SINCE, "Ask another.")
    monkeypatch.setattr(deprecations, "DEPRECATED", (ROUTE, MEMBER, elsewhere))


@pytest.mark.parametrize("path", ["/v1/old/1", "/v1/new/1"])
async def test_its_answers_say_since_when_until_when_and_where_to_read(path: str) -> None:
    """The headers are those of RFC 9745 and RFC 8594, twelve months apart, and the link leads to the document."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(application()), base_url="http://api") as http:
        answer = await http.get(path)
        assert answer.headers["Deprecation"] == "@1797292800"
        assert parsedate_to_datetime(answer.headers["Sunset"]).date() == date(2027, 12, 15)
        link, relation, _ = answer.headers["Link"].split("; ")
        assert relation == 'rel="deprecation"'
        assert (
            str(httpx2.URL(f"http://gateway/below{path}").join(link.strip("<>"))) == "http://gateway/below/openapi.json"
        )


async def test_nothing_else_says_so() -> None:
    """A route that stays has none of the headers."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(application()), base_url="http://api") as http:
        answer = await http.get("/v1/kept/1")
        assert answer.status_code == 200
        assert not {"Deprecation", "Sunset", "Link"} & set(answer.headers)


def test_the_document_marks_them_and_says_what_to_use() -> None:
    """The operation and the member are deprecated, with their day of sunset; others are not."""
    document = application().openapi()
    operation = document["paths"][ROUTE.path]["get"]
    title = document["components"]["schemas"]["Answer"]["properties"]["title"]
    for part, notice in ((operation, ROUTE), (title, MEMBER)):
        assert part["deprecated"]
        assert part[SUNSET] == "2027-12-15"
        assert notice.instead in part["description"]
    assert "deprecated" not in document["paths"]["/v1/kept/{id}"]["get"]


@pytest.mark.parametrize(("mode", "rates"), [("local", {}), ("production", {"actor_rate": 3, "address_rate": 400})])
def test_the_document_says_the_limits_of_its_operator(
    mode: Literal["local", "production"], rates: dict[str, float]
) -> None:
    """Given a rate that is set and a proxy, then `x-limits` has what this API keeps, and nothing that it does not limit."""
    settings = Settings.model_construct(mode=mode, actor_rate=rates.get("actor_rate"), trusted_proxies="10.0.0.1")
    limits = application(settings).openapi()["info"]["x-limits"]
    assert {name: value for name, value in limits.items() if name.endswith("_rate")} == rates
    assert limits["body_bytes"] == settings.body_limit
    assert "connections_per_address" not in limits
