"""JSON Schemas (2020-12) of every published event: envelope, data and words for people, with a sample of its bytes.

A schema describes what a consumer reads, so it allows properties that it does not name: a later version adds some. The
samples are the golden ones of tests/unit/contract, whose bytes never change.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from shared.api.command_schemas import (
    ALONE,
    DIALECT,
    describe_fields,
    enumerations_in,
    label_codes,
    parts_of,
    require_words,
)
from shared.domain.data_rights import data_rights_events
from shared.domain.declared import read_beside
from shared.domain.envelope import Envelope, EventRegistry
from shared.domain.messages import Event
from shared.domain.sealing import FieldClass, OwnedBy, Sealed, types_in
from shared.domain.sentences import words_of
from shared.domain.service import Service
from shared.domain.waiting import waiting_events
from shared.domain.words import Words

REFERENCE: Final = Path("docs/reference")
GOLDEN: Final = Path("tests/unit/contract/golden")
DECIMAL: Final = r"^\d{1,4}(\.\d{1,2})?$"
"""Hours as events write them: a decimal in a string, so that no reader rounds it."""

Json = dict[str, Any]

TEXTS: Final[Mapping[str, Any]] = read_beside(__file__, "topics.toml")
"""What stands around an event, in words."""


def published_events(service: Service[Any]) -> Iterator[tuple[str, type[Event], EventRegistry]]:
    """Yield every event on the topic of a service, its own and those of the kernel: full type name, class, registry."""
    name, namespace = service.name, service.events.namespace
    for registry in (service.events, waiting_events(name, namespace), data_rights_events(name, namespace)):
        for event in registry.events:
            yield registry.type_name(event), event, registry


def is_message(name: str) -> bool:
    """Tell whether a definition is the schema of a message, which stands under its full type name."""
    return name.count(".") >= 3


def schemas_file(service: Service[Any]) -> str:
    """Return the path of the schemas of a service's events, below docs/reference."""
    return f"{service.name}/events.schema.json"


def event_schemas(service: Service[Any]) -> Json:
    """Build the schemas of all events of a service's topic. Each message stands in `$defs` under its full type name.

    Types that an upcaster reads have no class any more; their schemas are taken from the document as it is committed.
    Raises ValueError that names every field and code without words.
    """
    events = [event for _, event, _ in published_events(service)]
    _, found = models_json_schema([(event, "serialization") for event in events], ref_template=ALONE + "{model}")
    parts: dict[str, Json] = found["$defs"]
    require_words([fault for cls in parts_of(events) for fault in _describe_part(service, cls, parts[cls.__name__])])
    for event in events:
        parts[f"{event.__name__}.v{event.version}"] = parts.pop(event.__name__)
    envelope, inner = _envelope()
    messages: dict[str, Json] = {
        name: {
            "title": service.words.title_of(event),
            "description": parts[f"{event.__name__}.v{event.version}"]["description"],
            "allOf": [{"$ref": f"{ALONE}Envelope"}],
            "type": "object",
            "properties": {
                "type": {"const": name},
                "data": {
                    "$ref": f"{ALONE}{event.__name__}.v{event.version}",
                    "title": TEXTS["envelope"]["data"][0],
                    "description": TEXTS["envelope"]["data"][1],
                },
            },
            "required": ["type", "data"],
            "examples": samples_of(service, name)[:1],
        }
        for name, event, _ in published_events(service)
    }
    for name in service.events.upcasters:
        old = _committed_schemas(schemas_file(service))
        messages[name] = old[name] | {"deprecated": True}
        _keep_parts(old[name], old, messages | parts, parts)
    return {
        "$schema": DIALECT,
        "title": f"Events of {service.name}",
        "description": f"Every event on the topic {service.topic}. Each full type name below is the schema of a message.",
        "$defs": {**messages, "Envelope": envelope, **dict(sorted({**inner, **parts}.items()))},
    }


@cache
def _committed_schemas(path: str) -> Json:
    """Read the schemas of a service's events as they are committed."""
    document: Json = json.loads((REFERENCE / path).read_text(encoding="utf-8"))
    schemas: Json = document["$defs"]
    return schemas


def _keep_parts(schema: Json, old: Json, parts_named: Json, parts: dict[str, Json]) -> None:
    """Keep what an old schema refers to, at any depth, if the schemas of today do not have it."""
    for name in re.findall(rf'"{re.escape(ALONE)}([^"]+)"', json.dumps(schema)):
        if name != "Envelope" and name not in parts_named and name not in parts:
            parts[name] = old[name]
            _keep_parts(old[name], old, parts_named, parts)


