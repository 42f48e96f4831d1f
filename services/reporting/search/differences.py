"""GET /v1/differences: the people whose records differ, until one is corrected or explained.

A name and an ethnicity may change in time: they are compared within a case. Nobody is born twice: dates of birth are
compared in all records that the reader may see. A record whose difference was explained (rule N1) is not compared.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.dependencies import Dependencies
from services.reporting.projection.fold import Stream, split
from services.reporting.projection.snapshot import Pool
from services.reporting.queries.asking import answer_projected, ask, ask_for_reader
from services.reporting.queries.freshness import Projected, projected
from services.reporting.queries.min_position import MIN_POSITION, furthest, not_yet, wait_for
from services.reporting.queries.restriction import withheld_from
from services.reporting.queries.visibility import Reader, visible
from services.reporting.search.api import LOADING, LOADING_SECONDS, positions_of
from services.reporting.search.fields import Compared, Kind
from services.reporting.search.index import Differing, SearchIndex
from services.trade.vocabulary import Personal, SearchKind
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.problems import problem_response
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.schemas import Schema

MOST: Final = 100
"""People in one answer."""

AT_A_TIME: Final = 500
"""People whose records are read at a time."""

CLASSES: Final[Mapping[Kind, Personal]] = {
    SearchKind.NAME: Personal.IDENTITY,
    SearchKind.DATE_OF_BIRTH: Personal.IDENTITY,
    Compared.ETHNICITY: Personal.CHARACTERISTICS,
}
"""What is compared, with the class of field that the reader must be able to read in each of the records."""

_OFFICER: Final = an_id("officer", "Only people of records that this officer has.", "query")
_OFFICERS: Final = "select service, stream from stream where officer = $1"
_SEEN: Final = f"""
    select s.service, s.stream, s.home, s.cases, s.officer from stream as s
    join unnest($1::text[], $2::uuid[]) as found (service, stream) using (service, stream) where {visible(3)}
"""  # noqa: S608 - the clause above, and no value


class DifferingRecord(Schema):
    """One of the records."""

    service: str
    id: UUID
    case_ids: list[UUID]


class DifferingPerson(Schema):
    """A person whose records differ."""

    person_id: UUID
    fields: list[str] = Field(description="What differs: name, date_of_birth or ethnicity.")
    records: list[DifferingRecord]


class Differences(Projected):
    """The people whose records differ, among the records that the reader may read."""

    people: list[DifferingPerson] = Field(description=f"At most {MOST}.")


def add_differences(app: FastAPI) -> None:
    @projected(app, "/v1/differences", Differences, (_OFFICER, MIN_POSITION, ACCESS_REASON), tag="duties")
    async def differences(request: Request, actor: Caller) -> JSONResponse:
        """List the people whose records differ in name, date of birth or ethnicity, as far as the reader may see them.

        Each is listed until a record is corrected or explains the difference (rule N1). The answer waits for `min_position`.
        """
        at: Dependencies = request.app.state.deps
        query, wanted = read_query(request), furthest(request)
        officer = read_id(query["officer"], "officer") if "officer" in query else None
        reason = read_reason(request)
        await at.gate.read(actor, "duties", "reporting/differences", reason)
        if not await at.search.wait_until_loaded(LOADING_SECONDS):
            return problem_response("not-yet", "Not yet", LOADING)
        if late := await wait_for(at.database, wanted):
            return not_yet(late)
        await at.search.refresh()
        reader = await ask_for_reader(at.database, actor)
        reached = await ask(lambda: positions_of(at.database))
        people = await ask(lambda: find_differences(at.database, reader, at.search, reason, officer))
        return await answer_projected(at.database, {"positions": reached, "people": people})


async def find_differences(
    pool: Pool, reader: Reader, index: SearchIndex, reason: str | None, officer: UUID | None = None
) -> list[dict[str, Any]]:
    """List the people whose records differ, as far as the reader may see and read them; of one officer's cases if asked.

    Reads no more of the candidates than fill the answer, and some at a time.
    """
    candidates = list(index.differing.items())
    if officer is not None:
        theirs = {(row["service"], row["stream"]) for row in await pool.fetch(_OFFICERS, officer)}
        candidates = [(person, kinds) for person, kinds in candidates if any(theirs & t.keys() for t in kinds.values())]
    people: list[dict[str, Any]] = []
    for first in range(0, len(candidates), AT_A_TIME):
        people += await _find_among(pool, reader, dict(candidates[first : first + AT_A_TIME]), reason, officer)
        if len(people) >= MOST:
            break
    return people[:MOST]


async def _find_among(
    pool: Pool, reader: Reader, candidates: Mapping[UUID, Differing], reason: str | None, officer: UUID | None
) -> list[dict[str, Any]]:
    streams = {stream for kinds in candidates.values() for tokens in kinds.values() for stream in tokens}
    rows = await pool.fetch(_SEEN, *split(streams), *reader.reach("state").parameters)
    seen = {(row["service"], row["stream"]): row for row in rows}
    home = {stream: row["home"] for stream, row in seen.items()}
    services = {service for service, _ in seen}
    withheld = await withheld_from(reader, pool, {(service, person) for service in services for person in candidates})
    people: list[dict[str, Any]] = []
    for person, kinds in candidates.items():
        fields: list[str] = []
        records: set[Stream] = set()
        for kind, tokens in kinds.items():
            readable = {
                stream: value
                for stream, value in tokens.items()
                if stream in seen
                and _may_open(reader, stream[0], reason, CLASSES[kind])
                and (stream[0], person) not in withheld
            }
            for group in _compared(kind, readable, home):
                fields.append(kind.value)
                records |= group
        if fields and (officer is None or any(seen[stream]["officer"] == officer for stream in records)):
            people.append(
                {
                    "person_id": str(person),
                    "fields": sorted(set(fields)),
                    "records": [
                        {"service": service, "id": str(id_), "case_ids": sorted(map(str, seen[service, id_]["cases"]))}
                        for service, id_ in sorted(records)
                    ],
                }
            )
    return people


def _compared(kind: Kind, tokens: Mapping[Stream, bytes], home: Mapping[Stream, UUID]) -> Iterator[set[Stream]]:
    """Yield the streams that say different things among those that are compared with each other."""
    groups: dict[UUID | None, set[Stream]] = defaultdict(set)
    for stream in tokens:
        groups[None if kind is SearchKind.DATE_OF_BIRTH else home[stream]].add(stream)
    yield from (group for group in groups.values() if len({tokens[stream] for stream in group}) > 1)


def _may_open(reader: Reader, service: str, reason: str | None, personal: Personal) -> bool:
    """Whether the reader may see every field of a class in the state of a service's records at all."""
    permission = reader.permission(service)
    return "state" in permission.parts and permission.fields is None and personal in permission.classes(reason)
