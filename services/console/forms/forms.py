"""Forms: drawn from a command's schema, checked by its dry run, sent once.

A form carries the version that it was drawn from and the key of its command. Where the record has moved on meanwhile, the
check page shows what changed beside the answers, and nothing is sent until the person says that they have read it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID, uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Part, Problem, part_of, sentence
from services.console.forms import gravity, offences, people, present
from services.console.forms.choices import choices
from services.console.forms.fields import (
    HANDED_TO,
    Answers,
    Drawing,
    Field,
    FieldProblem,
    Option,
    answers_in_words,
    command_of,
    fields_of,
    find_field,
    problem_links,
)
from services.console.forms.next_steps import Remedy, remedies_of, steps_of, work_of
from services.console.records import SERVICES
from services.console.rendering import address, render
from services.console.routing import (
    CSRF,
    Form,
    console_of,
    first,
    query,
    read_case,
    read_collection,
    read_count,
    read_day,
    read_draft,
    read_name,
    read_uuid,
    see,
)
from services.console.schools.questions import question_of, warnings_for
from services.console.sessions import Draft, Session
from services.console.words import today
from services.partnership import partnership_on
from services.registry import COLLECTIONS, RECORD_TITLES
from shared.domain.dates import LONDON

OWN: Final = frozenset({CSRF, "key", "version", "case", "add"})
"""Fields of every form that are no answers."""
INCOMPLETE: Final = "This form is not complete: open it again."
NAME_OF_ID: Final = re.compile(r"[a-z]+(_[a-z]+)*")
CORRECTS: Final = "corrects"
NOON: Final = time(12)
ROWS: Final = "rows."
"""Before the name of a repeated group: how many rows of it are drawn."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A form as it is drawn now."""

    collection: str
    stream: UUID
    command: str
    title: str
    about: str
    version: int
    fields: Sequence[Field]
    rules: Sequence[Mapping[str, Any]]
    """The guidance lines of the rules that look at this command."""
    remedies: Callable[[Sequence[str]], Sequence[Remedy]]
    """Those of some commands that the person may send to the record now."""
    suggested: Answers = field(default_factory=dict)
    """What the case answers by itself, for a form that is opened."""

    @property
    def path(self) -> str:
        """The address of the form."""
        return f"/records/{self.collection}/{self.stream}/do/{self.command}"


async def form_page(request: Request, session: Session) -> Response:
    """Show a form, empty or with the answers of a draft."""
    id_ = request.query_params.get("draft")
    draft = await read_draft(request, session, id_) if id_ else None
    answers: Answers = draft.answers if draft else {**await _invited(request, session), **_ids_in_address(request)}
    case_id = draft.case_id if draft else read_case(request.query_params.get("case"))
    drawn = await _draw(request, session, answers, case_id)
    return _form(
        request,
        session,
        drawn,
        answers=answers if draft else {**drawn.suggested, **answers},
        key=str(draft.id if draft else uuid4()),
        version=draft.version if draft else drawn.version,
        case_id=case_id,
        after=(await console_of(request).apis.titles(SERVICES[drawn.collection])).get(
            request.query_params.get("after", "")
        ),
    )


async def _invited(request: Request, session: Session) -> Answers:
    """Return the rows of whoever was invited to a conference, for the form that asks who took part."""
    if read_name(request, "command") != present.COMMAND:
        return {}
    path = f"/v1/{read_collection(request)}/{read_uuid(request, 'id')}/history"
    history = await part_of(console_of(request).apis.get(session, SERVICES[read_collection(request)], path))
    return present.rows_of((history.value or {"events": ()})["events"])


async def take_form(request: Request, session: Session, form: Form) -> Response:
    """Keep the answers and go on to the check; or show the form again, with another row, or with what is wrong."""
    draft = await _draft_of(request, session, form)
    added = first(form, "add")
    answers = draft.answers
    if added:
        answers[ROWS + added] = [str(read_count(first(answers, ROWS + added), 1) + 1)]
    asks_more = draft.command == gravity.COMMAND and gravity.show_line(answers)
    asks_more |= draft.command == people.OPENING and offences.fill_in(answers, partnership_on(today()).offences)
    drawn = await _draw(request, session, answers, draft.case_id)
    _, wrong = command_of(drawn.fields, answers)
    if added or asks_more or wrong:
        return _form(
            request,
            session,
            drawn,
            answers=answers,
            key=str(draft.id),
            version=draft.version,
            case_id=draft.case_id,
            wrong=[] if added or asks_more else wrong,
        )
    await console_of(request).drafts.save(session.person, draft)
    return see(f"/drafts/{draft.id}")