def samples_of(service: Service[Any], type_name: str) -> list[Json]:
    """Return golden bodies of a type, the one with the most fields first."""
    bodies = [
        body
        for name in (service.name, "waiting", "data_rights")
        for body in _golden_bodies(name, service.name)
        if body["type"] == type_name
    ]
    return sorted(bodies, key=lambda body: -len(body["data"]))


@cache
def _golden_bodies(name: str, service: str) -> tuple[Json, ...]:
    """Read the bodies of a file of golden samples. Those of the kernel are of one service, and are the same in every other."""
    samples = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    if isinstance(samples, list):
        sent = [body.replace("disposal", service) if service != "disposal" else body for body in samples]
        return tuple(json.loads(body) for body in sent)
    return tuple(json.loads(sample["body"]) for sample in samples.values())


def envelope_members() -> Iterator[tuple[str, str]]:
    """Yield each member of the bytes of an event, data included, with its meaning."""
    for name in (*Envelope.model_fields, "data"):
        yield name, TEXTS["envelope"][name][1]


def _envelope() -> tuple[Json, dict[str, Json]]:
    """Build the schema of what stands around an event's data, and the schemas of its parts."""
    schema = Envelope.model_json_schema(mode="serialization", ref_template=ALONE + "{model}")
    inner: dict[str, Json] = schema.pop("$defs")
    parts = ((inner[name], words) for name, words in TEXTS["parts"].items())
    for described, words in ((schema, TEXTS["envelope"]), *parts):
        described.pop("additionalProperties", None)
        described["required"] = list(described["properties"])
        for name, part in described["properties"].items():
            part["title"], part["description"] = words[name]
    return schema, inner


def _describe_part(service: Service[Any], cls: type[BaseModel | Enum], schema: Json) -> list[str]:
    """Put an event, a group of fields or an enumeration in words. Return a sentence for each field or code without words."""
    schema["title"] = service.words.title_of(cls)
    if issubclass(cls, Enum):
        codes = {code: _plain(code, service.events.words) for code in schema["enum"]}
        return label_codes(schema, codes | dict(service.words.codes.get(cls.__name__, {})), cls.__name__)
    schema["description"] = " ".join((inspect.getdoc(cls) or "").split())
    if missing := describe_fields(cls, schema, _with_plain_codes(service, cls, schema)):
        return missing
    schema.pop("additionalProperties", None)
    own = {field.alias or name: field for name, field in cls.model_fields.items()}
    # A field with a default is written like any other; only one that was added later may be absent.
    schema["required"] = [name for name, field in own.items() if field.exclude_if is None]
    for name, field in own.items():
        part = schema["properties"][name]
        part.pop("default", None)
        if field.exclude_if is not None:
            part["description"] += " Absent from events that are older than the field."
        _mark_sealed(field, part)
        _mark_decimal(field.annotation, part)
    return []


def _with_plain_codes(service: Service[Any], cls: type[BaseModel], schema: Json) -> Words:
    """Add words for codes that no command has, by their own letters."""
    codes = dict(service.words.codes)
    for name, field in cls.model_fields.items():
        codes_in_words = service.words.codes_of(cls, name) or {}
        found = {code for part in enumerations_in(schema["properties"][field.alias or name]) for code in part["enum"]}
        if found - set(codes_in_words):
            codes[f"{cls.__name__}.{name}"] = {code: _plain(code, service.events.words) for code in found}
    return replace(service.words, codes=codes)


def _plain(code: str, words: Mapping[str, str]) -> str:
    text = words_of(code, words)
    return text[0].upper() + text[1:]


def _mark_sealed(field: FieldInfo, part: Json) -> None:
    if not any(get_origin(part) is Sealed for part in types_in(field.annotation)):
        return
    owner = next((mark.field for mark in field.metadata if isinstance(mark, OwnedBy)), "home")
    kind = next((str(mark) for mark in field.metadata if isinstance(mark, FieldClass)), None)
    part["x-sealed"] = {"owner": owner} | ({"class": kind} if kind else {})


def _mark_decimal(annotation: Any, part: Json) -> None:
    if Decimal in types_in(annotation):
        for option in part.get("anyOf", [part]):
            if option.get("type") == "string":
                option["pattern"] = DECIMAL
