"""POST /v1/search: the words stand in the body, so that no address and no log has them."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, model_validator

from services.reporting.dependencies import Dependencies
from services.reporting.projection.fold import Stream, split
from services.reporting.projection.knowledge import same_as
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.asking import ask, ask_for_reader
from services.reporting.queries.min_position import MIN_POSITION, furthest, not_yet, wait_for
from services.reporting.queries.restriction import withheld_from
from services.reporting.queries.victims import OF_STATE
from services.reporting.queries.visibility import Reader, visible
from services.reporting.search.fields import REGISTRIES
from services.reporting.search.index import Found, SearchIndex
from services.reporting.search.terms import code, searched_words
from services.trade.vocabulary import Personal, SearchKind
from shared.api.bodies import read_model
from shared.api.parameters import ACCESS_REASON, UUID_TEXT
from shared.api.problems import problem_response
from shared.api.request import Caller, read_reason
from shared.api.routes import declared, json_body
from shared.api.schemas import Schema
from shared.servers.settings import Settings

MOST: Final = 50
"""Cases in one answer; for more, narrow the search."""
MOST_SESSIONS: Final = 500
"""Sessions in one answer, the latest."""
LOADING_SECONDS: Final = 15.0
"""How long a search waits for an index that is still being loaded."""
LOADING: Final = "The names are still being read after a start: ask again."
_PARAMETERS: Final = (MIN_POSITION, ACCESS_REASON)
_SEEN: Final = f"""
    select s.service, s.stream, s.cases, s.updated_at, {OF_STATE} as victims from stream as s
    join unnest($1::text[], $2::uuid[]) as found (service, stream) using (service, stream)
    where {visible(3)}
"""  # noqa: S608 - the clause above, and no value

_SESSIONS: Final = f"""
    select s.stream as id, s.cases, s.record ->> 'topic' as topic, (s.record ->> 'starts_at')::timestamptz as starts_at
    from stream as s
    where s.service = 'education' and s.cases && $1::uuid[] and {visible(2)}
    order by starts_at desc, s.stream limit {MOST_SESSIONS}
"""  # noqa: S608 - the clause above, and no value

_REFERRED: Final = """
    select service, stream from stream where home between $1 and $2
    union
    select service, stream from stream where service = any($3::text[]) and stream between $1 and $2
"""
_NAMING: Final = "select service, stream, mentions from stream where mentions && $1 and service = any($2::text[])"
# In each area, as the services look at it (`known_among`).
_UNDER_EVERY_ID: Final = """
    select n.service, n.stream, json_object_agg(same.id, p.view -> 'ids' ->> 0) as kept
    from stream as p cross join lateral jsonb_array_elements_text(p.view -> 'ids') as same (id)
    join stream as n on n.mentions @> array[same.id::uuid] and n.area is not distinct from p.area
    where p.service = 'people' and p.mentions && $1::uuid[] and p.view -> 'ids' ?| $1::text[]
      and jsonb_array_length(p.view -> 'ids') > 1 and n.service = any($2::text[])
    group by n.service, n.stream
"""
_BY_ID: Final = frozenset({SearchKind.CASE, SearchKind.PERSON})
"""What is searched by an id: the access log names each case that is found so."""
_BEGINNING: Final = re.compile(r"[0-9a-f]{8,32}")

Text = Annotated[str, Field(min_length=1, max_length=200)]


class SearchRequest(Schema):
    """What is looked for. Each member that is given must be found in the case."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Text | None = Field(
        default=None,
        description="Words of a person's name, in any order. Three letters find the words that begin with them.",
        examples=["roe rob"],
    )
    date_of_birth: date | None = Field(
        default=None,
        description="Who was born on that day. With a name: also who has a name alike, or whose day is written almost so.",
    )
    telephone: Text | None = Field(
        default=None, description="The telephone number of a person who was not harmed.", examples=["01632 960018"]
    )
    school: Text | None = Field(default=None, description="A school's unique reference number.", examples=["113867"])
    reference: Text | None = Field(
        default=None, description="The number of a MASH referral, a prosecutor's decision or proceedings."
    )
    crime_number: Text | None = Field(default=None, examples=["55260041001"])
    case: Text | None = Field(
        default=None,
        description="The id of a case or of a record of it, or its first eight letters or more, as pages show them.",
        examples=["5582cb24"],
    )

    person: Annotated[str, Field(pattern=rf"^{UUID_TEXT.pattern}$")] | None = Field(
        default=None,
        description="The id of a person: finds the records that name the person under any id.",
        examples=["6f1e2d3c-0000-4000-8000-000000000001"],
    )

    @property
    def texts(self) -> Mapping[SearchKind, str]:
        given = {kind: str(value) for kind in SearchKind if (value := getattr(self, kind)) is not None}
        return {kind: text for kind, text in given.items() if kind is not SearchKind.DATE_OF_BIRTH or self.name is None}

    @model_validator(mode="after")
    def _has_something_to_look_for(self) -> Self:
        if not self.texts:
            raise ValueError(f"give something to look for: {', '.join(SearchKind)}")
        for kind, text in self.texts.items():
            if not (searched_words(text) if kind is SearchKind.NAME else code(text)):
                raise ValueError(f"{kind} has no letter or digit: give some")
        if self.case is not None and not _BEGINNING.fullmatch(code(self.case)):
            raise ValueError("case: give the first eight letters of the id or more, each 0 to 9 or a to f")
        return self


