"""The OpenAPI 3.1 document of each API, as the API serves it, and the page that says the same in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.reporting.api import reporting_api
from shared.api.limits import limits_of
from shared.api.problems import PROBLEM_TYPES
from shared.domain.service import Service
from shared.runtime.application import service_api
from shared.servers.settings import Settings
from tools.reference.markdown import TITLES, fill

Json = dict[str, Any]

_METHODS: Final = ("get", "post", "put", "patch", "delete")


SETTINGS: Final = Settings.model_construct(mode="production")
"""Defaults only, whatever the environment says."""


def openapi_documents(services: Sequence[Service[Any]]) -> dict[str, Json]:
    """Build the document of each of these services' APIs, and of reporting's, by path below docs/reference."""
    apps = {service.name: service_api(service, SETTINGS) for service in services} | {
        "reporting": reporting_api(SETTINGS)
    }
    return {f"{name}/openapi.json": app.openapi() for name, app in apps.items()}


def of_apis(documents: Mapping[str, Json]) -> dict[str, str]:
    """Write the page of each API, and that of the problems that all of them answer, with limits."""
    return {
        path.replace("openapi.json", "api.md"): fill(
            "api",
            title=TITLES[path.partition("/")[0]],
            operations=list(operations(document)),
            text_of=lambda operation: str(operation.get("description") or operation.get("summary", "")),
            content=_content,
        )
        for path, document in documents.items()
    } | {"problems.md": fill("problems", problems=PROBLEM_TYPES, limits=limits_of(SETTINGS))}


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def _content(content: Mapping[str, Json]) -> str:
    return "; ".join(f"`{kind}`{_schema_name(media.get('schema', {}))}" for kind, media in content.items()) or "nothing"


def _schema_name(schema: Json) -> str:
    reference = schema.get("$ref") or schema.get("items", {}).get("$ref", "")
    return f" {reference.rpartition('/')[2]}" if reference else ""
