"""Forms, drawn from a command's schema. Each carries the version that it was drawn from and the key of its command."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID, uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, Problem, part_of
from services.console.forms import conditions, corrections, known_people, people, present, turns
from services.console.forms.choices import BY_EVENTS, choices, unfit_in
from services.console.forms.corrections import CORRECTS
from services.console.forms.fields import (
    Answers,
    Drawing,
    Field,
    FieldProblem,
    Option,
    asks_of_kind,
    command_of,
    fields_of,
    find_field,
    of_chosen_kind,
    problem_links,
)
from services.console.forms.next_steps import Remedy, remedies_of, steps_of
from services.console.forms.special import Sketch, special_form
from services.console.names import of_records
from services.console.records import SERVICES
from services.console.rendering import address, render, with_query
from services.console.routing import (
    CSRF,
    INCOMPLETE,
    Form,
    console_of,
    first,
    read_case,
    read_collection,
    read_count,
    read_draft,
    read_key,
    read_name,
    read_uuid,
    see,
)
from services.console.schools import questions
from services.console.sessions import Draft, Session
from services.console.words import given_in_words, today
from services.system.registry import BEGUN_BY_HAND, RECORD_TITLES
from services.trade.partnership import partnership_on
from services.trade.vocabulary import PersonRole

OWN: Final = frozenset({CSRF, "key", "version", "case", "add", "follows", "last", "then"})
"""Fields of every form that are no answers."""
NAME_OF_ID: Final = re.compile(r"[a-z]+(_[a-z]+)*")
DECIDING: Final = "DecideDisposal"
ROWS: Final = "rows."
"""Before the name of a repeated group: how many rows of it are drawn."""


@dataclass(frozen=True, slots=True)
class PlaceInTurn:
    """Where a form stands in a person's turn."""

    before: Sequence[Draft] = ()
    last: str = ""
    """The last draft of a turn whose answers are changed, if they are checked again."""

    @classmethod
    async def of(cls, request: Request, session: Session, follows: str, last: str = "") -> PlaceInTurn:
        if not follows:
            return cls(last=last)
        drafts = console_of(request).drafts
        earlier = await drafts.find(session.person, UUID(follows))
        return cls(await turns.turn_of(drafts, session.person, earlier) if earlier else (), last)


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
    guidance: Mapping[str, Any]
    child: str = ""
    """The name of the child whose record it is, if the person may read it."""
    earlier: Sequence[str] = ()
    """What the child was given before, each with its day, where that is to be looked at."""
    suggested: Answers = field(default_factory=dict)
    """What the case answers by itself, for a form that is opened."""

    @property
    def path(self) -> str:
        return f"/records/{self.collection}/{self.stream}/do/{self.command}"


async def form_page(request: Request, session: Session) -> Response:
    """Show a form, empty or with the answers of a draft."""
    id_ = request.query_params.get("draft")
    draft = await read_draft(request, session, id_) if id_ else None
    answers: Answers = draft.answers if draft else {**await _rows_of(request, session), **_ids_in_address(request)}
    case_id = draft.case_id if draft else read_case(request.query_params.get("case"))
    place = await place_in_turn(request, session, draft)
    drawn = await _draw(request, session, answers, case_id)
    if not draft:
        answers = {**drawn.suggested, **turns.answered_alike(drawn.fields, place.before), **answers}
    return show_form(
        request,
        session,
        drawn,
        place,
        answers=answers,
        key=str(draft.id if draft else uuid4()),
        version=draft.version if draft else drawn.version,
        case_id=case_id,
        after=(await console_of(request).apis.titles(SERVICES[drawn.collection])).get(
            request.query_params.get("after", "")
        ),
    )


async def place_in_turn(request: Request, session: Session, draft: Draft | None = None) -> PlaceInTurn:
    """Read from an address where a form stands in the person's turn. Raises `HTTPException` 404 for what is no id."""
    follows = draft.follows if draft else read_case(request.query_params.get("follows")) or ""
    return await PlaceInTurn.of(request, session, follows, read_case(request.query_params.get("last")) or "")


async def _rows_of(request: Request, session: Session) -> Answers:
    """Return the rows of a form that is opened: those invited to a conference, a condition as it stands; empty ones for conditions."""
    if read_name(request, "command") == conditions.COMMAND:
        return {f"{ROWS}{conditions.GROUP}": [str(conditions.ROWS)]}
    varied = (
        read_case(request.query_params.get("condition_id"))
        if read_name(request, "command") == conditions.VARYING
        else None
    )
    if read_name(request, "command") != present.COMMAND and not varied:
        return {}
    path = f"/v1/{read_collection(request)}/{read_uuid(request, 'id')}"
    apis, service = console_of(request).apis, SERVICES[read_collection(request)]
    state = await part_of(apis.get(session, service, path))
    if varied:
        told = await part_of(apis.get(session, service, f"{path}/history"))
        known = varied in ((state.value or {}).get("condition_terms") or {})
        return conditions.as_a_change(varied, state.value or {}, told.value["events"]) if known and told.value else {}
    return present.rows_of(state.value or {})


