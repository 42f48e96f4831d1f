"""Retention: whose records are due for review, by retention group and dated policy. Nothing goes without a person's decision.

A person is due when no record that names them as suspect is open, and the clear period of their gravest group is over since
the last event. Group 2: a sexual, violent or serious offence; group 3: another offence that was dealt with; group 4: the
rest. Group 1 (public protection) is for people to find: no code of these records says it. A review that decided to keep
the records (`ooc retention keep`) names the next day. Source: Data Protection Act 2018, s39(2); Police Information and Records
Management Code (July 2023).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.projection.knowledge import same_as
from services.reporting.projection.snapshot import Connection, Pool, snapshot
from services.reporting.queries.asking import ask, ask_for_reader
from services.reporting.queries.visibility import Reader, visible
from shared.api.dependencies import ApiDependencies
from shared.api.parameters import ACCESS_REASON, Parameter, a_day, an_id
from shared.api.request import Caller, read_day, read_id, read_query, read_reason, today
from shared.api.routes import declared
from shared.api.schemas import Schema
from shared.domain.dates import local_day
from shared.domain.policy import Policy, PolicyBook

POLICY: Final = PolicyBook.load(Path(__file__).parent / "retention.toml")

PART: Final = "data_rights"
MOST: Final = 500
"""The most people in one answer."""

PERSON: Final = replace(an_id("person", "The id of the person, the same in every service.", "query"), required=True)
RECORD: Final = replace(
    an_id("record", "A record that names the person, as GET /v1/people/{id} of the services lists them.", "query"),
    repeatable=True,
)
DUE_BY: Final = a_day("due_by", "Only people whose review is due by this day; today if absent.")
_PARAMETERS: Final[tuple[Parameter, ...]] = (DUE_BY, ACCESS_REASON)

_RECORD: Final = """
    s.service, s.stream, s.open, s.updated_at, s.cases,
        s.record -> 'offence' ->> 'category' as category,
        case when s.service = 'referral' then (
            select case f.version when 1 then e.data -> 'flags' else e.data -> 'value' end
            from fact as first join fact as f using (service, stream)
            cross join lateral (select convert_from(f.body, 'UTF8')::jsonb -> 'data' as data) as e
            where first.service = s.service and first.stream = s.stream and first.version = 1
              and (f.version = 1 or f.type like '%.ReferralCorrected.v%' and e.data ->> 'field' = 'flags'
                   and e.data ->> 'corrects' = first.event_id::text)
            order by f.version desc limit 1
        ) end as flags
    from stream as s
"""
# Who is known under several ids is one person, under the id that is kept.
_KEPT: Final = "left join stream as p on p.service = 'people' and p.stream ="
_PEOPLE: Final = f"""
    select coalesce(p.record ->> 'person', person)::uuid as person, {_RECORD}
    cross join lateral (
        select s.subject::text as person where s.subject is not null
        union
        select key from jsonb_each_text(s.view -> 'people') where s.service = 'referral' and value = 'SUSPECT'
    ) as people
    {_KEPT} person::uuid
    where {visible(1)}
"""  # noqa: S608 - the clauses there, and no value
_NAMED: Final = f"select {_RECORD} where {visible(1)} and s.stream = any($6::uuid[]) and s.mentions && $7::uuid[]"
_RIGHTS: Final = f"""
    select coalesce(p.record ->> 'person', data ->> 'person_id')::uuid as person, (data ->> 'review_on')::date as review_on
    from fact as f cross join lateral (select convert_from(f.body, 'UTF8')::jsonb -> 'data' as data) as e
    {_KEPT} (data ->> 'person_id')::uuid
    where f.type ~ '\\.(RetentionReviewed|PersonForgotten)\\.v[0-9]+$' order by f.recorded_at
