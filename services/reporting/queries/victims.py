"""The list of victims: what is known of each in a case, what was done for them, and what is due to them.

It holds no name and no contact: the referral gives these to those who may read them, and logs it.
"""

import json
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.dependencies import Dependencies
from services.reporting.projection.projector import UNMET
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.asking import answer_reader
from services.reporting.queries.freshness import Projected, projected
from services.reporting.queries.min_position import MIN_POSITION
from services.reporting.queries.visibility import Reader, Statement
from services.trade.victims import OF_VICTIMS
from shared.api.parameters import ACCESS_REASON, PAGE, an_id
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.schemas import Schema
from shared.domain.dates import local_day

MEMBER: Final = "victims"
"""The member of a record's state that holds its victims; a role that is shown the member is shown them here."""
OF_STATE: Final = "coalesce(s.view -> 'harmed', s.view -> 'victims')"
"""What a state says of each victim, by id: of a disposal `harmed`, since its `victims` are the ids alone."""
PAGE_SIZE: Final = 20
_PERSON: Final = an_id("person", "This victim alone.", "query")
_CASE: Final = an_id("case", "The victims of this case alone.", "query")
_PARAMETERS: Final = (PAGE, _PERSON, _CASE, MIN_POSITION, ACCESS_REASON)


class LogLine(Schema):
    """What was done for a victim, and when."""

    service: str = Field(description="The service of the record that says so.")
    stream: UUID = Field(description="The record that says so.")
    event: str = Field(description="The name of the event.")
    version: int = Field(description="The version of the record after the event.")
    at: datetime = Field(description="When it happened, in UTC.")
    means: str | None = Field(description="How the victim was reached, if the event says it.")
    reached: bool | None = Field(description="Whether the victim was reached, if the event says it.")


class VictimDuty(Schema):
    """What is due to a victim."""

    service: str
    stream: UUID = Field(description="The record that has the duty.")
    duty: str
    due: date = Field(description="The last Europe/London day to meet it.")
    overdue: bool


class VictimRecord(Schema):
    """A record in which the victim stands, as a victim may know it."""

    service: str
    id: UUID
    progress: str = Field(description="How far it is: it tells nothing of admission, assessment or safeguarding.")
    outcome: str | None = Field(description="The crime outcome, if there is one.")


class VictimLine(Schema):
    """A victim of a case. A null says that nobody has said so."""

    person_id: UUID
    case_id: UUID
    enhanced_rights: bool
    contact_is_safe: bool | None
    wants_updates: bool | None
    wants_support: bool | None
    consents_to_contact: bool | None
    wants_rj: bool | None
    preference: str | None
    may_be_contacted: bool = Field(description="False if the victim wants no updates, or does not agree to contact.")
    next_due: date | None
    records: list[VictimRecord]
    duties: list[VictimDuty] = Field(description="What is due, the soonest first.")
    log: list[LogLine] = Field(description="What was done, the latest first.")


class Victims(Projected):
    """A page of the victims that the reader may see, the soonest duty first, then the latest change."""

    page: int
    page_size: int
    total: int
    victims: list[VictimLine]


def add_victims(app: FastAPI) -> None:
    """Add the route of the list of victims (`GET /v1/victims`)."""

    @projected(app, "/v1/victims", Victims, _PARAMETERS)
    async def victims(request: Request, actor: Caller) -> JSONResponse:
        """List the victims of the cases that the reader may see, with their duties and log; waits for `min_position`."""
        at: Dependencies = request.app.state.deps
        query = read_query(request)
        page = int(query.get("page", "1"))
        person, case = (read_id(query[name], name) if name in query else None for name in ("person", "case"))
        path = f"cases/{case}/victims" if case else f"people/{person}/victims" if person else "victims"

        async def question(reader: Reader) -> dict[str, Any]:
            answer = await list_victims(at.database, reader, page=page, person=person, case=case)
            if person and not case:
                for listed in answer["victims"]:
                    target = f"reporting/cases/{listed['case_id']}/victims"
                    await at.gate.read(actor, "cases", target, read_reason(request))
            return answer

        return await answer_reader(request, actor, "cases", path, question)


