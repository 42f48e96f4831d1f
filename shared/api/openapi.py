"""The OpenAPI 3.1 document and the page that shows it, with every file that the page needs."""

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
OWN: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)
"""What the page may load (Content-Security-Policy): what this API serves, and nothing from elsewhere."""


def new_application(title: str, description: str, **more: Any) -> FastAPI:
    """An application without FastAPI's own pages, whose scripts come from elsewhere; `complete_openapi` adds ours."""
    return FastAPI(
        title=title,
        version="1",
        description=description,
        docs_url=None,
        redoc_url=None,
        # A redirect would lead to the host that the client names.
        redirect_slashes=False,
        **more,
    )


def complete_openapi(app: FastAPI, settings: Settings, schemas: Mapping[str, Any] | None = None) -> None:
    """Complete the document of all routes with what holds for each, and with further schemas; show it at /docs."""
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
            # Else it asks a validator elsewhere what it thinks of the document.
            swagger_ui_parameters={"validatorUrl": None},
        )
        page.headers["Content-Security-Policy"] = OWN
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
    found = components.setdefault("schemas", {})
    # FastAPI's own, of an answer that this API does not give.
    for name in ("HTTPValidationError", "ValidationError"):
        found.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    # Two things of one name would be taken for each other.
    assert all(found.get(name, schema) == schema for name, schema in schemas.items())
    found |= {**schemas, **problem.pop("$defs"), "Problem": problem}
    answers = {str(status): answer for status, answer in problems(401, 403, 422, 429, 500, 503).items()}
    for path, operations in document["paths"].items():
        for operation in operations.values() if path.startswith("/v1/") else ():
            operation["security"] = [{TOKEN: []}]
            operation["responses"] |= answers
            # What was declared stands in the place of what FastAPI guessed from the function.
            named = {(one["in"], one["name"]): one for one in operation["parameters"]}
            operation["parameters"] = list(named.values())
