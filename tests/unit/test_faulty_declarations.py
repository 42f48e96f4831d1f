"""A faulty declaration raises one sentence: the class, what it lacks, and the remedy."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.rj_conference.domain.commands import COMMANDS
from services.rj_conference.domain.state_machine import IN_EVERY_STAGE, SOURCE, STATE_MACHINE
from shared.domain.messages import Command, Event, ShortText
from shared.domain.rules import RuleBook
from shared.domain.state_machine import register


class RiskRecorded(Event):
    """An event with the risk alone."""

    risk: ShortText


class RiskApproved(Event):
    """Another event, which names who approved."""

    approved_by: UUID


def command(fields: dict[str, Any], **attributes: Any) -> type[Command]:
    """Declare a command with these fields and class attributes."""
    return type("RecordRisk", (Command,), {"__annotations__": fields, "__module__": __name__, **attributes})


@pytest.mark.parametrize("declared", [{"records": RiskRecorded}, {"makes": (RiskRecorded, RiskApproved)}], ids=str)
def test_a_field_that_no_event_records_is_refused(declared: dict[str, Any]) -> None:
    """Given a command that asks for more than its events record, when it is declared, then the field and remedy are named."""
    said = (
        r"RecordRisk asks for measures, which RiskRecorded.* does not record: add the field to the event, or its name"
    )
    with pytest.raises(TypeError, match=said):
        command({"risk": ShortText, "measures": ShortText}, **declared)
    assert command({"risk": ShortText, "measures": ShortText}, unrecorded=frozenset({"measures"}), **declared)


@pytest.mark.parametrize("field", ["risk", "misspelt"])
def test_an_unrecorded_field_is_one_that_no_event_has(field: str) -> None:
    """Given `unrecorded` with a field that is recorded, or that the command lacks, then the declaration is refused."""
    with pytest.raises(TypeError, match=rf"RecordRisk.unrecorded names {field}, which .*: take it out"):
        command({"risk": ShortText}, records=RiskRecorded, unrecorded=frozenset({field}))


def test_a_wrong_event_is_refused() -> None:
    """Given an event that requires a field which its command does not ask for, then both are named."""
    said = "RecordRisk records RiskApproved, whose approved_by it does not ask for: .*, or name another event"
    with pytest.raises(TypeError, match=said):
        command({}, records=RiskApproved)


def test_a_command_without_a_row_in_the_state_machine_is_refused() -> None:
    """Given a new command of a conference that no row names, when the rules are declared, then it and both remedies are named.

    Without the row a closed conference would call the command available, and answer it with a fault.
    """
    forgotten = command({})
    declared = (*COMMANDS, forgotten)
    said = r"RecordRisk of rj_conference: name the stages .* in a row of STATE_MACHINE \(domain/state_machine.py\), or add it to IN_EVERY_STAGE"
    with pytest.raises(TypeError, match=said):
        register(RuleBook("rj_conference"), STATE_MACHINE, SOURCE, declared, IN_EVERY_STAGE)
    register(RuleBook("rj_conference"), STATE_MACHINE, SOURCE, declared, (*IN_EVERY_STAGE, forgotten))
