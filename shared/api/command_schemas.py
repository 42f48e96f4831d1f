"""JSON Schemas (2020-12) of commands, with the words of the service: enough to draw a form from.

GET /schemas            every command of the service, with its title
GET /schemas/{command}  the schema of one command, with all that it refers to

A code has its words as `oneOf` of `const` and `title`. `x-rules` are the ids of the rules that guard a command, `x-roles`
the roles that may send it, `x-opens` whether it begins a record. `x-sealed` marks a personal value, which no address and
no log may contain. `x-asked` marks an optional field that a form requires.
`x-not-for` lists the parts of people whom a field does not mean; `x-handed-to` marks who gets a record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache, partial
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.api.parameters import choice
from shared.api.problems import unknown_response
from shared.api.routes import declared_openly
from shared.api.schemas import CommandSchemas
from shared.domain.ids import derived_uuid
from shared.domain.messages import Message, unique
from shared.domain.sealing import types_in
from shared.domain.service import Service
from shared.domain.words import Words

IN_OPENAPI: Final = "#/components/schemas/"
ANY_COMMAND: Final = "AnyCommand"
"""The name of the union of a service's commands in its OpenAPI document."""
ALONE: Final = "#/$defs/"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Json = dict[str, Any]

_EXAMPLES: Final[Mapping[str, Any]] = {
    "date-time": "2026-05-23T10:00:00+01:00",
    "date": "2026-05-23",
    "boolean": True,
    "integer": 1,
    "number": 2,
}
"""Examples by format or type, for fields without an example of their own."""


def add_command_schemas(app: FastAPI, service: Service[Any]) -> None:
    """Add the routes of the schemas of a service's commands: without a token, as /openapi.json, since they show no record."""
    names = [command.__name__ for command in service.commands]
    listed = [
        {"type": command.__name__, "title": service.words.title_of(command), "opens": command.opens}
        for command in service.commands
    ]
    schemas = cache(partial(standalone_schemas, service))  # when somebody asks: a process starts sooner
    name = choice(
        "command", "The name of the command.", names, "choose a command of this service", "path", lenient=True
    )

    @app.get("/schemas", tags=["schemas"], response_model=CommandSchemas)
    async def command_list() -> JSONResponse:
        """List the commands of this service."""
        return JSONResponse({"commands": listed})

    @app.get(
        "/schemas/{command}",  # noqa: FAST003 - declared below, with its values
        tags=["schemas"],
        response_model=dict[str, Any],
        **declared_openly((name,), 404, 422),
    )
    async def command_schema(request: Request) -> JSONResponse:
        """Return the JSON Schema (2020-12) of a command: fields with titles, help, examples and codes in words."""
        command = request.path_params["command"]
        if command not in names:
            return unknown_response(
                "There is no such command", f"There is no command of that name: choose one of {', '.join(names)}."
            )
        return JSONResponse(schemas()[command])


def command_schemas(service: Service[Any], prefix: str = IN_OPENAPI) -> dict[str, Json]:
    """Build the schemas of all commands and of their parts, by name. References begin with `prefix`.

    Raises ValueError that names every field and code without words.
    """
    _, definitions = models_json_schema(
        [(command, "validation") for command in service.commands], ref_template=prefix + "{model}"
    )
    schemas: dict[str, Json] = definitions["$defs"]
    missing: list[str] = []
    for cls in parts_of(service.commands):
        schema = schemas[cls.__name__]
        schema["title"] = service.words.title_of(cls)
        if issubclass(cls, Enum):
            missing += label_codes(schema, service.words.codes.get(cls.__name__), cls.__name__)
        else:
            missing += describe_fields(cls, schema, service.words)
    for command in service.commands:
        schema = schemas[command.__name__]
        # In Python the class implies the type; a request must state it.
        del schema["properties"]["type"]["default"]
        schema["required"] = ["type", *schema.get("required", [])]
        rules = unique(rule.id for rule in service.decider.rules.rules_for(command))
        schema["x-rules"] = list(unique([*rules, *(service.claim_rules if command.opens else ())]))
        schema["x-roles"] = sorted(service.roles_for(command))
        schema["x-opens"] = command.opens
        schema["examples"] = [_example(schema, schemas, prefix, missing)]
    require_words(missing)
    return schemas


