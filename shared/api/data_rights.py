"""Data rights: what a service holds of a person, and holds, restriction and erasure, for roles with the part `data_rights`.

GET  /v1/people/{id}            the records that name a person, and what stands about the person's data
POST /v1/people/{id}/{action}   hold, release, restrict, lift, keep or forget; ?dry_run=true says what would be done

A service answers for its own records. It forgets a person only if no record that names the person is open and no hold
stands. Then it publishes the event to all who received the data, and agrees in the keyring to the destruction of the
person's key (crypto-shredding). The key is destroyed when every service has agreed, and is gone from every process within a
minute. A case's key goes with the last person who has one in the case.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.authorisation import NotAllowed
from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, Parameter, a_day, an_id, choice
from shared.api.problems import Malformed, refused_response, unknown_response
from shared.api.quarantine import DRY_RUN, REASON
from shared.api.queries import closed_facts, reading
from shared.api.request import Caller, read_day, read_id, read_query, read_reason
from shared.api.routes import declared
from shared.api.schemas import Schema
from shared.domain.data_rights import (
    NOTHING,
    Basis,
    DataRights,
    DataRightsCommand,
    ForgetPerson,
    HoldKind,
    KeepRecords,
    LiftRestriction,
    PersonForgotten,
    PlaceHold,
    ReleaseHold,
    RestrictProcessing,
    both,
    contents_of_home,
    data_rights_id,
    data_rights_ids,
    data_rights_service,
    is_worked_with,
)
from shared.domain.decider import history_at
from shared.domain.decisions import Refused
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.domain.permissions import people_mentioned
from shared.domain.service import Service
from shared.event_store import EventStoreUnavailable, RecordedEvent
from shared.handling.command_handler import DryRun, Forbidden
from shared.privacy.keyring import PostgresKeyring
from shared.servers.database import retry_or_raise
from shared.servers.settings import Settings

PART: Final = "data_rights"

SEARCH_SECONDS: Final = 120.0
"""The longest search for a person's records: it reads every event of the service once."""

PERSON: Final = an_id("id", "The id of the person, the same in every service.", "path")
ACTION: Final = choice(
    "action",
    "What is decided.",
    ("hold", "release", "restrict", "lift", "keep", "forget"),
    "choose hold, release, restrict, lift, keep or forget",
    "path",
)
KIND: Final = choice(
    "kind", "Of hold and release: the hold.", get_args(HoldKind), f"give {', '.join(get_args(HoldKind))}"
)
BASIS: Final = choice("basis", "Of restrict and forget: why.", get_args(Basis), f"give {', '.join(get_args(Basis))}")
REVIEW_ON: Final = a_day("review_on", "Of keep: the day on which the retention is reviewed again.")
CASE: Final = replace(
    an_id("case", "Of forget: a case, or other home, whose key goes too if nobody else has a key in it here.", "query"),
    repeatable=True,
)
_DECIDED: Final = (PERSON, ACTION, KIND, BASIS, REVIEW_ON, CASE, DRY_RUN, REASON)

# Ids stand in clear in the bytes of events. No index knows them: this is asked once in a person's life.
_NAMING: Final = """
    select distinct stream from event, unnest($1::text[]) as id
    where position(convert_to(id, 'UTF8') in body) > 0 order by stream
"""
_OF_HOMES: Final = "select home, stream, type, body from event where home = any($1::uuid[])"


class PersonRecord(Schema):
    """A record of the service that names a person: its id and home, its state, and whether work on it is open."""

    id: UUID
    home: UUID = Field(description="The case, or other home, of the record.")
    state: str = Field(description="The stage of the record.")
    open: bool = Field(description="Whether anything is left to do in it.")


class PersonView(Schema):
    """The records of a service that name a person, and the state of the person's data rights there."""

    person_id: UUID
    ids: list[UUID] = Field(
        default=[],
        description="Every id that names the person, as far as the service knows. A decision is about all of them; forget each.",
    )
    records: list[PersonRecord]
    holds: list[HoldKind]
    restricted: bool
    forgotten: bool
    forgotten_at: datetime | None = Field(description="When this service recorded that the person is forgotten.")
    review_on: date | None = Field(description="The day on which the retention is reviewed again, if that was decided.")


class CaseWhoseTextsStay(Schema):
    """A case, or other home, whose free texts stay readable, since its key is not destroyed with the person's."""

    id: UUID
    held_by: list[str] = Field(description="The others whose data it holds: persons, and homes, by their ids.")


