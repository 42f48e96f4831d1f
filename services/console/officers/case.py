"""The pages of a case: how it stands, what can happen next, and what has happened, now or by both times."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, Problem, part_of
from services.console.differences import differences_of
from services.console.directory import nameless
from services.console.forms.forms import beginnings
from services.console.forms.next_steps import Work, steps_of, work_of
from services.console.names import Who, of_people, of_records
from services.console.officers.conference import FACTS, OF_A_PERSON, conference_of
from services.console.officers.deferral import plan_of
from services.console.officers.messages import messages_of, open_in
from services.console.officers.moments import all_events, steps_around
from services.console.officers.papers import names_of_papers
from services.console.officers.standing import (
    CONTACTS,
    DECISIONS,
    REPORTS,
    conditions_of,
    crime_numbers,
    events_of_kind,
    fits,
    next_of,
    reach_of,
    served_in,
    standing_of,
    to_do,
    victims_of,
    what_happened,
    with_bookings,
)
from services.console.records import SERVICES, Record, all_people, own_words, read_all, read_record, records_in
from services.console.rendering import render
from services.console.routing import console_of, query, read_case, read_collection, read_page, read_uuid, see
from services.console.schools.questions import NUDE_IMAGERY, SAFEGUARDING_HOLD, Caution
from services.console.sessions import Session
from services.console.waits import Waits, list_waits
from services.console.words import age, day_of, given_in_words, in_words, today
from services.system.registry import COLLECTIONS

TIMES: Final = ("as_of", "known_at")
PARTS: Final = 4
"""The pages of a timeline that one of the API makes: an event with its links weighs two kilobytes, and the API gives a hundred."""
HOLD: Final = "SAFEGUARDING_HOLD"
CORRECTING: Final = frozenset({"CorrectRecord", "CorrectReferral"})
"""The commands that correct a field of any event of a record."""
WORKED_ON: Final = frozenset({"TRIAGED", "ALLOCATED", "IN_PROGRESS"})
"""States of a referral in which education is given for it."""


async def case_page(request: Request, session: Session) -> Response:
    """Show a case: who, what, where it stands and what is next; conditions, duties, people, reasons, papers and contacts."""
    apis, id_ = console_of(request).apis, str(read_uuid(request, "case"))
    times = query(request, *TIMES)
    try:
        case = await apis.get_projected(session, f"/v1/cases/{id_}", times)
    except Problem as problem:
        if problem.status in {403, 404} and await _has_sent(request, session):
            return render(request, "recorded.html", session)
        raise
    now, on = not any(times.values()), day_of(times["as_of"])
    records, events, begun, around, waiting = await asyncio.gather(
        read_all(apis, session, case, times, guidance=now),
        part_of(all_events(apis, session, id_, times, "occurred_at")),
        beginnings(request, session) if now else asyncio.sleep(0, list[dict[str, Any]]()),
        part_of(steps_around(apis, session, id_, times)),
        list_waits(apis, session, id_) if now else asyncio.sleep(0, Waits()),
    )
    earlier, later = around.value or (None, None)
    people = all_people(records)
    names = {who.id: who.name for who in people if who.name} | {
        of_id: words for record in records for of_id, words in record.names.items()
    }
    steps = {record.id: steps_of(record.guidance.value, record.titles) for record in records if record.guidance.value}
    served = served_in(records)
    works = {record.id: _work(record, id_, names, served) for record in records}
    disposals = [record for record in records if (record.state.value or {}).get("condition_terms")]
    papers, others = await asyncio.gather(
        asyncio.gather(*(part_of(names_of_papers(apis, record.collection)) for record in records)),
        of_records(apis, session, [(other["service"], other["id"]) for other in case["other_cases"]]),
    )
    lines = to_do(case["duties"], works, names)
    children: Sequence[Who] = next((record.children for record in records if record.children), ())
    named = {
        officer["id"]: nameless(officer["id"], in_words(officer["role"]))
        for officer in (event["actor"] for event in events.value or ())
    }
    named |= await console_of(request).directory.names(session)
    return render(
        request,
        "case.html",
        session,
        id=id_,
        case=case,
        times=times,
        now=now,
        today=on,
        waiting=waiting,
        records=records,
        steps=steps,
        works=works,
        people=people,
        reach={who.id: reach_of(who, records) for who in people},
        children=[(who, age(who.details.get("date_of_birth"), on)) for who in children],
        what=what_happened(records),
        crime_numbers=crime_numbers(records),
        victims=victims_of(records, people),
        standing=standing_of(records),
        officers=[
            (record.title, "you" if officer == session.person else named.get(officer) or nameless(officer))
            for (_, line), record in zip(records_in(case), records, strict=True)
            if (officer := line.get("officer"))
        ],
        shows_officers=any("officer" in line for _, line in records_in(case)),
        next=next_of(works.values(), lines) if now else None,
        conditions=[
            line
            for record in disposals
            for line in conditions_of(record, works[record.id], served, own_words(record), on.isoformat(), id_)
        ],
        to_do=lines,
        reports=events_of_kind(events.value or (), REPORTS),
        decisions=events_of_kind(events.value or (), DECISIONS),
        contacts=events_of_kind(events.value or (), CONTACTS),
        untold=_list_unread(records, events.value or ()),
        messages=messages_of(records, names),
        writing=open_in(steps, "WriteToPerson"),
        linking=open_in(steps, "LinkPerson"),
        varying=open_in(steps, "VaryConditions"),
        papers=[
            (record, name)
            for record, names_of_record in zip(records, papers, strict=True)
            if record.collection != "sittings" and (record.state.value or {}).keys() > {"state"}
            for name in names_of_record.value or ()
            if fits(name, record.state.value or {})
        ],
        others=[(other, others.get(other["id"], "")) for other in case["other_cases"]],
        recorded=_of_command(events.value or (), request.query_params.get("recorded")),
        beginnings=begun,
        warnings=warnings_of(records),
        differences=list(
            differences_of(
                records,
                events.value or (),
                {record.id: correction_of(record.guidance.value) if now else None for record in records},
                id_,
            )
        ),
        earlier_disposals=list(
            dict.fromkeys(
                given_in_words([one for record in records for one in (record.state.value or {}).get("earlier") or ()])
            )
        ),
        earlier=earlier,
        later=later,
        books=any(record["collection"] == "sessions" for record in begun),
        bookings=bookings,
    )


def _list_unread(records: Sequence[Record], events: Iterable[Mapping[str, Any]]) -> set[str]:
    """List the kinds of records of which the person reads no event: each has one at least, by which it began."""
    streams = {event["stream"] for event in events}
    return {one.collection for one in records} - {one.collection for one in records if one.id in streams}


def _work(record: Record, case: str, names: Mapping[str, str], served: Collection[str] = ()) -> Work | None:
    """Read the journeys of a record, with words for what they are about; `served` are conditions that have a place."""
    guidance = record.guidance.value
    if not guidance or not guidance.get("journeys"):
        return None
    work = work_of(guidance, f"/records/{record.collection}/{record.id}", case, names, record.titles)
    return with_bookings(work, served)


async def duty_page(request: Request, session: Session) -> Response:
    """Lead to the form that meets a duty of a record; to its case, or to the record, if the person cannot meet it now."""
    apis, id_ = console_of(request).apis, str(read_uuid(request, "id"))
    collection, duty = read_collection(request), str(request.path_params["duty"])
    case, item = read_case(request.query_params.get("case")), read_case(request.query_params.get("item_id"))
    record = await read_record(apis, session, collection, id_, {})
    if duty == "ATTENDANCE_RECORDED" and collection == "sessions" and record.state.value is not None:
        return see(f"/records/sessions/{id_}/register")  # also before it is recorded as held
    work = _work(record, case or "", {})
    forms = [task.address for task in (work.tasks if work else ()) if task.meets(duty, item)]
    return see(next(filter(None, forms), f"/cases/{case}" if case else f"/records/{collection}/{id_}"))


def warnings_of(records: Iterable[Record]) -> list[Caution]:
    """Return what nobody may miss of the records of a case: a safeguarding hold, and a nude image."""
    warnings = []
    for record in records:
        if (record.state.value or {}).get("state") == HOLD:
            warnings.append(SAFEGUARDING_HOLD)
        commands = (record.guidance.value or {"commands": ()})["commands"]
        if any(rule["id"] == "B5" and rule["answer"] == "broken" for command in commands for rule in command["rules"]):
            warnings.append(NUDE_IMAGERY)
    return list(dict.fromkeys(warnings))


def bookings(record: Record) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield for whom a place in an education session can be booked in a referral, in words and as parameters of an address."""
    if record.collection == "referrals" and (record.state.value or {}).get("state") in WORKED_ON:
        siblings = record.children if len(record.children) > 1 else []
        for who in siblings:
            yield f"for this referral, {who.name}", {"person_id": who.id}
        if not siblings:
            yield "for this referral", {"person_id": record.child.id} if record.child else {}


