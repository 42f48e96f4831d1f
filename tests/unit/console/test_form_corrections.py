"""The form of a correction: the fields of the event that is corrected."""

from services.console.forms.corrections import with_fields
from services.console.forms.fields import Field, Option

EVENTS = [Option("1", "1 May 2026: Issued"), Option("2", "2 May 2026: Completed")]
FIELDS = [
    Field("corrects", "id", "Event to correct", options=EVENTS),
    Field("field", "text", "Field to correct"),
    Field("value", "json", "Right value"),
    Field("why", "long", "Why"),
]


def test_the_fields_of_an_event_are_chosen_by_what_they_say() -> None:
    """Given an event, when one of its fields is corrected, then each is offered by its words and value, by the path of its correction."""
    data = {
        "setting": "SCHOOL",
        "on_premises": True,
        "crime_number": None,
        "flags": ["REPEAT"],
        "details": {"name": {"sealed": True}, "date_of_birth": "2011-05-04"},
        "terms": [{"due": "2026-03-27"}],
    }
    corrects, field, value, why = with_fields(FIELDS, {"event_id": "2", "data": data})
    assert corrects.options == EVENTS[1:]
    assert field.options == [
        Option("setting", "Setting: SCHOOL"),
        Option("on_premises", "On premises: yes"),
        Option("crime_number", "Crime number: nothing"),
        Option("flags", "Flags: REPEAT"),
        Option("details.name", "Details, name: not shown to your role"),
        Option("details.date_of_birth", "Details, date of birth: 2011-05-04"),
        Option("terms.0.due", "Terms, 0, due: 2026-03-27"),
    ]
    assert (value.help != FIELDS[2].help, why) == (True, FIELDS[3])


def test_without_an_event_a_field_is_named() -> None:
    """Given an event that the person may not read, when it is corrected, then the name of its field is entered."""
    assert with_fields(FIELDS, {}) == FIELDS