def openapi_schemas(service: Service[Any]) -> dict[str, Json]:
    """Build the schemas of all commands, and their union by `type`, which generated clients can send by its name."""
    mapping = {command.__name__: IN_OPENAPI + command.__name__ for command in service.commands}
    union = {
        "title": "Any command of the service",
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    return {**command_schemas(service), ANY_COMMAND: union}


def standalone_schemas(service: Service[Any]) -> dict[str, Json]:
    """Build the schema of each command by its name, with all that it refers to under `$defs`."""
    schemas = command_schemas(service, ALONE)
    alone: dict[str, Json] = {}
    for command in service.commands:
        schema = schemas[command.__name__]
        used: dict[str, Json] = {}
        waiting: list[Any] = [schema]
        while waiting:
            part = waiting.pop()
            if isinstance(part, list):
                waiting += part
            elif isinstance(part, dict):
                waiting += part.values()
            elif isinstance(part, str) and part.startswith(ALONE) and part.removeprefix(ALONE) not in used:
                name = part.removeprefix(ALONE)
                used[name] = schemas[name]
                waiting.append(schemas[name])
        alone[command.__name__] = {"$schema": DIALECT, **schema, "$defs": dict(sorted(used.items()))}
    return alone


def parts_of(messages: Iterable[type[Message]]) -> list[type[BaseModel | Enum]]:
    """List the messages, and the groups of fields and enumerations that they hold at any depth, each once."""
    parts: dict[type[BaseModel | Enum], None] = {}

    def add(cls: type[BaseModel | Enum]) -> None:
        if cls not in parts:
            parts[cls] = None
            if issubclass(cls, BaseModel):
                for field in cls.model_fields.values():
                    for inner in types_in(field.annotation):
                        if isinstance(inner, type) and issubclass(inner, (BaseModel, Enum)):
                            add(inner)

    for message in messages:
        add(message)
    return list(parts)


def require_words(missing: Sequence[str]) -> None:
    """Raise ValueError with a line for each field or code without words, each once."""
    if missing:
        raise ValueError("\n".join(unique(missing)))


def describe_fields(cls: type[BaseModel], schema: Json, words: Words) -> list[str]:
    """Give each field of a class its title, help, example and codes in words. Return a sentence for each that has none."""
    missing: list[str] = []
    for name, field in cls.model_fields.items():
        field_words = words.of_field(cls, name)
        if field_words is None:
            missing.append(
                f"{cls.__name__}.{name} has no title and help: add them to the words of its service (words.toml)"
            )
            continue
        described = schema["properties"][field.alias or name]
        hint = described.get("description")
        described["title"] = field_words.title
        described["description"] = f"{field_words.help} {hint[0].upper()}{hint[1:]}." if hint else field_words.help
        if field_words.example is not None:
            described["examples"] = [[field_words.example] if _is_list(described) else field_words.example]
        for part in enumerations_in(described):
            missing += label_codes(part, words.codes_of(cls, name), f"{cls.__name__}.{name}")
    return missing


def _is_list(schema: Json) -> bool:
    return schema.get("type") == "array" or any(map(_is_list, schema.get("anyOf", ())))


def enumerations_in(schema: Json) -> Iterator[Json]:
    """Yield the parts of a field's schema that list codes."""
    if "enum" in schema:
        yield schema
    for part in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]:
        yield from enumerations_in(part)


def label_codes(schema: Json, words: Mapping[str, str] | None, name: str) -> list[str]:
    """Put the codes of a schema in words, as `oneOf`. Return a sentence if some have none."""
    words = words or {}
    if missing := [code for code in schema["enum"] if code not in words]:
        return [
            f'the codes {missing} of {name} are not in words: add them to [codes."{name}"] of its service (words.toml)'
        ]
    schema["oneOf"] = [{"const": code, "title": words[code]} for code in schema["enum"]]
    return []


def _example(  # noqa: PLR0911 - one line for each kind
    schema: Json, schemas: Mapping[str, Json], prefix: str, missing: list[str]
) -> Any:
    """Compose an example of what a schema requires; add a sentence to `missing` for each text that has none."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].removeprefix(prefix)], schemas, prefix, missing)
    if "const" in schema:
        return schema["const"]
    if "examples" in schema:
        return schema["examples"][0]
    if "properties" in schema:
        required, parts = schema.get("required", ()), schema["properties"]
        return {
            name: _example(part, schemas, prefix, missing)
            for name, part in parts.items()
            if name in required or "x-asked" in part
        }
    if schema.get("type") == "array":
        return [_example(schema["items"], schemas, prefix, missing)]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas, prefix, missing)
    if schema.get("format") == "uuid":
        return str(derived_uuid("example", schema.get("title", "")))  # one id for each kind of thing
    example = _EXAMPLES.get(schema.get("format", ""), _EXAMPLES.get(schema.get("type", "")))
    if example is None:
        missing.append(f"the field {schema.get('title')!r} has no example: add one to its title and help (words.toml)")
    return example
