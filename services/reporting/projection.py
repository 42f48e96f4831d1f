"""The projection: events in, rows out, all in the caller's transaction.

`apply` takes recorded events as they were published, of any services and streams, each stream in order of version. It
keeps each event once, folds the streams that moved, onto what it remembers of them or from all their facts, and puts
their rows and duties in place. A repeated event changes nothing. Table names carry no schema, so that a rebuild can
stand beside the live tables.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg

from services.reporting.fold import Folded, FoldedHistory, Stream, fold, service_of
from services.reporting.read_models import READ_MODELS
from services.reporting.recent_streams import RecentStreams
from services.reporting.snapshot import Connection, Pool
from services.reporting.summaries import DisposalSummary
from shared.domain.data_rights import data_rights_events, is_data_right
from shared.domain.duties import Duty
from shared.domain.envelope import EventRegistry, Fact, UnknownEvent, type_in
from shared.domain.waiting import is_wait, waiting_events
from shared.messaging.waiting import keep_waits


class Recorded(Protocol):
    """A recorded event, from its topic or from its event store: its bytes, and what is known outside them."""

    @property
    def stream(self) -> str:
        """The name of the stream, `service/uuid`."""
        ...

    @property
    def body(self) -> bytes:
        """The bytes of the event, as stored and published."""
        ...

    @property
    def position(self) -> int:
        """The position of the event in its service's event store, from 1."""
        ...

    @property
    def recorded_at(self) -> datetime:
        """The time at which the event was recorded."""
        ...

    @property
    def hash(self) -> bytes:
        """The hash of the stream after the event (32 bytes)."""
        ...


FACT_COLUMNS: Final = (
    "service",
    "stream",
    "version",
    "event_id",
    "type",
    "home",
    "occurred_at",
    "recorded_at",
    "position",
    "hash",
    "body",
)
"""The columns of a fact that follow from its event."""
_KEEP: Final = f"""
    insert into fact ({", ".join(FACT_COLUMNS)})
    select * from unnest($1::text[], $2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::uuid[], $7::timestamptz[],
                         $8::timestamptz[], $9::bigint[], $10::bytea[], $11::bytea[])
    on conflict do nothing
"""  # noqa: S608 - the columns above, and no value
_HISTORIES: Final = """
    select f.service, f.position, f.recorded_at, f.hash, f.body
    from fact as f join unnest($1::text[], $2::uuid[]) as moved (service, stream) using (service, stream)
    order by f.service, f.stream, f.version
"""
_REACHED: Final = """
    select s.service, s.stream, s.version, s.hash from stream as s
    join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)
"""
COLUMNS: Final[Mapping[str, str]] = {
    "service": "text",
    "stream": "uuid",
    "home": "uuid",
    "version": "integer",
    "position": "bigint",
    "hash": "bytea",
    "state": "text",
    "open": "boolean",
    "view": "jsonb",
    "record": "jsonb",
    "area": "text",
    "officer": "uuid",
    "cases": "uuid[]",
    "referral_id": "uuid",
    "opened_at": "timestamptz",
    "updated_at": "timestamptz",
    "recorded_at": "timestamptz",
    "mentions": "uuid[]",
    "marks": "text[]",
    "begun_at": "timestamptz",
    "counted": "daterange",
    "subject": "uuid",
}
"""The columns of a stream, with their types."""

# PostgreSQL's arrays have no rows of different lengths: a column of lists comes as texts.
_PUT: Final = f"""
    insert into stream ({", ".join(COLUMNS)})
    select {", ".join(f"{column}::{type_}" for column, type_ in COLUMNS.items())}
    from unnest({", ".join(f"${n}::{'text' if '[' in type_ else type_}[]" for n, type_ in enumerate(COLUMNS.values(), 1))})
        as w ({", ".join(COLUMNS)})
    on conflict (service, stream) do update
    set {", ".join(f"{column} = excluded.{column}" for column in COLUMNS if column not in {"service", "stream"})}
"""  # noqa: S608 - the columns above, and no value
_CLEAR: Final = """
    delete from duty using unnest($1::text[], $2::uuid[]) as moved (service, stream)
    where duty.service = moved.service and duty.stream = moved.stream
"""
UNMET: Final = "coalesce(d.met_on, d.closed_on, d.lapsed_on) is null"
"""The condition on `duty as d` that nothing has ended it, as the indexes of unmet duties have it."""
DUTY_COLUMNS: Final = (
    "service",
    "stream",
    "home",
    "duty",
    "item",
    "opened_on",
    "due",
    "met_on",
    "closed_on",
    "lapsed_on",
    "area",
)


_LOCK: Final = "select service from high_water_mark where service = any($1::text[]) order by service for update"
_BEGIN: Final = """
    insert into high_water_mark (service, position) select service, 0 from unnest($1::text[]) as s (service)
    on conflict do nothing
"""
# The mark moves on to the end of the run of facts that begins behind it.
_ADVANCE: Final = """
    update high_water_mark as h set position = (
        select f.position from fact as f
        where f.service = h.service and f.position > h.position
          and not exists (select from fact as g where g.service = f.service and g.position = f.position + 1)
        order by f.position limit 1
    )
    where h.service = any($1::text[])
      and exists (select from fact as f where f.service = h.service and f.position = h.position + 1)
"""

