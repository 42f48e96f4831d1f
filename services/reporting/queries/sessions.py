"""The calendar of education sessions: those that begin on some days, and that the reader may see."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
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
from shared.api.parameters import ACCESS_REASON, a_day
from shared.api.problems import Malformed
from shared.api.request import Caller, read_day, read_query
from shared.api.schemas import Schema
from shared.domain.messages import Actor

SERVICE: Final = "education"
MOST: Final = 500
MAX_DAYS: Final = 92
"""The longest calendar in days."""
PERIOD: Final = (
    a_day("from", "The first day.", required=True),
    a_day("to", f"The last day, within {MAX_DAYS} days of the first.", required=True),
    MIN_POSITION,
    ACCESS_REASON,
)

_SESSIONS: Final = f"""
    select s.stream as id, s.state, s.position, s.officer, s.record ->> 'topic' as topic, s.record ->> 'kind' as kind,
        (s.record ->> 'starts_at')::timestamptz as starts_at, s.record ->> 'school_urn' as school_urn,
        jsonb_array_length(s.record -> 'places') as places,
        (select count(*) from jsonb_each_text(s.view -> 'register') as line where line.value <> 'BOOKED') as recorded,
        count(*) over () as total
    from stream as s
    where s.service = 'education'
      and ((s.record ->> 'starts_at')::timestamptz at time zone 'Europe/London')::date between $1 and $2
      and {visible(3)}
    order by starts_at, s.stream
    limit {MOST}
"""  # noqa: S608 - the clause above, and no value


class SessionLine(Schema):
    """An education session as a calendar shows it, with its places and how many are recorded."""

    id: UUID
    state: str = Field(description="The stage of the session.")
    position: int = Field(description="The position of its last event in its event store.")
    topic: str
    kind: str
    starts_at: datetime = Field(description="When it begins, in UTC.")
    school_urn: str | None = Field(description="The school's unique reference number, if it is in a school.")
    officer: UUID | None = Field(description="Who planned it.")
    places: int = Field(description="How many people have a place.")
    recorded: int = Field(description="Of how many of them it is recorded how their place ended.")


class Calendar(Projected):
    """The sessions of some days, the earliest first."""

    total: int
    sessions: list[SessionLine]


def add_sessions(app: FastAPI) -> None:
    """Add the route of the calendar of sessions (`GET /v1/sessions`)."""

    @projected(app, "/v1/sessions", Calendar, PERIOD)
    async def sessions(request: Request, actor: Caller) -> JSONResponse:
        """List the education sessions that begin on some days and that the reader may see, the earliest first.

        The answer waits for `min_position`.
        """
        return await answer_calendar(request, actor, "sessions", list_sessions)


ListDays = Callable[[Pool, Reader, date, date], Awaitable[dict[str, Any]]]
"""What begins between two Europe/London days, both included, and the reader may see."""


async def answer_calendar(request: Request, actor: Actor, name: str, list_days: ListDays) -> JSONResponse:
    """Answer what begins in a period, as far as reporting has come. Raises `Malformed` for a period that is none."""
    at: ApiDependencies = request.app.state.deps
    query = read_query(request)
    first, last = read_day(query, "from"), read_day(query, "to")
    assert first is not None
    assert last is not None
    if not timedelta(0) <= last - first < timedelta(days=MAX_DAYS):
        raise Malformed(("to", f"give a date that is not before 'from', and within {MAX_DAYS} days of it"))
    return await answer_reader(
        request, actor, "cases", name, lambda reader: list_days(at.database, reader, first, last)
    )


async def list_sessions(pool: Pool, reader: Reader, first: date, last: date) -> dict[str, Any]:
    """List the sessions that begin between two Europe/London days, both included."""
    async with snapshot(pool) as connection:
        rows = await connection.fetch(_SESSIONS, first, last, *reader.reach("state").parameters)
        reached = await positions(connection, [SERVICE])
    lines = [SessionLine(**{name: row[name] for name in SessionLine.model_fields}) for row in rows]
    return {
        "total": rows[0]["total"] if rows else 0,
        "positions": reached,
        "sessions": [line.model_dump(mode="json") for line in lines],
    }
