"""The OpenAPI 3.1 document of each API, as the API serves it, and the page that says the same in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.registry import SERVICES
from services.reporting.api import reporting_api
from shared.domain.service import Service
from shared.runtime.application import service_api
from shared.settings import Settings
from tools.reference.markdown import page, prose, table

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
    """Write the page of each API."""
    titles = {f"{entry.name}/openapi.json": entry.title for entry in SERVICES}
    return {
        path.replace("openapi.json", "api.md"): _page(titles[path], document) for path, document in documents.items()
    }


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and operation of each route."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def _page(title: str, document: Json) -> str:
    parts = [
        prose(
            "The same as an OpenAPI 3.1 document: [openapi.json](openapi.json), which the API also serves at"
            " `/openapi.json`, and as a page to try it at `/docs`."
        ),
        table(
            ("Request", "Does", "Token"),
            (
                (f"`{method} {path}`", _first_line(operation), "yes" if operation.get("security") else "no")
                for method, path, operation in operations(document)
            ),
        ),
    ]
    for method, path, operation in operations(document):
        parts += [f"## {method} {path}", prose(_text_of(operation))]
        if operation.get("parameters"):
            parts.append(table(("Parameter", "In", "Needed", "Is"), map(_parameter, operation["parameters"])))
        if "requestBody" in operation:
            parts.append(f"Body: {_content(operation['requestBody']['content'])}.\n")
        parts.append(table(("Response", "Means", "Holds"), _responses(operation)))
    return page(f"{title}: API", *parts)


def _text_of(operation: Json) -> str:
    return str(operation.get("description") or operation.get("summary", ""))


def _first_line(operation: Json) -> str:
    return _text_of(operation).split("\n", 1)[0]


def _parameter(parameter: Json) -> tuple[str, ...]:
    text = parameter.get("description") or parameter["schema"].get("description", "")
    return f"`{parameter['name']}`", parameter["in"], "yes" if parameter.get("required") else "no", text


def _responses(operation: Json) -> Iterator[tuple[str, ...]]:
    for status, response in sorted(operation["responses"].items()):
        yield status, response["description"], _content(response.get("content", {}))


def _content(content: Mapping[str, Json]) -> str:
    return "; ".join(f"`{kind}`{_named(media.get('schema', {}))}" for kind, media in content.items()) or "nothing"


def _named(schema: Json) -> str:
    reference = schema.get("$ref") or schema.get("items", {}).get("$ref", "")
    return f" {reference.rpartition('/')[2]}" if reference else ""
