"""A faulty declaration raises one sentence: the class, what it lacks, and the remedy."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest

from services.notifications.table import TABLE, Audience
from services.panel import service as panel
from services.rj_conference.domain.commands import COMMANDS
from services.rj_conference.domain.state_machine import IN_EVERY_STAGE, SOURCE, STATE_MACHINE
from services.system.registry import DECIDING
from shared.domain.envelope import EventRegistry
from shared.domain.messages import Command, Event, ShortText
from shared.domain.rules import RuleBook
from shared.domain.state_machine import register

PANEL: Final = panel.service


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


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({}, "RecordRisk of panel names no event: give it `records` or `makes`, or `happens = False`"),
        (
            {"records": RiskRecorded},
            r"RecordRisk records RiskRecorded, which EVENTS of panel lacks: add it to the union",
        ),
    ],
    ids=["none", "another service's"],
)
def test_a_command_names_events_of_its_service(declared: dict[str, Any], said: str) -> None:
    """Given a command without an event, or with one that its service cannot read, then the service cannot be declared."""
    with pytest.raises(TypeError, match=said):
        replace(PANEL, commands=(*PANEL.commands, command({"risk": ShortText} if declared else {}, **declared)))


def test_a_new_version_without_an_upcaster_is_refused() -> None:
    """Given an event in its second version, when nothing reads the first, then the missing upcaster is named."""
    second = type("RiskRecorded", (RiskRecorded,), {"__module__": __name__, "__annotations__": {}, "version": 2})
    said = (
        r"RiskRecorded of risks has version 2, and no upcaster reads ooc.risks.RiskRecorded.v1: add one to `upcasters`"
    )
    with pytest.raises(TypeError, match=said):
        EventRegistry("risks", (second,))
    EventRegistry("risks", (second,), upcasters={"ooc.risks.RiskRecorded.v1": lambda data: data})


def test_a_service_without_corrections_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a service without a command for corrections, when it is imported, then what to add is named."""
    monkeypatch.setattr(panel, "service", replace(PANEL, commands=PANEL.commands[:1]))
    (entry,) = (entry for entry in DECIDING if entry.name == "panel")
    with pytest.raises(TypeError, match="panel has no command for corrections: add a FieldCorrection to its domain/"):
        entry.service()


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


def test_a_message_to_the_wrong_audience_is_refused() -> None:
    """Given a line that tells a child what is written for accounts, then the template and its audiences are named."""
    line = next(line for line in TABLE if line.to_accounts)
    with pytest.raises(
        TypeError, match="SCHOOL_RECEIVED goes to CHILD: an AccountTemplate goes to FACILITATOR, OFFICER"
    ):
        replace(line, audiences=frozenset({Audience.CHILD}))
