"""The projected case, now or by both times."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from services.reporting.projection.as_of import histories_of
from services.reporting.projection.fold import Folded, Stream, fold
from services.reporting.projection.knowledge import LOOKING, known_of
from services.reporting.projection.projector import COLUMNS, held, stream_row
from services.reporting.projection.read_models import READ_MODELS, SUMMARIES
from services.reporting.projection.snapshot import Connection, Pool, positions, snapshot
from services.reporting.queries.alerts import alerts_of
from services.reporting.queries.case_list import QUEUED
from services.reporting.queries.daily_sheet import Listed
from services.reporting.queries.other_cases import other_cases
from services.reporting.queries.visibility import Reader, visible
from services.trade.summary import CaseView, Summary
from shared.domain.dates import local_day
from shared.domain.decider import history_at
from shared.domain.permissions import CONFLICT, Denial
from shared.domain.persons import NOTHING_KNOWN

_STREAMS: Final = f"""
    select s.*, {QUEUED} as queued, coalesce({visible(3, "$1")}, false) as shown, {held("s", "$6::text[]")} as held
    from stream as s where s.cases @> array[$1::uuid] or ($2 and s.mentions @> array[$1::uuid] and exists (
        select from fact as f where f.service = s.service and f.stream = s.stream and (
            position(convert_to('"case_id":"' || $1::uuid || '"', 'UTF8') in f.body) > 0
            or position(convert_to('"case_id","value":"' || $1::uuid || '"', 'UTF8') in f.body) > 0
        )
    ))
    order by s.opened_at, s.stream
"""  # noqa: S608 - the clauses above, and no value
_DUTIES: Final = f"""
    select d.*, s.cases, s.officer from duty as d join stream as s using (service, stream)
    where s.cases @> array[$1::uuid] and {visible(2, "$1")}
