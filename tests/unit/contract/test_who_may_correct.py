"""A correction gives nothing that no command gives: neither to a role that may not record it, nor beside what access, claims and homes follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter

from services.trade.vocabulary import Role
from shared.domain.corrections import CorrectionEngine, PastFacts, Uncorrectable
from shared.domain.decider import apply_correction
from shared.domain.envelope import Fact
from shared.domain.messages import Correction, CorrectionCommand, events_of
from shared.domain.permissions import ids_mentioned, marks_of
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from tests.unit.contract.sample import SERVICES, samples
from tests.unit.contract.test_copied_fields import engine

ANOTHER: Final = UUID(int=4)

WHO_OVERSEES: Final = {Role.SUPERVISOR: "a supervisor corrects what others have decided, and cannot decide it anew"}
"""The roles that may correct what they may not record, and why."""

NOT_FOLLOWED: Final = {
    (
        "SessionPlanned",
        "topic",
    ): "who reads sessions on safety online alone may correct this: no correction opens one to them"
}
"""The fields of which a correction gives no mark, and why that is safe."""


@dataclass(frozen=True)
class Alone:
    """A state of which nothing is known but its facts."""

    record: PastFacts[Any] | None


def correcting(service: Service[Any]) -> type[CorrectionCommand]:
    """Return the command for a correction."""
    return next(command for command in service.commands if issubclass(command, CorrectionCommand))


def sampled(service: Service[Any]) -> Iterator[Fact]:
    """Yield a fact of every sample that is no correction."""
    facts = (service.events.read(sample["body"].encode()) for sample in samples(service.name).values())
    return (fact for fact in facts if not isinstance(fact.event, Correction))


def paths(model: BaseModel, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and type of every field of an event, those in groups and lists of groups too."""
    for name, info in type(model).model_fields.items():
        path, value = f"{before}{name}", getattr(model, name)
        yield path, info.rebuild_annotation()
        items = value if isinstance(value, tuple) else ()
        for at, item in ((path, value), *((f"{path}.{n}", one) for n, one in enumerate(items))):
            if isinstance(item, BaseModel):
                yield from paths(item, f"{at}.")


def values(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[Any]:
    """Yield JSON values of a type: each code, an id, both answers, nothing at all, and lists of one of them."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    yield from schema.get("enum", [schema["const"]] if "const" in schema else [])
    for option in schema.get("anyOf", []):
        yield from values(option, definitions)
    match schema.get("type"), schema.get("format"):
        case "null", _:
            yield None
        case "boolean", _:
            yield from (True, False)
        case "array", _:
            yield from ([one] for one in values(schema.get("items", {}), definitions))
        case "string", "uuid":
            yield str(ANOTHER)
        case "string", "date":
            yield "2026-01-02"
        case "string", "date-time":
            yield "2026-01-02T12:00:00+00:00"
        case "integer" | "number", _:
            yield 7
        case "string", None if "enum" not in schema and "const" not in schema:
            yield from ("A", "1", "a" * 64, "55260000001", "123456", "Dorset Police", "2026-01")
        case _:
            pass


def _corrections(service: Service[Any], fact: Fact) -> Iterator[tuple[Fact, Fact[Correction]]]:
    """Yield a fact with another value in each of its fields that may be corrected, and the correction."""
    of: CorrectionEngine[Any, Any] = engine(service)
    for path, annotation in paths(fact.event):
        schema = TypeAdapter(annotation).json_schema()
        for value in values(schema, schema.get("$defs", {})):
            command = correcting(service)(corrects=fact.event_id, field=path, value=value, why=Sealed("Wrong."))
            try:
                event = of.correction(command, Alone(PastFacts(fact)))
            except Uncorrectable:
                continue
            correction = Fact(fact.envelope.model_copy(update={"event_id": ANOTHER}), event)
            yield apply_correction(fact, correction, event.targets[fact.event_id]), correction


@cache
def corrections(service_name: str) -> tuple[tuple[Fact, Fact, Fact[Correction]], ...]:
    """Return every fact that is sampled, with another value in each of its fields that may be corrected, and the correction."""
    service = next(one for one in SERVICES if one.name == service_name)
    return tuple((fact, *corrected) for fact in sampled(service) for corrected in _corrections(service, fact))


EACH_SERVICE: Final = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@EACH_SERVICE
def test_nobody_corrects_what_they_may_not_record(service: Service[Any]) -> None:
    """Given an event, then every role that may correct it may send a command that gives it, or oversees."""
    given = {event: set[str]() for event in service.events.events}
    for command in service.commands:
        for event in events_of(command):
            given[event] |= service.roles_for(command)
    correct, of = service.roles_for(correcting(service)), engine(service)
    more = {
        event.__name__: roles
        for event in {type(fact.event) for fact, *_ in corrections(service.name)}
        if (roles := correct.intersection(of.corrected_by.get(event, correct)) - given[event] - WHO_OVERSEES.keys())
    }
    assert not more


@EACH_SERVICE
def test_marks_and_mentions_follow_every_correction(service: Service[Any]) -> None:
    """Given a corrected field, when it gives the event another mark or mention, then the correction, which is read alone, gives it too."""

    def given_by(fact: Fact) -> set[object]:
        return {*marks_of(service.events, fact), *ids_mentioned(service.events, [fact])}

    lost = {
        (fact.name, correction.event.field)
        for fact, changed, correction in corrections(service.name)
        if not given_by(changed) - given_by(fact) <= given_by(correction)
    }
    assert lost == NOT_FOLLOWED.keys() & {
        (event.__name__, field) for event in service.events.events for field in event.model_fields
    }


@EACH_SERVICE
def test_a_home_is_never_corrected(service: Service[Any]) -> None:
    """Given a field that may be corrected, then neither the home of the record nor whose key seals the event changes."""
    moved = {
        (fact.name, correction.event.field)
        for fact, changed, correction in corrections(service.name)
        if (service.home(changed.event), changed.sealing_home) != (service.home(fact.event), fact.sealing_home)
    }
    assert not moved


@EACH_SERVICE
def test_a_claim_follows_every_correction(service: Service[Any]) -> None:
    """Given a beginning that takes a claim, when another field would have taken another, then the correction takes that."""
    for fact, changed, correction in corrections(service.name):
        if fact.version == 1 and service.claims(None, fact) != (asked := service.claims(None, changed)):
            moved = service.claims(service.decider.fold([fact]), correction)
            assert asked is not None
            assert moved is not None
            assert moved.take == asked.take