class FoundRecord(Schema):
    """A record in which at least one of the given texts was found."""

    service: str
    id: UUID
    matched: list[SearchKind]
    person_ids: list[UUID] = Field(description="The persons whose names or schools were found.")
    kept: dict[UUID, UUID] = Field(
        default={}, description="Those of them whose id is given up, each with the id that is kept."
    )


class FoundSession(Schema):
    """An education session in which somebody of a case has a place."""

    id: UUID
    topic: str
    starts_at: datetime


class FoundCase(Schema):
    """A case in which every given text was found, with the records that hold them."""

    case_id: UUID
    records: list[FoundRecord]
    sessions: list[FoundSession] = Field(
        description="The education sessions of the case that the reader may see, the latest first."
    )


class SearchResult(Schema):
    """The cases that were found and that the reader may see, the latest change first."""

    positions: dict[str, int] = Field(description="The position of each service up to which events were searched.")
    total: int = Field(description=f"How many cases; the first {MOST} are in the answer.")
    cases: list[FoundCase]


def add_search(app: FastAPI, settings: Settings) -> None:
    @app.post(
        "/v1/search",
        tags=["cases"],
        response_model=SearchResult,
        **declared(_PARAMETERS, 415, body=json_body(SearchRequest.model_json_schema())),
    )
    async def search(request: Request, actor: Caller) -> JSONResponse:
        """Find cases by name, birth date, telephone, school, reference, crime number or id, among those that the reader may see.

        It waits for `min_position`. The access log records by which members was searched and how many cases were found, never a
        word; of what was found by an id, each case.
        """
        at: Dependencies = request.app.state.deps
        reason = read_reason(request)
        asked = await read_model(request, SearchRequest, settings.body_limit)
        wanted, born = asked.texts, asked.date_of_birth
        awaited = furthest(request)
        target = f"reporting/search/{','.join(wanted)}"
        result: dict[str, Any] | None = None
        if at.gate.refusal(actor, "search", reason) is None:
            if not await at.search.wait_until_loaded(LOADING_SECONDS):
                return problem_response("not-yet", "Not yet", LOADING)
            if late := await wait_for(at.database, awaited):
                return not_yet(late)
            reached = await ask(lambda: positions_of(at.database))
            await at.search.refresh()
            reader = await ask_for_reader(at.database, actor)
            cases = await ask(lambda: find_cases(at.database, reader, at.search, wanted, born))
            result = {"positions": reached, **cases}
            target += f"/found:{result['total']}"
        await at.gate.read(actor, "search", target, reason)
        if wanted.keys() & _BY_ID and result is not None:
            for found in result["cases"]:
                await at.gate.read(actor, "search", f"reporting/cases/{found['case_id']}/search", reason)
        return JSONResponse(result)


async def positions_of(pool: Pool) -> dict[str, int]:
    """Return the position of each service up to which events are projected."""
    async with snapshot(pool) as connection:
        return await positions(connection, READ_MODELS)


async def find_cases(
    pool: Pool, reader: Reader, index: SearchIndex, wanted: Mapping[SearchKind, str], born: date | None = None
) -> dict[str, Any]:
    """Find the cases in which every text is found, in records that the reader may see and whose names it may read.

    Who may read the names of victims alone finds these by name, and nobody else. By the number of a case its records are found.
    """
    searchable, of_victims = _searchable(reader, Personal.IDENTITY), _searchable(reader, Personal.VICTIM_IDENTITY)
    services = {
        **dict.fromkeys((SearchKind.NAME, SearchKind.DATE_OF_BIRTH), searchable | of_victims),
        SearchKind.TELEPHONE: searchable & _searchable(reader, Personal.CONTACT),
    }
    found: dict[SearchKind, Found] = {
        kind: {
            stream: persons
            for stream, persons in (
                index.find_alike(text, born) if born and kind is SearchKind.NAME else index.find(kind, text)
            ).items()
            if stream[0] in services.get(kind, searchable)
        }
        for kind, text in wanted.items()
        if kind not in _BY_ID
    }
    if SearchKind.CASE in wanted:
        found[SearchKind.CASE] = await _that_begin_with(pool, code(wanted[SearchKind.CASE]))
    if SearchKind.PERSON in wanted:
        found[SearchKind.PERSON] = await _that_name(pool, UUID(wanted[SearchKind.PERSON]), searchable | of_victims)
    found, rows = await _that_are_seen(pool, reader, found, searchable)
    kept: dict[Stream, Mapping[str, str]] = {}
    if persons := frozenset[UUID]().union(*found.get(SearchKind.NAME, {}).values()):
        # By the name under which somebody is seen, so that no name of a record that is not seen is told.
        same = await pool.fetch(_UNDER_EVERY_ID, list(persons), list(searchable | of_victims))
        named = dict(found[SearchKind.NAME])
        for row in same:
            stream = (row["service"], row["stream"])
            kept[stream] = json.loads(row["kept"])
            named[stream] = named.get(stream, frozenset()) | frozenset(map(UUID, kept[stream]))
        found[SearchKind.NAME] = named
        found, rows = await _that_are_seen(pool, reader, found, searchable)
    records: dict[UUID, list[Stream]] = defaultdict(list)
    changed: dict[UUID, datetime] = {}
    for row in rows:
        for case in row["cases"]:
            records[case].append((row["service"], row["stream"]))
            changed[case] = max(changed.get(case, row["updated_at"]), row["updated_at"])
    cases = [
        case
        for case, of_case in records.items()
        if all(not of_kind.keys().isdisjoint(of_case) for of_kind in found.values())
    ]
    cases.sort(key=lambda case: (changed[case], case), reverse=True)
    sessions = await pool.fetch(_SESSIONS, cases[:MOST], *reader.reach("state").parameters)
    return {
        "total": len(cases),
        "cases": [
            {
                "case_id": str(case),
                "records": [_record(stream, found, kept.get(stream, {})) for stream in sorted(records[case])],
                "sessions": [
                    FoundSession(**{name: row[name] for name in FoundSession.model_fields}).model_dump(mode="json")
                    for row in sessions
                    if case in row["cases"]
                ],
            }
            for case in cases[:MOST]
        ],
    }


