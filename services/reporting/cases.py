"""The projected case, and the list of cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.daily_sheet import Listed
from services.reporting.period import BadQuestion
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Pool, positions, snapshot
from services.reporting.summaries import SessionSummary
from services.reporting.visibility import Reader, visible
from shared.domain.dates import local_day
from shared.domain.permissions import CONFLICT, Denial

PAGE: Final = 50
"""Cases on one page of the list."""

PANEL_QUEUE: Final = "PANEL_QUEUE"
"""Beside the states of the services: a referral that waits with the panel until a disposal case names it."""

_QUEUED: Final = """
    s.service = 'referral' and s.state = 'WITH_PANEL'
    and not exists (select 1 from stream as d where d.service = 'disposal' and d.referral_id = s.stream)
"""
_BEGUN: Final = "join fact as f on f.service = s.service and f.stream = s.stream and f.version = 1"
_CASE: Final = f"""
    select s.*, {_QUEUED} as queued, f.recorded_at as begun_at, coalesce({visible(2)}, false) as shown
    from stream as s {_BEGUN} where s.cases @> array[$1::uuid] order by s.opened_at, s.stream
"""  # noqa: S608 - the clause above, and no value
_DUTIES: Final = f"""
    select d.*, s.cases, s.officer from duty as d join stream as s using (service, stream)
    where s.cases @> array[$1::uuid] and d.opened_on <= $2 and (d.closed_on is null or d.closed_on > $2) and {visible(3)}
    order by d.due, d.duty, d.item
"""  # noqa: S608 - the clause above, and no value
# Times of occurrence are what somebody says, the order of recording is not: so no later work moves a case elsewhere.
_AREA: Final = "(array_agg(work.area order by work.begun_at, work.stream) filter (where work.area is not null))[1]"
_CASES: Final = f"""
    with work as (
        select s.home, s.service, s.stream, s.area, s.opened_at, s.updated_at, f.recorded_at as begun_at,
               {_QUEUED} and s.service <> all($7::text[]) as queued,
               case when s.service <> all($7) then s.officer end as officer,
               case when s.service <> all($8::text[]) then s.state end as state,
               s.open and s.service <> all($7) as open,
               coalesce({visible(9)}, false) as shown
        from stream as s {_BEGUN} where s.service in ('referral', 'disposal', 'rj_conference')
    ),
    waiting as (
        select d.home, min(d.due) as next_due, count(*) filter (where d.due < $4) as overdue
        from duty as d join stream as s using (service, stream)
        where d.met_on is null and d.closed_on is null and d.lapsed_on is null and {visible(14)} group by d.home
    )
    select work.home, min(opened_at) filter (where shown) as opened_at,
           max(updated_at) filter (where shown) as updated_at, bool_or(open and shown) as open,
           bool_or(queued and shown) as queued, {_AREA} as area, waiting.next_due, coalesce(waiting.overdue, 0) as overdue,
           jsonb_agg(
               jsonb_build_object('service', service, 'id', stream, 'state', state, 'officer', officer)
               order by opened_at, stream
           ) filter (where shown) as work,
           count(*) over () as total
    from work left join waiting on waiting.home = work.home
    group by work.home, waiting.next_due, waiting.overdue
    having bool_or(shown)
       and ($1::text is null or bool_or(shown and state = $1) or ($1 = '{PANEL_QUEUE}' and bool_or(shown and queued)))
       and ($2::uuid is null or bool_or(shown and officer = $2))
       and ($3::date is null or waiting.next_due < $3)
       and ($5::text[] is null or {_AREA} = any($5))
    order by waiting.next_due nulls last, work.home
    limit {PAGE} offset $6
