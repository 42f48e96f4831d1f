"""A sandbox answers with the problem that a request prefers, and no other API does."""

from functools import cache
from typing import Literal
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from services.education.service import service
from shared.api.problems import MEDIA_TYPE, PROBLEM_TYPES, Problem
from shared.runtime.application import service_api
from shared.servers.settings import Settings


@cache
def application(mode: Literal["local", "production"], *, sandbox: bool) -> FastAPI:
    """Return a service's API, of which nothing runs that a command would need."""
    return service_api(service, Settings.model_construct(mode=mode, sandbox=sandbox))


def client(mode: Literal["local", "production"] = "local", *, sandbox: bool = True) -> httpx2.AsyncClient:
    """Return a client of it."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(application(mode, sandbox=sandbox)), base_url="http://education"
    )


@pytest.mark.parametrize("kind", PROBLEM_TYPES)
async def test_each_problem_comes_on_demand(kind: str) -> None:
    """The answer has the type, its usual status and the headers of it, is one of the document's examples, and says what was applied."""
    (status, *_), _ = PROBLEM_TYPES[kind]
    async with client() as http:
        path = f"/v1/sessions/{uuid4()}/commands"
        answer = await http.post(path, json={}, headers={"Prefer": f"respond-async, example={kind}"})
        document = (await http.get("/openapi.json")).json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert Problem.model_validate(answer.json()).type == f"/problems/{kind}"
    assert answer.headers["Preference-Applied"] == f"example={kind}"
    assert ("Retry-After" in answer.headers) == (status in {429, 503})
    assert answer.json() in document["components"]["schemas"]["Problem"]["examples"]


@pytest.mark.parametrize(("preferred", "type_"), [("409", "conflict"), ("422", "malformed"), ("418", "malformed")])
async def test_a_status_is_answered_by_its_first_type(preferred: str, type_: str) -> None:
    """A status that no problem has is refused, with those that there are."""
    async with client() as http:
        answer = await http.get("/v1/sessions", headers={"Prefer": f"example={preferred}"})
    assert answer.json()["type"] == f"/problems/{type_}"
    assert ("Preference-Applied" in answer.headers) == (preferred != "418")


@pytest.mark.parametrize(("sandbox", "mode"), [(False, "local"), (True, "production")])
async def test_no_other_api_does_so(*, sandbox: bool, mode: Literal["local", "production"]) -> None:
    """Outside a sandbox, and in production whatever the environment says, the header changes nothing."""
    async with client(mode, sandbox=sandbox) as http:
        answer = await http.get("/health/live", headers={"Prefer": "example=503"})
    assert answer.status_code == 200
