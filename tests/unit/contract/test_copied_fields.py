"""What an event computed or copied follows a correction of its source: the code says which fields these are (rule COR1)."""

from collections import defaultdict
from importlib import import_module
from typing import Any, Final

import pytest

from shared.domain.corrections import CorrectionEngine
from shared.domain.decider import history_at
from shared.domain.envelope import Fact
from shared.domain.messages import Correction, Event, events_of
from shared.domain.service import Service
from tests.unit.guidance.played_histories import SERVICES, context_at, played_histories

OF_THEIR_OWN: Final = {
    # the day of what happened, which is corrected where it stands
    "DisposalIssued": {"issued_on"},
    "DisposalCompleted": {"completed_on"},
    "DisposalNotCompleted": {"ended_on"},
    "DisposalClosedWithoutProceedings": {"ended_on"},
    "DisposalCeased": {"ceased_on"},
    "ConditionCompleted": {"completed_on"},
    "DeferralCompleted": {"completed_on"},
    "DeferralEnded": {"ended_on"},
    "DiversionEnded": {"ended_on"},
    # what the referral said
    "DisposalCaseOpened": {"victims_under_age"},
    # what the other records said
    "PersonLinked": {"resembles"},
    "VictimInformedOfRestorativeJustice": {"in_place_of"},
    "VictimTold": {"in_place_of"},
    # what the breach named; what printing showed
    "ConditionFailed": {"condition_id"},
    "DocumentSigned": {"printed_here"},
    # who held the case until then
    "CaseTransferred": {"ends"},
    "TransferEnded": {"ends"},
}
"""Fields that no command gives, and that follow from no earlier fact."""


def engine(service: Service[Any]) -> CorrectionEngine[Any, Any]:
    found: CorrectionEngine[Any, Any] = import_module(f"services.{service.name}.domain.corrections").CORRECTIONS
    return found


def computed_fields(service: Service[Any]) -> dict[str, set[str]]:
    """Return the fields of each event that no command has that may give it, without those that are fixed."""
    given: dict[type[Event], set[str]] = defaultdict(set)
    for command in service.commands:
        for event in events_of(command):
            given[event] |= command.model_fields.keys()
    fixed = engine(service).fixed
    return {
        event.__name__: {
            name
            for name in event.model_fields.keys() - given[event]
            if not any(issubclass(event, cls) and path == name for cls, path in fixed)
        }
        for event in service.events.events
        if not issubclass(event, Correction)
    }


def followed(service: Service[Any]) -> tuple[dict[str, set[str]], list[str]]:
    """Return the fields of each event that its service derives in the played stories, and where an event has another value."""
    of, names, other = engine(service), defaultdict[str, set[str]](set), list[str]()
    for story in played_histories()[service.name].histories:
        state, facts = None, history_at(story)
        for fact in facts:
            values = of.derived_fields(fact, state, _then(service, fact))
            names[fact.name] |= values.keys()
            other += [f"{fact.envelope.stream} {fact.name}.{name}" for name in values if not _has(fact, name, values)]
            state = of.evolve(state, fact)
    return names, other


def _then(service: Service[Any], fact: Fact) -> Any:
    return context_at(service, fact.actor.role, fact.occurred_at)


def _has(fact: Fact, name: str, values: Any) -> bool:
    return bool(getattr(fact.event, name) == values[name])


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_copied_field_is_derived_again(service: Service[Any]) -> None:
    """Given the fields that no command gives, then each follows its source after a correction, or is a fact of its own."""
    names, _ = followed(service)
    missing = {
        event: fields - names[event] - OF_THEIR_OWN.get(event, set())
        for event, fields in computed_fields(service).items()
    }
    assert not {event: fields for event, fields in missing.items() if fields}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_what_is_derived_again_is_what_was_recorded(service: Service[Any]) -> None:
    """Given every story, corrections included, when each fact is derived from those before it, then it says what was recorded."""
    names, other = followed(service)
    assert names
    assert not other


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_refusal_names_the_source_of_each_derived_field(service: Service[Any]) -> None:
    """Given a derived field that may be corrected, then COR1 has words for what it follows from."""
    of = engine(service)
    names, _ = followed(service)
    if of.sources:
        derived = {name for event, fields in names.items() for name in fields - {"person_id", "case_id"}}
        assert derived == of.sources.keys()