async def keep_form(request: Request, session: Session, form: Form) -> str:
    """Keep the answers as they are, and go on with the same form."""
    draft = await _draft_of(request, session, form)
    await console_of(request).drafts.save(session.person, draft)
    return address(request.url.path, draft=str(draft.id))


async def _draft_of(request: Request, session: Session, form: Form) -> Draft:
    """Return the draft that a form makes, or changes. Raises `HTTPException` for what no form of ours sends."""
    try:
        key = UUID(first(form, "key"))
    except ValueError:
        raise HTTPException(422, INCOMPLETE) from None
    version = read_count(first(form, "version"), -1)
    if version < 0:
        raise HTTPException(422, INCOMPLETE)
    answers = {name: values for name, values in form.items() if name not in OWN}
    draft = Draft(
        key,
        SERVICES[read_collection(request)],
        read_uuid(request, "id"),
        read_name(request, "command"),
        version,
        answers,
        case_id=read_case(first(form, "case")),
    )
    old = await console_of(request).drafts.find(session.person, key)
    if old is None:
        return draft
    return replace(draft, rationale=old.rationale, sent=old.sent, guided=old.guided)


async def check_page(request: Request, session: Session) -> Response:
    """Show the answers, and what the command would do, as its dry run says."""
    draft = await read_draft(request, session)
    if draft.sent:
        return see(draft.sent)
    drawn = await _draw_draft(request, session, draft)
    body, wrong = await _command(request, session, drawn, draft)
    run: Mapping[str, Any] = {}
    changed: Part[list[Mapping[str, Any]]] | None = None
    actual = draft.version
    if not wrong:
        try:
            run = await _send(request, session, drawn, draft, body, dry_run=True)
        except Problem as problem:
            if problem.status == 409 and problem.body.get("actual_version") is not None:
                actual = problem.body["actual_version"]
                changed = await part_of(_changes(request, session, draft))
            elif problem.status == 422:
                wrong = [
                    FieldProblem(error["field"], sentence(error["message"])) for error in problem.body.get("errors", ())
                ] or [FieldProblem("", sentence(problem.detail))]
            else:
                raise
    if wrong and not draft.guided and not any(problem.name.startswith("rationale") for problem in wrong):
        return _form(
            request,
            session,
            drawn,
            answers=draft.answers,
            key=str(draft.id),
            version=draft.version,
            case_id=draft.case_id,
            wrong=wrong,
        )
    if run.get("outcome") == "repeated":
        return see(await _sent(request, session, drawn, draft, body, run["receipt"]))
    on = read_day(query(request, "on")["on"])
    another_day = await part_of(_run_on(request, session, drawn, draft, body, on)) if on and run else None
    refused = run.get("outcome") == "refused"
    problems = [*_linked(drawn, draft, wrong), *(_rule_links(drawn, draft, run["rules"]) if refused else ())]
    return render(
        request,
        "check.html",
        session,
        status=409 if changed and not problems else None,
        problem=problems,
        drawn=drawn,
        draft=draft,
        answers=list(answers_in_words(drawn.fields, draft.answers)),
        run=run,
        problems=problems,
        changed=changed,
        actual=actual,
        on=on,
        another_day=another_day,
        edit=f"/report/{draft.id}" if draft.guided else address(drawn.path, draft=str(draft.id)),
        address_of=lambda name: _field_address(drawn, draft, name),
        warnings=warnings_for(draft.answers) if draft.guided else (),
        back=_back(drawn, draft, body),
    )


async def send_draft(request: Request, session: Session, form: Form) -> Response:
    """Send the command, once: its key is the draft's id, so sent again it gives the same receipt. Go on as the button says."""
    draft = await read_draft(request, session)
    if draft.sent:
        return see(draft.sent)
    drawn = await _draw_draft(request, session, draft)
    body, wrong = await _command(request, session, drawn, draft)
    try:
        if wrong:
            return see(f"/drafts/{draft.id}")
        receipt = await _send(request, session, drawn, draft, body, dry_run=False)
    except Problem as problem:
        if problem.status in {409, 422}:
            return see(f"/drafts/{draft.id}")  # its dry run says the same, with what to do
        raise
    where = await _sent(request, session, drawn, draft, body, receipt)
    case_id = draft.case_id or read_case(str(body.get("case_id", "")))
    match first(form, "then"):
        case "again":
            return see(address(drawn.path, case=case_id, after=drawn.command))
        case "next":
            form_ = await _next_form(request, session, draft, case_id)
            return see(f"{form_}{'&' if '?' in form_ else '?'}after={drawn.command}" if form_ else where)
        case _:
            return see(where)