class DataRightsDecided(PersonView):
    """The same, after a decision, or as it would be after it (`dry_run`)."""

    dry_run: bool
    waits_for: list[str] = Field(
        description="Of forget: the services that have still to agree to the end of the person's key, by database role."
    )
    backups_until: date | None = Field(description="Of forget: the day by which no backup holds a key to the data.")
    texts_stay: list[CaseWhoseTextsStay] = Field(
        description="Of forget: the cases named whose texts stay, for the sake of others."
    )


@dataclass(frozen=True, slots=True)
class _Homes:
    """What becomes of the homes of a person who is forgotten: the keys that go too, and who holds the others here."""

    going: tuple[str, ...]
    staying: Mapping[UUID, Collection[str]]


@dataclass(frozen=True, slots=True)
class _Held:
    records: tuple[PersonRecord, ...]
    rights: DataRights
    forgotten_at: datetime | None
    barring: tuple[str, ...]
    """The open records with the person's data, under any id."""
    ids: tuple[UUID, ...]

    def view(self, person: UUID) -> dict[str, Any]:
        return {
            "person_id": str(person),
            "ids": list(map(str, self.ids)),
            "records": [record.model_dump(mode="json") for record in self.records],
            "holds": sorted(self.rights.holds),
            "restricted": self.rights.restricted,
            "forgotten": self.rights.forgotten,
            "forgotten_at": self.forgotten_at and self.forgotten_at.isoformat(),
            "review_on": self.rights.review_on and self.rights.review_on.isoformat(),
        }


