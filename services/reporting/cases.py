"""The projected case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.case_list import BEGUN, QUEUED
from services.reporting.daily_sheet import Listed
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Pool, positions, snapshot
from services.reporting.summaries import summary_type
from services.reporting.summaries.summary import CaseView
from services.reporting.visibility import Reader, visible
from shared.domain.dates import local_day
from shared.domain.permissions import CONFLICT, Denial

_CASE: Final = f"""
    select s.*, {QUEUED} as queued, f.recorded_at as begun_at, coalesce({visible(2)}, false) as shown
    from stream as s {BEGUN} where s.cases @> array[$1::uuid] order by s.opened_at, s.stream
"""  # noqa: S608 - the clause above, and no value
_DUTIES: Final = f"""
    select d.*, s.cases, s.officer from duty as d join stream as s using (service, stream)
    where s.cases @> array[$1::uuid] and d.opened_on <= $2 and (d.closed_on is null or d.closed_on > $2) and {visible(3)}
    order by d.due, d.duty, d.item
"""  # noqa: S608 - the clause above, and no value


async def case(pool: Pool, reader: Reader, case_id: UUID, today: date | None = None) -> dict[str, Any] | Denial | None:
    """Return the projected case, its streams by collection, and its duties; None where nothing is known of it.

    It holds what the owning services would show to the reader; of a stream that several cases share, the part of this
    case alone. `today` is the Europe/London day for which duties are judged. A denial says why the reader may see
    nothing of the case.
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
    streams: dict[str, list[dict[str, Any]]] = {model.collection: [] for model in READ_MODELS.values()}
    hidden: set[tuple[str, str]] = set()
    for row in rows:
        service = row["service"]
        shown = _view_for_case(row, case_id)
        hidden |= {(service, item) for item in shown.hidden_items}
        streams[READ_MODELS[service].collection].append(_as_json(row, shown.view, reader.fields(service)))
    return {
        "case_id": str(case_id),
        "area": area,
        "panel_queue": any(row["queued"] for row in rows if reader.fields(row["service"]) is None),
        "referral": next(iter(streams["referrals"]), None),
        **streams,
        "duties": [
            Listed.of_row(row).as_json(today) | {"case_ids": [str(case_id)]}
            for row in duties
            if (row["service"], row["item"]) not in hidden
        ],
        "positions": reached,
    }


def _area(rows: Sequence[asyncpg.Record], case_id: UUID) -> str | None:
    """Return the area in which the case's own work was first recorded; without any, that of what it takes part in."""
    own = [row for row in rows if row["home"] == case_id]
    labelled = [row for row in own or rows if row["area"] is not None]
    first = min(labelled, key=lambda row: (row["begun_at"], row["stream"]), default=None)
    return None if first is None else str(first["area"])


def _view_for_case(row: asyncpg.Record, case_id: UUID) -> CaseView:
    """Return the part of a stream's view that concerns a case."""
    view: dict[str, Any] = json.loads(row["view"])
    kind = summary_type(row["service"])
    if kind.view_for_case is None:
        return CaseView(view)
    return kind.view_for_case(view, kind.model.model_validate_json(row["record"]), case_id)


def _as_json(row: asyncpg.Record, view: Mapping[str, Any], fields: frozenset[str] | None) -> dict[str, Any]:
    """Return a stream as its owner shows it: with `fields`, these members of the state alone."""
    if fields is not None:
        return {
            "id": str(row["stream"]),
            "version": row["version"],
            **{name: value for name, value in view.items() if name in fields},
        }
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