_UNMARKED: Final = "select service, stream from stream where marks is null limit 200 for update skip locked"


async def apply(connection: Connection, records: Sequence[Recorded], recent: RecentStreams | None = None) -> None:
    """Project a batch. Raises `UnknownEvent` or `BrokenHistory`; then the caller rolls back.

    `recent` remembers streams from batch to batch; without it each stream that moves is read back from its first fact.
    """
    facts = [read(record) for record in records]
    if not facts:
        return
    await _keep(connection, facts)
    await keep_waits(connection, [fact for fact in facts if is_wait(fact.envelope.type)])
    arrived = [fact for fact in facts if not is_of_kernel(fact.envelope.type)]
    await _project(connection, arrived, RecentStreams() if recent is None else recent)
    # The kernel's own events are facts with a position, also where nothing else has arrived.
    await _advance(connection, sorted({service_of(fact) for fact in facts}))


apply_remembering: Final = partial(apply, recent=RecentStreams())
"""`apply` for a process that projects: it remembers the streams that moved last."""


async def _project(connection: Connection, arrived: Sequence[Fact], recent: RecentStreams) -> None:
    """Fold the streams of some facts, which are kept, and store what they make. Raises `BrokenHistory`."""
    new: dict[Stream, dict[int, Fact]] = defaultdict(dict)
    for fact in arrived:
        new[stream_of(fact)][fact.version] = fact
    rows = await _reached(connection, list(new))
    remembered = {stream: recent.at(stream, *row) for stream, row in rows.items()}
    # A stream without a row begins in this batch; what else is not remembered is read back.
    unknown = [stream for stream in new if remembered.get(stream) is None and (stream in rows or 1 not in new[stream])]
    for fact in await load(connection, unknown) if unknown else ():
        new[stream_of(fact)].setdefault(fact.version, fact)
    moved: dict[Stream, FoldedHistory] = {}
    standing: dict[Stream, Sequence[Duty]] = {stream: () for stream in new if stream not in rows}
    for stream, facts in new.items():
        known = remembered.get(stream)
        further = [facts[version] for version in sorted(facts) if known is None or version > known.last.version]
        if known is None:
            moved[stream] = FoldedHistory.of(further)
        elif further:
            moved[stream], standing[stream] = known.extend(further), known.folded.duties
    await put(connection, [history.folded for history in moved.values()], standing)
    for stream, history in moved.items():
        recent.remember(stream, history)


def read(record: Recorded) -> Fact:
    """Read a recorded event as a fact whose sealed fields stay closed; raises `UnknownEvent`."""
    return _book(record.stream.partition("/")[0], record.body).read(
        record.body, position=record.position, recorded_at=record.recorded_at, hash=record.hash
    )


def read_or_none(stream: str, body: bytes) -> Fact | None:
    """Read an event from its bytes alone; None where it cannot be read."""
    try:
        return _book(stream.partition("/")[0], body).read(body)
    except (UnknownEvent, KeyError):
        return None


def is_of_kernel(type_name: str) -> bool:
    """Tell whether an event is one of the kernel's own, about a wait or a person's data rights: no record of the trade."""
    return is_wait(type_name) or is_data_right(type_name)


def _book(service: str, body: bytes) -> EventRegistry:
    """Return the book of an event: its service's, or that of the service's waits or data rights."""
    type_name = type_in(body)
    if is_wait(type_name):
        return waiting_events(service)
    return data_rights_events(service) if is_data_right(type_name) else READ_MODELS[service].events


async def _keep(connection: Connection, facts: Sequence[Fact]) -> None:
    await connection.execute(_KEEP, *(list(column) for column in zip(*map(fact_row, facts), strict=True)))


async def _advance(connection: Connection, services: Sequence[str]) -> None:
    """Move the high-water marks of some services to the last position before which no fact is missing.

    The lock comes first, in a statement of its own: the next one then sees the facts of other consumers that had it.
    """
    if len(await connection.fetch(_LOCK, services)) < len(services):
        await connection.execute(_BEGIN, services)
        await connection.fetch(_LOCK, services)
    await connection.execute(_ADVANCE, services)


async def _reached(connection: Connection, streams: Sequence[Stream]) -> dict[Stream, tuple[int, bytes]]:
    """Return version and hash of the rows of some streams."""
    ids = ([service for service, _ in streams], [stream for _, stream in streams])
    return {
        (row["service"], row["stream"]): (row["version"], row["hash"]) for row in await connection.fetch(_REACHED, *ids)
    }


async def load(connection: Connection, streams: Iterable[Stream]) -> list[Fact]:
    """Load the facts of some streams, by stream and in order of version, in one query."""
    streams = list(streams)
    rows = await connection.fetch(_HISTORIES, [service for service, _ in streams], [stream for _, stream in streams])
    return [read_row(row) for row in rows]


