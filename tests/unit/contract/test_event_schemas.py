"""The published schemas are true: every golden sample fits its own, each field is in words, and AsyncAPI is AsyncAPI."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from jsonschema_rs import Draft7Validator, Draft202012Validator, meta

from services.system.registry import deciding_services
from shared.domain.messages import Event
from shared.domain.service import Service
from tools.reference.asyncapi import OPTIONAL_HEADERS, asyncapi
from tools.reference.compatibility import incompatible_changes
from tools.reference.event_schemas import event_schemas, published_events, samples_of, schemas_file

SERVICES = deciding_services()
SCHEMAS = {service.name: event_schemas(service) for service in SERVICES}
FILES = {schemas_file(service): SCHEMAS[service.name] for service in SERVICES}
ASYNCAPI = Path(__file__).parent / "asyncapi" / "3.0.0-without-id.json"
"""AsyncAPI's own schema of its documents, from github.com/asyncapi/spec-json-schemas (Apache License 2.0)."""

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def schema_of(service: Service[Any], name: str) -> dict[str, Any]:
    document = SCHEMAS[service.name]
    return {"$schema": document["$schema"], "$ref": f"#/$defs/{name}", "$defs": document["$defs"]}


@each_service
def test_every_golden_sample_fits_the_schema_of_its_type(service: Service[Any]) -> None:
    """What was ever published is valid by the schemas of today, and each type has a sample."""
    meta.validate(SCHEMAS[service.name])
    for name, _, _ in published_events(service):
        validator = Draft202012Validator(schema_of(service, name))
        samples = samples_of(service, name)
        assert samples, name
        for sample in samples:
            assert not [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(sample)], name


@each_service
def test_a_schema_refuses_what_an_event_never_is(service: Service[Any]) -> None:
    """A schema is no empty form: without its data, with a data field missing or a sealed text in clear, a sample is refused."""
    for name, event, _ in published_events(service):
        validator = Draft202012Validator(schema_of(service, name))
        sample = samples_of(service, name)[0]
        assert not validator.is_valid({key: value for key, value in sample.items() if key != "data"})
        assert not validator.is_valid({**sample, "type": "ooc.other.Event.v1"})
        for field in SCHEMAS[service.name]["$defs"][f"{event.__name__}.v{event.version}"]["required"]:
            data = {key: value for key, value in sample["data"].items() if key != field}
            assert not validator.is_valid({**sample, "data": data}), (name, field)
        for field, value in sample["data"].items():
            if isinstance(value, str) and value.startswith("s1:"):
                assert not validator.is_valid({**sample, "data": {**sample["data"], field: "in clear"}}), (name, field)


@each_service
def test_every_event_and_field_is_in_words(service: Service[Any]) -> None:
    """A reader finds a title and a meaning at every field, and an example of every event."""
    for name, schema in SCHEMAS[service.name]["$defs"].items():
        for field, part in schema.get("properties", {}).items():
            if name.startswith("ooc.") and field == "type":
                continue
            assert part["title"].strip(), (name, field)
            assert part["description"].endswith("."), (name, field)
    for name, _, _ in published_events(service):
        message = SCHEMAS[service.name]["$defs"][name]
        assert message["title"]
        assert message["description"]
        assert len(message["examples"]) == 1


def test_the_topics_are_described_as_asyncapi_asks() -> None:
    """The document is valid by AsyncAPI's own schema, and each reference in it leads somewhere."""
    document = asyncapi(SERVICES, FILES)
    validator = Draft7Validator(json.loads(ASYNCAPI.read_text(encoding="utf-8")))
    assert not [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)]
    for service in SERVICES:
        for name, _, _ in published_events(service):
            reference = document["components"]["messages"][name]["payload"]["schema"]["$ref"]
            file, _, pointer = reference.partition("#/$defs/")
            assert file == schemas_file(service)
            assert pointer in SCHEMAS[service.name]["$defs"]


def test_the_headers_of_an_example_are_those_that_are_declared() -> None:
    """Each example has every declared header but the optional ones, and no other."""
    document = asyncapi(SERVICES, FILES)
    declared = set(document["components"]["schemas"]["EventHeaders"]["properties"])
    for message in document["components"]["messages"].values():
        for example in message.get("examples", ()):
            assert declared - OPTIONAL_HEADERS <= set(example["headers"]) <= declared


def test_an_old_version_of_an_event_stays_published() -> None:
    """Where an event has a new shape and an upcaster, the old one keeps its schema, its message and its words, deprecated."""
    service = next(service for service in SERVICES if service.name == "education")
    old = "ooc.education.PlaceBooked.v1"

    class PlaceBooked(Event):
        """A person has a place, and a seat."""

        version: ClassVar[int] = 2
        person_id: UUID

    # Nothing of today has a corrected place any more; what an old event refers to stays with it.
    corrected, cancelled = "ooc.education.RecordCorrected.v1", "ooc.education.SessionCancelled.v1"
    removed = {"PlaceBooked", "RecordCorrected", "SessionCancelled"}
    events = tuple(event for event in service.events.events if event.__name__ not in removed)
    upcasters = dict(service.events.upcasters) | dict.fromkeys((old, corrected, cancelled), lambda data: data)
    book = replace(service.events, events=(*events, PlaceBooked), upcasters=upcasters)
    later = replace(service, commands=(), read_model=replace(service.read_model, events=book))
    schemas = event_schemas(later)
    assert schemas["$defs"][old] == SCHEMAS["education"]["$defs"][old] | {"deprecated": True}
    assert schemas["$defs"]["PlaceBooked.v1"] == SCHEMAS["education"]["$defs"]["PlaceBooked.v1"]
    assert schemas["$defs"]["CorrectedPlace"] == SCHEMAS["education"]["$defs"]["CorrectedPlace"]
    assert "seat" in schemas["$defs"]["ooc.education.PlaceBooked.v2"]["description"]
    files = FILES | {schemas_file(later): schemas}
    before = {"asyncapi.json": asyncapi(SERVICES, FILES), **FILES}
    after = {
        "asyncapi.json": asyncapi([service for service in SERVICES if service.name != "education"] + [later], files)
    }
    assert incompatible_changes(before, after | files) == []
    assert incompatible_changes(after | files, before)