"""  # noqa: S608 - the clauses above, and no value


async def case(pool: Pool, reader: Reader, case_id: UUID, today: date | None = None) -> dict[str, Any] | Denial | None:
    """The projected case: its referral, disposals, conferences, sessions and duties; None where nothing is known of it.

    It holds what the owning services would show to the reader. A session shows the places of this case alone. `today`
    is the Europe/London day for which duties are judged. A denial says why the reader may see nothing of the case.
    """
    today = today or local_day(datetime.now(UTC))
    async with snapshot(pool) as connection:
        everything = await connection.fetch(_CASE, case_id, *reader.reach("state").parameters)
        duties = await connection.fetch(_DUTIES, case_id, today, *reader.reach("duties").parameters)
        reached = await positions(connection, READ_MODELS)
    if not everything:
        return None
    area = _area(everything, case_id)
    rows = [row for row in everything if row["shown"]]
    if reader.areas is not None and area not in reader.areas:
        return Denial("this belongs to another area", hidden=True)
    if case_id in reader.barred:
        return Denial(CONFLICT)
    if not rows:
        return Denial(f"the role {reader.actor.role} may read none of the records of this case")
    by_service: dict[str, list[dict[str, Any]]] = {
        "referral": [],
        "disposal": [],
        "rj_conference": [],
        "education": [],
    }
    strangers: set[str] = set()
    for row in rows:
        fields = reader.fields(row["service"])
        if row["service"] == "education":
            shown, others = _session(row, case_id)
            strangers |= others
        elif fields is not None:
            shown = _limited(row, fields)
        else:
            shown = _shown(row)
        by_service[row["service"]].append(shown)
    return {
        "case_id": str(case_id),
        "area": area,
        "panel_queue": any(row["queued"] for row in rows if reader.fields(row["service"]) is None),
        "referral": by_service["referral"][0] if by_service["referral"] else None,
        "referrals": by_service["referral"],
        "disposals": by_service["disposal"],
        "conferences": by_service["rj_conference"],
        "sessions": by_service["education"],
        "duties": [
            Listed.of_row(row).as_json(today) | {"case_ids": [str(case_id)]}
            for row in duties
            if not (row["service"] == "education" and row["item"] in strangers)
        ],
        "positions": reached,
    }


def _area(rows: Sequence[asyncpg.Record], case_id: UUID) -> str | None:
    """The area in which the case's own work was first recorded; without any, that of what it takes part in."""
    own = [row for row in rows if row["home"] == case_id and row["service"] != "education"]
    labelled = [row for row in own or rows if row["area"] is not None]
    first = min(labelled, key=lambda row: (row["begun_at"], row["stream"]), default=None)
    return None if first is None else str(first["area"])


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    view: dict[str, Any] = json.loads(row["view"])
    return {
        "id": str(row["stream"]),
        **view,
        "open": row["open"],
        "officer": None if row["officer"] is None else str(row["officer"]),
        "version": row["version"],
        "position": row["position"],
        "opened_at": row["opened_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
    }


def _limited(row: asyncpg.Record, fields: frozenset[str]) -> dict[str, Any]:
    """A record of which the reader may see some members of the state alone, as its owner shows it."""
    view = json.loads(row["view"])
    return {
        "id": str(row["stream"]),
        "version": row["version"],
        **{name: value for name, value in view.items() if name in fields},
    }


def _session(row: asyncpg.Record, case_id: UUID) -> tuple[dict[str, Any], set[str]]:
    """A session as this case may see it, and whose places it must not see."""
    record = SessionSummary.model_validate_json(row["record"])
    ours = {str(place.person_id) for place in record.places if place.case_id == case_id}
    shown = _shown(row)
    register: dict[str, str] = shown["register"]
    return (
        shown
        | {
            "register": {person: status for person, status in register.items() if person in ours},
            "starts_at": record.starts_at.isoformat(),
            "delivered_on": None if record.delivered_on is None else record.delivered_on.isoformat(),
        },
        set(register) - ours,
    )


async def cases(
    pool: Pool,
    reader: Reader,
    *,
    state: str | None = None,
    officer: UUID | None = None,
    due_before: date | None = None,
    page: int = 1,
    today: date | None = None,
) -> dict[str, Any]:
    """One page of the list of cases, the soonest duty first; raises `BadQuestion`.

    `state` is that of any work of the case, or PANEL_QUEUE; `officer` has any of it; `due_before` asks for an unmet duty
    that is due before a day. Only what the reader may see is listed, counted and searched.
    """
    if page < 1:
        raise BadQuestion("pages are numbered from 1")
    today = today or local_day(datetime.now(UTC))
    limited = reader.limited
    stateless = [service for service, fields in limited.items() if "state" not in fields]
    seen = (list(limited), stateless, *reader.reach("state").parameters, *reader.reach("duties").parameters)
    async with snapshot(pool) as connection:
        asked = (state, officer, due_before, today, reader.areas)
        rows = await connection.fetch(_CASES, *asked, (page - 1) * PAGE, *seen)
        first = rows or (await connection.fetch(_CASES, *asked, 0, *seen) if page > 1 else [])
        reached = await positions(connection, READ_MODELS)
    return {
        "page": page,
        "page_size": PAGE,
        "total": first[0]["total"] if first else 0,
        "positions": reached,
        "cases": [
            {
                "case_id": str(row["home"]),
                "area": row["area"],
                "open": row["open"],
                "panel_queue": row["queued"],
                "work": json.loads(row["work"]),
                "next_due": None if row["next_due"] is None else row["next_due"].isoformat(),
                "overdue_duties": row["overdue"],
                "opened_at": row["opened_at"].isoformat(),
                "updated_at": row["updated_at"].isoformat(),
            }
            for row in rows
        ],
    }
