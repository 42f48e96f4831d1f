"""The OpenAPI 3.1 document, and its page with all files from this server."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from shared.api.command_schemas import IN_OPENAPI
from shared.api.dependencies import OwnDatabase
from shared.api.limits import limits_of
from shared.api.problems import PROBLEM_TYPES, Problem, example_response, problems
from shared.domain.declared import read_beside
from shared.servers.settings import Settings
from shared.servers.version import version

TAGS: Final = read_beside(__file__, "tags.toml")
"""The purpose of each tag's routes."""

# Files of this API only.
SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


def new_application(
    title: str, description: str, open_dependencies: Callable[[], AbstractAsyncContextManager[OwnDatabase]]
) -> FastAPI:
    """Create an application whose routes find their dependencies in `app.state.deps` while it runs.

    It has none of FastAPI's own pages, which load external scripts; `complete_openapi` adds a page.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_dependencies() as app.state.deps:
            yield

    return FastAPI(
        title=title,
        version=version(),
        license_info={"name": "MIT", "identifier": "MIT"},
        description=description,
        docs_url=None,
        redoc_url=None,
        # A redirect would go to the host that the client names.
        redirect_slashes=False,
        lifespan=lifespan,
        # The name of a generated client's function.
        generate_unique_id_function=lambda route: route.name,
        # The boundary may answer them to any request.
        responses=problems(429, 500),
    )


def complete_openapi(app: FastAPI, settings: Settings, schemas: Callable[[], Mapping[str, Any]] = dict) -> None:
    """Add the schema of problems and further ones to the OpenAPI document, when it is asked for, and serve its page at /docs."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(original(), settings, schemas())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    app.mount("/docs/files", StaticFiles(packages=[("fastapi_swagger", "resources")]))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/files/swagger-ui-bundle.js",
            swagger_css_url="docs/files/swagger-ui.css",
            swagger_favicon_url="docs/files/favicon-32x32.png",
            # By default the page sends the document to an external validator.
            swagger_ui_parameters={"validatorUrl": None},
        )
        page.headers["Content-Security-Policy"] = SECURITY_POLICY
        return page


def _complete(document: dict[str, Any], settings: Settings, schemas: Mapping[str, Any]) -> None:
    components = document["components"]
    for scheme in components.get("securitySchemes", {}).values():
        scheme["description"] = f"An access token (RFC 9068) of {settings.issuer} for the audience {settings.audience}."
    known_schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template=IN_OPENAPI + "{model}")
    problem["examples"] = [json.loads(bytes(example_response(kind).body)) for kind in PROBLEM_TYPES]
    # Two schemas must not have one name.
    assert all(known_schemas.get(name, schema) == schema for name, schema in schemas.items())
    known_schemas |= {**schemas, **problem.pop("$defs"), "Problem": problem}
    document["info"]["contact"] = {"name": "Who operates this system"} | (
        {"email": settings.support}
        if "@" in settings.support
        else {"url": settings.support}
        if settings.support
        else {}
    )
    document["info"]["x-limits"] = {limit.name: limit.value for limit in limits_of(settings)}
    document["servers"] = [{"url": "/", "description": "The server that this document came from"}]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    for operation in operations:
        operation.setdefault("security", [])  # a public route says that it needs no token
    used = {tag for operation in operations for tag in operation["tags"]}
    document["tags"] = [{"name": tag, "description": text} for tag, text in TAGS.items() if tag in used]
    asked = _reachable([operation.get("requestBody") for operation in operations], known_schemas)
    for name in asked:
        for field in known_schemas[name].get("properties", {}).values():
            _say_default(field)
    for name in known_schemas.keys() - asked:
        if known_schemas[name].get("additionalProperties") is False:
            # An answer may gain members: docs/explanation/compatibility.md.
            del known_schemas[name]["additionalProperties"]


def _reachable(part: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Return the names of the schemas that a part of the document refers to, directly or through others."""
    names: set[str] = set()
    waiting = [part]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)} if (name := reference.removeprefix(IN_OPENAPI)) not in names:
                names.add(name)
                waiting.append(schemas[name])
            case dict() as members:
                waiting += members.values()
            case list() as members:
                waiting += members
    return names


def _say_default(field: dict[str, Any]) -> None:
    """Put the default of a field that may be left out in words: generators make a field with a default a required one."""
    default = field.pop("default", None)
    if default not in (None, [], {}):
        field["description"] = f"{field.get('description', '')} If it is left out: {json.dumps(default)}.".lstrip()
