"""An event is read in one pass where it stands as it is written today, and otherwise step by step: to the same fact."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from shared.domain.envelope import Envelope, UnknownEvent, encode_event
from shared.domain.service import Service
from tests.as_one_test import as_one_test
from tests.unit.contract.sample import SERVICES, samples, type_in

CURRENT = [
    (service, name) for service in SERVICES for name in samples(service.name) if type_in(name) in service.events.by_type
]
ONE, NAME = CURRENT[0]
BODY = samples(ONE.name)[NAME]["body"]


@as_one_test
@pytest.mark.parametrize(
    ("service", "name"), CURRENT, ids=lambda value: value if isinstance(value, str) else value.name
)
def test_the_order_of_members_makes_no_difference(service: Service[Any], name: str) -> None:
    """Given an event with its members in another order, which one pass does not take, the fact is the same."""
    body = samples(service.name)[name]["body"].encode()
    raw = json.loads(body)
    fact, other = service.events.read(body), service.events.read(json.dumps(dict(reversed(raw.items()))).encode())
    assert (fact.envelope, fact.event) == (other.envelope, other.event)
    assert type(fact.envelope) is Envelope
    assert fact.occurred_at.utcoffset() == other.occurred_at.utcoffset()
    assert encode_event(other.envelope, other.event) == encode_event(fact.envelope, fact.event) == body


def test_a_time_of_another_zone_is_read_in_utc() -> None:
    """Given a time with an offset, as another writer might put it, it is the same moment in UTC."""
    raw = json.loads(BODY)
    ours = ONE.events.read(BODY.encode())
    theirs = ONE.events.read(
        json.dumps({**raw, "occurred_at": "2026-07-01T09:30:00+01:00"}, separators=(",", ":")).encode()
    )
    assert theirs.occurred_at.isoformat() == "2026-07-01T08:30:00+00:00"
    assert theirs.event == ours.event


@pytest.mark.parametrize("year", ["1899", "2200"])
def test_a_year_outside_the_calendar_is_no_event(year: str) -> None:
    """Given a time that no writer of ours accepts, the error says which years are."""
    raw = json.loads(BODY)
    with pytest.raises(UnknownEvent, match="give a year from 1900 to 2199"):
        ONE.events.read(json.dumps({**raw, "occurred_at": f"{year}-07-01T09:30:00Z"}, separators=(",", ":")).encode())


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_an_event_of_three_thousand_levels_is_no_event(opening: str) -> None:
    """Given data that PostgreSQL takes and no reader can follow, the event is unknown, as any other that cannot be read."""
    closing = ("]" if opening == "[" else "}") * 3000
    deep = f'{{"note":{opening * 3000}1{closing}}}'
    head = BODY[: BODY.index('"data":')]
    with pytest.raises(UnknownEvent):
        ONE.events.read(f'{head}"data":{deep}}}'.encode())


def test_a_member_that_stands_twice_counts_as_it_stands_last() -> None:
    """Given two types in one event, the last one decides how it is read, as JSON has it, and the first misleads nobody."""
    other = next(name for service, name in CURRENT if service is ONE and type_in(name) != type_in(NAME))
    twice = f'{BODY[:-1]},"type":"{type_in(other)}","data":{json.dumps(json.loads(samples(ONE.name)[other]["body"])["data"])}}}'
    assert ONE.events.read(twice.encode()).envelope.type == type_in(other)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_no_reading_copies_a_default(service: Service[Any]) -> None:
    """Given every event, no field has a default that can change: pydantic would copy it deeply at each reading."""
    waiting: list[type[BaseModel]] = [Envelope, *service.events.events]
    visited: set[type[BaseModel]] = set()
    while waiting:
        cls = waiting.pop()
        visited.add(cls)
        for name, field in cls.model_fields.items():
            assert not isinstance(field.default, (dict, list, set)), f"{cls.__name__}.{name}: give it a factory"
            waiting += [part for part in _models_in(field.annotation) if part not in visited]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