async def take_form(request: Request, session: Session, form: Form) -> Response:
    """Keep the answers and go on to the check; or show the form again, with another row, or with what is wrong."""
    draft = await _draft_of(request, session, form)
    added = first(form, "add")
    answers = draft.answers
    if added:
        answers[ROWS + added] = [str(read_count(first(answers, ROWS + added), 1) + 1)]
    special = special_form(draft.command)
    answers |= await _of_chosen(request, session, draft)
    asks_value = corrections.show_value(answers)
    asks_more = special.asks_more(answers) or asks_value
    drawn = await _draw(request, session, answers, draft.case_id, offers=False)
    asks_more = asks_more or asks_of_kind(drawn.fields, answers)
    answers = special.complete(drawn.fields, answers)
    _, wrong = command_of(drawn.fields, answers)
    wrong = special.word_problems(wrong, answers)
    last = read_case(first(form, "last")) or ""
    if added or asks_more or wrong:
        drawn = await _draw(request, session, answers, draft.case_id)
        return show_form(
            request,
            session,
            drawn,
            await PlaceInTurn.of(request, session, draft.follows, last),
            answers={**drawn.suggested, **answers} if asks_value or (special.suggests_again and asks_more) else answers,
            key=str(draft.id),
            version=draft.version,
            case_id=draft.case_id,
            wrong=[] if added or asks_more else wrong,
        )
    before = draft.follows
    for id_, given in special.split(answers, draft.id):
        draft = replace(draft, id=id_, answers=given, follows=before)
        before = str(id_)
        await console_of(request).drafts.save(session.person, draft)
    if last or not (then := first(form, "then")):
        return see(f"/drafts/{last or draft.id}")
    place = await PlaceInTurn.of(request, session, draft.follows)
    following = None if then == "again" else _step_after(drawn, session, place, draft.answers, draft.case_id)
    form_ = following[1] if following else address(drawn.path, case=draft.case_id)
    return see(with_query(form_, follows=str(draft.id)))


async def _of_chosen(request: Request, session: Session, draft: Draft) -> dict[str, list[str]]:
    """Return what is known of the person who was chosen of those who were offered; a parent's children are asked all the same."""
    chosen = first(draft.answers, "person_id")
    if people.OFFERED not in draft.answers or people.CATEGORY_FIELD in draft.answers or not chosen:
        return {}
    found = await known_people.find_people(console_of(request).apis, session, draft.answers)
    if chosen not in found:
        return {}
    drawn = await _draw(request, session, draft.answers, draft.case_id, offers=False)
    part = first(draft.answers, people.PART)
    category = {} if part == PersonRole.PARENT_CARER else {people.CATEGORY_FIELD: [str(people.CATEGORY[part])]}
    return {**known_people.answers_for(found[chosen], drawn.fields), **category}


def _step_after(
    drawn: Drawn, session: Session, place: PlaceInTurn, answers: Answers, case_id: str | None
) -> tuple[str, str] | None:
    """Return the title and the address of the form that comes after this one in the person's turn."""
    turn = [*((draft.command, draft.answers) for draft in place.before), (drawn.command, answers)]
    path = f"/records/{drawn.collection}/{drawn.stream}"
    return turns.step_after(turn, drawn.guidance, session.roles, path, case_id)


def title_after(drawn: Drawn, session: Session, place: PlaceInTurn, answers: Answers, case_id: str | None) -> str:
    """Return the title of what comes after this form in the person's turn; empty if nothing does."""
    following = None if place.last else _step_after(drawn, session, place, answers, case_id)
    return following[0] if following else ""


async def keep_form(request: Request, session: Session, form: Form) -> str:
    draft = await _draft_of(request, session, form)
    await console_of(request).drafts.save(session.person, draft)
    return address(request.url.path, draft=str(draft.id))


async def _draft_of(request: Request, session: Session, form: Form) -> Draft:
    """Return the draft that a form makes, or changes. Raises `HTTPException` for what no form of ours sends."""
    key, version = read_key(form), read_count(first(form, "version"), -1)
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
        follows=read_case(first(form, "follows")) or "",
    )
    old = await console_of(request).drafts.find(session.person, key)
    if old is None:
        return draft
    return replace(draft, rationale=old.rationale, sent=old.sent, guided=old.guided)


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

    answers = await asyncio.gather(*(of(collection) for collection in BEGUN_BY_HAND))
    return [answer for answer in answers if answer]


