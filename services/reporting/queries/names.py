"""The names of the people of many records at once, for a page that lists them.

Each name is one that the owning service would show in the state of the record, to the same token and with the same reason:
as corrected, of the classes that the role may read (a victim worker the victims alone), without people whose processing is
restricted. The records stand in the
body, since a page has more of them than an address holds. A record that the reader may not see is left out, as is one that
does not exist. The access log gets a line for each record whose names are opened, among those of its case. If two have
one name, their years of birth are opened too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, StringConstraints

from services.reporting.access import MOST_NAMED, NAMING
from services.reporting.dependencies import Dependencies
from services.reporting.projection.fold import Stream, split
from services.reporting.projection.projector import read_row
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import positions, snapshot
from services.reporting.queries.asking import answer_projected, ask, ask_for_reader
from services.reporting.queries.freshness import MAY_BE_STALE, Projected
from services.reporting.queries.restriction import withheld_from
from services.reporting.queries.visibility import Reader, visible
from services.reporting.search.fields import Kind
from services.reporting.search.index import TYPES, Place, SearchedValue, searched_values
from services.trade.vocabulary import Personal, SearchKind
from shared.api.bodies import read_model
from shared.api.parameters import ACCESS_REASON, UUID_TEXT
from shared.api.request import Caller, read_reason
from shared.api.routes import declared, json_body
from shared.api.schemas import Schema
from shared.domain.decider import versions_of
from shared.domain.envelope import Fact
from shared.domain.sealing import DataKey, FieldClass, Sealed, SealedToken, TamperedToken, unseal
from shared.privacy.keyring import KeyId, KeyMissing, Keyring, UnusableKey
from shared.servers.settings import Settings

_log = structlog.get_logger("names")

_STREAMS: Final = f"""
    select s.service, s.stream, s.home, s.view -> 'people' as people from stream as s
    join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)
    where {visible(3)}
"""  # noqa: S608 - the clause there, and no value
_OF_CASES: Final = f"""
    select s.service, s.stream, s.home, s.view -> 'people' as people from stream as s
    where s.home = any($2::uuid[]) and s.service = any($1::text[]) and {visible(3)}
    order by s.stream limit {2 * MOST_NAMED}
"""  # noqa: S608 - the same, and a number
MOST_BYTES: Final = 500_000
"""How much of a record is read for its names: a list has hundreds of records, and one of them may hold megabytes."""

_FACTS: Final = f"""
    select service, position, recorded_at, hash, body from (
        select f.*, sum(octet_length(f.body)) over (partition by f.service, f.stream order by f.version) as size
        from fact as f join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)
        where f.type = any($3::text[])
    ) as sized where size <= {MOST_BYTES} order by service, stream, version
"""  # noqa: S608 - a number

Owner = tuple[Stream, UUID]
"""A record, and a person of it."""
SealedIn = tuple[Sealed[Any], UUID, frozenset[FieldClass | None]]
"""A sealed value, the event that sealed it, and the classes that open it."""

RecordName = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(NAMING)})/{UUID_TEXT.pattern}$")]


CaseId = Annotated[str, StringConstraints(pattern=rf"^{UUID_TEXT.pattern}$")]


class NamesRequest(Schema):
    """The records whose people's names are asked for; of a case, its records that name people."""

    model_config = ConfigDict(extra="forbid", strict=True)

    records: Annotated[
        list[RecordName],
        Field(
            default_factory=list,
            max_length=MOST_NAMED,
            description="Service and id of each record.",
            examples=[["referral/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"]],
        ),
    ]
    cases: Annotated[
        list[CaseId], Field(default_factory=list, max_length=MOST_NAMED, description="The id of each case.")
    ]


class NamedPerson(Schema):
    """A person of a record whose name the reader may see."""

    service: str
    id: UUID = Field(description="The record.")
    person_id: UUID
    part: str | None = Field(description="The person's part in the record, if its state tells it.")
    name: str
    case_id: UUID = Field(description="The case of the record.")
    year_of_birth: int | None = Field(
        description="Given if another of these people has the same name, and it is known."
    )