def read_row(row: asyncpg.Record) -> Fact:
    """Read a row of service, position, recorded_at, hash and body as a fact whose sealed fields stay closed."""
    return _book(row["service"], row["body"]).read(
        row["body"], position=row["position"], recorded_at=row["recorded_at"], hash=row["hash"]
    )


def stream_of(fact: Fact) -> Stream:
    """Return the service and the id of the stream of a fact."""
    return _stream_named(fact.envelope.stream)


@lru_cache(maxsize=4_096)
def _stream_named(name: str) -> Stream:
    return name.partition("/")[0], UUID(name.rpartition("/")[2])


async def put(
    connection: Connection, folded: Sequence[Folded], standing: Mapping[Stream, Sequence[Duty]] | None = None
) -> None:
    """Replace the rows of some streams, and their duties; one statement each.

    `standing` are the duties that the tables hold of streams, as far as known: the same are not written again.
    """
    if not folded:
        return
    await connection.execute(_PUT, *(list(column) for column in zip(*map(_stream_values, folded), strict=True)))
    known = standing or {}
    changed = [item for item in folded if known.get(key_of(item)) != item.duties]
    cleared = [key_of(item) for item in changed if known.get(key_of(item)) != ()]
    if cleared:
        await connection.execute(_CLEAR, [service for service, _ in cleared], [stream for _, stream in cleared])
    duties = [row for item in changed for row in duty_rows(item)]
    if duties:
        await connection.copy_records_to_table("duty", records=duties, columns=list(DUTY_COLUMNS))


def key_of(item: Folded) -> Stream:
    """Return service and id of a folded stream."""
    return item.service, item.summary.stream


def _stream_values(item: Folded) -> Iterable[Any]:
    """Yield the row of a stream, with lists as PostgreSQL writes arrays."""
    for value, type_ in zip(stream_row(item), COLUMNS.values(), strict=True):
        yield _array_text(value) if "[" in type_ else value


def _array_text(values: Iterable[Any]) -> str:
    quoted = (str(value).replace("\\", r"\\").replace('"', r"\"") for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


async def fold_unmarked(pool: Pool) -> None:
    """Fold the streams anew that were folded before rows had marks; until then nobody sees them."""
    while True:
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_UNMARKED)
            if not rows:
                return
            histories: dict[Stream, list[Fact]] = defaultdict(list)
            for fact in await load(connection, [(row["service"], row["stream"]) for row in rows]):
                histories[stream_of(fact)].append(fact)
            await put(connection, [found for history in histories.values() if (found := fold(history)) is not None])


def fact_row(fact: Fact) -> tuple[Any, ...]:
    """Return the row of a fact, in the order of `FACT_COLUMNS`."""
    return (
        *stream_of(fact),
        fact.version,
        fact.event_id,
        fact.envelope.type,
        fact.envelope.home,
        fact.occurred_at,
        fact.recorded_at,
        fact.position,
        fact.hash,
        fact.body,
    )


def stream_row(item: Folded) -> tuple[Any, ...]:
    """Return the row of a stream, in the order of `COLUMNS`."""
    summary = item.summary
    return (
        item.service,
        summary.stream,
        summary.home,
        item.last.version,
        item.last.position,
        item.last.hash,
        item.state,
        item.open,
        json.dumps(item.view),
        summary.model_dump_json(),
        summary.area,
        summary.officer,
        list(summary.cases),
        summary.referral_id if isinstance(summary, DisposalSummary) else None,
        item.opened_at,
        item.updated_at,
        item.recorded_at,
        sorted(item.access.mentions),
        sorted(item.access.marks),
        item.begun_at,
        _range_of(summary.counted_days),
        summary.subject,
    )


def _range_of(days: Collection[date]) -> asyncpg.Range[date] | None:
    """Return the range from the first to the last of some days, in PostgreSQL's own form; None where there are none."""
    return asyncpg.Range(min(days), max(days) + timedelta(days=1)) if days else None


def duty_rows(item: Folded) -> list[tuple[Any, ...]]:
    """Return the rows of a stream's duties, in the order of `DUTY_COLUMNS`."""
    return [
        (
            item.service,
            item.summary.stream,
            item.summary.home,
            duty.duty,
            duty.item,
            duty.opened_on,
            duty.due,
            duty.met_on,
            duty.closed_on,
            duty.lapsed_on,
            item.summary.area,
        )
        for duty in item.duties
    ]


def stood_open(day: str) -> str:
    """Return the condition on `duty as d` that it stood open at the end of a day, a parameter: two indexes find it."""
    return f"({UNMET} and d.opened_on <= {day} or not upper_inf(d.during) and d.during @> {day})"


def duty_of(row: asyncpg.Record) -> Duty:
    """Read a row of `duty`."""
    return Duty(
        row["duty"], row["opened_on"], row["due"], row["met_on"], row["item"], row["closed_on"], row["lapsed_on"]
    )
