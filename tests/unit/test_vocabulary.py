"""A birth date in a command is one that can be: from 1900 to the day on which the command is received."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from services.disposal.service import service as disposal
from services.referral.domain.commands import LinkPerson
from services.referral.service import service as referral
from shared.domain.service import Service

EVENING = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
"""In London it is the first of July already."""


def linking(born: str) -> dict[str, Any]:
    person = {"name": "Leo Hart", "date_of_birth": born}
    return {"type": "LinkPerson", "person_id": str(uuid4()), "role": "HARMER", "category": "SUSPECT", "details": person}


def correcting(command: str, value: Any, field: str = "details.date_of_birth") -> dict[str, Any]:
    return {"type": command, "corrects": str(uuid4()), "field": field, "value": value, "why": "Misread."}


@pytest.mark.parametrize(
    ("service", "body"),
    [
        (referral, linking("2026-07-01")),
        (referral, linking("1900-01-01")),
        (referral, correcting("CorrectReferral", "2026-07-01")),
        (disposal, correcting("CorrectRecord", "1900-01-01")),
        # These are for the rules: no birth date, or no date at all.
        (disposal, correcting("CorrectRecord", "2026-07-02", field="offence.date")),
        (disposal, correcting("CorrectRecord", "yesterday")),
        (disposal, correcting("CorrectRecord", 20270101)),
    ],
)
def test_a_birth_date_up_to_the_day_of_receipt_is_understood(service: Service[Any], body: dict[str, Any]) -> None:
    """Given a birth date on the first or the last day that can be, in London, then the command is understood."""
    assert service.parse_command(json.dumps(body), EVENING).type == body["type"]


@pytest.mark.parametrize(
    ("service", "body", "field"),
    [
        (referral, linking("2026-07-02"), "details.date_of_birth"),
        (referral, linking("1899-12-31"), "details.date_of_birth"),
        (referral, correcting("CorrectReferral", "2026-07-02"), "value"),
        (referral, correcting("CorrectReferral", "2026-07-02", field="date_of_birth"), "value"),
        (disposal, correcting("CorrectRecord", "1899-12-31"), "value"),
    ],
)
def test_a_birth_date_that_cannot_be_is_malformed(service: Service[Any], body: dict[str, Any], field: str) -> None:
    """Given a birth date after the day of receipt or before 1900, then the command is malformed, and its field named."""
    with pytest.raises(ValidationError) as raised:
        service.parse_command(json.dumps(body), EVENING)
    (error,) = raised.value.errors()
    assert ".".join(str(part) for part in error["loc"][1:]) == field
    assert "1900" in error["msg"]
    assert body.get("value", "2026-07-02") not in error["msg"]


def test_a_birth_date_that_was_recorded_is_read_as_it_stands() -> None:
    """Given a birth date that no command could bring now, when an event holds it, then it is read."""
    command = referral.command_adapter.validate_json(json.dumps(linking("1890-01-01")))
    assert isinstance(command, LinkPerson)
    assert command.details.date_of_birth is not None
    assert command.details.date_of_birth.value.year == 1890