"""  # noqa: S608 - the clause above, and no value

Row = Mapping[str, Any]
"""The columns of a stream, and `queued`: whether it is a referral that waits for the panel."""


@dataclass(frozen=True, slots=True)
class CaseRecords:
    """The streams of a case of which a reader may see a part, and the area in which the case began."""

    area: str | None
    rows: Sequence[Row]


async def records_of_case(
    connection: Connection, reader: Reader, case_id: UUID, part: str, *, ever: bool
) -> CaseRecords | Denial | None:
    """Find the streams of a case of which the reader may see a part; None if nothing is known of the case.

    `ever` adds the shared streams that name the case as such in any event: they may have belonged to it before. Of those
    that name its id as something else there may be any number.
    """
    named = await connection.fetch(_STREAMS, case_id, ever, *reader.reach(part).parameters)
    # By the id of a person or record nothing is read: the access log would know the read under that id alone.
    rows = [
        row
        for row in named
        if case_id in {row["home"], *row["cases"]} or SUMMARIES.get(row["service"], Summary).is_shared
    ]
    if not rows:
        return None
    area = _area(rows, case_id)
    if (
        reader.areas is not None
        and area not in reader.areas
        and not any(row["held"] and row["area"] == area for row in rows)
    ):
        return Denial("this belongs to another area", hidden=True)
    if case_id in reader.barred:
        return Denial(CONFLICT)
    visible = [row for row in rows if row["shown"]]
    if not visible:
        return Denial(f"the role {reader.actor.role} may read the {part} of no record of this case")
    return CaseRecords(area, visible)


async def case(
    pool: Pool, reader: Reader, case_id: UUID, *, as_of: datetime | None = None, known_at: datetime | None = None
) -> dict[str, Any] | Denial | None:
    """Return the projected case with its streams by collection and its duties; None if nothing was known of it.

    `as_of` and `known_at` cut it by occurrence and by recording. It contains what the owning services would show to the
    reader; of a stream that several cases share, only the part of this case. Duties are judged on the Europe/London day of
    `as_of`, or today. A denial says why the reader may see nothing of the case.
    """
    day = local_day(as_of or datetime.now(UTC))
    cut = as_of is not None or known_at is not None
    async with snapshot(pool) as connection:
        records = await records_of_case(connection, reader, case_id, "state", ever=cut)
        if records is None or isinstance(records, Denial):
            return records
        rows = records.rows
        duties = [
            Listed.of_row(row) for row in await connection.fetch(_DUTIES, case_id, *reader.reach("duties").parameters)
        ]
        if cut:
            past = await _past(connection, rows, as_of, known_at)
            rows = _rows_then(rows, past, case_id)
            visible_duties = await reader.reach("duties").select(connection, list(past))
            duties = [listed for listed in duties if (listed.service, listed.stream) not in past]
            duties += [
                listed
                for stream, then in past.items()
                if then is not None and stream in visible_duties and case_id in then.folded.summary.cases
                for listed in Listed.of_fold(then.folded)
            ]
        views = [_view_for_case(row, case_id) for row in rows]
        people = (
            person
            for row, view in zip(rows, views, strict=True)
            for person in (row["mentions"] if view.people is None else view.people)
        )
        alerts = await alerts_of(connection, reader, people, as_of, known_at)
        others = [] if cut else await other_cases(connection, reader, case_id, rows)
        reached = await positions(connection, READ_MODELS, known_at)
    if not rows:
        return None
    streams: dict[str, list[dict[str, Any]]] = {model.collection: [] for model in READ_MODELS.values()}
    hidden: set[tuple[str, str]] = set()
    for row, view in zip(rows, views, strict=True):
        service = row["service"]
        hidden |= {(service, item) for item in view.hidden_items}
        streams[READ_MODELS[service].collection].append(_as_json(row, view.view, reader.fields(service)))
    shows = reader.reach("duties").shows_duty
    shown_duties = [
        listed
        for listed in duties
        if listed.duty.is_shown(day)
        and (listed.service, listed.duty.item) not in hidden
        and shows(listed.service, listed.duty.duty)
    ]
    shown_duties.sort(key=lambda listed: (listed.duty.due, listed.duty.duty, listed.duty.item))
    return {
        "case_id": str(case_id),
        "as_of": None if as_of is None else as_of.isoformat(),
        "known_at": None if known_at is None else known_at.isoformat(),
        "area": records.area,
        "panel_queue": any(row["queued"] for row in rows if reader.fields(row["service"]) is None),
        "alerts": alerts,
        "other_cases": others,
        "referral": next(iter(streams["referrals"]), None),
        **streams,
        "duties": [listed.as_json(day) | {"case_ids": [str(case_id)]} for listed in shown_duties],
        "positions": reached,
    }


@dataclass(frozen=True, slots=True)
class _PastStream:
    """A stream as it was at an earlier time, and its row then."""

    folded: Folded
    row: Row


async def _past(
    connection: Connection, rows: Sequence[Row], as_of: datetime | None, known_at: datetime | None
) -> Mapping[Stream, _PastStream | None]:
    """Fold the streams that changed since; None for one that had not begun."""
    moved = [
        (row["service"], row["stream"])
        for row in rows
        if (as_of is not None and row["updated_at"] > as_of)
        or (known_at is not None and row["recorded_at"] > known_at)
        or ((as_of or known_at) is not None and row["service"] in LOOKING)
    ]
    past: dict[Stream, _PastStream | None] = {}
    histories = await histories_of(connection, moved)
    known = await known_of(connection, histories)
    for stream, history in histories.items():
        past[stream] = None
        of_persons = known.get(stream, NOTHING_KNOWN)
        if (folded := fold(history, as_of=as_of, known_at=known_at, known=of_persons)) is not None:
            latest = history_at(history, as_of=as_of, known_at=known_at)[-1]
            columns = dict(zip(COLUMNS, stream_row(folded), strict=True))
            past[stream] = _PastStream(folded, columns | {"version": latest.version, "position": latest.position})
    return past


def _rows_then(rows: Sequence[Row], past: Mapping[Stream, _PastStream | None], case_id: UUID) -> list[Row]:
    then: list[dict[str, Any]] = []
    for row in rows:
        stream = (row["service"], row["stream"])
        if stream not in past:
            then.append(dict(row))
        elif (earlier := past[stream]) is not None:
            then.append({**row, **earlier.row})
    then = [row for row in then if case_id in row["cases"]]
    # The condition QUEUED, in Python, on the streams as they were then.
    claimed = {row["referral_id"] for row in then if row["service"] == "disposal"}
    for row in then:
        waits = row["service"] == "referral" and row["state"] == "WITH_PANEL"
        row["queued"] = waits and row["stream"] not in claimed
    return sorted(then, key=lambda row: (row["opened_at"], row["stream"]))


def _area(rows: Sequence[Row], case_id: UUID) -> str | None:
    """Return the area of the case's own work that was recorded first; without own work, of any other stream."""
    own = [row for row in rows if row["home"] == case_id]
    labelled = [row for row in own or rows if row["area"] is not None]
    first = min(labelled, key=lambda row: (row["begun_at"], row["stream"]), default=None)
    return None if first is None else str(first["area"])


def _view_for_case(row: Row, case_id: UUID) -> CaseView:
    view: dict[str, Any] = json.loads(row["view"])
    summary = SUMMARIES.get(row["service"], Summary).model_validate_json(row["record"])
    return summary.view_for_case(view, case_id)


def _as_json(row: Row, view: Mapping[str, Any], fields: frozenset[str] | None) -> dict[str, Any]:
    """Return a stream as its owner shows it: with `fields`, these members of the state alone."""
    head = {"id": str(row["stream"]), "version": row["version"], "position": row["position"]}
    if fields is not None:
        return head | {name: value for name, value in view.items() if name in fields}
    return {
        **head,
        **view,
        "open": row["open"],
        "officer": None if row["officer"] is None else str(row["officer"]),
        "opened_at": row["opened_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
    }
