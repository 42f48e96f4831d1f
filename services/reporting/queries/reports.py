"""What became of the reports that the reader's organisation has made: a school reads no case, and this of its own."""

from datetime import date
from functools import partial
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.asking import answer_reader
from services.reporting.queries.freshness import Projected, projected
from services.reporting.queries.min_position import MIN_POSITION
from services.reporting.queries.visibility import Reader, visible
from shared.api.dependencies import ApiDependencies
from shared.api.parameters import ACCESS_REASON
from shared.api.request import Caller
from shared.api.schemas import Schema

SERVICE: Final = "referral"
MOST: Final = 200
"""Reports in one answer, the latest."""

_REPORTS: Final = f"""
    select s.stream as id, s.state, s.record ->> 'reported_on' as reported_on, count(*) over () as total
    from stream as s where s.service = '{SERVICE}' and s.marks @> array[$1] and {visible(2)}
    order by s.opened_at desc, s.stream limit {MOST}
"""  # noqa: S608 - the clause and the numbers above, and no value


class ReportLine(Schema):
    """A report of an incident, and where it stands."""

    id: UUID = Field(description="The id of the referral.")
    state: str = Field(description="The stage of the referral.")
    reported_on: date


class Reports(Projected):
    """The reports of the reader's organisation, the latest first."""

    total: int = Field(description=f"How many there are; the latest {MOST} are in the answer.")
    reports: list[ReportLine]


def add_reports(app: FastAPI) -> None:
    """Add the route of one's own reports (`GET /v1/reports`)."""

    @projected(app, "/v1/reports", Reports, (MIN_POSITION, ACCESS_REASON))
    async def reports(request: Request, actor: Caller) -> JSONResponse:
        """List the referrals that the reader's organisation has reported, the latest first, with the stage of each.

        The answer waits for `min_position`.
        """
        at: ApiDependencies = request.app.state.deps
        return await answer_reader(request, actor, "reports", "reports", partial(list_reports, at.database))


async def list_reports(pool: Pool, reader: Reader) -> dict[str, Any]:
    mark = f"REPORTED_BY:{reader.actor.organisation}"
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_REPORTS, mark, *reader.reach("state").parameters)
        reached = await positions(connection, [SERVICE])
    lines = [ReportLine.model_validate({name: row[name] for name in ReportLine.model_fields}) for row in rows]
    return {
        "total": rows[0]["total"] if rows else 0,
        "positions": reached,
        "reports": [line.model_dump(mode="json") for line in lines],
    }
