"""The register of a session: every booked child on one page, sent in one form, with an answer for each child.

Each child's line is a command of its own, RecordAttendance, under a key that follows from the form's key and the child.
So a form that is sent twice acts once, and one child's refusal stops nobody else's line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.apis import Apis, NoAnswer, Problem, sentence
from services.console.forms.fields import Drawing, Field, command_of, fields_of
from services.console.records import SERVICES, records_in
from services.console.rendering import render
from services.console.routing import Form, console_of, first, read_uuid
from services.console.sessions import Session
from services.registry import COLLECTIONS

COMMAND: Final = "RecordAttendance"
SERVICE: Final = "education"
ASKED: Final = ("status", "hours_credited", "complied", "minutes_late", "evidence")
"""The fields of the command that a line asks for, in the order of the page."""
BOOKED: Final = "PlaceBooked"
CANCELLED: Final = "PlaceCancelled"


@dataclass(frozen=True, slots=True)
class Line:
    """A child on the register."""

    person: str
    name: str
    standing: str = ""
    """What is recorded already."""
    fields: Sequence[Field] = ()
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    said: str = ""
    """What came of the line that was sent."""
    problems: Sequence[str] = ()


async def register_page(request: Request, session: Session) -> Response:
    """Show the register: the children who have a place, and what is recorded of each."""
    lines = await _lines(request, session)
    return _page(request, session, lines, key=str(uuid4()))


async def take_register(request: Request, session: Session, form: Form) -> Response:
    """Record the line of each child for whom one was filled in, and say for each what came of it."""
    try:
        key = UUID(first(form, "key"))
    except ValueError:
        raise HTTPException(422, "This form is not complete: open it again.") from None
    done = []
    # One after another, in the order of the page: they are events of one record.
    for line in await _lines(request, session):
        answers = {name: values for name, values in form.items() if name.startswith(f"{line.person}.") and any(values)}
        answered = any(name != f"{line.person}.hours_credited" for name in answers)
        done.append(await _record(request, session, line, answers, key) if answered and line.fields else line)
    return _page(request, session, done, key=str(key))


async def _record(
    request: Request, session: Session, line: Line, given: Mapping[str, Sequence[str]], key: UUID
) -> Line:
    """Send one child's line; a line that is refused keeps its answers and says why."""
    body, wrong = command_of(line.fields, given)
    if wrong:
        return replace(line, answers=given, problems=[one.text for one in wrong])
    path = f"/v1/{COLLECTIONS[SERVICE]}/{read_uuid(request, 'id')}/commands"
    command = {"type": COMMAND, "person_id": line.person, **body}
    try:
        await console_of(request).apis.post(session, SERVICE, path, command, str(uuid5(key, line.person)))
    except Problem as problem:
        if problem.status not in {409, 422}:
            raise
        rules = [f"{rule['text']} (rule {rule['id']}; {rule['source']})" for rule in problem.body.get("rules", ())]
        fields = [sentence(error["message"]) for error in problem.body.get("errors", ())]
        return replace(line, answers=given, problems=rules or fields or [sentence(problem.detail)])
    return replace(line, fields=(), said="Recorded")


async def _lines(request: Request, session: Session) -> list[Line]:
    """Return the lines of a session's register. Raises `Problem` where the person may not read the session."""
    apis, id_ = console_of(request).apis, read_uuid(request, "id")
    path = f"/v1/{COLLECTIONS[SERVICE]}/{id_}"
    state, history, schema = await asyncio.gather(
        apis.get(session, SERVICE, path), apis.get(session, SERVICE, f"{path}/history"), apis.schema(SERVICE, COMMAND)
    )
    places = _places(history["events"])
    called = dict(await asyncio.gather(*(_name(apis, session, person, case) for person, case in places.items())))
    length = next((event["data"].get("hours") for event in history["events"] if "hours" in event["data"]), "")
    lines = []
    for person in places:
        standing = str((state.get("register") or {}).get(person) or "")
        open_ = standing in {"", "BOOKED"}
        lines.append(
            Line(
                person,
                called[person] or f"Person {person[:8]}",
                "" if open_ else standing,
                _line_fields(schema, person) if open_ else (),
                {f"{person}.hours_credited": [str(length)]},
            )
        )
    return sorted(lines, key=lambda line: line.name)


def _places(events: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    places: dict[str, str | None] = {}
    for event in events:
        name, data = event["type"], event["data"]
        if name == BOOKED:
            places[str(data["person_id"])] = data.get("case_id")
        elif name == CANCELLED:
            places.pop(str(data["person_id"]), None)
    return places


def _line_fields(schema: Mapping[str, Any], person: str) -> list[Field]:
    drawn = {field_.name: field_ for field_ in fields_of(schema, Drawing(schema.get("$defs", {})))}
    return [replace(drawn[name], name=f"{person}.{name}") for name in ASKED if name in drawn]


async def _name(apis: Apis, session: Session, person: str, case: str | None) -> tuple[str, str]:
    """Return the name of a person by the records of their case, where the reader may know it."""
    if case is None:
        return person, ""
    try:
        projected = await apis.get_projected(session, f"/v1/cases/{case}")
        for collection, record in records_in(projected):
            if collection in {"disposals", "referrals"}:
                state = await apis.get(session, SERVICES[collection], f"/v1/{collection}/{record['id']}")
                for who in names.people_of(state):
                    if who.id == person and who.name:
                        return person, who.name
    except (Problem, NoAnswer):
        return person, ""
    return person, ""


def _page(request: Request, session: Session, lines: Sequence[Line], *, key: str) -> Response:
    return render(
        request,
        "register.html",
        session,
        problem=any(line.problems for line in lines),
        id=str(read_uuid(request, "id")),
        key=key,
        lines=lines,
        recorded=sum(bool(line.said) for line in lines),
    )
