"""The OpenAPI 3.1 document, and its page with all files from this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from shared.api.problems import Problem, problems
from shared.runtime.settings import Settings

TOKEN: Final = "token"  # noqa: S105 - the name of the scheme
SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)
"""The Content-Security-Policy of the page: files of this API only."""


def new_application(title: str, description: str, **more: Any) -> FastAPI:
    """Create an application without FastAPI's own pages, which load external scripts. `complete_openapi` adds a page."""
    return FastAPI(
        title=title,
        version="1",
        description=description,
        docs_url=None,
        redoc_url=None,
        # A redirect would go to the host that the client names.
        redirect_slashes=False,
        **more,
    )


def complete_openapi(app: FastAPI, settings: Settings, schemas: Mapping[str, Any] | None = None) -> None:
    """Add security, problems and further schemas to the OpenAPI document, and serve its page at /docs."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(original(), settings, schemas or {})
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
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": f"An access token (RFC 9068) of {settings.issuer} for the audience {settings.audience}.",
        }
    }
    known_schemas = components.setdefault("schemas", {})
    # Schemas of FastAPI for a response that this API never sends.
    for name in ("HTTPValidationError", "ValidationError"):
        known_schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    # Two schemas must not have one name.
    assert all(known_schemas.get(name, schema) == schema for name, schema in schemas.items())
    known_schemas |= {**schemas, **problem.pop("$defs"), "Problem": problem}
    answers = {str(status): answer for status, answer in problems(401, 403, 422, 429, 500, 503).items()}
    for path, operations in document["paths"].items():
        for operation in operations.values() if path.startswith("/v1/") else ():
            operation["security"] = [{TOKEN: []}]
            operation["responses"] |= answers
            # A declared parameter replaces the one that FastAPI derived from the function.
            unique = {(item["in"], item["name"]): item for item in operation["parameters"]}
            operation["parameters"] = list(unique.values())
