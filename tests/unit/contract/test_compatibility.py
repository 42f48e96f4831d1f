"""The gate of the contract names each incompatible change, and lets compatible ones through."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from services.system.registry import deciding_services
from shared.api.boundary import SUNSET
from tools.reference.compatibility import adds_alternatives, incompatible_changes
from tools.reference.contract import contract_of_code, explain

SESSION = "education/events.schema.json"
EDUCATION = "education/openapi.json"
BOOKED = "ooc.education.PlaceBooked.v1"

Json = dict[str, Any]
Edit = Callable[[dict[str, Json]], object]


@cache
def current_contract() -> dict[str, Json]:
    """Return what the contract of the code says of education: the edits below are to its documents."""
    education = [service for service in deciding_services() if service.name == "education"]
    return contract_of_code(education)


def broken_by(edit: Edit) -> list[str]:
    """Say what an edited contract breaks."""
    after: dict[str, Json] = json.loads(json.dumps(current_contract()))  # a copy, in a third of the time of deepcopy
    edit(after)
    return [str(found) for found in incompatible_changes(current_contract(), after)]


def part(contract: dict[str, Json], name: str) -> Json:
    found: Json = contract[SESSION]["$defs"][name]
    return found


def body(contract: dict[str, Json], command: str) -> Json:
    found: Json = contract[EDUCATION]["components"]["schemas"][command]
    return found


def route(contract: dict[str, Json], path: str, method: str = "get") -> Json:
    found: Json = contract[EDUCATION]["paths"][path][method]
    return found


def question_with(pattern: str) -> Json:
    """Return an OpenAPI document of one route, whose parameter has a pattern."""
    parameter = {"name": "at", "in": "query", "schema": {"type": "string", "pattern": pattern}}
    return {"paths": {"/v1/cases": {"get": {"parameters": [parameter], "responses": {}}}}}


def remove_from_list(items: list[Any], item: Any) -> None:
    items.remove(item)


INCOMPATIBLE: dict[str, tuple[Edit, str]] = {
    "an event is removed": (lambda c: c[SESSION]["$defs"].pop(BOOKED), f"{BOOKED}: the event is gone"),
    "a field of an event is removed": (
        lambda c: part(c, "PlaceBooked.v1")["properties"].pop("case_id"),
        f"{BOOKED}.data.case_id: the field is gone",
    ),
    "a field of the envelope is removed": (
        lambda c: part(c, "Envelope")["properties"].pop("home"),
        ".home: the field is gone",
    ),
    "a field of an event gets another type": (
        lambda c: part(c, "SessionDelivered.v1")["properties"]["headcount"]["anyOf"][0].update(type="string"),
        "SessionDelivered.v1.data.headcount: it may be string now",
    ),
    "a field of an event may be null": (
        lambda c: part(c, "PlaceCancelled.v1")["properties"]["person_id"].update(
            anyOf=[{"type": "string", "format": "uuid"}, {"type": "null"}]
        ),
        "PlaceCancelled.v1.data.person_id: it may be null now",
    ),
    "a field of an event may be absent": (
        lambda c: remove_from_list(part(c, "PlaceBooked.v1")["required"], "person_id"),
        "PlaceBooked.v1.data.person_id: the field may be absent now",
    ),
    "a new field of an event is required": (
        lambda c: (
            part(c, "PlaceBooked.v1")["properties"].update(seat={"type": "integer"}),
            part(c, "PlaceBooked.v1")["required"].append("seat"),
        ),
        "PlaceBooked.v1.data.seat: it is new and required",
    ),
    "a field that may be absent is required": (
        lambda c: part(c, "PlaceBooked.v1")["required"].append("hours"),
        "PlaceBooked.v1.data.hours: the field is required now",
    ),
    "a code of an event is removed": (
        lambda c: remove_from_list(part(c, "SessionKind")["enum"], "PARENT"),
        "data.kind: the codes PARENT are gone",
    ),
    "a number is bounded more narrowly": (
        lambda c: part(c, "FeedbackRecorded.v1")["properties"]["score"].update(maximum=5),
        "FeedbackRecorded.v1.data.score: its maximum became 5",
    ),
    "a sealed field is published in clear": (
        lambda c: part(c, "SessionPlanned.v1")["properties"]["place"].update(pattern=".*"),
        "SessionPlanned.v1.data.place: its pattern became `.*`",
    ),
    "a topic is removed": (
        lambda c: c["asyncapi.json"]["channels"].pop("education.events"),
        "ooc.education.events: the topic is gone",
    ),
    "a topic gets more partitions": (
        lambda c: c["asyncapi.json"]["channels"]["education.events"]["bindings"]["kafka"].update(partitions=24),
        "ooc.education.events: keys would move between partitions",
    ),
    "a header is removed": (
        lambda c: c["asyncapi.json"]["components"]["schemas"]["EventHeaders"]["properties"].pop("ooc_position"),
        "EventHeaders.ooc_position: the field is gone",
    ),
    "a document is removed": (lambda c: c.pop(EDUCATION), f"{EDUCATION}: the document is gone"),
    "a route is removed": (
        lambda c: c[EDUCATION]["paths"].pop("/v1/sessions/{id}/history"),
        "education: GET /v1/sessions/{id}/history: the route is gone",
    ),
    "a parameter becomes needed": (
        lambda c: route(c, "/v1/sessions/{id}")["parameters"].append(
            {"name": "purpose", "in": "query", "required": True, "schema": {"type": "string"}}
        ),
        "query purpose: the parameter is needed now",
    ),
    "a parameter is removed": (
        lambda c: route(c, "/v1/sessions/{id}").update(parameters=[]),
        "query as_of: the parameter is gone",
    ),
    "a route asks for a token": (
        lambda c: route(c, "/schemas").update(security=[{"token": []}]),
        "GET /schemas: it needs a token now",
    ),
    "an answer is gone": (lambda c: route(c, "/v1/sessions/{id}")["responses"].pop("200"), "it no longer answers 200"),
    "a field of an answer is removed": (
        lambda c: c[EDUCATION]["components"]["schemas"]["Receipt"]["properties"].pop("position_token"),
        "201.position_token: the field is gone",
    ),
    "a command is removed": (
        lambda c: body(c, "AnyCommand").update(
            oneOf=[option for option in body(c, "AnyCommand")["oneOf"] if not option["$ref"].endswith("RecordFeedback")]
        ),
        "it is never object RecordFeedback now",
    ),
    "a new field of a command is required": (
        lambda c: (
            body(c, "RecordFeedback")["properties"].update(day={"type": "string"}),
            body(c, "RecordFeedback")["required"].append("day"),
        ),
        ".day: it is new and required",
    ),
    "a code of a command is removed": (
        lambda c: remove_from_list(body(c, "SessionKind")["enum"], "PARENT"),
        ".kind: the codes PARENT are gone",
    ),
}

COMPATIBLE: dict[str, Edit] = {
    "nothing changes": lambda _: None,
    "an event is added": lambda c: c[SESSION]["$defs"].update({"ooc.education.New.v1": {"type": "object"}}),
    "an optional field is added to an event": lambda c: part(c, "PlaceBooked.v1")["properties"].update(
        seat={"type": "integer"}
    ),
    "a code is added": lambda c: (
        part(c, "SessionKind")["enum"].append("FAMILY"),
        body(c, "SessionKind")["enum"].append("FAMILY"),
    ),
    "a title is worded anew": lambda c: (
        part(c, "Booking").update(title="A booking"),
        body(c, "RecordFeedback").update(title="Feedback"),
    ),
    "an optional field is added to a command": lambda c: body(c, "RecordFeedback")["properties"].update(
        day={"type": "string"}
    ),
    "a field is added to an answer": lambda c: c[EDUCATION]["components"]["schemas"]["Receipt"]["properties"].update(
        note={"type": "string"}
    ),
    "a route is added": lambda c: c[EDUCATION]["paths"].update({"/v2": {"get": {"responses": {}}}}),
    "a bound is wider": lambda c: part(c, "FeedbackRecorded.v1")["properties"]["score"].update(maximum=20),
}


@pytest.mark.parametrize("change", INCOMPATIBLE)
def test_an_incompatible_change_is_named_with_what_to_do(change: str) -> None:
    """The place, the reason and the advice stand in the message."""
    edit, message = INCOMPATIBLE[change]
    found = broken_by(edit)
    assert [line for line in found if message in line], found
    assert all("; " in line for line in found)


@pytest.mark.parametrize("change", COMPATIBLE)
def test_a_compatible_change_passes(change: str) -> None:
    """What a reader or a sender of today does not notice is no break."""
    assert broken_by(COMPATIBLE[change]) == []


@pytest.mark.parametrize(("days", "ended"), [(0, True), (1, False)])
def test_what_is_deprecated_may_go_after_its_sunset(days: int, *, ended: bool) -> None:
    """Given a route and a member with a day of sunset, then they are kept until that day, and may be gone on it."""
    before: dict[str, Json] = json.loads(json.dumps(current_contract()))
    sunset = {"deprecated": True, SUNSET: (datetime.now(UTC).date() + timedelta(days=days)).isoformat()}
    route(before, "/v1/sessions/{id}/duties").update(sunset)
    before[EDUCATION]["components"]["schemas"]["Receipt"]["properties"]["hash"].update(sunset)
    after: dict[str, Json] = json.loads(json.dumps(before))
    after[EDUCATION]["paths"].pop("/v1/sessions/{id}/duties")
    after[EDUCATION]["components"]["schemas"]["Receipt"]["properties"].pop("hash")
    found = [str(one) for one in incompatible_changes(before, after)]
    assert [any(what in line for line in found) for what in ("the route is gone", "the field is gone")] == [
        not ended
    ] * 2


@pytest.mark.parametrize(
    ("after", "accepts"),
    [
        ("^((referral|disposal|mentoring):[0-9]{1,18})$", True),
        ("^((referral|mentoring|disposal):[0-9]{1,18})$", True),
        ("^((referral):[0-9]{1,18})$", False),
        ("^((referral|disposals):[0-9]{1,18})$", False),
        ("^((referral|disposal|mentoring):[0-9]{1,9})$", False),
        ("^(([a-z]+):[0-9]{1,18})$", False),
    ],
)
def test_a_pattern_may_gain_alternatives_and_nothing_else(after: str, *, accepts: bool) -> None:
    """Given a pattern that names services, when one is added, then no sender is broken; any other change is a break."""
    before = "^((referral|disposal):[0-9]{1,18})$"
    contract, changed = ({"reporting/openapi.json": question_with(pattern)} for pattern in (before, after))
    found = [str(one) for one in incompatible_changes(contract, changed)]
    assert [line for line in found if "its pattern became" in line] == found
    assert bool(found) is not accepts


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        (r"^(?:a|\(b[|)]\)|c(?:d|e){0,2})$", r"^(?:x[(]?|a|(?:y|z)|\(b[|)]\)|c(?:d|f|e){0,2})$", True),
        (r"^(?:a|b){0,2}$", r"^(?:a|b|c){0,1}$", False),
        (r"^(?!a)[a-z]+$", r"^(?!a|b)[a-z]+$", False),
        (r"^(?:a|b[(|])$", r"^(?:a|b[(|c])$", False),
    ],
)
def test_alternatives_are_told_in_any_group_that_demands_nothing(before: str, after: str, *, wider: bool) -> None:
    """Given groups within groups, when alternatives are added, then the pattern is wider; not where they are forbidden ones."""
    assert adds_alternatives(before, after) is wider


@pytest.mark.parametrize(("pattern", "accepts"), [("^[0-9-]+$", True), ("^[0-9]+$", False)])
def test_a_text_may_lose_the_formats_of_its_pattern(pattern: str, *, accepts: bool) -> None:
    """Given a text of one of two formats, when any text of its pattern is taken, no sender is broken; by a narrower one, some are."""
    contract, changed = ({"reporting/openapi.json": question_with(text)} for text in ("^[0-9-]+$", pattern))
    (parameter,) = contract["reporting/openapi.json"]["paths"]["/v1/cases"]["get"]["parameters"]
    parameter["schema"]["anyOf"] = [{"format": "date"}, {"format": "date-time"}]
    assert bool(incompatible_changes(contract, changed)) is not accepts


def test_whoever_breaks_the_contract_is_told_how_to_go_on() -> None:
    """The message says what broke, where the promise stands, and how a break on purpose is recorded."""
    after: dict[str, Json] = json.loads(json.dumps(current_contract()))  # a copy, in a third of the time of deepcopy
    after[SESSION]["$defs"].pop(BOOKED)
    text = explain(incompatible_changes(current_contract(), after))
    assert BOOKED in text
    assert "docs/explanation/compatibility.md" in text
    assert "--incompatible" in text