async def _next_form(request: Request, session: Session, draft: Draft, case_id: str | None) -> str:
    """Return the form of the next step of a record, where it is the person's turn; else none."""
    apis, collection = console_of(request).apis, COLLECTIONS[draft.service]
    path = f"{collection}/{draft.stream}"
    guidance, titles = await asyncio.gather(
        part_of(apis.get(session, draft.service, f"/v1/{path}/commands")), part_of(apis.titles(draft.service))
    )
    work = work_of(guidance.value or {"commands": ()}, f"/records/{path}", case_id or "", {}, titles.value or {})
    return work.next.address if work.next else ""


async def give_reasons(request: Request, session: Session, form: Form) -> Response:
    """Take the reasons that warnings ask for."""
    return see(await keep_reasons(request, session, form))


async def keep_reasons(request: Request, session: Session, form: Form) -> str:
    """Keep the reasons that warnings ask for, and go on with the check."""
    draft = await read_draft(request, session)
    reasons = {
        name.removeprefix("reason."): text.replace("\r\n", "\n")
        for name in form
        if name.startswith("reason.") and (text := first(form, name).strip())
    }
    await console_of(request).drafts.save(session.person, replace(draft, rationale={**draft.rationale, **reasons}))
    return f"/drafts/{draft.id}"


async def take_version(request: Request, session: Session, form: Form) -> Response:
    """Take the record as it is now for what the answers are about: the person has read what changed."""
    draft = await read_draft(request, session)
    version = read_count(first(form, "version"), -1)
    if version < 0:
        raise HTTPException(422, INCOMPLETE)
    await console_of(request).drafts.save(session.person, replace(draft, version=version))
    return see(f"/drafts/{draft.id}")


async def delete_draft(request: Request, session: Session, _form: Form) -> Response:
    """Forget a form that was begun."""
    await console_of(request).drafts.remove(session.person, read_uuid(request, "draft"))
    return see("/")


async def begin_page(request: Request, session: Session) -> Response:
    """Show what begins a record, for the person's role."""
    return render(request, "begin.html", session, beginnings=await beginnings(request, session))


async def begin(request: Request, _session: Session) -> Response:
    """Lead to the form of a record that is not begun yet, under an id of its own."""
    collection = read_collection(request)
    path = f"/records/{collection}/{uuid4()}/do/{read_name(request, 'command')}"
    ids = {name: values[0] for name, values in _ids_in_address(request).items()}
    return see(address(path, case=read_case(request.query_params.get("case")), **ids))


async def beginnings(request: Request, session: Session) -> list[dict[str, Any]]:
    """List, for each service, the commands by which the role may begin a record there."""
    apis = console_of(request).apis

    async def of(collection: str) -> dict[str, Any] | None:
        service = SERVICES[collection]
        guidance, titles = await asyncio.gather(
            part_of(apis.get(session, service, f"/v1/{collection}/commands")), part_of(apis.titles(service))
        )
        if not guidance.value or not titles.value:
            return None
        steps = [step for step in steps_of(guidance.value, titles.value).shown if step.is_open]
        return {"collection": collection, "title": RECORD_TITLES[collection], "steps": steps} if steps else None

    answers = await asyncio.gather(*(of(collection) for collection in RECORD_TITLES))
    return [answer for answer in answers if answer]


async def _draw(request: Request, session: Session, answers: Answers, case_id: str | None) -> Drawn:
    command = read_name(request, "command")
    return await draw_command(
        request, session, read_collection(request), read_uuid(request, "id"), command, answers, case_id
    )


async def _draw_draft(request: Request, session: Session, draft: Draft) -> Drawn:
    collection = COLLECTIONS[draft.service]
    return await draw_command(request, session, collection, draft.stream, draft.command, draft.answers, draft.case_id)


