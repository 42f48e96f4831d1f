"""`ooc next`: what may be done next, in words."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from ooc.cases.guidance import answers, next_table, service_of
from ooc.cases.reading import NotFound
from services.console.words import command_in_words
from services.system.addresses import Addresses
from tools.client.http import Client


def rule(id_: str, answer: str, kind: str = "forbids", **more: Any) -> dict[str, Any]:
    """Return a rule as a service answers it."""
    line = {"id": id_, "kind": kind, "answer": answer, "text": f"The text of {id_}.", "source": "law", "fields": []}
    return line | {"changes_on": None, "for_the_day": None, "broken_by": {}} | more


def command(type_: str, status: str, *rules: dict[str, Any], fields: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a command as a service answers it."""
    return {"type": type_, "status": status, "begins": False, "fields": list(fields), "rules": list(rules)}


ANSWER: dict[str, Any] = {
    "id": None,
    "version": 3,
    "as_of": "2026-03-12T16:30:00Z",
    "commands": [
        command("OpenDisposalCase", "refused", rule("S1", "broken", "state")),
        command("DeliverSession", "refused", rule("E1", "broken", changes_on="2026-05-23")),
        command("IssueDisposal", "available", rule("R2", "holds", changes_on="2026-03-14")),
        command("ReferToYot", "needs_rationale", rule("R12", "broken", "warns")),
        command(
            "ScheduleConference",
            "depends",
            rule("C2", "depends", fields=["mode", "starts_at"], broken_by={"mode": ["SHUTTLE", "LETTER"]}),
            rule("C4", "depends", fields=["starts_at"], for_the_day="holds", changes_on="2026-04-01"),
            fields=("mode", "starts_at"),
        ),
    ],
}


def printed(*, show_all: bool = False) -> str:
    console = Console(width=160, file=io.StringIO())
    console.print(next_table("disposal/7", ANSWER, show_all=show_all))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_possible_comes_first_and_what_does_not_belong_to_the_state_is_counted() -> None:
    """Given commands of every status, then they stand in order, and what the state machine alone refuses is left out."""
    text = printed()
    names = ["Issue disposal", "Refer to yot", "Schedule conference", "Deliver session"]
    assert sorted(names, key=text.index) == names
    assert "Open disposal case" not in text
    assert "1 more do not belong to this state" in text
    assert "Open disposal case" in printed(show_all=True)


def test_rules_and_days_are_said() -> None:
    """Given rules that change on a day, then the day stands beside the rule and its text."""
    text = printed()
    assert "R2 from 2026-03-14 on: The text of R2." in text
    assert "E1 (until 2026-05-23): The text of E1." in text
    assert "C4 wants starts_at before 2026-04-01" in text
    assert "C2 refuses mode SHUTTLE, LETTER: The text of C2." in text
    assert "mode, starts_at decide (C2)" in text


def test_a_command_is_named_in_words() -> None:
    """The name of a command is split where its words begin."""
    assert command_in_words("RecordConditionAttendance") == "Record condition attendance"


def test_an_unknown_collection_is_answered_with_those_that_there_are() -> None:
    """A collection or its service is known; for anything else the collections are listed."""
    assert service_of("conferences") == service_of("rj_conference") == "rj_conference"
    with pytest.raises(NotFound, match="referrals, sessions, disposals, conferences"):
        service_of("parcels")


def test_a_case_needs_its_id() -> None:
    """Given a case without an id, then one sentence says what is missing, before any service is asked."""
    nowhere = Client(Addresses(None, {}))
    with pytest.raises(NotFound, match="ooc next case ID"):
        list(answers(nowhere, "case", None, None, "SUPERVISOR"))
