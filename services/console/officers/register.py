"""The register of a session: every booked child on one page, held and attended in one step, with an answer for each child.

The session is recorded as held first, if it is not yet. Then each child's line is a command of its own,
RecordAttendance, at the time at which the session was held, under a key that follows from the form's key and the child.
So a form that is sent twice acts once, and one child's refusal stops nobody else's line.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.apis import Apis, NoAnswer, Problem, sentence
from services.console.forms.fields import Answers, Drawing, Field, FieldProblem, command_of, controls, fields_of
from services.console.forms.present import of_absent
from services.console.records import SERVICES, place_of, records_in
from services.console.rendering import address, render
from services.console.routing import Form, console_of, first, read_draft, read_key, read_uuid
from services.console.sessions import Draft, Session
from services.system.registry import COLLECTIONS
from services.trade.vocabulary import AttendanceStatus
from shared.domain.dates import LONDON

COMMAND: Final = "RecordAttendance"
DELIVER: Final = "DeliverSession"
SERVICE: Final = "education"
ASKED: Final = ("status", "complied", "hours_credited", "minutes_late", "evidence")
"""The fields of the command that a line asks for, in the order of the page."""
FOLDED: Final = ("minutes_late", "evidence")
"""Those that few lines need."""
RECORDED_ONCE: Final = "E5"
HELD_AT: Final = Field("held_at", "time", "When was it held?", "The time at which the session began.", required=True)


@dataclass(frozen=True, slots=True)
class Line:
    """A child on the register."""

    person: str
    name: str
    fields: Sequence[Field]
    standing: str = ""
    """What is recorded already."""
    answers: Answers = field(default_factory=dict)
    said: str = ""
    """What came of the line that was sent."""
    problems: Sequence[FieldProblem] = ()

    @property
    def folded(self) -> Sequence[Field]:
        return [field for field in self.fields if field.name.endswith(FOLDED)]

    @property
    def has_more(self) -> bool:
        names = {field.name for field in self.folded}
        wrong = any(problem.name in names for problem in self.problems)
        return wrong or any(any(self.answers.get(name, ())) for name in names)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be filled in."""
        return not self.standing and not self.said


@dataclass(frozen=True, slots=True)
class Register:
    """A session with the lines of its children."""

    plan: Mapping[str, Any]
    """What was planned: topic, time, hours, place."""
    is_planned: bool
    """Whether it is still to be recorded as held."""
    held_at: str
    lines: Sequence[Line]


async def register_page(request: Request, session: Session) -> Response:
    """Show the register: the children who have a place, and what is recorded of each."""
    id_ = request.query_params.get("draft")
    draft = await read_draft(request, session, id_) if id_ else None
    register = await _read_register(request, session)
    answers: Answers = draft.answers if draft else _time_in_parts(register.held_at)
    return _page(request, session, _with_answers(register, answers), answers, key=str(draft.id if draft else uuid4()))


async def take_register(request: Request, session: Session, form: Form) -> Response:
    """Record the session as held, and each filled-in line of a child, and show the result of each."""
    key = read_key(form)
    register = _with_answers(await _read_register(request, session), form)
    answered = [line for line in register.lines if first(form, f"{line.person}.status")]
    held, wrong = command_of([HELD_AT], form)
    was_held = any(first(form, f"{line.person}.status") != AttendanceStatus.CANCELLED_BY_SERVICE for line in answered)
    if answered and not wrong and register.is_planned and was_held:
        wrong = await _send(request, session, {"type": DELIVER, "occurred_at": held["held_at"]}, uuid5(key, DELIVER))
    if wrong or not answered:
        return _page(request, session, register, form, key=str(key), wrong=wrong, nothing=not answered)
    # One after another, in the order of the page: they are events of one record.
    done = [
        await _record(request, session, line, key, held["held_at"]) if line in answered else line
        for line in register.lines
    ]
    return _page(request, session, replace(register, lines=done, is_planned=not was_held), form, key=str(key))


async def keep_register(request: Request, session: Session, form: Form) -> str:
    id_, key = read_uuid(request, "id"), read_key(form)
    page = address(f"/records/sessions/{id_}/register", draft=str(key))
    answers = {name: values for name, values in form.items() if "." in name}
    draft = Draft(key, SERVICE, id_, COMMAND, 0, answers, sent=page)
    await console_of(request).drafts.save(session.person, draft)
    return page


def _with_answers(register: Register, answers: Answers) -> Register:
    lines = [
        replace(line, answers=given)
        if (given := {name: values for name, values in answers.items() if name.startswith(f"{line.person}.")})
        else line
        for line in register.lines
    ]
    return replace(register, lines=lines)


