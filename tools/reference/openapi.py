"""The OpenAPI 3.1 document of each API, as the API serves it, and the page that says the same in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.reporting.api import reporting_api
from shared.api.problems import PROBLEM_TYPES
from shared.domain.service import Service
from shared.runtime.application import service_api
from shared.settings import Settings
from tools.reference.markdown import TITLES, fill

Json = dict[str, Any]

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def openapi_documents(services: Sequence[Service[Any]]) -> dict[str, Json]:
    """Build the document of each of these services' APIs, and of reporting's, by path below docs/reference."""
    settings = Settings.model_construct(mode="local")  # defaults only, whatever the environment says
    apps = {service.name: service_api(service, settings) for service in services} | {
        "reporting": reporting_api(settings)
    }
    return {f"{name}/openapi.json": app.openapi() for name, app in apps.items()}


def of_apis(documents: Mapping[str, Json]) -> dict[str, str]:
    """Write the page of each API, and that of the problems that all of them answer."""
    return {
        path.replace("openapi.json", "api.md"): fill(
            "api",
            title=TITLES[path.partition("/")[0]],
            operations=list(operations(document)),
            text_of=_text_of,
            content=_content,
        )
        for path, document in documents.items()
    } | {"problems.md": fill("problems", problems=PROBLEM_TYPES)}


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and operation of each route."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def _text_of(operation: Json) -> str:
    return str(operation.get("description") or operation.get("summary", ""))


def _content(content: Mapping[str, Json]) -> str:
    return "; ".join(f"`{kind}`{_named(media.get('schema', {}))}" for kind, media in content.items()) or "nothing"


def _named(schema: Json) -> str:
    reference = schema.get("$ref") or schema.get("items", {}).get("$ref", "")
    return f" {reference.rpartition('/')[2]}" if reference else ""
