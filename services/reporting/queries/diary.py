"""The diary of an officer: what they lead, and what is fixed in cases of which they have any work. It names nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.asking import answer_projected, ask
from services.reporting.queries.freshness import Projected, projected
from services.reporting.queries.sessions import MOST
from shared.api.dependencies import ApiDependencies
from shared.api.parameters import ACCESS_REASON, an_id
from shared.api.request import Caller, read_id, read_reason
from shared.api.schemas import Schema

SERVICES: Final = ("education", "panel", "rj_conference")
"""The services whose records say when somebody is to be somewhere."""
BACK: Final = timedelta(days=31)
AHEAD: Final = timedelta(days=366)
OFFICER: Final = an_id("officer", "Whose diary.", "path")

# Of letters nobody has an appointment.
_APPOINTMENTS: Final = f"""
    with mine as (
        select distinct home from stream where officer = $1 and coalesce(home = any(cases), false)
    ), fixed as (
        select s.service, s.stream, s.officer, s.cases,
            coalesce(s.record ->> 'starts_at', s.view ->> 'starts_at')::timestamptz as starts_at
        from stream as s
        where s.service = any($2) and s.state in ('PLANNED', 'SCHEDULED')
          and coalesce(s.view ->> 'mode', '') <> 'LETTER_EXCHANGE'
          and (s.officer = $1 or s.cases && array(select home from mine))
    )
    select f.service, f.stream as id, f.starts_at, (
        select (convert_from(l.body, 'UTF8')::jsonb -> 'data' ->> 'hours')::numeric from fact as l
        where l.service = f.service and l.stream = f.stream
          and (l.type like '%.SessionPlanned.%' or l.type like '%.ConferenceScheduled.%')
        order by l.version desc limit 1
    ) as hours, array(
        select c from unnest(f.cases) as c where f.officer = $1 or c in (select home from mine) order by c
    ) as case_ids
    from fixed as f where f.starts_at between $3 and $4
    order by f.starts_at, f.stream limit {MOST}
"""  # noqa: S608 - the number above, and no value


class Appointment(Schema):
    """When an officer is to be somewhere, and for which cases."""

    service: str = Field(description="education: a session; rj_conference: a conference; panel: a sitting.")
    id: UUID
    starts_at: datetime = Field(description="When it begins, in UTC.")
    hours: float | None = Field(description="How long it lasts, if that is fixed.")
    case_ids: list[UUID] = Field(description="Its cases: of what the officer leads all, else those of the officer.")


class Diary(Projected):
    """The appointments of an officer that stand, of the last month and the coming year, the earliest first."""

    appointments: list[Appointment]


def add_diary(app: FastAPI) -> None:
    """Add the route of an officer's diary (`GET /v1/diaries/{officer}`)."""

    @projected(app, "/v1/diaries/{officer}", Diary, (OFFICER, ACCESS_REASON))
    async def diary(request: Request, actor: Caller, officer: str) -> JSONResponse:
        """List an officer's appointments, without a name, for a holder of the link to their diary."""
        at: ApiDependencies = request.app.state.deps
        id_ = read_id(officer, OFFICER.name)
        await at.gate.read(actor, "diary", f"reporting/diaries/{id_}", read_reason(request))
        return await answer_projected(at.database, await ask(lambda: list_appointments(at.database, id_)))


async def list_appointments(pool: Pool, officer: UUID) -> dict[str, Any]:
    now = datetime.now(UTC)
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_APPOINTMENTS, officer, list(SERVICES), now - BACK, now + AHEAD)
        reached = await positions(connection, SERVICES)
    lines = [Appointment(**{name: row[name] for name in Appointment.model_fields}) for row in rows]
    return {"positions": reached, "appointments": [line.model_dump(mode="json") for line in lines]}