class Names(Projected):
    """The names of the people of the requested records, as far as the reader may see them."""

    people: list[NamedPerson]


@dataclass(frozen=True, slots=True)
class OpenedNames:
    """An answer, and for the access log the targets of each record in which a name was opened, by the classes of its names."""

    answer: dict[str, Any]
    opened: Mapping[frozenset[FieldClass], Sequence[str]]


def add_names(app: FastAPI, settings: Settings) -> None:
    """Add the route of the names of a list (`POST /v1/names`)."""

    @app.post(
        "/v1/names",
        tags=["cases"],
        response_model=Names,
        **declared(
            (ACCESS_REASON,), 415, answers={200: MAY_BE_STALE}, body=json_body(NamesRequest.model_json_schema())
        ),
    )
    async def names(request: Request, actor: Caller) -> JSONResponse:
        """Return the names of the people of some records, as far as the owning services would show them to the reader."""
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        asked = await read_model(request, NamesRequest, settings.body_limit)
        wanted, cases = _streams(asked.records), list(dict.fromkeys(map(UUID, asked.cases)))
        await at.gate.read(actor, "cases", "reporting/names", reason)
        reader = await ask_for_reader(at.database, actor)
        found = await ask(lambda: names_of(at.database, reader, wanted, at.keyring, cases=cases, reason=reason))
        # The lines are committed before the names leave.
        for classes, targets in found.opened.items():
            await at.gate.log_opening(actor, classes, reason, *targets)
        return await answer_projected(at.database, found.answer)


def _streams(records: Sequence[str]) -> list[Stream]:
    parts = (record.partition("/") for record in records)
    return list(dict.fromkeys((service, UUID(id_)) for service, _, id_ in parts))


async def names_of(
    pool: asyncpg.Pool[asyncpg.Record],
    reader: Reader,
    records: Sequence[Stream],
    keyring: Keyring,
    *,
    cases: Sequence[UUID] = (),
    reason: str | None = None,
) -> OpenedNames:
    """Return the names of the people of some records and cases. A name that cannot be opened is left out. Raises `KeyringUnavailable`."""
    classes = {service: _opened_by(reader, service, reason) for service in NAMING}
    services = [service for service in NAMING if classes[service]]
    readable = [record for record in records if record[0] in services]
    reach = reader.reach("state").parameters
    async with snapshot(pool) as connection:
        of_cases = await connection.fetch(_OF_CASES, services, cases, *reach) if cases else []
        of_records = await connection.fetch(_STREAMS, *split(readable), *reach)
        rows = {(row["service"], row["stream"]): row for row in (*of_records, *of_cases)}
        facts = [read_row(row) for row in await connection.fetch(_FACTS, *split(rows), TYPES)]
        reached = await positions(connection, READ_MODELS)
    values = _readable(values_in(facts), classes)
    restricted = await withheld_from(reader, pool, {(owner[0][0], owner[1]) for owner in values})
    shown = {owner: value for owner, value in values.items() if (owner[0][0], owner[1]) not in restricted}
    names = await _open(shown, keyring)
    alike = _alike(names)
    births = _readable(values_in(facts, SearchKind.DATE_OF_BIRTH), classes) if alike else {}
    born = await _open({owner: value for owner, value in births.items() if owner in alike}, keyring)
    people = [
        NamedPerson(
            service=stream[0],
            id=stream[1],
            person_id=person,
            part=json.loads(rows[stream]["people"] or "{}").get(str(person)),
            name=name,
            case_id=rows[stream]["home"],
            year_of_birth=_year(born.get((stream, person))),
        )
        for (stream, person), name in names.items()
    ]
    answer = {"positions": reached, "people": [person.model_dump(mode="json") for person in people]}
    return OpenedNames(answer, _opened(rows, {owner: shown[owner][2] for owner in names}))


