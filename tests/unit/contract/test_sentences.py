"""Every event has a sentence in plain English, made of clear fields that name nobody."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import BaseModel

from shared.domain.messages import Correction, Event
from shared.domain.sealing import Sealed
from shared.domain.sentences import _FIELD, _parts, sealed_notes, sentence_of
from shared.domain.service import Service
from shared.domain.texts import Code
from tests.as_one_test import as_one_test
from tests.unit.contract.sample import SERVICES, samples

EVERY = [(service, event) for service in SERVICES for event in service.events.events]
SAMPLES = [(service, name) for service in SERVICES for name in samples(service.name)]


def name_of(value: Any) -> str:
    return value if isinstance(value, str) else str(getattr(value, "__name__", None) or value.name)


def types_in(annotation: Any) -> Iterator[Any]:
    """Yield the types that a value may have, codes as `Code`."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from (Code,) if any(isinstance(item, Code) for item in metadata) else types_in(inner)
    elif get_origin(annotation) in {Literal, Sealed}:
        yield get_origin(annotation)
    elif get_origin(annotation) is not None:
        for inner in get_args(annotation):
            yield from types_in(inner)
    elif annotation is not Ellipsis:
        yield annotation


def types_at(event: type[BaseModel], path: str) -> set[Any]:
    """Return the types of the field at a dotted path, None among them if it, or a group on the way, may have no value."""
    found: set[Any] = set()
    model: type[BaseModel] = event
    *groups, last = path.split(".")
    for group in groups:
        types = set(types_in(model.model_fields[group].rebuild_annotation()))
        found |= types & {type(None)}
        (model,) = types - {type(None)}
    return found | set(types_in(model.model_fields[last].rebuild_annotation()))


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A field of a template: its dotted path, and whether the text around it is left out where it has no value."""

    path: str
    kind: str
    """`?` for a choice, `#` for a number with its noun, else empty."""
    optional: bool


def placeholders(template: str) -> list[Placeholder]:
    """List the fields of a template, in order."""
    return [
        Placeholder(match[1], match[2] or "", optional)
        for text, optional in _parts(template)
        for match in _FIELD.finditer(text)
    ]


@as_one_test
@pytest.mark.parametrize(("service", "event"), EVERY, ids=name_of)
def test_the_template_of_each_event_names_clear_fields_of_it_that_name_nobody(
    service: Service[Any], event: type[Event]
) -> None:
    """Codes, numbers, days and choices alone, and a field that may have no value stands in square brackets."""
    assert event.sentence, f"{event.__name__} has no sentence: give it a template, beside its docstring in events.py"
    for placeholder in placeholders(event.sentence):
        if issubclass(event, Correction) and placeholder.path == "field":
            continue  # the correction engine takes paths of fields that exist, and no other text
        types = types_at(event, placeholder.path)
        counted = placeholder.kind == "#"  # of a list its length alone is told
        assert counted or not types & {Sealed, UUID, str}, (
            f"{{{placeholder.path}}} may name a person: take another field"
        )
        assert placeholder.optional or type(None) not in types, f"put {{{placeholder.path}}} into square brackets"
        assert (placeholder.kind == "?") == (types - {type(None)} == {bool}), f"write {{{placeholder.path}?yes|no}}"


@as_one_test
@pytest.mark.parametrize(("service", "name"), SAMPLES, ids=name_of)
def test_each_sample_is_told_in_a_sentence(service: Service[Any], name: str) -> None:
    """The sentence of each golden sample is whole: no placeholder, no code and no id is left in it."""
    fact = service.events.read(samples(service.name)[name]["body"].encode())
    sentence = sentence_of(fact.event, service.events.words)
    assert sentence[0].isupper()
    assert not re.search(r"[{}\[\]]|None|[A-Z]_|[0-9a-f]{8}-|\s\s|ooc:", sentence), sentence
    for note in sealed_notes(fact, service.events.words):
        assert note.note.endswith((" is recorded", f"rule {note.path.partition('.')[2]}"))


def test_words_are_given_for_codes_that_exist() -> None:
    """Given the words of the trade, when the events' codes and sealed fields are read, then none of the words is left over."""
    allowed: set[str] = set()
    for _, event in EVERY:
        allowed |= _codes_and_names(event)
    for service in SERVICES:
        assert set(service.events.words) <= allowed


def _codes_and_names(model: type[BaseModel]) -> set[str]:
    found: set[str] = set()
    for name, info in model.model_fields.items():
        found |= {name} | _codes(info.rebuild_annotation())
    return found


def _codes(annotation: Any) -> set[str]:
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {str(member) for member in annotation}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _codes_and_names(annotation)
    return set[str]().union(*map(_codes, get_args(annotation)))
