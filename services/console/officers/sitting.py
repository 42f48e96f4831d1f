"""A sitting of the panel: its agenda filled from the queue in one press, its members, and one case a page.

Each case that is put on the agenda is a command of its own, under a key that follows from the form's key and the case. So a
form that is sent twice acts once, and one refusal stops no other case.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.apis import Apis, Part, Problem, part_of, sentence
from services.console.directory import Officer, nameless
from services.console.forms.next_steps import steps_of
from services.console.names import called
from services.console.officers.moments import all_events
from services.console.officers.panel import CONSIDERED, WAITING, Listed, on_agendas, sittings_of
from services.console.officers.standing import REPORTS, WISHES, events_of_kind, victims_of
from services.console.records import all_people, as_it_stands, place_of, read_all, read_record
from services.console.rendering import render
from services.console.routing import INCOMPLETE, Form, console_of, first, read_key, read_uuid
from services.console.sessions import Session
from services.console.words import given_in_words, in_words
from services.disposal.events import Direction, Factor
from services.disposal.matrices import factors_in_words, line_in_words
from services.trade.vocabulary import MemberKind

SERVICE: Final = "panel"
OPEN: Final = frozenset({"PLANNED", "SITTING"})
KINDS: Final = tuple(kind.value for kind in MemberKind)
SPARE: Final = 3
"""Empty lines of the form of the members, beside one for each kind that nobody stands for yet."""


@dataclass(slots=True)
class Item:
    """A case on the agenda, with what the sitting said of it."""

    disposal: str
    case: str
    person: str
    status: str = "TO_CONSIDER"
    said: Mapping[str, Any] = field(default_factory=dict)
    """The data of the event that considered or adjourned it."""
    at: str = ""
    """When that happened."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """A sitting, as its record shows it."""

    id: str
    starts_at: str
    place: str
    chair: str
    members: Sequence[Mapping[str, Any]]
    items: Mapping[str, Item]

    def known_at(self, item: Item) -> str:
        """Return the moment of the sitting: when it dealt with a case, or else its beginning."""
        return item.at or self.starts_at


def sitting_of(id_: str, state: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> Sitting:
    """Return a sitting, each case of its agenda with the data of the event that says what the panel said of it."""
    said = {event["version"]: as_it_stands(event) for event in events}
    items = {
        item["disposal_id"]: Item(
            item["disposal_id"],
            item["case_id"],
            item["person_id"],
            item["status"],
            said.get(item["told_by"], {}),
            item["dealt_with_at"] or "",
        )
        for item in state["cases"]
    }
    return Sitting(id_, state["starts_at"], place_of(state), state["chair"], state["members"], items)


@dataclass(frozen=True, slots=True)
class Read:
    """A sitting with what the person may do there."""

    sitting: Sitting
    state: Mapping[str, Any]
    guidance: Part[dict[str, Any]]
    titles: Mapping[str, str]
    events: Sequence[Mapping[str, Any]]

    def may(self, command: str) -> bool:
        """Whether the role may send this command now."""
        return any(line["status"] != "refused" for line in self._lines(command))

    def why_not(self, command: str) -> Sequence[Mapping[str, Any]]:
        return [rule for line in self._lines(command) if line["status"] == "refused" for rule in line["rules"]]

    def _lines(self, command: str) -> Iterable[Mapping[str, Any]]:
        lines = (self.guidance.value or {}).get("commands", ())
        return (line for line in lines if line["type"] == command)


async def read_sitting(apis: Apis, session: Session, id_: str) -> Read:
    """Read a sitting. Raises `Problem` if the person may not read it."""
    record, history = await asyncio.gather(
        read_record(apis, session, "sittings", id_, {}),
        part_of(apis.get(session, SERVICE, f"/v1/sittings/{id_}/history")),
    )
    state = record.state.value
    if state is None:  # this raises, and its page is shown
        state = await apis.get(session, SERVICE, f"/v1/sittings/{id_}")
    events = (history.value or {}).get("events", ())
    return Read(sitting_of(id_, state, events), state, record.guidance, record.titles, events)


async def sitting_page(request: Request, session: Session, problems: Sequence[str] = ()) -> Response:
    """Show the agenda of a sitting, its members, and the cases that wait for an agenda."""
    apis, id_ = console_of(request).apis, str(read_uuid(request, "id"))
    read = await read_sitting(apis, session, id_)
    sitting = read.sitting
    may_add = read.may("AddToAgenda")
    waiting = await _waiting(apis, session) if may_add else []
    children = await names.children_of(
        apis, session, (("disposal", disposal) for disposal in [*sitting.items, *(item.disposal for item in waiting)])
    )
    for item in waiting:
        item.person = children[item.disposal].id if item.disposal in children else ""
    return render(
        request,
        "sitting.html",
        session,
        problem=bool(problems),
        problems=problems,
        key=str(uuid4()),
        sitting=sitting,
        state=read.state,
        waiting=[item for item in waiting if item.person],
        children=children,
        may_add=may_add,
        may_record_members=read.may("RecordMembers"),
        member_lines=_member_lines(sitting) if read.may("RecordMembers") else [],
        officers=_officers(session, sitting, read.events, await console_of(request).directory.of_area(session)),
        steps=steps_of(read.guidance.value, read.titles) if read.guidance.value else None,
        guidance=read.guidance,
        minutes=read.state.get("state") == "CLOSED",
        kinds=KINDS,
        recorded=[event for event in read.events if event["command_id"] == request.query_params.get("recorded")],
    )


async def fill_agenda(request: Request, session: Session, form: Form) -> Response:
    """Put every case that is ticked on the agenda, and say for each what came of it."""
    apis, id_, key = console_of(request).apis, str(read_uuid(request, "id")), read_key(form)
    problems: list[str] = []
    # One after another, in the order of the page: they are events of one record.
    for line in form.get("case", ()):
        disposal, case, person = _ids_of(line)
        body = {"type": "AddToAgenda", "disposal_id": disposal, "case_id": case, "person_id": person}
        problems += await _send(apis, session, id_, body, uuid5(key, disposal), f"Case {case[:8]}")
    return await sitting_page(request, session, problems)


async def take_members(request: Request, session: Session, form: Form) -> Response:
    """Record the members of the panel: each line in which an organisation is given."""
    apis, id_, key = console_of(request).apis, str(read_uuid(request, "id")), read_key(form)
    lines = [number for number in form.get("line", ()) if first(form, f"organisation-{number}").strip()]
    members = [
        {
            "officer_id": first(form, f"officer-{number}"),
            "kind": first(form, f"kind-{number}"),
            "organisation": first(form, f"organisation-{number}"),
            "present": first(form, f"present-{number}") == "yes",
        }
        for number in lines
    ]
    body = {"type": "RecordMembers", "members": members}
    return await sitting_page(request, session, await _send(apis, session, id_, body, key, "Members"))


async def considered_page(request: Request, session: Session) -> Response:
    """Show one case to the panel: its pack, gravity, the victims' view, and what the child and the parent say."""
    apis, id_, disposal = console_of(request).apis, str(read_uuid(request, "id")), str(read_uuid(request, "disposal"))
    read, record, history = await asyncio.gather(
        read_sitting(apis, session, id_),
        read_record(apis, session, "disposals", disposal, {}, guidance=False),
        part_of(apis.get(session, "disposal", f"/v1/disposals/{disposal}/history")),
    )
    item = read.sitting.items.get(disposal)
    if item is None:
        raise HTTPException(404)
    # What it knew then is a link of its own: this page has what is known now.
    case, told = await asyncio.gather(
        part_of(apis.get_projected(session, f"/v1/cases/{item.case}")),
        part_of(all_events(apis, session, item.case, {}, "occurred_at")),
    )
    records = [
        record,
        *await read_all(apis, session, {"referrals": (case.value or {}).get("referrals")}, {}, guidance=False),
    ]
    people = all_people(records)
    known = await console_of(request).directory.names(session)
    return render(
        request,
        "considered.html",
        session,
        sitting=read.sitting,
        state=read.state,
        item=item,
        record=record,
        child=next((who for who in people if who.id == item.person), record.child),
        people=people,
        called=called(people),
        victims=victims_of(records, people),
        alerts=(case.value or {}).get("alerts") or (),
        reports=events_of_kind(told.value or (), REPORTS),
        wishes=events_of_kind(told.value or (), WISHES),
        earlier=given_in_words((record.state.value or {}).get("earlier") or ()),
        facts=facts_for_the_panel(record.state.value or {}, (history.value or {}).get("events", ())),
        history=history,
        kinds={
            member["officer_id"]: known.get(member["officer_id"]) or in_words(member["kind"])
            for member in read.sitting.members
        },
        to_consider=item.status != "CONSIDERED" and read.state.get("state") in OPEN,
        may_consider=read.may("ConsiderCase"),
        why_not=read.why_not("ConsiderCase"),
        may_adjourn=read.may("AdjournCase") and item.status == "TO_CONSIDER",
        chairs=session.person == read.sitting.chair,
    )


