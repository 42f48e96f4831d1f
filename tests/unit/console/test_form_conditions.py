"""The conditions of a caution as a list on one form."""

from datetime import date
from typing import Final
from uuid import UUID, uuid5

from services.console.forms.conditions import GROUP, as_a_change, as_list, in_commands, without_empty_rows
from services.console.forms.fields import MAX_ROWS, Drawing, command_of, fields_of
from services.disposal.service import service
from shared.api.command_schemas import standalone_schemas

SCHEMA: Final = standalone_schemas(service)["ProposeCondition"]
SINGLE: Final = fields_of(SCHEMA, Drawing(SCHEMA["$defs"]))
ON: Final = date(2026, 11, 29)
LISTED, DAYS = as_list(SINGLE, 3, ON)
KEY: Final = UUID("6f1e2d3c-0000-4000-8000-000000000001")
IDS: Final = {f"{GROUP}.{row}.condition_id": [str(uuid5(KEY, f"id {row}"))] for row in range(3)}
DRAWN: Final = {"rows.condition": ["3"], **{name: list(texts) for name, texts in DAYS.items()}, **IDS}


def test_each_row_that_is_answered_becomes_a_command_of_its_own() -> None:
    """Given two kinds and an empty row, then there are two commands, complete, with the usual object and day, the last under the form's key."""
    said = {**DRAWN, f"{GROUP}.0.type": ["LETTER_OF_APOLOGY"], f"{GROUP}.2.type": ["RETAIL_WORKSHOP"]}
    answers = without_empty_rows(LISTED, said)
    assert not command_of(LISTED, answers)[1]
    (first_key, first), (last_key, last) = in_commands(answers, KEY, ON)
    assert (last_key == KEY, first_key == KEY) == (True, False)
    bodies = [command_of(SINGLE, row) for row in (first, last)]
    assert not [wrong for _, wrong in bodies if wrong]
    conditions = [body["condition"] for body, _ in bodies]
    assert [one["type"] for one in conditions] == ["LETTER_OF_APOLOGY", "RETAIL_WORKSHOP"]
    assert [one["object"] for one in conditions] == ["REPARATION", "REHABILITATION"]
    assert {one["due"] for one in conditions} == {"2027-03-21"}
    assert [one["condition_id"] for one in conditions] == [IDS[f"{GROUP}.{row}.condition_id"][0] for row in (0, 2)]


def test_what_is_typed_stands_above_what_is_usual() -> None:
    """Given a row with its own object and day, then the command has these."""
    day = {f"{GROUP}.1.due.day": ["4"], f"{GROUP}.1.due.month": ["1"], f"{GROUP}.1.due.year": ["2027"]}
    said = {**DRAWN, **day, f"{GROUP}.1.type": ["RETAIL_WORKSHOP"], f"{GROUP}.1.object": ["REPARATION"]}
    ((_, answers),) = in_commands(without_empty_rows(LISTED, said), KEY, ON)
    body, wrong = command_of(SINGLE, answers)
    assert not wrong
    assert (body["condition"]["object"], body["condition"]["due"]) == ("REPARATION", "2027-01-04")


def test_a_row_without_its_kind_and_a_list_without_rows_are_asked_for() -> None:
    """Given hours without a kind, then the kind is asked in its row; given nothing at all, then a condition is."""
    _, wrong = command_of(LISTED, without_empty_rows(LISTED, {**DRAWN, f"{GROUP}.1.hours": ["3"]}))
    assert [problem.name for problem in wrong] == [f"{GROUP}.1.type"]
    _, wrong = command_of(LISTED, without_empty_rows(LISTED, DRAWN))
    assert [problem.name for problem in wrong] == [GROUP]


def test_a_kind_without_a_usual_object_is_asked_for_it() -> None:
    """Given a curfew, whose object no form can know, then the command lacks it, and the form of its own asks."""
    said = {**DRAWN, f"{GROUP}.0.type": ["CURFEW"]}
    ((_, answers),) = in_commands(without_empty_rows(LISTED, said), KEY, ON)
    assert [problem.name for problem in command_of(SINGLE, answers)[1]] == ["condition.object"]


def test_rows_that_no_form_drew_are_passed_over() -> None:
    """Given rows of other names, without a kind, of a kind that is none, or by the thousand, then none is a fault, and few are taken."""
    odd = {f"{GROUP}.x.hours": ["3"], f"{GROUP}.9.type": ["NONE"], f"{GROUP}.8.type": []}
    many = {f"{GROUP}.{row}.type": ["RETAIL_WORKSHOP"] for row in range(100, 1_000)}
    assert len(list(in_commands({**DRAWN, **odd, **many}, KEY, ON))) == MAX_ROWS


def test_a_variation_begins_with_what_stands() -> None:
    """Given a condition, then the form that varies it has its terms, of which a new day is put over the old one."""
    terms = {
        "condition_id": "c1",
        "type": "LETTER_OF_APOLOGY",
        "due": "2026-05-28",
        "hours": None,
        "detail": {"sealed": True},
    }
    events = [{"version": 7, "data": {"changes": [{}, {"condition": terms}]}}]
    asked = {"told_by": 7, "field": "changes.1.condition"}
    text = {"version": 7, "field": "changes.1.condition.detail", "value": "To Boots."}
    state = {"condition_terms": {"c1": asked}, "details": {"texts": [text]}}
    assert as_a_change("c1", {**state, "details": {}}, events) == {}, "a text that is not shown would be lost"
    answers = as_a_change("c1", state, events)
    assert answers == {
        "changes.0.action": ["MODIFY"],
        "changes.0.condition_id": ["c1"],
        "changes.0.condition.condition_id": ["c1"],
        "changes.0.condition.type": ["LETTER_OF_APOLOGY"],
        "changes.0.condition.due.day": ["28"],
        "changes.0.condition.due.month": ["5"],
        "changes.0.condition.due.year": ["2026"],
        "changes.0.condition.detail": ["To Boots."],
    }