def _readable(values: Mapping[Owner, SealedIn], classes: Mapping[str, frozenset[FieldClass]]) -> dict[Owner, SealedIn]:
    return {owner: value for owner, value in values.items() if value[2] <= classes[owner[0][0]]}


def _opened_by(reader: Reader, service: str, reason: str | None) -> frozenset[FieldClass]:
    """Return the classes that the reader may read in the details of a service's records; none if not of identity."""
    permission = reader.permission(service)
    if "state" not in permission.parts or not permission.shows("details"):
        return frozenset()
    classes = permission.classes(reason)
    return classes if classes & {Personal.IDENTITY, Personal.VICTIM_IDENTITY} else frozenset()


def _opened(
    rows: Mapping[Stream, Any], names: Mapping[Owner, frozenset[FieldClass | None]]
) -> dict[frozenset[FieldClass], list[str]]:
    """Return the targets of the records of named people, by the classes of the names that were opened in each."""
    classes: dict[Stream, set[FieldClass]] = defaultdict(set)
    for (record, _), opened in names.items():
        classes[record].update(filter(None, opened))
    targets: dict[frozenset[FieldClass], list[str]] = defaultdict(list)
    for (service, stream), of_record in classes.items():
        target = f"reporting/cases/{rows[service, stream]['home']}/names/{service}/{stream}"
        targets[frozenset(of_record)].append(target)
    return targets


async def _open(values: Mapping[Owner, SealedIn], keyring: Keyring) -> dict[Owner, Any]:
    """Open some values; one that cannot be opened is left out."""
    tokens = {owner: SealedToken.parse(value.token) for owner, (value, *_) in values.items()}
    keys = await _keys(keyring, list({(token.subject, token.generation) for token in tokens.values()}))
    opened: dict[Owner, Any] = {}
    for owner, token in tokens.items():
        key = keys[token.subject, token.generation]
        if key is None:
            continue
        try:
            opened[owner] = unseal(token, key, values[owner][1])
        except TamperedToken as error:
            _log.error("name_not_opened", event_id=str(values[owner][1]), why=str(error))
    return opened


def _alike(names: Mapping[Owner, str]) -> set[Owner]:
    people: dict[str, set[UUID]] = defaultdict(set)
    for (_, person), name in names.items():
        people[name.casefold()].add(person)
    return {owner for owner, name in names.items() if len(people[name.casefold()]) > 1}


def _year(born: Any) -> int | None:
    try:
        return date.fromisoformat(str(born)).year
    except ValueError:
        return None


async def _keys(keyring: Keyring, wanted: Sequence[KeyId]) -> dict[KeyId, DataKey | None]:
    """Fetch data keys; None stands for one that was destroyed, is lost or cannot be used: it hides one name and no other."""
    try:
        return dict(await keyring.open(wanted)) if wanted else {}
    except (KeyMissing, UnusableKey) as error:
        if len(wanted) == 1:
            _log.error("name_not_opened", subject=wanted[0][0], why=str(error))
            return {wanted[0]: None}
    return {key_id: key for wanted_id in wanted for key_id, key in (await _keys(keyring, [wanted_id])).items()}


def values_in(facts: Iterable[Fact], kind: Kind = SearchKind.NAME) -> dict[Owner, SealedIn]:
    """Return the sealed value of a kind of each person of each record, by default the name, as the facts in order leave it."""
    facts = list(facts)
    versions = versions_of(facts)
    values: dict[Place, SearchedValue] = {}
    for value in (value for fact in facts for value in searched_values(fact) if value.kind is kind):
        earlier = values.get(value.place)
        # A correction names its event alone: whose value it is was said by the event.
        values[value.place] = value if earlier is None else replace(value, person_id=earlier.person_id)
    return {
        (place.stream, value.person_id): (
            value.content,
            value.event_id,
            frozenset(
                READ_MODELS[place.stream[0]].events.classes_of(
                    [fact.event for fact in versions[place.event_id]], place.field
                )
            ),
        )
        for place, value in values.items()
        if value.person_id is not None and isinstance(value.content, Sealed)
    }
