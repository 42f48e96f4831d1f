"""Which sessions are offered for a condition, and what is asked of a child who was absent."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from starlette.requests import Request

from services.console.forms.fields import Drawing, Option, fields_of
from services.console.forms.forms import Drawn, PlaceInTurn
from services.console.forms.present import of_absent
from services.console.officers.education import fitting, latest_day
from services.console.rendering import render
from tests.unit.console.test_fields import SCHEMAS
from tests.unit.console.test_form_files import SESSION

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def lesson(topic: str, starts_at: str, state: str = "PLANNED") -> dict[str, Any]:
    return {"topic": topic, "starts_at": starts_at, "state": state}


def test_sessions_of_the_kind_of_the_condition_come_first() -> None:
    """Given sessions, then those still to be held are offered, first those whose topic the condition names."""
    other, fits = lesson("ANTI_BULLYING", "2026-03-05T10:00:00+00:00"), lesson("RETAIL", "2026-03-09T10:00:00+00:00")
    gone = [lesson("RETAIL", "2026-03-02T10:00:00+00:00"), lesson("RETAIL", "2026-03-06T10:00:00+00:00", "CANCELLED")]
    assert fitting([*gone, other, fits], "RETAIL_WORKSHOP", NOW) == [fits, other]
    assert fitting([other, fits], "YJS_SESSIONS", NOW) == [other, fits]


def test_sessions_are_offered_up_to_the_day_of_the_condition() -> None:
    """Given the day by which a condition is to be done, then sessions up to it are offered; after it, or without one, of four weeks."""
    on = date(2026, 3, 2)
    assert latest_day("2026-03-20", on) == date(2026, 3, 20)
    assert latest_day("2026-02-20", on) == latest_day(None, on) == date(2026, 3, 30)


def test_an_absent_child_is_asked_no_hours() -> None:
    """Given an absence, then no hours and no part are recorded whatever the form says; of a child who came the answers stand."""
    assert of_absent({"status": ["DNA_PENDING"], "hours_credited": [""]}) == {
        "status": ["DNA_PENDING"],
        "hours_credited": ["0"],
        "complied": ["no"],
        "minutes_late": [""],
    }
    assert of_absent({"p1.status": ["ATTENDED"], "p1.hours_credited": ["2"]}, "p1.") == {
        "p1.status": ["ATTENDED"],
        "p1.hours_credited": ["2"],
    }


def test_a_planned_session_comes_before_one_of_its_own() -> None:
    """Given a condition with a place, then its page offers to give it back, planned sessions, and below them the form of another day."""
    schema = SCHEMAS["disposal.BookConditionSession"]
    fields = fields_of(schema, Drawing(schema["$defs"], {"condition": [Option("c1", "Retail workshop")]}))
    drawn = Drawn("disposals", UUID(int=1), "BookConditionSession", "", "", 7, fields, (), lambda _types: (), {})
    answer = render(
        Request({"type": "http", "path": "/", "headers": []}),
        "book.html",
        SESSION,
        id="d1",
        case="k1",
        condition="c1",
        purpose="Retail workshop",
        child=None,
        until=date(2026, 3, 20),
        sessions=[{**lesson("RETAIL", "2026-03-05T10:00:00+00:00"), "id": "s2", "kind": "GROUP", "places": 3}],
        left_out=0,
        booked=[({"id": "s1", "starts_at": "2026-03-04T10:00:00+00:00"}, "p1")],
        own=[],
        book={"case": "k1", "condition_id": "c1"},
        drawn=drawn,
        place=PlaceInTurn(),
        answers={"condition_id": ["c1"], "hours": ["2"]},
        key="",
        new_id=uuid4,
    )
    page = bytes(answer.body).decode()
    order = [
        "/s1/do/CancelPlace?case=k1&amp;person_id=p1",
        "/s2/do/BookPlace?case=k1",
        drawn.path,
        'value="c1" checked',
    ]
    assert sorted(order, key=page.index) == order
    assert 'name="hours" type="text" ' in page