def add_data_rights(app: FastAPI, service: Service[Any], settings: Settings) -> None:
    rights = data_rights_service(service)

    # Where a person is a record, its state stands under that path.
    path = "/v1/people/{id}/rights" if service.collection == "people" else "/v1/people/{id}"

    @app.get(path, tags=["data rights"], response_model=PersonView, **declared((PERSON, ACCESS_REASON), 404))
    async def person(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """List the records that name a person, and what stands about the person's data. It holds nobody's name."""
        at: Dependencies = request.app.state.deps
        id_ = read_id(id)
        await at.gate.read(actor, PART, f"{service.name}/people/{id_}", read_reason(request))
        held = await _look(at, service, rights, actor, id_)
        if not held.records and held.rights == NOTHING:
            return _unknown(service, id_)
        return JSONResponse(held.view(id_))

    @app.post(
        "/v1/people/{id}/{action}", tags=["data rights"], response_model=DataRightsDecided, **declared(_DECIDED, 404)
    )
    async def decide(request: Request, actor: Caller, id: str, action: str) -> JSONResponse:  # noqa: A002 - the path's own word
        """Decide about a person's data, or rehearse it. Nothing is recorded twice; a refusal names every rule (422).

        What is forgotten cannot be brought back.
        """
        at: Dependencies = request.app.state.deps
        ACTION.validate(action)
        query, id_ = read_query(request), read_id(id)
        dry_run = query.get(DRY_RUN.name) == "true"
        reason = read_reason(request)
        assert reason is not None, "the route declares that it is required"
        homes = [read_id(text, CASE.name) for text in request.query_params.getlist(CASE.name)]
        command = _command(action, id_, query)
        done = f"{action.upper()}_PERSON"
        target = f"{service.name}/people/{id_}"
        actor = await at.gate.act(actor, PART, f"REHEARSE_{done}" if dry_run else done, target, reason)
        held = await _look(at, service, rights, actor, id_)
        # A restriction stands in every service, so that a record which is opened later is under it from the start.
        unknown = not held.records and held.rights == NOTHING
        if unknown and not isinstance(command, (ForgetPerson, RestrictProcessing)):
            return _unknown(service, id_)
        until: date | None = None
        staying: Mapping[UUID, Collection[str]] = {}
        if isinstance(command, ForgetPerson):
            found = await _homes_of(at, service, rights, id_, homes)
            staying = found.staying
            command = await _foreseen(at, command, held, found, settings)
            until = command.backups_until
        refused: Refused | None = None
        if not unknown or isinstance(command, RestrictProcessing):
            refused = await _send(at, rights, actor, command, held.ids, dry_run=dry_run)
        after = held if dry_run else await _look(at, service, rights, actor, id_)
        missing: Collection[str] = ()
        if isinstance(command, ForgetPerson) and not dry_run:
            # What has begun since the first look would lose its names too.
            command = command.model_copy(update={"open_records": after.barring})
            if refused is None and after.barring:
                refused = await _send(at, rights, actor, command, held.ids, dry_run=True)
            missing = await _say(at, service, rights, id_, homes, agrees=refused is None)
        if refused is not None:
            return _refused(refused, command, after)
        more = {
            "dry_run": dry_run,
            "waits_for": sorted(missing),
            "backups_until": until and until.isoformat(),
            "texts_stay": [{"id": str(home), "held_by": sorted(by)} for home, by in sorted(staying.items())],
        }
        return JSONResponse(after.view(id_) | more)


_COMMANDS: Final[Mapping[str, tuple[Callable[..., DataRightsCommand], Parameter | None]]] = {
    "hold": (PlaceHold, KIND),
    "release": (ReleaseHold, KIND),
    "restrict": (RestrictProcessing, BASIS),
    "lift": (LiftRestriction, None),
    "keep": (KeepRecords, REVIEW_ON),
    "forget": (ForgetPerson, BASIS),
}
"""The command of each action, and its parameter beside the person."""


def _command(action: str, person: UUID, query: Mapping[str, str]) -> DataRightsCommand:
    """Build the command of an action. Raises `Malformed` if its parameter is missing."""
    command, needed = _COMMANDS[action]
    if needed is not None and needed.name not in query:
        raise Malformed((needed.name, needed.hint))
    values = {**query, REVIEW_ON.name: read_day(query, REVIEW_ON.name)}
    return command(person_id=person, **({} if needed is None else {needed.name: values[needed.name]}))


async def _foreseen(
    at: Dependencies, command: ForgetPerson, held: _Held, homes: _Homes, settings: Settings
) -> ForgetPerson:
    """Return the command with the records that bar it, and the day by which backups forget."""
    until = await _keyring(at).backups_until(
        [f"person/{command.person_id}", *homes.going],
        timedelta(days=settings.epoch_days),
        timedelta(days=settings.epoch_kept_days),
    )
    return command.model_copy(update={"open_records": held.barring, "backups_until": until})


async def _say(
    at: Dependencies,
    service: Service[Any],
    rights: Service[DataRights],
    person: UUID,
    homes: Sequence[UUID],
    *,
    agrees: bool,
) -> Collection[str]:
    """Agree in the keyring, and return the roles that have still to agree; or withdraw an earlier agreement."""
    own = [f"person/{person}"]
    if not agrees:
        await _keyring(at).withdraw_consent([*own, *(f"home/{home}" for home in homes)])
        return ()
    # A case that names others elsewhere keeps its key. No service waits for that: what is missing is of the person's key.
    await _keyring(at).agree_to_destroy((await _homes_of(at, service, rights, person, homes)).going)
    return await _keyring(at).agree_to_destroy(own)


async def _look(
    at: Dependencies, service: Service[Any], rights: Service[DataRights], actor: Actor, person: UUID
) -> _Held:
    """Find the records of a service that name a person. Raises `NotAllowed` if the actor may not read one of them.

    What stands, and what is open, under another id of the person stands and is open here too; each id is forgotten alone.
    """
    ids = (await at.handler.known_for(person, (), labels=actor.labels, opened=False)).ids_of(person)
    rows = await retry_or_raise(
        lambda: at.database.fetch(_NAMING, list(map(str, ids)), timeout=SEARCH_SECONDS),
        EventStoreUnavailable,
        SEARCH_SECONDS,
    )
    of_ids = {id_: await _rights_of(at, rights, id_) for id_ in ids}
    known, _ = of_ids[person]
    forgotten_at = dict[UUID, datetime | None]()
    for id_, (stands, decided) in of_ids.items():
        known = both(known, replace(stands, forgotten=known.forgotten))
        ends = [records[-1] for records in decided.values()]
        forgotten = (end.recorded_at for end in ends if f".{PersonForgotten.__name__}." in end.type)
        forgotten_at[id_] = min(forgotten, default=None)
    naming, barring = list[PersonRecord](), list[str]()
    for row in rows:
        records = (await at.event_store.load(row["stream"])).records
        if not service.is_own(records[0].type):
            continue
        facts = closed_facts(service, records)
        named = people_mentioned(service.events, facts) & forgotten_at.keys()
        if not named:
            continue
        if (await reading(at, service, actor, records, PART))[1] is not None:
            raise NotAllowed(
                "a record of this person is beyond your reach: ask a colleague with this right who may read every record"
            )
        state = service.decider.fold(history_at(facts))
        view = {} if state is None else service.read_model.view(state)
        record = PersonRecord(
            id=facts[0].stream_id,
            home=facts[0].envelope.home,
            state=str(view.get("state")),
            open=service.read_model.is_open(view),
        )
        if person in named:
            naming.append(record)
        if any(is_worked_with(service, facts, id_, forgotten_at[id_]) for id_ in named):
            barring.append(f"{service.name}/{record.id} ({record.state})")
    return _Held(tuple(naming), known, forgotten_at[person], tuple(barring), ids)


async def _rights_of(
    at: Dependencies, rights: Service[DataRights], person: UUID
) -> tuple[DataRights, Mapping[UUID, Sequence[RecordedEvent]]]:
    """Return the decisions on a person's data here, and their events by the id of their stream.

    There are two streams if an older release, which knows one id only, began its own while this one ran.
    """
    decided: dict[UUID, Sequence[RecordedEvent]] = {}
    known = NOTHING
    for id_ in data_rights_ids(rights.name, person):
        records = (await at.event_store.load(rights.stream_name(id_))).records
        if records and rights.is_own(records[0].type):
            decided[id_] = records
            facts = [rights.events.read(record.body) for record in records]
            known = both(known, rights.decider.fold(facts) or NOTHING)
    return known, decided


async def _homes_of(
    at: Dependencies, service: Service[Any], rights: Service[DataRights], person: UUID, homes: Sequence[UUID]
) -> _Homes:
    """Look up which of these homes are nobody else's here: nobody, and no other home, has a key in its events that still stands.

    Each record of the home here that names anybody must name the person, or somebody who was forgotten before.
    """
    rows = await retry_or_raise(lambda: at.database.fetch(_OF_HOMES, list(homes)), EventStoreUnavailable)
    events: dict[UUID, list[tuple[str, str, bytes]]] = defaultdict(list)
    for row in rows:
        events[row["home"]].append((row["stream"], row["type"], row["body"]))
    kept = await at.event_store.kept_events(set(homes))
    contents = {
        home: contents_of_home(service, events[home], at.handler.read_kept(kept.get(home, ()))) for home in homes
    }
    gone = {person}
    for other in {name for content in contents.values() for names in content.named for name in names} - gone:
        if (await _rights_of(at, rights, other))[0].forgotten:
            gone.add(other)
    foreign = {
        home: {key for key in content.key_ids if key[0] not in {f"person/{person}", f"home/{home}"}}
        for home, content in contents.items()
    }
    keys = await at.handler.keyring.open(set[Any]().union(*foreign.values())) if foreign else {}
    held = {
        home: {key[0] for key in foreign[home] if keys[key] is not None}
        | {f"person/{id_}" for names in content.named if names.isdisjoint(gone) for id_ in names}
        | ({"a record that names nobody"} if content.named and not any(content.named) else set())
        for home, content in contents.items()
    }
    return _Homes(
        tuple(f"home/{home}" for home, by in held.items() if not by), {home: by for home, by in held.items() if by}
    )


async def _send(
    at: Dependencies,
    rights: Service[DataRights],
    actor: Actor,
    about: DataRightsCommand,
    ids: Sequence[UUID],
    *,
    dry_run: bool,
) -> Refused | None:
    """Record a command for each id of the person, or rehearse it. Return the rules that refuse it, or None."""
    handler = at.handler.for_service(rights)
    forgets = isinstance(about, ForgetPerson)
    streams = [
        (person, id_)
        for person in ids
        for id_ in (await _rights_of(at, rights, person))[1] or (data_rights_id(rights.name, person),)
    ]
    # Every stream allows what any of them records.
    for rehearsal in (True,) if dry_run else (True, False):
        for person, id_ in streams:
            if forgets and not rehearsal and person != about.person_id:
                continue  # its key is another one
            command, command_id = about if forgets else about.model_copy(update={"person_id": person}), uuid4()
            request = CommandRequest(command, id_, command_id, actor, datetime.now(UTC), command_id)
            result = await (handler.dry_run(request) if rehearsal else handler.handle(request))
            if isinstance(result, Forbidden):
                raise NotAllowed(result.why)
            outcome = result.outcome if isinstance(result, DryRun) else result
            if isinstance(outcome, Refused):
                return outcome
    return None


def _refused(refused: Refused, command: DataRightsCommand, held: _Held) -> JSONResponse:
    causes = {
        "DR1": f" Open: {', '.join(command.open_records)}." if isinstance(command, ForgetPerson) else "",
        "DR2": f" Standing: {', '.join(sorted(held.rights.holds))}.",
    }
    rules = [replace(rule, text=rule.text + causes.get(rule.id, "")) for rule in refused.rules]
    return refused_response(rules, needs_rationale=False)


def _unknown(service: Service[Any], person: UUID) -> JSONResponse:
    return unknown_response("There is no such person", f"No record of {service.name} names {person}: check the id.")


def _keyring(at: Dependencies) -> PostgresKeyring:
    assert isinstance(at.handler.keyring, PostgresKeyring)
    return at.handler.keyring
