"""The ids that a field of a form may mean, in words: the people, conditions, sessions and events of a case."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from services.console.apis import Apis, part_of
from services.console.directory import WORKERS, Directory, Officer, nameless, roles_for
from services.console.forms.corrections import CORRECTS
from services.console.forms.fields import OFFICERS, Option
from services.console.forms.gravity import OFFENCE
from services.console.forms.people import CRIME_NUMBER, HAPPENED, HARMED, LINKED, REPORTED
from services.console.names import VICTIM, called, children_of, told_apart
from services.console.records import Record, all_people, holders_of, read_all, read_record, records_in
from services.console.sessions import Session
from services.console.words import day, in_words, moment, today
from services.trade.vocabulary import CHILDREN

PEOPLE: Final = (
    "person",
    "child",
    "harmer",
    "victims",
    "victims_with_enhanced_rights",
    "signed_by",
    "parent_of",
    "of_whom",
    "meets",
)
GROUPS: Final = {
    "conditions": ("condition", "condition_ids"),
    "terms": ("term",),
    "sessions": ("session",),
    "steps": ("step",),
    "alerts": ("alert",),
}
"""Members of a record's state that are keyed by ids -> the fields that mean one of them."""
MANAGER: Final = "case_manager"
HAS: Final = "has"
"""Beside the fields: the case managers who have the record or worked on it, the likeliest first."""
BY_EVENTS: Final = (CORRECTS, *OFFICERS, *(f"{name}_id" for name in OFFICERS))
"""Fields whose ids are told by events: what is corrected, and officers whom the directory does not name."""

Known = Mapping[str, Sequence[Option]]
Unfit = Mapping[str, Collection[str]]
"""A field of a command, without `_id` -> the parts of those who do not fit there."""


def unfit_in(schema: Mapping[str, Any]) -> Unfit:
    """Return for each field of a command, without `_id`, the parts of those who do not fit there, as its schema says."""
    return {name.removesuffix("_id"): part.get("x-not-for", ()) for name, part in schema["properties"].items()}


async def choices(
    apis: Apis,
    directory: Directory,
    session: Session,
    collection: str,
    id_: str,
    case_id: str | None,
    unfit: Unfit,
    *,
    begun: bool = True,
    by_events: bool = True,
    reaches: bool = False,
) -> Known:
    """Return, by the name of a field of a command without `_id`, the ids that it may mean in this case, or for a record that is begun.

    A person whose part is not known fits everywhere; where a command `reaches` people, who may have no contact does not. Those that only events tell are left out if no field means one.
    """
    of_case = apis.get_projected(session, f"/v1/cases/{case_id}") if case_id else asyncio.sleep(0, dict[str, Any]())
    case, timeline = await asyncio.gather(
        part_of(of_case), part_of(events_of(apis, session, case_id if by_events else None))
    )
    officers = await directory.of_area(session, holders_of(case.value or {}))
    if case.value:
        records: Sequence[Record] = await read_all(apis, session, case.value, {}, guidance=False)
    elif not begun:
        records = []
    else:
        records = [await read_record(apis, session, collection, id_, {}, guidance=False)]
    sitting = next((record for record in records if (record.collection, record.id) == ("sittings", id_)), None)
    of_sitting = () if sitting is None else await _of_sitting(apis, session, sitting.state.value or {})
    events = timeline.value or []
    options: dict[str, list[Option]] = defaultdict(list)
    of_officers = [
        (name, option) for name in OFFICERS for option in officers_in(session, events, officers, roles_for(name))
    ]
    for name, option in (
        *_options(records, events, id_, case_id, unfit, _without_contact(records) if reaches else ()),
        *of_officers,
        *_manager(case.value or {}, events, id_, {option.value for name, option in of_officers if name == MANAGER}),
        *of_sitting,
    ):
        if option.value not in {known.value for known in options[name]}:
            options[name].append(option)
    return options


