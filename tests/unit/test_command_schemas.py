"""The JSON Schema of each command: everything in words for people, an example that is accepted, and the rules."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from services.system.registry import DECIDING, deciding_services
from shared.api.command_schemas import command_schemas, parts_of, standalone_schemas
from shared.domain.data_rights import DATA_RIGHTS_TYPES
from shared.domain.messages import Command
from shared.domain.service import Service
from shared.domain.waiting import WAITING_TYPES
from tests.as_one_test import as_one_test

SERVICES = deciding_services()
COMMANDS = [(service, command) for service in SERVICES for command in service.commands]
SCHEMAS = {service.name: standalone_schemas(service) for service in SERVICES}
RECEIVED = datetime(2026, 11, 26, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2] / "services"


def named(value: Any) -> str:
    return getattr(value, "name", getattr(value, "__name__", str(value)))


def fields_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property in a schema, at any depth, with its path."""
    if isinstance(schema, dict):
        for name, part in schema.get("properties", {}).items():
            yield f"{path}.{name}", part
        for key, part in schema.items():
            yield from fields_of(part, f"{path}.{key}")
    elif isinstance(schema, list):
        for part in schema:
            yield from fields_of(part, path)


def codes_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that lists codes."""
    if isinstance(schema, dict):
        if "enum" in schema:
            yield schema
        for part in schema.values():
            yield from codes_of(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from codes_of(part)


@as_one_test
@pytest.mark.parametrize(("service", "command"), COMMANDS, ids=named)
def test_every_field_of_a_command_has_a_title_and_help(service: Service[Any], command: type[Command]) -> None:
    """A form has a title for each field, at any depth, and a sentence that says what to give."""
    schema = SCHEMAS[service.name][command.__name__]
    fields = dict(fields_of(schema))
    assert set(command.model_fields) == {
        name for name, field in command.model_fields.items() if f".{field.alias or name}" in fields
    }
    for path, field in fields.items():
        assert field["title"].strip(), path
        assert not field["title"].endswith("."), path
        assert field["description"].endswith("."), path
    assert schema["title"].strip()
    assert schema["description"].strip()


@as_one_test
@pytest.mark.parametrize(("service", "command"), COMMANDS, ids=named)
def test_every_code_is_in_words(service: Service[Any], command: type[Command]) -> None:
    """A code and its words stand together, in the order of the enumeration, and no words stand for two codes."""
    for part in codes_of(SCHEMAS[service.name][command.__name__]):
        assert [option["const"] for option in part["oneOf"]] == part["enum"]
        words = [option["title"] for option in part["oneOf"]]
        assert len(set(words)) == len(words)
        assert not [text for text in words if not text.strip() or "_" in text]


@as_one_test
@pytest.mark.parametrize(("service", "command"), COMMANDS, ids=named)
def test_the_example_of_a_command_fits_its_schema_and_is_understood(
    service: Service[Any], command: type[Command]
) -> None:
    """The schema is one of JSON Schema 2020-12, its example is valid by it, has an id of its own for each thing, and is parsed."""
    schema = SCHEMAS[service.name][command.__name__]
    meta.validate(schema)
    (example,) = schema["examples"]
    ids = [value for name, value in example.items() if name.endswith("_id")]
    assert len(set(ids)) == len(ids)
    assert not [error.message for error in Draft202012Validator(schema).iter_errors(example)]
    assert type(service.parse_command(json.dumps(example), RECEIVED)) is command


@as_one_test
@pytest.mark.parametrize(("service", "command"), COMMANDS, ids=named)
def test_a_schema_names_the_rules_and_roles_of_its_command(service: Service[Any], command: type[Command]) -> None:
    """The ids are those of the rules that are evaluated, with the rules of claims for a command that begins a record."""
    schema = SCHEMAS[service.name][command.__name__]
    guarding = {rule.id for rule in service.decider.rules.rules_for(command)}
    assert set(schema["x-rules"]) == guarding | (set(service.claim_rules) if command.opens else set())
    assert set(schema["x-roles"]) == service.roles_for(command)


def test_a_personal_value_is_marked() -> None:
    """What is stored sealed says so in the schema, so that a form keeps it out of addresses and logs."""
    service = next(service for service in SERVICES if service.name == "education")
    place = command_schemas(service)["PlanSession"]["properties"]["place"]
    assert place["x-sealed"] is True


@pytest.mark.parametrize("entry", DECIDING, ids=named)
def test_no_words_are_left_over(entry: Any) -> None:
    """Every text in words.toml belongs to a field, code or class that exists."""
    service = entry.service()
    own = tomllib.loads((ROOT / entry.name / "words.toml").read_text(encoding="utf-8"))
    parts = parts_of((*service.commands, *service.events.events))
    enumerations = {part.__name__ for part in parts if issubclass(part, Enum)}
    fields = {
        key
        for part in parts
        if not issubclass(part, Enum)
        for name in part.model_fields
        for key in (f"{part.__name__}.{name}", name)
    }
    assert set(own["fields"]) <= fields
    assert set(own.get("codes", {})) <= fields | enumerations
    assert set(own.get("printed", {})) <= enumerations
    assert set(own.get("titles", {})) <= {part.__name__ for part in parts}
    assert set(own.get("papers", {})) <= set(service.documents)


def test_no_shared_words_are_left_over() -> None:
    """What vocabulary.toml words, a command or event of some service has."""
    shared = tomllib.loads((ROOT / "trade" / "vocabulary.toml").read_text(encoding="utf-8"))
    parts = {
        part
        for service in SERVICES
        for part in parts_of((*service.commands, *service.events.events, *WAITING_TYPES, *DATA_RIGHTS_TYPES))
    }
    fields = {
        key
        for part in parts
        if not issubclass(part, Enum)
        for name in part.model_fields
        for key in (f"{part.__name__}.{name}", name)
    }
    assert set(shared["fields"]) <= fields
    assert set(shared["codes"]) <= fields | {part.__name__ for part in parts if issubclass(part, Enum)}


def test_a_field_or_a_code_without_words_is_named() -> None:
    """Given fields and codes without words, then one error names every one of them, and the place of its words."""
    service = SERVICES[0]
    with pytest.raises(ValueError, match=r"ReceiveReferral\.\w+ has no title and help") as no_titles:
        command_schemas(replace(service, words=replace(service.words, fields={})))
    assert "LinkPerson.person_id has no title and help" in str(no_titles.value)
    with pytest.raises(ValueError, match=r"of Flag are not in words: add them to \[codes\.\"Flag\"\]") as no_codes:
        command_schemas(replace(service, words=replace(service.words, codes={})))
    assert len(str(no_codes.value).splitlines()) == str(no_codes.value).count("are not in words") > 10


def test_a_sentence_words_no_code_that_there_is_not() -> None:
    """What vocabulary.toml words for sentences is a code, or a field, of some event."""
    words = tomllib.loads((ROOT / "trade" / "vocabulary.toml").read_text(encoding="utf-8"))["sentences"]
    parts = {part for service in SERVICES for part in parts_of((*service.commands, *service.events.events))}
    codes = {code.value for part in parts if issubclass(part, Enum) for code in part}
    texts = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("*/events.py"))
    assert [code for code in words["codes"] if code not in codes and f'"{code}"' not in texts] == []
    fields = {name for part in parts if not issubclass(part, Enum) for name in part.model_fields}
    assert set(words["sealed"]) <= fields
