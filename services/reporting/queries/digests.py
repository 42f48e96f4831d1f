"""What each officer is reminded of in the morning: cases by number alone, for the program that writes to people."""

from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.projection.projector import UNMET
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.asking import answer_projected, ask
from services.reporting.queries.freshness import Projected, projected
from shared.api.dependencies import ApiDependencies
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.request import Caller, read_id, read_query, read_reason
from shared.api.schemas import Schema
from shared.domain.dates import local_day

OFFICER: Final = an_id("officer", "Only this officer's.", "query")

_DIGESTS: Final = f"""
    with news as (
        select s.officer, c as home, due.kind
        from (
            select distinct service, stream, case duty when 'MASH_DECISION' then 'mash_answer_due' else 'overdue' end as kind
            from duty as d where {UNMET} and (d.due < $1 or d.due = $1 and d.duty = 'MASH_DECISION')
        ) as due join stream as s using (service, stream) cross join unnest(s.cases) as c
        union
        select s.officer, s.home, 'breach_referred' from stream as s
        where s.service = 'disposal' and s.state = 'BREACH_REVIEW'
    )
    select officer, coalesce(array_agg(home order by home) filter (where kind = 'overdue'), '{{}}') as overdue,
        coalesce(array_agg(home order by home) filter (where kind = 'breach_referred'), '{{}}') as breach_referred,
        coalesce(array_agg(home order by home) filter (where kind = 'mash_answer_due'), '{{}}') as mash_answer_due
    from news where officer is not null and ($2::uuid is null or officer = $2) group by officer order by officer
"""  # noqa: S608 - the clause above, and no value


class Digest(Schema):
    """What an officer is reminded of."""

    officer: UUID
    overdue: list[UUID] = Field(description="Cases with a duty past its day.")
    breach_referred: list[UUID] = Field(description="Cases of which a breach is to be decided.")
    mash_answer_due: list[UUID] = Field(description="Cases in which MASH's answer is due, or overdue.")


class Digests(Projected):
    """The reminders of today, of officers who have any."""

    digests: list[Digest]


def add_digests(app: FastAPI) -> None:
    """Add the route of the reminders (`GET /v1/digests`)."""

    @projected(app, "/v1/digests", Digests, (OFFICER, ACCESS_REASON))
    async def digests(request: Request, actor: Caller) -> JSONResponse:
        """List today's reminders by officer, with cases by number alone."""
        at: ApiDependencies = request.app.state.deps
        officer = read_query(request).get(OFFICER.name)
        id_ = None if officer is None else read_id(officer, OFFICER.name)
        await at.gate.read(actor, "digests", "reporting/digests", read_reason(request))
        today = local_day(datetime.now(UTC))
        return await answer_projected(at.database, await ask(lambda: list_digests(at.database, today, id_)))


async def list_digests(pool: Pool, today: date, officer: UUID | None = None) -> dict[str, Any]:
    """List the reminders of a Europe/London day."""
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_DIGESTS, today, officer)
        reached = await positions(connection, READ_MODELS)
    lines = [Digest(**dict(row)) for row in rows]
    return {"positions": reached, "digests": [line.model_dump(mode="json") for line in lines]}