async def _draw(
    request: Request, session: Session, answers: Answers, case_id: str | None, *, offers: bool = True
) -> Drawn:
    collection, id_, command = read_collection(request), read_uuid(request, "id"), read_name(request, "command")
    return await draw_command(request, session, collection, id_, command, answers, case_id, offers=offers)


async def draw_command(
    request: Request,
    session: Session,
    collection: str,
    stream: UUID,
    command: str,
    answers: Answers,
    case_id: str | None,
    *,
    offers: bool = True,
    guided: bool = False,
) -> Drawn:
    """Draw a form from the command's schema and the record's guidance. Raises `Problem` 404 for an unknown command.

    A `guided` one is asked as a report, one question a page. One whose answers are only read offers nothing, and so looks at no record of the case.
    """
    apis, service, special = console_of(request).apis, SERVICES[collection], special_form(command)
    schema, guidance, titles = await asyncio.gather(
        apis.schema(service, command), _guidance(request, session, collection, stream, command), apis.titles(service)
    )
    begun = guidance["version"] > 0
    child = await _child_of(apis, session, service, stream, case_id) if offers and begun else ""
    text = json.dumps(schema)
    known = (
        await choices(
            apis,
            console_of(request).directory,
            session,
            collection,
            str(stream),
            case_id,
            unfit_in(schema),
            begun=begun,
            by_events=any(f'"{name}": ' in text for name in BY_EVENTS),
            reaches=command in people.REACHING,
        )
        if special.asks_the_case or (offers and '"uuid"' in text)
        else {}
    )
    rows = {name.removeprefix(ROWS): read_count(first(answers, name), 1) for name in answers if name.startswith(ROWS)}
    known = {name: options for name, options in known.items() if name != special.begins}
    if command == people.LINKING and known_people.may_search(session):
        looks = offers and people.is_sought(answers)
        found = await known_people.find_people(apis, session, answers) if looks else {}
        known |= {people.ALIKE: [Option(id_, person.words) for id_, person in found.items()]}
    local = partnership_on(today())
    schools = [Option(urn, f"{name} ({urn})") for urn, name in local.schools.items()]
    areas = [Option(area, area) for area in local.areas]
    drawing = Drawing(schema.get("$defs", {}), {**known, "school_urn": schools, "to_area": areas}, rows)
    fields: Sequence[Field] = fields_of(schema, drawing)
    fields, suggested = special.draw(Sketch(fields, answers, known, rows))
    fields = of_chosen_kind(fields, answers)
    if guided:
        fields = questions.fields_for(session.roles, session.organisation, fields)
    elif any(field.name == CORRECTS for field in fields):
        path, like = f"/v1/{collection}/{stream}", corrections.Like(*await apis.schemas(service))
        reads = offers and bool(answers.get(CORRECTS))
        event = await corrections.event_of(apis, session, service, path, answers) if reads else {}
        fields, suggested = corrections.with_fields(fields, event, answers, like)
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
        fields,
        line["rules"],
        lambda types: remedies_of(types, guidance, titles),
        guidance,
        child,
        await _earlier(apis, session, collection, stream, command, case_id) if offers else (),
        suggested,
    )


async def _earlier(
    apis: Apis, session: Session, collection: str, stream: UUID, command: str, case_id: str | None
) -> Sequence[str]:
    """Return what the child of a case that is opened or decided was given before, as far as the person may know it."""
    if command == DECIDING:
        state = await part_of(apis.get(session, SERVICES[collection], f"/v1/{collection}/{stream}"))
        return given_in_words((state.value or {}).get("earlier") or ())
    if command != people.OPENING or not case_id:
        return ()
    case = await part_of(apis.get_projected(session, f"/v1/cases/{case_id}"))
    others = (case.value or {}).get("other_cases") or ()
    children = {other["person_id"] for other in others}
    records = await asyncio.gather(*(part_of(apis.get(session, "people", f"/v1/people/{id_}")) for id_ in children))
    elsewhere = [one for record in records for one in (record.value or {}).get("entries", {}).values()]
    return given_in_words([*(other["given"] for other in others if other["given"]), *elsewhere])


async def _child_of(apis: Apis, session: Session, service: str, stream: UUID, case_id: str | None) -> str:
    """Return whose record it is: as the record names them, else as its case does; empty where the person may not read it."""
    named = await of_records(apis, session, [(service, str(stream))])
    if case_id and not named:
        named = await of_records(apis, session, (), [case_id])
    return next(iter(named.values()), "")


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
        if (name in {CORRECTS, "to", "into"} or name.endswith("_id"))
        and NAME_OF_ID.fullmatch(name)
        and (id_ := read_case(text))
    }


def show_form(
    request: Request,
    session: Session,
    drawn: Drawn,
    place: PlaceInTurn,
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
        place=place,
        next_step=title_after(drawn, session, place, answers, case_id),
        adds=special_form(drawn.command).is_repeated and drawn.version > 0 and drawn.command != conditions.COMMAND,
    )
