"""The OpenAPI document says what the APIs take and answer, and its page needs nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest import mock
from urllib.parse import urljoin
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.openapi.models import OpenAPI
from pydantic import TypeAdapter

from services.reporting.api import reporting_api
from services.system.addresses import SERVICES
from shared.api.problems import MEDIA_TYPE, Problem
from shared.domain.messages import Actor
from shared.runtime.application import service_api
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN

SOME_ID = "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"
PROBLEMS = {"401", "403", "404", "409", "410", "415", "422", "429", "500", "503"}
READ_BY_BODY = {"/v1/search", "/v1/names"}
"""Reads whose question stands in the body."""
TAKES_A_BODY = {("post", "/v1/returns"), ("post", "/v1/verifications")}
"""The routes that record a body and are no commands of a service."""
YEAR = "from=2025-04-01&to=2026-12-31"


@pytest.fixture(params=SERVICES)
def app(request: pytest.FixtureRequest) -> FastAPI:
    """Each API, for whoever signs in; whatever it rests on is missing, so what is understood goes no further."""
    settings = Settings(mode="local", database_url="postgresql://nowhere", issuer="http://issuer", kek="AAAA")
    name = request.param
    made = (
        reporting_api(settings)
        if name == "reporting"
        else service_api(import_module(f"services.{name}.service").service, settings)
    )
    made.state.deps = mock.Mock()
    actor = Actor(id=uuid4(), role="SUPERVISOR", organisation="DORSET_POLICE")
    made.state.deps.tokens.actor = mock.AsyncMock(return_value=actor)
    return made


@pytest.fixture
def http(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api")


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and operation of each route that needs a token."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items() if path.startswith("/v1/") else ():
            yield method, path, operation


def _is_command(method: str, path: str) -> bool:
    """Tell the route that takes a command from the one that says which may be sent."""
    return method == "post" and path.endswith("/commands")


def _declared(operation: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in operation["parameters"] if one["in"] == place}


def _address(path: str, operation: dict[str, Any]) -> str:
    """Return the path with a value that is declared for each of its parts."""
    for name, parameter in _declared(operation, "path").items():
        path = path.replace(f"{{{name}}}", parameter["schema"].get("enum", [SOME_ID])[0])
    return path


def _errors(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.status_code == 422, answer.text
    return list(answer.json()["errors"])


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_the_document_is_whole(app: FastAPI) -> None:
    """It is an OpenAPI 3.1 document, whatever it refers to is in it, and it speaks of no answer of FastAPI's own."""
    document = app.openapi()
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    assert {name.rpartition("/")[2] for name in _references(document)} <= set(schemas)
    assert "HTTPValidationError" not in schemas


def test_each_operation_says_who_may_ask_and_what_may_go_wrong(app: FastAPI) -> None:
    """A bearer token is needed under /v1 and nowhere else, and whatever goes wrong is one and the same kind of body."""
    document = app.openapi()
    ((name, scheme),) = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation.get("security") == ([{name: []}] if path.startswith("/v1/") else []), path
            assert {"429", "500"} <= set(operation["responses"]), path
            for status in PROBLEMS & set(operation["responses"]):
                content = operation["responses"][status]["content"]
                assert content == {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}, path
    for method, path, operation in _operations(document):
        found = PROBLEMS & set(operation["responses"])
        one = ("{" in path and "{measure}" not in path) or path == "/v1/access"
        # A service that holds nothing of a case signs that, and whoever has no appointments has an empty diary.
        one &= path not in {"/v1/evidence/homes/{id}", "/v1/diaries/{officer}"}
        changes = {"409"} if "/documents/" in path else set()
        if _is_command(method, path):
            changes |= {"409", "410", "415"}
        if path.endswith("/import"):
            changes |= {"409", "410", "415"}
        changes |= {"415"} if path in READ_BY_BODY or (method, path) in TAKES_A_BODY else set()
        assert found == {"401", "403", "422", "429", "500", "503"} | ({"404"} if one else set()) | changes, path