def facts_for_the_panel(state: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the panel looks at first of a disposal: of each fact the data of the event that counts, as corrected."""
    said = {event["version"]: as_it_stands(event) for event in events}
    told = {name: said.get(version) for name, version in (state.get("told_by") or {}).items()}
    gravity, views = told.get("GRAVITY"), (state.get("harmed") or {}).values()
    return {
        "gravity": gravity and _with_titles(gravity),
        "admission": told.get("ADMISSION"),
        "assessment": told.get("ASSESSMENT"),
        "victims": [
            {**said[view["view_told_by"]], "wants_rj": view["wants_rj"]}
            for view in views
            if view["view_told_by"] in said
        ],
    }


def _with_titles(score: Mapping[str, Any]) -> dict[str, Any]:
    """Return a gravity score with its line and its ticked factors by title."""
    version, line = score["matrix_version"], score["line"]
    factors = [
        Factor(code=factor["code"], direction=Direction(factor["direction"])) for factor in score["factors"] or ()
    ]
    return {
        **score,
        "line": line_in_words(version, line),
        "ticked": {direction: factors_in_words(version, line, factors, direction) for direction in Direction},
    }


async def _waiting(apis: Apis, session: Session) -> list[Item]:
    """Return the disposals of which the panel has said nothing, and that stand on no open agenda."""
    listed, sittings = await asyncio.gather(
        Listed.read(apis, session, CONSIDERED, 1, WAITING), sittings_of(apis, session)
    )
    taken = on_agendas(sittings)
    return [
        Item(work["id"], case["case_id"], "")
        for case in listed.cases
        for work in case["work"]
        if work["service"] == "disposal" and work["state"] in CONSIDERED and work["id"] not in taken
    ]


def _member_lines(sitting: Sitting) -> list[Mapping[str, Any]]:
    """Return the lines of the form: the members, a line for each kind that nobody stands for, and some spare ones."""
    known = [dict(member) for member in sitting.members]
    missing = [kind for kind in KINDS if kind not in {member["kind"] for member in known}]
    empty = [{"officer_id": "", "kind": kind, "organisation": "", "present": False} for kind in missing]
    spare = [{"officer_id": "", "kind": "", "organisation": "", "present": False}] * SPARE
    return [{**line, "new_id": str(uuid4())} for line in (*known, *empty, *spare)]


def _officers(
    session: Session, sitting: Sitting, events: Sequence[Mapping[str, Any]], known: Sequence[Officer]
) -> dict[str, str]:
    """Return the officers who may be meant, by id: the person, those known by name, and others with a part in the sitting."""
    officers = {session.person: "You"} | {
        officer.id: officer.words for officer in known if officer.id != session.person
    }
    others = {member["officer_id"]: in_words(member["kind"]) for member in sitting.members}
    others |= {sitting.chair: "The chair"}
    others |= {event["actor"]["id"]: in_words(event["actor"]["role"]) for event in events}
    return officers | {id_: nameless(id_, part) for id_, part in others.items() if id_ not in officers}


async def _send(apis: Apis, session: Session, id_: str, body: Mapping[str, Any], key: UUID, about: str) -> list[str]:
    """Send a command of the sitting; return what is wrong with it, in words."""
    try:
        await apis.post(session, SERVICE, f"/v1/sittings/{id_}/commands", body, str(key))
    except Problem as problem:
        if problem.status not in {409, 422}:
            raise
        fields = [text for _, text in problem.errors]
        return [f"{about}: {text}" for text in problem.rules or fields or [sentence(problem.detail)]]
    return []


def _ids_of(line: str) -> tuple[str, str, str]:
    """Return disposal, case and person of a ticked line. Raises `HTTPException` for what the form did not offer."""
    try:
        disposal, case, person = (str(UUID(part)) for part in line.split("."))
    except ValueError:
        raise HTTPException(422, INCOMPLETE) from None
    return disposal, case, person