async def draw_command(
    request: Request,
    session: Session,
    collection: str,
    stream: UUID,
    command: str,
    answers: Answers,
    case_id: str | None,
) -> Drawn:
    """Draw a form from the command's schema and the record's guidance. Raises `Problem` 404 for an unknown command."""
    apis, service = console_of(request).apis, SERVICES[collection]
    schema, guidance, titles = await asyncio.gather(
        apis.schema(service, command), _guidance(request, session, collection, stream, command), apis.titles(service)
    )
    begun = guidance["version"] > 0
    known = (
        await choices(
            apis, console_of(request).directory, session, collection, str(stream), case_id, command, begun=begun
        )
        if '"uuid"' in json.dumps(schema)
        else {}
    )
    rows = {name.removeprefix(ROWS): read_count(first(answers, name), 1) for name in answers if name.startswith(ROWS)}
    known = {name: options for name, options in known.items() if name != people.NEW.get(command)}
    schools = [Option(urn, f"{name} ({urn})") for urn, name in partnership_on(today()).schools.items()]
    drawing = Drawing(schema.get("$defs", {}), {**known, "school_urn": schools}, rows)
    fields: Sequence[Field] = fields_of(schema, drawing)
    suggested: Answers = {}
    if command == people.OPENING:
        fields, suggested = people.of_opening(fields, answers, known)
        fields = offences.with_list(fields, answers, partnership_on(today()).offences)
    elif command == people.PROPOSING:
        suggested = people.due_of_condition(today())
    elif command == people.LINKING:
        suggested = {"person_id": [str(uuid4())]}
    line = next((command_line for command_line in guidance["commands"] if command_line["type"] == command), None)
    if line is None:
        raise HTTPException(403, f"Your role may not do this: {schema['title']}.")
    return Drawn(
        collection,
        stream,
        command,
        schema["title"],
        schema.get("description", ""),
        guidance["version"],
        gravity.with_matrix(fields, answers) if command == gravity.COMMAND else fields,
        line["rules"],
        lambda types: remedies_of(types, guidance, titles),
        suggested,
    )


