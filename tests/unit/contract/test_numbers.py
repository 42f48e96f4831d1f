"""Hours have one form in each place, and no form loses a hundredth."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.education.domain.commands import PlanSession
from services.system.registry import deciding_services
from shared.domain.members import json_value
from shared.domain.service import Service
from tests.unit.contract.test_event_schemas import SCHEMAS
from tools.reference.event_schemas import DECIMAL, published_events, samples_of

SERVICES = deciding_services()
RECEIVED = datetime(2026, 11, 26, 12, tzinfo=UTC)
PLAN = {
    "type": "PlanSession",
    "kind": "GROUP",
    "topic": "DIVERSITY",
    "starts_at": "2026-11-25T10:00:00Z",
    "place": "Hall",
}


def numbers_in(value: Any) -> list[Any]:
    """Every JSON number in a value that is no integer."""
    if isinstance(value, dict):
        return [found for part in value.values() for found in numbers_in(part)]
    if isinstance(value, list):
        return [found for part in value for found in numbers_in(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_an_event_has_no_fraction_as_a_number(service: Service[Any]) -> None:
    """Hours in events are decimals in strings, and every number in a schema or sample is an integer."""
    assert '"number"' not in json.dumps(SCHEMAS[service.name]["$defs"])
    for name, _, _ in published_events(service):
        assert not [found for sample in samples_of(service, name) for found in numbers_in(sample)], name
    if service.name in {"education", "disposal", "rj_conference"}:
        assert json.dumps(DECIMAL) in json.dumps(SCHEMAS[service.name])


def test_a_number_and_a_string_of_hours_are_the_same_command() -> None:
    """A command with 2.25 hours and one with "2.25" hours are equal."""
    service = next(service for service in SERVICES if service.name == "education")
    sent = [service.parse_command(json.dumps(PLAN | {"hours": hours}), RECEIVED) for hours in (2.25, "2.25")]
    assert [command.hours for command in sent if isinstance(command, PlanSession)] == [Decimal("2.25")] * 2


def test_the_number_of_a_state_is_exact_to_the_hundredth() -> None:
    """The shortest decimal of the JSON number is what was added up, for every hundredth up to a thousand hours."""
    for hundredths in range(100_001):
        hours = Decimal(hundredths) / 100
        assert Decimal(json.dumps(json_value(hours))) == hours