async def list_victims(
    pool: Pool, reader: Reader, *, page: int, person: UUID | None, case: UUID | None
) -> dict[str, Any]:
    """List one page of victims, as far as the owning services would show them to the reader."""
    today = local_day(datetime.now(UTC))
    async with snapshot(pool) as connection:
        statement = Statement()
        rows = await statement.fetch(connection, _list(statement, reader, page, person, case))
        reached = await positions(connection, READ_MODELS)
    return {
        "page": page,
        "page_size": PAGE_SIZE,
        "total": rows[0]["total"] if rows else 0,
        "positions": reached,
        "victims": [_line(row, today).model_dump(mode="json") for row in rows],
    }


def _list(statement: Statement, reader: Reader, page: int, person: UUID | None, case: UUID | None) -> str:
    """Return the query: a row is a victim of a case, with the records and the duties as JSON."""
    shown = [service for service in READ_MODELS if (fields := reader.fields(service)) is None or MEMBER in fields]
    duties = reader.reach("duties")
    conditions = [
        f"s.service = any({statement.bind(shown, 'text[]')})",
        statement.visible(reader.reach("state")),
        *([] if case is None else [f"s.home = {statement.bind(case, 'uuid')}"]),
    ]
    of_person = "true" if person is None else f"v.key = {statement.bind(str(person), 'text')}"
    return f"""
        with seen as (
            select s.home, s.service, s.stream, s.recorded_at, s.view, v.key::uuid as person, v.value as victim
            from stream as s cross join lateral jsonb_each({OF_STATE}) as v
            where {" and ".join(conditions)} and {of_person}
        ), due as (
            select d.service, d.stream, left(d.item, 36) as person, min(d.due) as next_due,
                jsonb_agg(jsonb_build_object('service', d.service, 'stream', d.stream, 'duty', d.duty, 'due', d.due)) as duties
            from duty as d join stream as s using (service, stream)
            where {UNMET} and d.duty = any({statement.bind(sorted(OF_VICTIMS), "text[]")})
              and {statement.of_areas(reader.areas)} and {statement.visible(duties)}
            group by 1, 2, 3
        )
        select seen.person, seen.home as case_id, min(due.next_due) as next_due, count(*) over () as total,
            jsonb_agg(jsonb_build_object(
                'service', seen.service, 'id', seen.stream, 'progress', seen.view -> 'progress',
                'outcome', seen.view -> 'outcome', 'victim', seen.victim, 'duties', coalesce(due.duties, '[]')
            ) order by seen.service desc, seen.stream) as records
        from seen left join due
            on due.service = seen.service and due.stream = seen.stream and due.person = seen.person::text
        group by seen.person, seen.home
        order by min(due.next_due) nulls last, max(seen.recorded_at) desc, seen.home, seen.person
        limit {PAGE_SIZE} offset {statement.bind((page - 1) * PAGE_SIZE, "bigint")}
    """  # noqa: S608 - clauses and numbers of parameters, and no value


def _line(row: asyncpg.Record, today: date) -> VictimLine:
    records: list[dict[str, Any]] = json.loads(row["records"])
    victims = [record["victim"] for record in records]
    done = (
        LogLine(service=record["service"], stream=record["id"], **line)
        for record in records
        for line in record["victim"]["log"]
    )
    duties = sorted(
        (
            VictimDuty(**duty, overdue=duty["due"] < today.isoformat())
            for record in records
            for duty in record["duties"]
        ),
        key=lambda duty: duty.due,
    )
    return VictimLine(
        person_id=row["person"],
        case_id=row["case_id"],
        enhanced_rights=any(victim["enhanced_rights"] for victim in victims),
        **{
            name: next((victim[name] for victim in victims if victim.get(name) is not None), None)
            for name in (
                "contact_is_safe",
                "wants_updates",
                "wants_support",
                "consents_to_contact",
                "wants_rj",
                "preference",
            )
        },
        may_be_contacted=all(
            victim.get(name) is not False for victim in victims for name in ("wants_updates", "consents_to_contact")
        ),
        next_due=row["next_due"],
        records=[VictimRecord(**{name: record[name] for name in VictimRecord.model_fields}) for record in records],
        duties=duties,
        log=sorted(done, key=lambda line: line.at, reverse=True),
    )
