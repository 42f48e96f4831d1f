"""A corrected sealed value has the type of its field, in every service."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin
from uuid import uuid4

import pytest
from pydantic import BaseModel, TypeAdapter

from shared.domain.decider import BrokenHistory, apply_correction
from shared.domain.envelope import Fact, encode_event, has_event
from shared.domain.messages import Correction, Event
from shared.domain.sealing import DataKey, Sealed, key_ids_in, seal_model, sealed_fields, to_json
from shared.domain.service import Service
from tests.as_one_test import as_one_test
from tests.unit.contract.sample import SERVICES, samples, type_in
from tests.unit.test_access import sealed_paths

EXAMPLES: dict[str, Any] = {"string": "Another text", "array": ["Another text"], "date": "2011-05-04", "integer": 3}
"""A JSON value of each type that a sealed field has, by the type or format in its schema."""


CODES = ("01632 960018", "robin.doe@example.org")
"""A text for each pattern that a sealed field has."""


def sealed_types(value: Any, annotation: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and inner type of each sealed field that an event has a place for."""
    if get_origin(annotation) is Sealed:
        yield path, get_args(annotation)[0]
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from sealed_types(
                getattr(value, name), field.rebuild_annotation(), f"{path}.{name}" if path else name
            )
    elif isinstance(value, tuple):
        for n, item in enumerate(value):
            yield from sealed_types(item, type(item), f"{path}.{n}")
    else:
        for part in get_args(annotation):
            yield from sealed_types(None, part, path)


def cases() -> Iterator[Any]:
    """Yield each sealed field of every sampled event once, by the registries of events."""
    seen = set()
    for service in SERVICES:
        for name, sample in samples(service.name).items():
            fact = service.events.read(sample["body"].encode())
            if isinstance(fact.event, Correction):
                continue
            for path, inner in sealed_types(fact.event, type(fact.event)):
                key = (type_in(name), path)
                if key not in seen:
                    seen.add(key)
                    yield pytest.param(service, fact, path, inner, id=f"{key[0]}-{path}")


CASES = tuple(cases())


def example(inner: Any) -> Any:
    """Return a JSON value of a type."""
    schema = TypeAdapter(inner).json_schema()
    if "enum" in schema:
        return schema["enum"][0]
    if "pattern" in schema:
        return next(text for text in CODES if re.fullmatch(schema["pattern"], text))
    return EXAMPLES[schema.get("format") or schema["type"]]


def opened_correction(service: Service[Any], target: Fact, path: str, value: Any) -> Fact[Correction]:
    """Return the correction of a sealed field after its way through the bytes, opened with its keys."""
    correction = next(cls for cls in service.events.events if issubclass(cls, Correction))
    event: Event = correction(corrects=target.event_id, field=path, sealed=Sealed(value), why=Sealed("It was wrong."))
    envelope = target.envelope.model_copy(
        update={"event_id": uuid4(), "type": service.events.type_name(correction), "version": target.version + 1}
    )
    keys = {
        subject: DataKey(subject, 1, os.urandom(32)) for _, subject, _ in sealed_fields(event, target.envelope.home)
    }
    body = encode_event(envelope, seal_model(event, envelope.home, envelope.event_id, keys))
    fact = service.events.read(body, keys={want: keys[want[0]] for want in key_ids_in(body)})
    assert has_event(fact, Correction)
    return fact


def value_at(event: Any, path: str) -> Any:
    """Return the content of a dotted path."""
    for name in path.split("."):
        event = event[int(name)] if isinstance(event, tuple) else getattr(event, name)
    return event


@as_one_test
@pytest.mark.parametrize(("service", "fact", "path", "inner"), CASES)
def test_a_corrected_sealed_value_has_the_type_of_its_field(
    service: Service[Any], fact: Fact, path: str, inner: Any
) -> None:
    """Given a corrected sealed value, when it is opened and applied, then it has the type that its field declares."""
    value = example(inner)
    correction = opened_correction(service, fact, path, value)
    corrected = value_at(apply_correction(fact, correction, correction.event.targets[fact.event_id]).event, path)
    assert corrected.value == TypeAdapter(inner).validate_json(json.dumps(value), strict=True)
    assert to_json(corrected, lambda sealed: sealed.value) == value
    assert corrected.has_token


def test_a_sealed_value_of_another_type_breaks_the_history() -> None:
    """Given a sealed value that its field cannot have, then the history is broken and its text does not repeat the value."""
    service, fact, path = next(
        (case.values[0], case.values[1], case.values[2]) for case in CASES if case.id.endswith("date_of_birth")
    )
    correction = opened_correction(service, fact, path, "a private word")
    with pytest.raises(BrokenHistory, match="cannot be corrected") as broken:
        apply_correction(fact, correction, correction.event.targets[fact.event_id])
    assert "private" not in str(broken.value)


def test_every_sealed_field_is_tried() -> None:
    """Given the events of every service, the samples fill each place of a sealed field, so that the tests above try it."""
    tried = {(case.values[1].name, re.sub(r"\.[0-9]+", "", case.values[2])) for case in CASES}
    declared = {
        (event.__name__, path)
        for service in SERVICES
        for event in service.events.events
        if not issubclass(event, Correction)
        for path in sealed_paths(event)
    }
    assert declared == tried, f"fill these in a scenario of tests/scenarios, then sample again: {declared ^ tried}"