def _options(
    records: Sequence[Record],
    events: Sequence[Mapping[str, Any]],
    id_: str,
    case_id: str | None,
    unfit: Unfit,
    left_out: Collection[str] = (),
) -> Iterator[tuple[str, Option]]:
    if case_id:
        yield "case", Option(case_id, f"This case ({case_id[:8]})")
    people = all_people(records)
    words = called(people)
    for who in people:
        part = f", {in_words(who.part).lower()}" if who.name and who.part else ""
        option = Option(who.id, f"{words[who.id]}{part}")
        linked = (LINKED,) if who.name and who.part in CHILDREN else (HARMED,) if who.part == VICTIM else ()
        for name in (*PEOPLE, *linked):
            if who.part not in unfit.get(name, ()) and who.id not in left_out:
                yield name, option
    for number in dict.fromkeys((record.state.value or {}).get("crime_number") for record in records):
        if number:
            yield CRIME_NUMBER, Option(number, number)
    titles = told_apart({record.id: record.title for record in records})
    for record in records:
        yield record.collection.removesuffix("s"), Option(record.id, titles[record.id])
        yield from _of_state(record)
    for event in events:
        if event["stream"] == id_:
            yield CORRECTS, Option(event["event_id"], f"{day(event['occurred_at'])}: {event['sentence']}")


def _manager(
    case: Mapping[str, Any], events: Sequence[Mapping[str, Any]], id_: str, managers: Collection[str]
) -> Iterator[tuple[str, Option]]:
    """Yield the case manager of a record: who has it, else who of them worked on it last."""
    worked = [event["actor"]["id"] for event in reversed(events) if event["stream"] == id_]
    has = [record.get("officer") for _, record in records_in(case) if record["id"] == id_]
    yield from ((HAS, Option(officer, "")) for officer in [*has, *worked] if officer in managers)


def _without_contact(records: Sequence[Record]) -> set[str]:
    """Return the adults who may have no contact with a child of a case today: nothing about it is offered to them."""
    bars = [bar for record in records for bar in (record.state.value or {}).get("no_contact") or ()]
    return {bar["adult"] for bar in bars if bar["until"] is None or bar["until"] >= today().isoformat()}


def officers_in(
    session: Session, events: Sequence[Mapping[str, Any]], officers: Sequence[Officer], roles: Collection[str] = WORKERS
) -> list[Option]:
    """List the officers in some roles who may be meant in a case, each once: the person, by name, then who is not named.

    Of these it knows those who recorded an event of the case. Nobody is offered who is known to be of an area that does not
    hold it, since the record would answer them as unknown.
    """
    options = {session.person: "You"} if set(roles).intersection(session.roles) else {}
    options |= {
        officer.id: officer.words
        for officer in officers
        if officer.role in roles and officer.id != session.person and not officer.is_away
    }
    away = {officer.id for officer in officers if officer.is_away}
    actors = (event["actor"] for event in events)
    others = {
        actor["id"]: in_words(actor["role"])
        for actor in actors
        if actor["role"] in roles and actor["id"] not in options and actor["id"] not in away
    }
    options |= {id_: nameless(id_, role) for id_, role in others.items()}
    return [Option(id_, text) for id_, text in options.items()]


async def _of_sitting(apis: Apis, session: Session, state: Mapping[str, Any]) -> list[tuple[str, Option]]:
    listed = state.get("cases") or ()
    children = await children_of(apis, session, (("disposal", item["disposal_id"]) for item in listed))
    options = [
        ("disposal", Option(item["disposal_id"], child.name if child else f"Case {item['case_id'][:8]}"))
        for item in listed
        for child in (children.get(item["disposal_id"]),)
    ]
    for member in state.get("members") or ():
        words = f"{in_words(member['kind'])}, {member['organisation']}"
        options += [(name, Option(member["officer_id"], words)) for name in ("abstaining", "owner")]
    return options


def _of_state(record: Record) -> Iterator[tuple[str, Option]]:
    words = record.names
    state = record.state.value or {}
    if on := state.get(HAPPENED):
        yield HAPPENED, Option(on, day(on))
    if at := state.get(REPORTED):
        yield REPORTED, Option(at, moment(at))
    if offence := state.get("offence"):
        yield OFFENCE, Option(offence["code"], offence["title"])
    for member, names in GROUPS.items():
        ids = state.get(member)
        ids = ids if isinstance(ids, Mapping) else {}
        called_ = told_apart({id_: words.get(id_) or in_words(member[:-1].upper()) for id_ in ids})
        for id_, standing in ids.items():
            stands = f" ({in_words(standing).lower()})" if isinstance(standing, str) else ""
            for name in names:
                yield name, Option(id_, f"{called_[id_]}{stands}")


async def events_of(apis: Apis, session: Session, case_id: str | None) -> list[Mapping[str, Any]]:
    """Return the first events of a case. Raises `Problem` or `NoAnswer`."""
    if not case_id:
        return []
    answer = await apis.get_projected(session, f"/v1/cases/{case_id}/timeline")
    return list(answer["events"])