async def test_each_operation_declares_the_parameters_that_it_knows(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """Asked with an unknown parameter, each names those that there are: they are the declared ones, with type and meaning."""
    for method, path, operation in _operations(app.openapi()):
        declared = _declared(operation, "query")
        (error,) = _errors(await http.request(method, _address(path, operation), params={"no_such": "1"}))
        assert error["field"] == "no_such"
        expected = f"choose from {', '.join(declared)}" if declared else "this route has no parameters: remove it"
        assert error["message"].endswith(expected), path
        assert set(re.findall(r"\{(\w+)\}", path)) == set(_declared(operation, "path"))
        for one in operation["parameters"]:
            assert one["description"], (path, one["name"])
            schema = one["schema"].get("items", one["schema"])
            assert schema["type"] in ("integer", "boolean") or {"pattern", "enum"} & set(schema), (path, one["name"])


async def test_each_parameter_is_held_to_what_is_declared_of_it(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """A text that fits no declaration is refused, by name; and one that is not declared as repeatable is taken once."""
    for method, path, operation in _operations(app.openapi()):
        for name, parameter in _declared(operation, "query").items():
            address = _address(path, operation)
            assert [e["field"] for e in _errors(await http.request(method, address, params={name: "\n"}))] == [name]
            (error,) = _errors(await http.request(method, address, params={name: ["\n", "\n"]}))
            assert ("given twice" in error["message"]) == (parameter["schema"]["type"] != "array"), (path, name)


@pytest.mark.parametrize(("proof", "names"), [("inclusion", ["number", "size"]), ("consistency", ["first", "second"])])
async def test_a_proof_without_its_numbers_names_them(http: httpx2.AsyncClient, proof: str, names: list[str]) -> None:
    """Given a proof asked for without what must be given, then each missing number is named, and no token is asked for."""
    errors = _errors(await http.get(f"/evidence/access/{proof}"))
    assert [error["field"] for error in errors] == names


async def test_each_read_declares_the_reason_that_it_takes(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """Access-Reason is declared where it is read, with the pattern that it must match: at every read, at no command.

    An operator's decision needs one.
    """
    for method, path, operation in _operations(app.openapi()):
        headers = _declared(operation, "header")
        if path == "/v1/policy" or path.endswith("/import"):  # no record is read; commands' keys follow from the record
            assert not headers
            continue
        if _is_command(method, path):
            assert set(headers) == {"Idempotency-Key", "Correlation-Id", "traceparent"}
            continue
        freezes = (method, path) == ("post", "/v1/returns")
        others = {"Idempotency-Key"} if freezes else {"If-None-Match"} if "/documents/" in path else set()
        assert set(headers) == {"Access-Reason"} | others, path
        decides = method == "post" and path not in READ_BY_BODY and not freezes
        assert headers["Access-Reason"]["required"] == decides
        assert not re.search(headers["Access-Reason"]["schema"]["pattern"], "JAMIE_SMITH")
        for headers_given in ({"Access-Reason": "JAMIE_SMITH"}, {}) if decides else ({"Access-Reason": "JAMIE_SMITH"},):
            (error,) = _errors(await http.request(method, _address(path, operation), headers=headers_given))
            assert error["field"] == "Access-Reason"


def test_each_command_must_say_its_type(app: FastAPI) -> None:
    """A command's type has no default: without it, what is asked cannot be known."""
    schemas = app.openapi()["components"]["schemas"]
    for method, path, operation in _operations(app.openapi()):
        if _is_command(method, path):
            # Generated clients cannot send a union without a name.
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            union = schemas[body["$ref"].rpartition("/")[2]]
            assert len(union["oneOf"]) == len(union["discriminator"]["mapping"]) > 1
            for name, ref in union["discriminator"]["mapping"].items():
                schema = schemas[ref.rpartition("/")[2]]
                assert schema["required"][0] == "type"
                type_schema = schema["properties"]["type"]
                assert (type_schema["const"], type_schema["type"], "default" in type_schema) == (name, "string", False)


async def test_a_command_takes_the_headers_that_it_declares(api: Client) -> None:
    """A malformed Idempotency-Key or Correlation-Id is refused by its name, and a malformed traceparent passed over."""
    good = {"Authorization": f"Bearer {await api.token('SAFE_SCHOOLS_OFFICER')}", "Idempotency-Key": str(uuid4())}
    for name in ("Idempotency-Key", "Correlation-Id"):
        answer = await api.http.post(f"/v1/sessions/{uuid4()}/commands", json=PLAN, headers=good | {name: "? ?"})
        assert [error["field"] for error in _errors(answer)] == [name]
    answer = await api.http.post(f"/v1/sessions/{uuid4()}/commands", json=PLAN, headers=good | {"traceparent": "?"})
    assert answer.status_code == 201, answer.text


def _shapes(app: FastAPI) -> dict[str, TypeAdapter[Any]]:
    """Return the declared shape of each path's answer."""
    found = {getattr(route, "path", ""): getattr(route, "response_model", None) for route in app.routes}
    return {path: TypeAdapter(model) for path, model in found.items() if model is not None}


async def test_what_a_service_answers_has_the_declared_shape(api: Client, education: FastAPI) -> None:
    """State, history, duties, positions, waits and problems of a service match their OpenAPI schemas."""
    stream, shapes = uuid4(), _shapes(education)
    await api.send(stream, PLAN)
    await api.send(stream, {"type": "BookPlace", "person_id": str(uuid4())})
    for part in ("", "/history", "/duties"):
        answer = await api.read(f"/v1/sessions/{stream}{part}")
        shapes[f"/v1/sessions/{{id}}{part}"].validate_json(answer.content, strict=True)
    for path in ("/status", "/health/live", "/health/ready", "/v1/reactions"):
        shapes[path].validate_json((await api.read(path)).content, strict=True)
    for path in ("/v1/alarms", "/v1/quarantine", "/v1/gaps", "/v1/decisions"):
        shapes[path].validate_json((await api.read(path, role="SUPERVISOR")).content, strict=True)
    refused = await api.send(stream, {"type": "DeliverSession", "occurred_at": "2026-05-20T10:00:00+01:00"})
    stale = await api.send(stream, {"type": "BookPlace", "person_id": str(uuid4()), "expected_version": 1})
    for answer in (refused, stale, await api.read(f"/v1/sessions/{uuid4()}"), await api.http.get("/v1/reactions")):
        assert Problem.model_validate_json(answer.content).status == answer.status_code >= 401


@pytest.fixture
def education(settings: Settings) -> FastAPI:
    return service_api(import_module("services.education.service").service, settings)


async def test_what_reporting_answers_has_the_declared_shape(reporting: Client, reporting_app: FastAPI) -> None:
    """Measures, lists, cases and the daily sheet match their OpenAPI schemas."""
    shapes = _shapes(reporting_app)
    for path, query in (("/v1/measures/{measure}", f"?{YEAR}"), ("/v1/duties", "?as_of=2026-06-09"), ("/status", "")):
        answer = await reporting.read(path.replace("{measure}", "kpi6") + query, role="SUPERVISOR")
        shapes[path].validate_json(answer.content, strict=True)
    read = await reporting.read("/v1/cases", role="SUPERVISOR")
    token = await reporting.token("SUPERVISOR")
    headers = {"Authorization": f"Bearer {token}"}
    answer = await reporting.http.post("/v1/search", json={"name": "hartnell"}, headers=headers)
    found = shapes["/v1/search"].validate_json(answer.content, strict=True)
    assert found.total
    wanted = [f"{record.service}/{record.id}" for record in found.cases[0].records]
    answer = await reporting.http.post("/v1/names", json={"records": wanted}, headers=headers)
    assert shapes["/v1/names"].validate_json(answer.content, strict=True).people
    listed = shapes["/v1/cases"].validate_json(read.content, strict=True)
    assert listed.cases
    for one in listed.cases:
        answer = await reporting.read(f"/v1/cases/{one.case_id}", role="SUPERVISOR")
        shapes["/v1/cases/{case_id}"].validate_json(answer.content, strict=True)
        for part, query in (("timeline", "?as_of=2026-06-09"), ("timeline", ""), ("changes", "?after=disposal:3")):
            answer = await reporting.read(f"/v1/cases/{one.case_id}/{part}{query}", role="SUPERVISOR")
            if answer.status_code != 404:
                shapes[f"/v1/cases/{{case_id}}/{part}"].validate_json(answer.content, strict=True)


async def test_the_page_loads_nothing_from_elsewhere(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """The page /docs loads only files of the API itself, and its policy forbids others."""
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    found = {a or b for a, b in re.findall(r"""(?:src|href)="([^"]+)"|\burl: '([^']+)'""", page.text)}
    assert len(found) == 4
    for reference in found:
        answer = await http.get(urljoin(str(page.url), reference))
        assert answer.status_code == 200, reference
        assert len(answer.content) > 100
        if reference.endswith(".css"):
            assert not re.search(r"@import|url\((?![\"']?data:)", answer.text)
    assert (await http.get("/redoc")).status_code == 404


def test_generators_can_read_the_document(app: FastAPI) -> None:
    """Names are no Python modules, answers may gain members, and what may be left out is not required by a default."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    requests = [operation["requestBody"] for _, _, operation in _operations(document) if "requestBody" in operation]
    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    titles = [schema.get("title") for schema in schemas.values() if "properties" in schema]

    assert not [name for name in schemas if "__" in name]
    assert len(set(titles)) == len(titles)
    asked_for = json.dumps([requests, schemas.get("AnyCommand"), *(schemas[name] for name in closed)])
    assert not [name for name in closed if f'"#/components/schemas/{name}"' not in asked_for]
    assert not [
        f"{name}.{field}"
        for name in closed
        for field, described in schemas[name]["properties"].items()
        if "default" in described
    ]
    assert document["servers"]
    described = {tag["name"] for tag in document["tags"]}
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "security" in operation
            assert described.issuperset(operation["tags"])