async def timeline_page(request: Request, session: Session) -> Response:
    """Show what happened in a case, the latest first, each event in a sentence with both times."""
    apis, id_ = console_of(request).apis, read_uuid(request, "case")
    times = query(request, *TIMES)
    page = read_page(request.query_params.get("page"))
    whole, part = divmod(page - 1, PARTS)
    answer = await apis.get_projected(session, f"/v1/cases/{id_}/timeline", {**times, "page": str(whole + 1)})
    size = answer["page_size"] // PARTS
    events = answer["events"][part * size : (part + 1) * size]
    streams = {event["stream"]: COLLECTIONS[event["service"]] for event in events}
    now = not any(times.values())
    officers, children, corrections = await asyncio.gather(
        console_of(request).directory.names(session),
        of_records(apis, session, (), [str(id_)]),
        _corrections(apis, session, streams if now else {}),
    )
    return render(
        request,
        "timeline.html",
        session,
        officers=officers,
        child=children.get(str(id_), ""),
        id=str(id_),
        times=times,
        now=now,
        corrections=corrections,
        answer=answer,
        events=events,
        places={event["event_id"]: event for event in events},
        collections=COLLECTIONS,
        page=page,
        pages=-(-answer["total"] // size) or 1,
    )


async def _corrections(apis: Apis, session: Session, streams: Mapping[str, str]) -> dict[str, str]:
    answers = await asyncio.gather(
        *(part_of(apis.get(session, SERVICES[kind], f"/v1/{kind}/{id_}/commands")) for id_, kind in streams.items())
    )
    return {
        id_: command
        for id_, guidance in zip(streams, answers, strict=True)
        if (command := correction_of(guidance.value)) is not None
    }


def correction_of(guidance: Mapping[str, Any] | None) -> str | None:
    """Return the command that corrects a field of an event, if the guidance of a record lets the role send it."""
    commands = (guidance or {"commands": ()})["commands"]
    return next(
        (command["type"] for command in commands if command["type"] in CORRECTING and command["status"] != "refused"),
        None,
    )


async def looks_page(request: Request, session: Session) -> Response:
    """Show who has looked at a case as a whole, in which role and why; the latest first."""
    id_ = read_uuid(request, "case")
    question = {"case": str(id_), **query(request, "before")}
    console = console_of(request)
    answer = await console.apis.get(session, "reporting", "/v1/access", question)
    return render(
        request,
        "looks.html",
        session,
        id=str(id_),
        lines=answer["lines"],
        earlier=answer.get("next"),
        officers=await console.directory.names(session),
    )


async def record_page(request: Request, session: Session) -> Response:
    """Show a record by itself, such as a session that belongs to no one case, or the plan of a deferral."""
    apis, id_ = console_of(request).apis, str(read_uuid(request, "id"))
    collection = read_collection(request)
    record = await read_record(apis, session, collection, id_, {})
    if record.state.value is None and record.state.status == 404:
        await apis.get(session, SERVICES[collection], f"/v1/{collection}/{id_}")  # raises, and its page is shown
    history, papers = await asyncio.gather(
        part_of(apis.get(session, SERVICES[collection], f"/v1/{collection}/{id_}/history")),
        part_of(names_of_papers(apis, collection)),
    )
    events = (history.value or {}).get("events", ())
    case = next(
        (str(event["data"]["case_id"]) for event in events if event["version"] == 1 and "case_id" in event["data"]), ""
    )
    state = record.state.value or {}
    people = {who.id: who.name for who in record.people if who.name}
    if collection == "conferences" and case:
        people |= await _names_in(apis, session, case)
    return render(
        request,
        "record.html",
        session,
        record=record,
        case_id=case,
        work=_work(record, case, people | record.names),
        conference=conference_of(state, events, people) if events and "participants" in state else None,
        plan=plan_of(state, today()),
        columns=OF_A_PERSON,
        facts=FACTS,
        steps=steps_of(record.guidance.value, record.titles) if record.guidance.value else None,
        corrections={record.id: correction_of(record.guidance.value)},
        history=history,
        papers=papers.value or [],
        recorded=_of_command(events, request.query_params.get("recorded")),
    )


async def _names_in(apis: Apis, session: Session, case: str) -> dict[str, str]:
    """Return the names of the people of a case by id: a conference has their ids alone."""
    records = await part_of(apis.get_projected(session, f"/v1/cases/{case}"))
    named = [(SERVICES[collection], line["id"]) for collection, line in records_in(records.value or {})]
    return await of_people(apis, session, named)


async def _has_sent(request: Request, session: Session) -> bool:
    """Whether the person comes from a form that they have sent; some roles record what they may not read."""
    try:
        draft = await console_of(request).drafts.find(session.person, UUID(request.query_params.get("draft", "")))
    except ValueError:
        return False
    return draft is not None and draft.sent != ""


def _of_command(events: Iterable[Mapping[str, Any]], command: str | None) -> list[Mapping[str, Any]]:
    return [event for event in events if event["command_id"] == command]