"""  # noqa: S608 - the clause there, and no value


class ReviewLine(Schema):
    """A person whose records are due for review, with the suggested retention group and the days."""

    person_id: UUID
    group: int = Field(description="The retention group that the records suggest: 2, 3 or 4. The reviewer decides.")
    last_event: date = Field(description="The day of the last event of any record.")
    review_on: date = Field(description="The day of the review.")
    decided: bool = Field(description="Whether an earlier review set that day.")
    case_ids: list[UUID]


class ReviewList(Schema):
    """The people whose records are due for review, the longest due first."""

    due_by: date
    total: int
    people: list[ReviewLine]


class RetentionEnd(Schema):
    """The end of the retention of some records that name a person."""

    person_id: UUID
    ends_on: date | None = Field(
        description="The day from which they may be forgotten for that reason; null: no record."
    )
    unknown: list[UUID] = Field(description="The records that reporting has not seen yet.")


@dataclass
class PersonRecords:
    """The records of one person, under every id: whether one is open, the day of the last event, and the gravest offence."""

    open: bool = False
    last: date = date.min
    serious: bool = False
    offence: bool = False
    cases: frozenset[UUID] = frozenset()

    @property
    def group(self) -> int:
        """The retention group that the records suggest: 2 serious, 3 another offence, 4 none."""
        return 2 if self.serious else 3 if self.offence else 4

    def add(self, row: Mapping[str, Any], policy: Policy) -> None:
        flags = set(json.loads(row["flags"] or "[]"))
        self.open |= row["open"]
        self.last = max(self.last, local_day(row["updated_at"]))
        self.offence |= row["category"] is not None
        self.serious |= row["category"] in policy.value("group_2_offence_categories") or bool(
            flags & set(policy.value("group_2_flags"))
        )
        self.cases |= frozenset(row["cases"])


def add_retention(app: FastAPI) -> None:
    """Add the route that lists the people due for review (`GET /v1/retention`)."""

    @app.get("/v1/retention", tags=["evidence"], response_model=ReviewList, **declared(_PARAMETERS))
    async def retention(request: Request, actor: Caller) -> JSONResponse:
        """List the people whose records are due for review, the longest due first. Nothing is erased by it.

        Each is reviewed by a person, who keeps the records until another day, or forgets the person.
        """
        at: ApiDependencies = request.app.state.deps
        day = read_day(read_query(request), DUE_BY.name) or today()
        await at.gate.read(actor, PART, "reporting/retention", read_reason(request))
        reader = await ask_for_reader(at.database, actor)
        people = await ask(lambda: due_for_review(at.database, reader, day))
        first_people = [line.model_dump(mode="json") for line in people[:MOST]]
        return JSONResponse({"due_by": day.isoformat(), "total": len(people), "people": first_people})

    @app.get(
        "/v1/retention/end", tags=["evidence"], response_model=RetentionEnd, **declared((PERSON, RECORD, ACCESS_REASON))
    )
    async def retention_end(request: Request, actor: Caller) -> JSONResponse:
        """Say when the retention of the records that name a person ends, as it stands today. It holds nobody's name."""
        at: ApiDependencies = request.app.state.deps
        person = read_id(read_query(request)[PERSON.name])
        records = [read_id(text, RECORD.name) for text in request.query_params.getlist(RECORD.name)]
        await at.gate.read(actor, PART, f"reporting/retention/{person}", read_reason(request))
        reader = await ask_for_reader(at.database, actor)
        end = await ask(lambda: end_of_retention(at.database, reader, person, records))
        return JSONResponse(end.model_dump(mode="json"))


async def end_of_retention(pool: Pool, reader: Reader, person: UUID, records: Iterable[UUID]) -> RetentionEnd:
    """Find the end of the clear period of these records, or the later day of the person's review, by the policy of today.

    An id occurs once for each service with a record of it, since clients choose the ids of records.
    """
    wanted = Counter(records)
    policy = POLICY.on(local_day(datetime.now(UTC)))
    async with snapshot(pool) as connection:
        same = await same_as(connection, [person])
        rows = await connection.fetch(_NAMED, *reader.reach("state").parameters, list(wanted), same)
        decided, _ = await _decisions(connection)
    found = PersonRecords()
    for row in rows:
        found.add(row, policy)
    unknown = sorted(wanted - Counter(row["stream"] for row in rows))
    reviewed = next((day for id_, day in decided.items() if id_ in same), None)
    ends_on = _review_on(found, policy, reviewed) if rows else None
    return RetentionEnd(person_id=person, ends_on=ends_on, unknown=unknown)


async def due_for_review(pool: Pool, reader: Reader, due_by: date) -> list[ReviewLine]:
    """Find the people whose records are due for review by a day, by the policy of today."""
    policy = POLICY.on(local_day(datetime.now(UTC)))
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_PEOPLE, *reader.reach("state").parameters)
        decided, forgotten = await _decisions(connection)
    people: dict[UUID, PersonRecords] = {}
    for row in rows:
        people.setdefault(row["person"], PersonRecords()).add(row, policy)
    lines = []
    for id_, records in people.items():
        review_on = _review_on(records, policy, decided.get(id_))
        if records.open or id_ in forgotten or review_on > due_by:
            continue
        lines.append(
            ReviewLine(
                person_id=id_,
                group=records.group,
                last_event=records.last,
                review_on=review_on,
                decided=decided.get(id_) == review_on,
                case_ids=sorted(records.cases),
            )
        )
    return sorted(lines, key=lambda line: (line.review_on, line.person_id))


async def _decisions(connection: Connection) -> tuple[dict[UUID, date], frozenset[UUID]]:
    """Return the days that reviews set, latest decisions last, and who is forgotten."""
    decided: dict[UUID, date] = {}
    forgotten = set()
    for row in await connection.fetch(_RIGHTS):
        if row["review_on"] is None:
            forgotten.add(row["person"])
        else:
            decided[row["person"]] = row["review_on"]
    return decided, frozenset(forgotten)


def _review_on(records: PersonRecords, policy: Policy, decided: date | None) -> date:
    """Return the day on which the clear period of the gravest group is over, or the later one that a review set."""
    clear = _years_after(records.last, int(policy.value("clear_years")[str(records.group)]))
    return clear if decided is None else max(clear, decided)


def _years_after(day: date, years: int) -> date:
    """Return the same day some years later; 28 February for the 29th if there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
