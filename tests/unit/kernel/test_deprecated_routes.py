"""A route that goes says so in each answer and in the document, a year before."""

from typing import Literal

import httpx2
import pytest
from fastapi import FastAPI

from shared.api.boundary import SUNSET, guard
from shared.api.openapi import complete_openapi
from shared.servers.settings import Settings

LOCAL = Settings.model_construct(mode="local")


def application(settings: Settings = LOCAL) -> FastAPI:
    """Return an API with a route that goes, and one that stays."""
    app = FastAPI()
    guard(app, settings)

    @app.get("/v1/old/{id}", tags=["queries"], deprecated=True, openapi_extra={SUNSET: "2027-12-15"})
    async def read_old(id: str) -> str:  # noqa: A002 - the route's own name
        return id

    @app.get("/v1/kept/{id}", tags=["queries"])
    async def read_kept(id: str) -> str:  # noqa: A002 - the route's own name
        return id

    complete_openapi(app, settings)
    return app


async def test_its_answers_say_since_when_and_until_when() -> None:
    """The headers are those of RFC 9745 and RFC 8594, twelve months apart; another route has neither."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(application()), base_url="http://api") as http:
        old, kept = await http.get("/v1/old/1"), await http.get("/v1/kept/1")
    assert old.headers["Deprecation"] == "@1797292800"
    assert old.headers["Sunset"] == "Wed, 15 Dec 2027 00:00:00 GMT"
    assert kept.status_code == 200
    assert not {"Deprecation", "Sunset"} & set(kept.headers)


def test_the_document_marks_it() -> None:
    """The operation is deprecated, with its day of sunset; the other is not."""
    paths = application().openapi()["paths"]
    assert paths["/v1/old/{id}"]["get"].items() >= {"deprecated": True, SUNSET: "2027-12-15"}.items()
    assert "deprecated" not in paths["/v1/kept/{id}"]["get"]


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
