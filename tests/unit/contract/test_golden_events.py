"""Every event ever published can be read, byte for byte and hash for hash, for ever."""

import re
from typing import Any

import pytest

from shared.domain.envelope import encode_event, next_hash
from shared.domain.permissions import SYSTEM
from shared.domain.service import Service
from shared.messaging.reactions import system_actor
from tests.as_one_test import as_one_test
from tests.unit.contract.sample import SERVICES, missing, samples, type_in

EVERY = [(service, name) for service in SERVICES for name in samples(service.name)]


@as_one_test
@pytest.mark.parametrize(("service", "name"), EVERY, ids=lambda value: value if isinstance(value, str) else value.name)
def test_a_published_event_reads_and_writes_as_it_was(service: Service[Any], name: str) -> None:
    """The frozen bytes read as their event, hash as they did, and are written again without a changed byte."""
    sample = samples(service.name)[name]
    body = sample["body"].encode()
    assert next_hash(bytes.fromhex(sample["previous"]), body).hex() == sample["hash"]
    fact = service.events.read(body)
    assert fact.envelope.type == type_in(name)
    if fact.envelope.type in service.events.by_type:
        assert encode_event(fact.envelope, fact.event) == body


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_sample_of_a_reaction_holds_what_production_writes(service: Service[Any]) -> None:
    """A sample that a reaction recorded names the service as its actor, and the type of the event that it follows."""
    facts = [service.events.read(sample["body"].encode()) for sample in samples(service.name).values()]
    for envelope in (fact.envelope for fact in facts if fact.envelope.actor.role == SYSTEM):
        assert envelope.actor.id == system_actor(service).id
        assert envelope.actor.organisation == service.name
        assert envelope.origin.kind == "REACTION"
        assert re.fullmatch(r"ooc\.\w+\.\w+\.v\d+", envelope.origin.reference or "")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_event_has_a_golden_sample(service: Service[Any]) -> None:
    """An event without a sample, or with a field in none, is not frozen yet: `python -m tests.unit.contract.sample` takes it from the stories."""
    unfrozen = missing(service, samples(service.name))
    assert not unfrozen, (
        f"{unfrozen} have no sample: record each in a scenario of tests/scenarios, run `python -m tests.unit.contract.sample`"
        f" and commit tests/unit/contract/golden/{service.name}.json"
    )
