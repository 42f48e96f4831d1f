"""The form of a correction: the fields of the event that is corrected, then the right value, asked as the forms ask for it."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from services.console.forms.corrections import VALUE_ASKED, Like, show_value, with_fields
from services.console.forms.fields import Answers, Field, Option, command_of
from services.referral.service import service
from services.system.registry import deciding_services
from shared.api.command_schemas import standalone_schemas
from shared.domain.service import Service

EVENTS = [Option("1", "1 May 2026: Issued"), Option("2", "2 May 2026: Completed")]
FIELDS = [
    Field("corrects", "id", "Event to correct", options=EVENTS),
    Field("field", "text", "Field to correct"),
    Field("value", "json", "Right value"),
    Field("why", "long", "Why"),
]
GOLDEN: Final = Path(__file__).parents[1] / "contract" / "golden"


def like_of(of: Service[Any]) -> Like:
    """Return the fields of the forms of a service."""
    schemas = standalone_schemas(of).values()
    return Like(list(schemas), {name: part for schema in schemas for name, part in schema["$defs"].items()})


LIKE = like_of(service)
DATA: dict[str, Any] = {
    "setting": "SCHOOL",
    "on_premises": True,
    "crime_number": None,
    "flags": ["REPEAT"],
    "happened_at": "2026-05-23T09:00:00Z",
    "details": {"name": {"sealed": True}, "date_of_birth": "2011-05-04"},
    "age_at_incident": 15,
    "terms": [{"due": "2026-03-27"}],
}


def drawn(**answers: list[str]) -> tuple[list[Field], Answers]:
    """Return the form of an event, and what stands there of the field that was chosen."""
    fields, suggested = with_fields(FIELDS, {"event_id": "2", "data": DATA}, answers, LIKE)
    return list(fields), suggested


def test_the_fields_of_an_event_are_chosen_by_what_they_say() -> None:
    """Given an event, when one of its fields is corrected, then each is offered by its words and value; none is typed yet."""
    (corrects, field, why), suggested = drawn()
    assert corrects.options == EVENTS[1:]
    assert field.options == [
        Option("setting", "Setting: At a school"),
        Option("on_premises", "On premises: Yes"),
        Option("crime_number", "Crime number: nothing"),
        Option("flags", "Flags: Repeat incident"),
        Option("happened_at", "Happened at: 23 May 2026 at 10:00"),
        Option("details.name", "Details, name: not shown to your role"),
        Option("details.date_of_birth", "Details, date of birth: 4 May 2011"),
        Option("age_at_incident", "Age at incident: 15"),
        Option("terms.0.due", "Terms, 0, due: 2026-03-27"),
    ]
    assert (why, suggested) == (FIELDS[3], {})


@pytest.mark.parametrize(
    ("path", "kind", "stands", "answers", "value"),
    [
        ("setting", "choice", {"value": ["SCHOOL"]}, {"value": ["ONLINE"]}, "ONLINE"),
        ("on_premises", "yes_no", {"value": ["yes"]}, {"value": ["no"]}, False),
        ("flags", "choices", {"value": ["REPEAT"]}, {}, []),
        ("details.name", "text", {}, {"value": ["Ida 2"]}, "Ida 2"),
        (
            "details.date_of_birth",
            "date",
            {"value.day": ["4"], "value.month": ["5"], "value.year": ["2011"]},
            {"value.day": ["5"], "value.month": ["5"], "value.year": ["2011"]},
            "2011-05-05",
        ),
        (
            "happened_at",
            "time",
            {"value.day": ["23"], "value.month": ["5"], "value.year": ["2026"], "value.clock": ["10:00"]},
            {"value.day": ["23"], "value.month": ["5"], "value.year": ["2026"], "value.clock": ["11:00"]},
            "2026-05-23T11:00:00+01:00",
        ),
        ("age_at_incident", "json", {}, {"value": ["16"]}, 16),
    ],
)
def test_a_value_is_asked_as_its_own_form_asks(
    path: str, kind: str, stands: Answers, answers: dict[str, list[str]], value: object
) -> None:
    """Given a field, when its value is asked, then by the control of the form that has it, with what stands there as the answer."""
    given = {"corrects": ["2"], "field": [path], "value": ["of another field"]}
    assert show_value(given)
    assert not show_value(given)
    assert given == {"corrects": ["2"], "field": [path], VALUE_ASKED: [path]}
    fields, suggested = drawn(**given)
    assert (fields[2].kind, suggested) == (kind, stands)
    body, wrong = command_of(fields[2:3], answers)
    assert (body, wrong) == ({"value": value}, [])


@pytest.mark.parametrize(
    ("path", "body", "asks"), [("details.date_of_birth", {"value": None}, False), ("setting", {}, True)]
)
def test_nothing_is_a_right_value_where_a_form_requires_none(path: str, body: dict[str, Any], asks: bool) -> None:
    """Given a field that its form may leave out, an empty answer corrects it to nothing; of any other it is asked for."""
    fields, _ = drawn(**{VALUE_ASKED: [path]})
    found, wrong = command_of(fields[2:3], {})
    assert (found, bool(wrong)) == (body, asks)


def test_without_an_event_a_field_is_named() -> None:
    """Given an event that the person may not read, when it is corrected, then the name of its field is entered."""
    fields, suggested = with_fields(FIELDS, {}, {}, LIKE)
    assert (fields, suggested) == ([FIELDS[0], FIELDS[1], FIELDS[3]], {})


@pytest.mark.parametrize("name", [one.name for one in deciding_services()])
def test_what_stands_in_every_event_can_stand_in_its_form(name: str) -> None:
    """Given a sample of every event, when a field of it is chosen, then the answers that stand there give the value that stands there."""
    like = like_of(next(one for one in deciding_services() if one.name == name))
    for sample in json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")).values():
        event = json.loads(re.sub(r'"s1:[^"]*"', '{"sealed": true}', sample["body"]))
        (_, field, *_), _ = with_fields(FIELDS, event, {}, like)
        for path in (option.value for option in field.options):
            fields, stands = with_fields(FIELDS, event, {VALUE_ASKED: [path]}, like)
            body, wrong = command_of(fields[2:3], stands)
            assert not stands or (as_sent(body["value"]), wrong) == (as_sent(value_at(event["data"], path)), []), path


def value_at(data: Any, path: str) -> Any:
    """Return what stands at a path."""
    for part in path.split("."):
        data = data[int(part)] if isinstance(data, list) else data[part]
    return data


def as_sent(value: Any) -> Any:
    """Return a value as a service reads it: a time in UTC, a number as a text."""
    if isinstance(value, str) and "T" in value and value[:4].isdecimal():
        return datetime.fromisoformat(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