def _time_in_parts(moment: str) -> dict[str, list[str]]:
    at = datetime.fromisoformat(moment).astimezone(LONDON)
    texts = (str(at.day), str(at.month), str(at.year), f"{at:%H:%M}")
    return {name: [text] for name, text in zip(controls(HELD_AT), texts, strict=True)}


async def _record(request: Request, session: Session, line: Line, key: UUID, held_at: str) -> Line:
    """Send one child's line; a line that is refused keeps its answers and says why."""
    body, wrong = command_of(line.fields, of_absent(line.answers, f"{line.person}."))
    if not wrong:
        command = {"type": COMMAND, "person_id": line.person, "occurred_at": held_at, **body}
        wrong = await _send(request, session, command, uuid5(key, line.person), line)
    return replace(line, problems=wrong) if wrong else replace(line, said=body["status"])


async def _send(
    request: Request, session: Session, command: Mapping[str, Any], key: UUID, line: Line | None = None
) -> list[FieldProblem]:
    """Send a command, and return why it was refused: at the field of a line, or at the time."""
    path = f"/v1/{COLLECTIONS[SERVICE]}/{read_uuid(request, 'id')}/commands"
    prefix, otherwise = (f"{line.person}.", f"{line.person}.status") if line else ("", HELD_AT.name)
    try:
        await console_of(request).apis.post(session, SERVICE, path, command, str(key))
    except Problem as problem:
        if problem.status not in {409, 422}:
            raise
        rules = problem.body.get("rules", ())
        if line and line.standing and RECORDED_ONCE in {rule["id"] for rule in rules}:
            return [FieldProblem(otherwise, "Somebody recorded this in the meantime. Your answer was not recorded.")]
        texts = [FieldProblem(otherwise, rule) for rule in problem.rules]
        fields = [FieldProblem(prefix + field, text) for field, text in problem.errors]
        return texts or fields or [FieldProblem(otherwise, sentence(problem.detail))]
    return []


async def _read_register(request: Request, session: Session) -> Register:
    """Return a session's register. Raises `Problem` if the person may not read the session."""
    apis, id_ = console_of(request).apis, read_uuid(request, "id")
    state, schema = await asyncio.gather(
        apis.get(session, SERVICE, f"/v1/{COLLECTIONS[SERVICE]}/{id_}"), apis.schema(SERVICE, COMMAND)
    )
    places = state["booked_for"]
    called = dict(await asyncio.gather(*(_name(apis, session, person, case) for person, case in places.items())))
    nameless = names.unnamed({person: "Child" for person in sorted(places) if not called[person]})
    lines = [
        Line(
            person,
            called[person] or nameless[person],
            _line_fields(schema, person),
            "" if standing == "BOOKED" else standing,
            {f"{person}.hours_credited": [str(state["hours"])]},
        )
        for person, standing in state["register"].items()
    ]
    return Register(
        {**state, "place": place_of(state)},
        state["state"] == "PLANNED",
        state["delivered_at"] or state["starts_at"],
        sorted(lines, key=lambda line: line.name),
    )


def _line_fields(schema: Mapping[str, Any], person: str) -> list[Field]:
    drawn = {field_.name: field_ for field_ in fields_of(schema, Drawing(schema.get("$defs", {})))}
    return [replace(drawn[name], name=f"{person}.{name}", help="") for name in ASKED if name in drawn]


async def _name(apis: Apis, session: Session, person: str, case: str | None) -> tuple[str, str]:
    """Return the name of a person by the records of their case, if the reader may know it."""
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


def _page(
    request: Request,
    session: Session,
    register: Register,
    answers: Answers,
    *,
    key: str,
    wrong: Sequence[FieldProblem] = (),
    nothing: bool = False,
) -> Response:
    problems = [
        *({"text": problem.text, "href": f"#{HELD_AT.first_id}"} for problem in wrong),
        *(
            {"text": f"{line.name}: {problem.text}", "href": f"#line-{line.person}"}
            for line in register.lines
            for problem in line.problems
        ),
    ]
    if nothing and not wrong:
        line = next((line for line in register.lines if line.is_open), None)
        where = f"#line-{line.person}" if line else "#main-content"
        problems.append({"text": "Select how it ended for at least one child", "href": where})
    return render(
        request,
        "register.html",
        session,
        problem=problems,
        problems=problems,
        id=str(read_uuid(request, "id")),
        key=key,
        register=register,
        held_at=HELD_AT,
        answers=answers,
        errors={
            problem.name: problem.text
            for problem in (*wrong, *(problem for line in register.lines for problem in line.problems))
        },
        recorded=[line for line in register.lines if line.said],
        new_id=uuid4,
    )