async def _command(
    request: Request, session: Session, drawn: Drawn, draft: Draft
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return the command of the answers. The value of a correction gets the type of the value that it corrects."""
    body, wrong = command_of(drawn.fields, draft.answers)
    if not wrong and {"corrects", "field", "value"} <= body.keys():
        path = f"/v1/{drawn.collection}/{drawn.stream}/history"
        history = await part_of(console_of(request).apis.get(session, draft.service, path))
        events = (history.value or {"events": []})["events"]
        data: Any = next((event["data"] for event in events if event["event_id"] == body["corrects"]), None)
        for name in str(body["field"]).split("."):
            data = data.get(name) if isinstance(data, Mapping) else None
        if isinstance(data, str) or (isinstance(data, Mapping) and "sealed" in data):
            body["value"] = first(draft.answers, "value").strip()
        elif isinstance(data, bool):
            body["value"] = {"yes": True, "no": False}.get(str(body["value"]).lower(), body["value"])
    return body, wrong


async def _guidance(request: Request, session: Session, collection: str, stream: UUID, command: str) -> Any:
    """Return the guidance of a record; of one that is not begun yet, what begins one."""
    apis, service = console_of(request).apis, SERVICES[collection]
    try:
        return await apis.get(session, service, f"/v1/{collection}/{stream}/commands")
    except Problem as problem:
        if problem.status != 404:
            raise
        guidance = await apis.get(session, service, f"/v1/{collection}/commands")
        if command not in {line["type"] for line in guidance["commands"]}:
            raise
        return guidance


def _ids_in_address(request: Request) -> dict[str, list[str]]:
    """Return the ids that an address fills in, such as the condition for which a place is booked; nothing but ids."""
    return {
        name: [str(id_)]
        for name, text in request.query_params.items()
        if (name == CORRECTS or name in HANDED_TO or name.endswith("_id"))
        and NAME_OF_ID.fullmatch(name)
        and (id_ := read_case(text))
    }


async def _run_on(
    request: Request, session: Session, drawn: Drawn, draft: Draft, body: Mapping[str, Any], on: date
) -> dict[str, Any]:
    try:
        clock = datetime.fromisoformat(str(body["occurred_at"])).astimezone(LONDON).time()
    except (KeyError, ValueError):
        clock = NOON
    moment = datetime.combine(on, clock, LONDON).isoformat()
    return await _send(
        request, session, drawn, draft, {**body, "occurred_at": moment}, dry_run=True, as_of=max(on, today())
    )


async def _send(
    request: Request,
    session: Session,
    drawn: Drawn,
    draft: Draft,
    body: Mapping[str, Any],
    *,
    dry_run: bool,
    as_of: date | None = None,
) -> dict[str, Any]:
    command = {
        "type": drawn.command,
        "expected_version": draft.version,
        **({"rationale": draft.rationale} if draft.rationale else {}),
        **body,
    }
    path = f"/v1/{drawn.collection}/{drawn.stream}/commands"
    if dry_run:
        path += "?dry_run=true" + (f"&as_of={as_of}" if as_of and as_of > today() else "")
    return await console_of(request).apis.post(session, draft.service, path, command, str(draft.id))


async def _sent(
    request: Request, session: Session, drawn: Drawn, draft: Draft, body: Mapping[str, Any], receipt: Mapping[str, Any]
) -> str:
    """Keep where a sent draft has led, without its answers, and return that address: its page waits for what was recorded."""
    page = f"/report/{draft.id}/receipt" if draft.guided else _back(drawn, draft, body)
    where = address(page, recorded=receipt["command_id"], draft=str(draft.id))
    done = replace(
        draft,
        answers={},
        rationale={},
        case_id=draft.case_id or (str(body["case_id"]) if draft.guided else None),
        sent=where,
    )
    await console_of(request).drafts.save(session.person, done)
    return where


def _back(drawn: Drawn, draft: Draft, body: Mapping[str, Any]) -> str:
    if drawn.collection == "sittings":
        return f"/panel/sittings/{drawn.stream}"
    case_id = draft.case_id or body.get("case_id")
    return f"/cases/{case_id}" if case_id else f"/records/{drawn.collection}/{drawn.stream}"


async def _changes(request: Request, session: Session, draft: Draft) -> list[Mapping[str, Any]]:
    """List the events of the record after the version from which the form was drawn."""
    apis = console_of(request).apis
    try:
        answer = await apis.get(session, draft.service, f"/v1/{COLLECTIONS[draft.service]}/{draft.stream}/history")
        events = answer["events"]
    except Problem as problem:
        if problem.status != 403 or not draft.case_id:
            raise
        answer = await apis.get_projected(session, f"/v1/cases/{draft.case_id}/timeline", {"order": "recorded_at"})
        events = [event for event in answer["events"] if event["stream"] == str(draft.stream)]
    return [event for event in events if event["version"] > draft.version]


def _linked(drawn: Drawn, draft: Draft, wrong: Sequence[FieldProblem]) -> list[dict[str, str]]:
    return [
        {"text": problem.text, "href": _field_address(drawn, draft, problem.name), "rule": "", "source": ""}
        for problem in wrong
    ]


def _rule_links(drawn: Drawn, draft: Draft, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules that refuse, each with its source, a link to the field that it looks at, and what lifts it.

    What a conference lacks stands on its page, person by person.
    """
    looked_at = {line["id"]: line["fields"][0] for line in drawn.rules if line["fields"]}
    lacks = f"/records/conferences/{drawn.stream}" if drawn.collection == "conferences" else ""
    return [
        {
            "text": rule["text"],
            "href": (not looked_at.get(rule["id"]) and lacks)
            or _field_address(drawn, draft, looked_at.get(rule["id"], "")),
            "rule": rule["id"],
            "source": rule["source"],
            "remedies": drawn.remedies(rule["lifted_by"]),
        }
        for rule in rules
    ]


def _field_address(drawn: Drawn, draft: Draft, name: str) -> str:
    field = find_field(drawn.fields, name)
    path = address(drawn.path, draft=str(draft.id))
    if draft.guided:
        path = f"/report/{draft.id}/{question_of(field.name).name}?then=check" if field else f"/report/{draft.id}"
    return path + (f"#{field.first_id}" if field else "")


def _form(
    request: Request,
    session: Session,
    drawn: Drawn,
    *,
    answers: Answers,
    key: str,
    version: int,
    case_id: str | None,
    wrong: Sequence[FieldProblem] = (),
    after: str | None = None,
) -> Response:
    return render(
        request,
        "form.html",
        session,
        problem=wrong,
        drawn=drawn,
        answers=answers,
        key=key,
        version=version,
        case_id=case_id,
        errors={field.name: problem.text for problem in wrong if (field := find_field(drawn.fields, problem.name))},
        wrong=problem_links(drawn.fields, wrong),
        new_id=uuid4,
        after=after,
    )
