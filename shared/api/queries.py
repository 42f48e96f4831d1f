"""The queries of a stream: its state, history and duties. Each passes the read gate before its response."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.api.authorisation import command_denial
from shared.api.dependencies import Dependencies
from shared.api.history_view import history_view
from shared.api.parameters import ACCESS_REASON, ID, TIMES
from shared.api.problems import unknown_response
from shared.api.request import Caller, read_id, read_reason, read_times, today
from shared.api.routes import declared
from shared.api.schemas import DutyLine, History, state_view
from shared.domain.data_rights import data_rights_ids, is_data_right, restricted_in
from shared.domain.dates import end_of_day, local_day
from shared.domain.decider import history_at
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from shared.domain.permissions import AUDIT, CONFLICT, DATA_RIGHTS, AccessFacts, Denial, boundary
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.service import Service
from shared.event_store import EventStoreUnavailable, RecordedEvent
from shared.messaging.waits import waits_for
from shared.privacy.disclosure import Disclosure, concerned, disclose
from shared.servers.database import retry_or_raise

PARAMETERS: Final = (ID, *TIMES, ACCESS_REASON)
RESTRICTED: Final = "the processing of a person in this record is restricted: it may be kept, and not used. Ask a colleague for data protection"

_RIGHTS: Final = "select stream, type from event where stream = any($1::text[]) order by stream, version"


def add_queries(app: FastAPI, service: Service[Any]) -> None:
    """Add the routes of the state, the history and the duties of a stream."""
    path = f"/v1/{service.collection}/{{id}}"

    @app.get(path, tags=["queries"], response_model=state_view(service.read_model), **declared(PARAMETERS, 404))
    async def state(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Return the state of all events, or of those that had occurred by `as_of` and were recorded by `known_at`.

        Version and position are those of the latest event that it shows.
        """
        as_of, known_at = read_times(request)
        actor, records = await history_of(request, service, actor, id, "state")
        recorded = closed_facts(service, records)
        facts = history_at(recorded, as_of=as_of, known_at=known_at)
        known = await known_of(request, recorded)
        state = service.decider.fold(facts, known=known.at(as_of, known_at))
        if state is None:
            return not_found_response(service, id)
        permission = service.permission(actor)
        answer = {
            "id": str(read_id(id)),
            "version": facts[-1].version,
            "position": facts[-1].position,
            **permission.visible_members(service.read_model.view(state)),
        }
        if permission.shows("details"):
            disclosure = await _disclose(request, service, actor, recorded)
            only = None if permission.fields is None else permission.classes(read_reason(request))
            cut = history_at(disclosure.facts, as_of=as_of, known_at=known_at)
            answer["details"] = disclosure.details(cut, only)
        if permission.fields is None and as_of is None and known_at is None:
            database, envelope = request.app.state.deps.database, facts[0].envelope
            waits = await retry_or_raise(
                lambda: waits_for(database, service, envelope.stream, envelope.home), EventStoreUnavailable
            )
            answer["waiting"] = [wait.view() for wait in waits]
        return JSONResponse(answer)

    @app.get(f"{path}/history", tags=["queries"], response_model=History, **declared(PARAMETERS, 404))
    async def history(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """List the events in order, each with its sentence, both times, actor, rules, hash and the ids of its corrections.

        All events, or those that had occurred by `as_of` and were recorded by `known_at`.
        """
        as_of, known_at = read_times(request)
        actor, records = await history_of(request, service, actor, id, "history")
        if not records:
            return not_found_response(service, id)
        disclosure = await _disclose(request, service, actor, closed_facts(service, records))
        permission = service.permission(actor)
        lines = history_view(service.events, disclosure, as_of=as_of, known_at=known_at, permission=permission)
        return (
            JSONResponse({"stream": records[0].stream, "events": lines}) if lines else not_found_response(service, id)
        )

    @app.get(f"{path}/duties", tags=["queries"], response_model=list[DutyLine], **declared(PARAMETERS, 404))
    async def duties(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """List the duties as they stood on the day of `as_of` (today by default), by due date.

        They follow from the events that had occurred by `as_of` and were recorded by `known_at`.
        """
        as_of, known_at = read_times(request)
        actor, records = await history_of(request, service, actor, id, "duties")
        if not records:
            return not_found_response(service, id)
        moment = as_of or end_of_day(today())
        recorded = closed_facts(service, records)
        duties = duties_on(service.read_model, recorded, moment, known_at, await known_of(request, recorded))
        shows = service.permission(actor).shows_duty
        return JSONResponse([duty.as_json(local_day(moment)) for duty in duties if shows(duty.duty)])


async def history_of(
    request: Request,
    service: Service[Any],
    actor: Actor,
    id_: str,
    part: str,
    path: str = "",
    only: frozenset[str] | None = None,
    *,
    or_sending: bool = False,
    unrestricted: bool = False,
) -> tuple[Actor, list[RecordedEvent]]:
    """Pass the read gate and load the records of a stream; an empty list if it does not exist or is hidden from the actor.

    The actor is returned with those roles alone that may read this part of it, if any may.
    `only` limits the roles. `or_sending` admits those too who may send commands to the stream and may not read it.
    `unrestricted` forbids a record in which the processing of somebody is restricted.
    Raises `NotAllowed`, `LogUnavailable`, `EventStoreUnavailable` or `Malformed`.
    """
    at: Dependencies = request.app.state.deps
    stream = service.stream_name(read_id(id_))
    reason = read_reason(request)
    records = list((await at.event_store.load(stream)).records)
    if records and not service.is_own(records[0].type):
        records = []
    denial: Denial | None
    if only is not None and only.isdisjoint(actor.roles):
        denial = Denial(
            f"the role {actor.role} may not print this: ask a colleague with the role {' or '.join(sorted(only))}"
        )
    else:
        actor = actor.with_roles(role for role in actor.roles if only is None or role in only)
        actor, denial = await reading(at, service, actor, records, part)
        if denial is not None and or_sending and command_denial(service, actor.roles) is None:
            facts = AccessFacts.of_history(service.events, closed_facts(service, records))
            bounds = [
                boundary(one, service.permissions.get(one.role), facts, service.inherited_labels)
                for one in actor.in_each_role()
            ]
            denial = None if None in bounds else bounds[0]
    if unrestricted and denial is None:
        history = closed_facts(service, records)
        if await restricted_people(at, service, concerned(service.events, history), history):
            denial = Denial(RESTRICTED)
    given = await at.gate.read(actor, part, f"{stream}{path}", reason, denial=denial, version=len(records))
    return actor, records if given else []


async def known_of(request: Request, history: Sequence[Fact]) -> Known:
    """Return what is known of the persons of a record, closed. Raises `EventStoreUnavailable`."""
    at: Dependencies = request.app.state.deps
    return await at.handler.known_for(history[0].stream_id, history, opened=False) if history else NOTHING_KNOWN


def not_found_response(service: Service[Any], id_: str) -> JSONResponse:
    """Build the response 404: the stream does not exist, or did not exist then."""
    return unknown_response(
        "There is no such record",
        f"{service.stream_name(read_id(id_))} does not exist, or did not exist then: check the id and the times.",
    )


async def reading(
    at: Dependencies, service: Service[Any], actor: Actor, records: Sequence[RecordedEvent], part: str
) -> tuple[Actor, Denial | None]:
    """Leave of an actor's roles those that may read a part of a record; if none may, all, and why."""
    may, denials = list[str](), list[Denial]()
    for one in actor.in_each_role():
        denial = await denial_of(at, service, one, records)
        if denial is not None:
            denials.append(denial)
        elif part in service.permission(one).parts:
            may.append(one.role)
    return actor.with_roles(may), None if may or not denials else denials[0]


async def denial_of(
    at: Dependencies, service: Service[Any], actor: Actor, records: Sequence[RecordedEvent]
) -> Denial | None:
    """Check the permission of an actor in one role for the stream of these records. Returns None if it may be read.

    The event store also has waits and data rights, whose marks the service's own declaration lacks.
    """
    permission = service.permissions.get(actor.role)
    if not records or permission is None:
        return None
    if is_data_right(records[0].type):
        if permission.parts.isdisjoint(AUDIT | DATA_RIGHTS):
            return Denial("what is decided about a person's data is for data protection and auditors", hidden=True)
        if records[0].stream in _rights_streams(service, actor.conflicts):
            return Denial(CONFLICT)
    if service.is_own(records[0].type):
        facts = AccessFacts.of_records(service.events, records, whole=bool(permission.where or actor.conflicts))
    else:
        facts = AccessFacts.of_opening(records[0].body)
    return await at.handler.read_denial(actor, permission, facts)


async def restricted_people(
    at: Dependencies, service: Service[Any], people: Collection[UUID], history: Sequence[Fact]
) -> frozenset[UUID]:
    """Return those people of a record whose processing is restricted here, under any id. Raises `EventStoreUnavailable`."""
    if not people:
        return frozenset()
    known = await at.handler.known_for(history[0].stream_id, history, opened=False)
    streams = {person: _rights_streams(service, known.same_as(person)) for person in people}
    every = list(set[str]().union(*streams.values()))
    rows = await retry_or_raise(lambda: at.database.fetch(_RIGHTS, every), EventStoreUnavailable)
    restricted = restricted_in((row["stream"], row["type"]) for row in rows)
    return frozenset(person for person, of_person in streams.items() if not restricted.isdisjoint(of_person))


def _rights_streams(service: Service[Any], people: Collection[UUID]) -> set[str]:
    """Return the streams in which the data rights of people may stand."""
    return {service.stream_name(id_) for person in people for id_ in data_rights_ids(service.name, person)}


async def withheld_people(
    at: Dependencies, service: Service[Any], actor: Actor, facts: Sequence[Fact]
) -> frozenset[UUID]:
    """Return the people in a record whose processing is restricted, for roles that do not decide about that.

    Raises `EventStoreUnavailable`.
    """
    if service.permission(actor).parts >= DATA_RIGHTS:
        return frozenset()
    return await restricted_people(at, service, concerned(service.events, facts), facts)


async def _disclose(request: Request, service: Service[Any], actor: Actor, facts: Sequence[Fact]) -> Disclosure:
    """Decrypt what the actor may see of a history, and log the classes of which something was decrypted.

    If the processing of a person is restricted, only roles that decide about it see that person's fields and free texts.
    Raises `KeyringUnavailable`, `UnusableKey`, `TamperedToken` or `LogUnavailable`.
    """
    at: Dependencies = request.app.state.deps
    reason = read_reason(request)
    classes = service.permission(actor).classes(reason)
    homes, restricted = concerned(service.events, facts), await withheld_people(at, service, actor, facts)
    # The free texts of the home may concern that person too.
    withheld = {f"person/{person}" for person in restricted}.union(*(homes[person] for person in restricted))
    disclosure = await disclose(service.events, facts, classes, at.handler.keyring, withheld=withheld)
    await at.gate.log_opening(actor, disclosure.opened, reason, facts[0].envelope.stream)
    return disclosure


def closed_facts(service: Service[Any], records: Iterable[RecordedEvent]) -> list[Fact]:
    """Parse records without decryption."""
    return [
        service.events.read(record.body, position=record.position, recorded_at=record.recorded_at, hash=record.hash)
        for record in records
    ]
