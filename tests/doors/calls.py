"""What a program sends to try each operation of an API: an example of everything that it needs, from the document alone."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

ROOT: Final = Path(__file__).parents[2]
RECORD: Final = "RECORD"
"""Stands for the id of a record."""
REASON: Final = {"Access-Reason": "TEST"}


@dataclass(frozen=True)
class Call:
    """A call of an operation."""

    operation: str
    method: str
    path: str
    statuses: list[int]
    """The statuses that the document knows."""
    media: str
    """The media type of the answer to a call that succeeds."""
    where: list[tuple[str, Any]] = field(default_factory=list)
    """Names and values of the parameters of the path, in its order."""
    query: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    body_media: str = ""
    """The media type of the body; empty without one."""


def calls_of(service: str, record: str = RECORD) -> Iterator[Call]:
    """Yield a call of each operation of a service, about a record."""
    document = json.loads((ROOT / f"docs/reference/{service}/openapi.json").read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            given: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
            for parameter in operation.get("parameters", ()):
                name = parameter["name"]
                if name == "dry_run":
                    given["query"][name] = True if parameter["schema"]["type"] == "boolean" else "true"
                elif parameter.get("required"):
                    example = parameter.get("example") or example_of(parameter["schema"], schemas)
                    given[parameter["in"]][name] = record if (name, parameter["in"]) == ("id", "path") else example
            ((media, content),) = operation.get("requestBody", {}).get("content", {"": {"schema": {}}}).items()
            success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            yield Call(
                operation["operationId"],
                method.upper(),
                path,
                [int(status) for status in operation["responses"]],
                next(iter(success.get("content", {"": {}}))),
                [(name, given["path"][name]) for name in re.findall(r"{(\w+)}", path)],
                given["query"],
                given["header"] | ({} if "Access-Reason" not in given["header"] else REASON),
                example_of(content["schema"], schemas) if media else None,
                media,
            )


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return a value of a schema: an example that it gives, else what its type and members need."""
    while inner := next((schema[key] for key in ("anyOf", "oneOf", "allOf", "$ref") if key in schema), None):
        schema = schemas[inner.rpartition("/")[2]] if isinstance(inner, str) else inner[0]
    given = [schema[key] for key in ("const", "default", "example") if key in schema]
    if given := [*given, *schema.get("examples", ()), *schema.get("enum", ())]:
        return given[0]
    if schema.get("type") == "object":
        return {name: example_of(schema["properties"][name], schemas) for name in schema.get("required", ())}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)] if schema.get("minItems") else []
    texts = {"uuid": str(uuid4()), "date": "2026-06-01", "date-time": "2026-06-01T10:00:00Z"}
    simple = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": False}
    return simple.get(schema.get("type", ""), texts.get(schema.get("format", ""), "x"))