async def _that_begin_with(pool: Pool, beginning: str) -> Found:
    """Find the records whose id, or that of their case, begins so."""
    first, last = (UUID(beginning.ljust(32, digit)) for digit in "0f")
    rows = await pool.fetch(_REFERRED, first, last, list(READ_MODELS))
    return {(row["service"], row["stream"]): frozenset() for row in rows}


async def _that_name(pool: Pool, person: UUID, services: frozenset[str]) -> Found:
    """Find the records of some services that name a person under any id."""
    async with snapshot(pool) as connection:
        same = await same_as(connection, [person])
        rows = await connection.fetch(_NAMING, list(same), list(services))
    return {(row["service"], row["stream"]): frozenset(same.intersection(row["mentions"])) for row in rows}


async def _that_are_seen(
    pool: Pool, reader: Reader, found: Mapping[SearchKind, Found], searchable: frozenset[str]
) -> tuple[dict[SearchKind, Found], list[asyncpg.Record]]:
    """Leave what the reader may see, with the rows of the records."""
    found = await _without_restricted(pool, reader, found)
    streams = {stream for of_kind in found.values() for stream in of_kind}
    rows = await pool.fetch(_SEEN, *split(streams), *reader.reach("state").parameters)
    victims = {
        (row["service"], row["stream"]): frozenset(map(UUID, json.loads(row["victims"] or "{}")))
        for row in rows
        if row["service"] not in searchable
    }
    rows_of = {(row["service"], row["stream"]): row for row in rows}
    seen: dict[SearchKind, Found] = {}
    for kind, of_kind in found.items():
        of_rows = {stream: of_kind[stream] for stream in of_kind.keys() & rows_of}
        seen[kind] = of_rows if kind is SearchKind.CASE else _of(of_rows, victims)
    return seen, [row for stream, row in rows_of.items() if any(stream in of_kind for of_kind in seen.values())]


async def _without_restricted(pool: Pool, reader: Reader, found: Mapping[SearchKind, Found]) -> dict[SearchKind, Found]:
    """Leave out the people whose processing is restricted, and the records in which nobody else was found."""
    people = {
        (stream[0], person) for of_kind in found.values() for stream, persons in of_kind.items() for person in persons
    }
    withheld = await withheld_from(reader, pool, people)
    left: dict[SearchKind, Found] = {}
    for kind, of_kind in found.items():
        others = {
            stream: frozenset(person for person in of_kind[stream] if (stream[0], person) not in withheld)
            for stream in of_kind
        }
        left[kind] = {stream: persons for stream, persons in others.items() if persons or not of_kind[stream]}
    return left


def _of(found: Found, allowed: Mapping[Stream, frozenset[UUID]]) -> Found:
    """Leave of some streams only those people whom the reader may find there."""
    left = {stream: persons & allowed.get(stream, persons) for stream, persons in found.items()}
    return {stream: persons for stream, persons in left.items() if persons or stream not in allowed}


def _searchable(reader: Reader, names: Personal) -> frozenset[str]:
    """Return the services in whose records the reader may read names of a class; elsewhere a search would tell them."""
    services = (registry.service for registry in REGISTRIES)
    return frozenset(service for service in services if names in reader.permission(service).opens)


def _record(stream: Stream, found: Mapping[SearchKind, Found], kept: Mapping[str, str]) -> dict[str, Any]:
    matched = [kind for kind in found if stream in found[kind]]
    persons = sorted({str(person) for kind in matched for person in found[kind][stream]})
    given_up = {person: kept[person] for person in persons if kept.get(person, person) != person}
    return {"service": stream[0], "id": str(stream[1]), "matched": matched, "person_ids": persons, "kept": given_up}
