"""The projected case, and the list of cases."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.daily_sheet import Listed
from services.reporting.period import BadQuestion
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Pool, positions, snapshot
from services.reporting.summaries import SessionSummary
from shared.domain.dates import local_day

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
    select s.*, {_QUEUED} as queued, f.recorded_at as begun_at
    from stream as s {_BEGUN} where s.cases @> array[$1::uuid] order by s.opened_at, s.stream
"""  # noqa: S608 - the clause above, and no value
_DUTIES: Final = """
    select d.*, s.cases, s.officer from duty as d join stream as s using (service, stream)
    where s.cases @> array[$1::uuid] and d.opened_on <= $2 and (d.closed_on is null or d.closed_on > $2)
    order by d.due, d.duty, d.item
"""
# Times of occurrence are what somebody says, the order of recording is not: so no later work moves a case elsewhere.
_AREA: Final = "(array_agg(work.area order by work.begun_at, work.stream) filter (where work.area is not null))[1]"
_CASES: Final = f"""
    with work as (
        select s.home, s.service, s.stream, s.officer, s.area, s.open, s.opened_at, s.updated_at, s.state,
               f.recorded_at as begun_at, {_QUEUED} as queued
        from stream as s {_BEGUN} where s.service in ('referral', 'disposal', 'rj_conference')
    ),
    waiting as (
        select home, min(due) as next_due, count(*) filter (where due < $4) as overdue
        from duty where met_on is null and closed_on is null and lapsed_on is null group by home
    )
    select work.home, min(opened_at) as opened_at, max(updated_at) as updated_at, bool_or(open) as open,
           bool_or(queued) as queued, {_AREA} as area, waiting.next_due, coalesce(waiting.overdue, 0) as overdue,
           jsonb_agg(
               jsonb_build_object('service', service, 'id', stream, 'state', state, 'officer', officer)
               order by opened_at, stream
           ) as work,
           count(*) over () as total
    from work left join waiting on waiting.home = work.home
    group by work.home, waiting.next_due, waiting.overdue
    having ($1::text is null or bool_or(state = $1) or ($1 = '{PANEL_QUEUE}' and bool_or(queued)))
       and ($2::uuid is null or bool_or(officer = $2))
       and ($3::date is null or waiting.next_due < $3)
       and ($5::text[] is null or {_AREA} = any($5))
       and work.home <> all($7::uuid[])
    order by waiting.next_due nulls last, work.home
    limit {PAGE} offset $6
"""  # noqa: S608 - the clauses above, and no value


async def case(
    pool: Pool, case_id: UUID, today: date | None = None, barred: Collection[UUID] = ()
) -> dict[str, Any] | None:
    """The projected case: its referral, disposals, conferences, sessions and duties; None where nothing is known of it.

    A session shows the places of this case alone, and work that it shares with a case among `barred`, in which the
    reader has declared a conflict of interest, is left out where it belongs to that one. `today` is the Europe/London
    day for which duties are judged.
    """
    today = today or local_day(datetime.now(UTC))
    async with snapshot(pool) as connection:
        rows = [row for row in await connection.fetch(_CASE, case_id) if row["home"] not in barred]
        duties = [row for row in await connection.fetch(_DUTIES, case_id, today) if row["home"] not in barred]
        reached = await positions(connection, READ_MODELS)
    if not rows:
        return None
    by_service: dict[str, list[dict[str, Any]]] = {
        "referral": [],
        "disposal": [],
        "rj_conference": [],
        "education": [],
    }
    strangers: set[str] = set()
    for row in rows:
        if row["service"] == "education":
            shown, others = _session(row, case_id)
            strangers |= others
        else:
            shown = _shown(row)
        by_service[row["service"]].append(shown)
    return {
        "case_id": str(case_id),
        "area": _area(rows, case_id),
        "panel_queue": any(row["queued"] for row in rows),
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
    *,
    state: str | None = None,
    officer: UUID | None = None,
    due_before: date | None = None,
    page: int = 1,
    areas: Sequence[str] | None = None,
    barred: Collection[UUID] = (),
    today: date | None = None,
) -> dict[str, Any]:
    """One page of the list of cases, the soonest duty first; raises `BadQuestion`.

    `state` is that of any work of the case, or PANEL_QUEUE; `officer` has any of it; `due_before` asks for an unmet duty
    that is due before a day; `areas` limits it to what a reader may see; `barred` are cases in which the reader has
    declared a conflict of interest.
    """
    if page < 1:
        raise BadQuestion("pages are numbered from 1")
    today = today or local_day(datetime.now(UTC))
    only = None if areas is None else list(areas)
    async with snapshot(pool) as connection:
        asked = (state, officer, due_before, today, only)
        rows = await connection.fetch(_CASES, *asked, (page - 1) * PAGE, list(barred))
        first = rows or (await connection.fetch(_CASES, *asked, 0, list(barred)) if page > 1 else [])
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
