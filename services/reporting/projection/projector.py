"""The projection: events in, rows out, all in the caller's transaction.

`apply` takes recorded events as they were published, of any services and streams, each stream in order of version. It
stores each event once as a fact, folds the streams of new facts from their beginning, and replaces their rows and duties.
A repeated event changes nothing. Table names have no schema, so that a rebuild can write beside the live tables.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg

from services.reporting.measures import counted_days
from services.reporting.projection.fold import Folded, Stream, fold, service_of, split
from services.reporting.projection.knowledge import LOOKING, known_of, persons_of, streams_naming
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Connection
from shared.domain.data_rights import data_rights_events, is_data_right
from shared.domain.duties import Duty
from shared.domain.envelope import EventRegistry, Fact, UnknownEvent, type_in
from shared.domain.permissions import Hold
from shared.domain.waiting import is_of_kernel, is_wait, waiting_events
from shared.event_store import RecordedEvent

if TYPE_CHECKING:  # it brings the Kafka client, which no API loads
    from shared.messaging.consumer.consumed_event import ConsumedEvent


SLICE: Final = 5_000
"""How many facts are folded between two statements: about a second's work."""

AT_A_TIME: Final = 200
"""Streams that are completed in one go."""

_FACT: Final[Mapping[str, Callable[[Fact], Any]]] = {
    "service": service_of,
    "stream": lambda fact: fact.stream_id,
    "version": lambda fact: fact.version,
    "event_id": lambda fact: fact.event_id,
    "type": lambda fact: fact.envelope.type,
    "home": lambda fact: fact.envelope.home,
    "occurred_at": lambda fact: fact.occurred_at,
    "recorded_at": lambda fact: fact.recorded_at,
    "position": lambda fact: fact.position,
    "hash": lambda fact: fact.hash,
    "body": lambda fact: fact.body,
}
FACT_COLUMNS: Final = tuple(_FACT)
_KEEP: Final = f"""
    insert into fact ({", ".join(FACT_COLUMNS)})
    select * from unnest($1::text[], $2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::uuid[], $7::timestamptz[],
                         $8::timestamptz[], $9::bigint[], $10::bytea[], $11::bytea[])
    on conflict do nothing returning service, stream, version
"""  # noqa: S608 - the columns above, and no value
_HISTORIES: Final = """
    select f.service, f.position, f.recorded_at, f.hash, f.body
    from fact as f join unnest($1::text[], $2::uuid[]) as moved (service, stream) using (service, stream)
    order by f.service, f.stream, f.version
"""
_STREAM: Final[Mapping[str, tuple[str, Callable[[Folded], Any]]]] = {
    "service": ("text", lambda item: item.service),
    "stream": ("uuid", lambda item: item.summary.stream),
    "home": ("uuid", lambda item: item.summary.home),
    "version": ("integer", lambda item: item.last.version),
    "position": ("bigint", lambda item: item.last.position),
    "hash": ("bytea", lambda item: item.last.hash),
    "state": ("text", lambda item: item.state),
    "open": ("boolean", lambda item: item.open),
    "view": ("jsonb", lambda item: json.dumps(item.view)),
    "record": ("jsonb", lambda item: item.summary.model_dump_json()),
    "area": ("text", lambda item: item.summary.area),
    "held_by": ("text[]", lambda item: sorted({hold.label for hold in Hold.standing(item.access.marks)})),
    "officer": ("uuid", lambda item: item.summary.officer),
    "cases": ("uuid[]", lambda item: list(item.summary.cases)),
    "referral_id": ("uuid", lambda item: getattr(item.summary, "referral_id", None)),
    "opened_at": ("timestamptz", lambda item: item.opened_at),
    "updated_at": ("timestamptz", lambda item: item.updated_at),
    "recorded_at": ("timestamptz", lambda item: item.recorded_at),
    "mentions": ("uuid[]", lambda item: sorted(item.access.mentions)),
    "marks": ("text[]", lambda item: sorted(item.access.marks)),
    "begun_at": ("timestamptz", lambda item: item.begun_at),
    "counted": ("daterange", lambda item: _range_of(counted_days(item.summary))),
    "subject": ("uuid", lambda item: item.summary.subject),
}
COLUMNS: Final[Mapping[str, str]] = {column: type_ for column, (type_, _) in _STREAM.items()}

# An array of PostgreSQL has no rows of different lengths, so a column of lists is passed as texts.
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


def held(row: str, areas: str, case: str = "") -> str:
    """Return the condition that another area's record, a row of `stream` or `duty`, is of a case that one of some areas holds too.

    `case` says which case; by default its home.
    """
    return (
        f"exists (select from stream as h where h.home = {case or f'{row}.home'} and h.area is not distinct from {row}.area"  # noqa: S608 - names, and no value
        f" and h.held_by <> '{{}}' and h.held_by && {areas})"
    )


def in_reach(row: str, areas: str, case: str = "") -> str:
    """Return the condition that who reads some areas may see a row of `stream`: theirs, of none, or `held`; null: every area."""
    return f"({areas} is null or {row}.area is null or {row}.area = any({areas}) or {held(row, areas, case)})"


UNMET: Final = "coalesce(d.met_on, d.closed_on, d.lapsed_on) is null"
"""The condition that nothing has ended `duty as d`, as in the indexes of unmet duties."""
_DUTY: Final[Mapping[str, Callable[[Folded, Duty], Any]]] = {
    "service": lambda item, _duty: item.service,
    "stream": lambda item, _duty: item.summary.stream,
    "home": lambda item, _duty: item.summary.home,
    "duty": lambda _item, duty: duty.duty,
    "item": lambda _item, duty: duty.item,
    "opened_on": lambda _item, duty: duty.opened_on,
    "due": lambda _item, duty: duty.due,
    "met_on": lambda _item, duty: duty.met_on,
    "closed_on": lambda _item, duty: duty.closed_on,
    "lapsed_on": lambda _item, duty: duty.lapsed_on,
    "area": lambda item, _duty: item.summary.area,
}
DUTY_COLUMNS: Final = tuple(_DUTY)

_LOCK: Final = "select service from high_water_mark where service = any($1::text[]) order by service for update"
_BEGIN: Final = """
    insert into high_water_mark (service, position) select service, 0 from unnest($1::text[]) as s (service)
    on conflict do nothing
"""
# Moves the mark to the end of the unbroken run of facts after it.
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


async def apply(connection: Connection, records: Sequence[ConsumedEvent | RecordedEvent]) -> None:
    """Project a batch. Raises `UnknownEvent` or `BrokenHistory`; then the caller rolls back."""
    facts = [read(record) for record in records]
    if not facts:
        return
    new = [fact for fact in await _keep(connection, facts) if not is_of_kernel(fact.envelope.type)]
    await _project(connection, new)
    await complete(connection, {stream_of(fact) for fact in new}, persons_of(new))
    await advance(connection, sorted({service_of(fact) for fact in facts}))


async def _project(connection: Connection, new: Sequence[Fact]) -> None:
    """Fold the streams of some new facts, and store what they make. Raises `BrokenHistory`.

    By slices: PostgreSQL ends a transaction in which it hears nothing for some seconds, and would each time anew.
    """
    histories: dict[Stream, list[Fact]] = defaultdict(list)
    for fact in new:
        histories[stream_of(fact)].append(fact)
    for part in _slices(histories):
        # A stream whose first fact is new has no other.
        older = [stream for stream, history in part.items() if history[0].version > 1]
        part |= {stream: [] for stream in older}
        for fact in await load(connection, older) if older else ():
            part[stream_of(fact)].append(fact)
        folded = [fold(history) for history in part.values()]
        await put(connection, [item for item in folded if item is not None])


async def complete(connection: Connection, streams: Iterable[Stream], persons: Collection[UUID]) -> None:
    """Fold streams anew with what other records say of their persons: some streams, and all that name some persons."""
    looking = {stream for stream in streams if stream[0] in LOOKING}
    looking.update(await streams_naming(connection, persons))
    in_order = sorted(looking)
    for n in range(0, len(in_order), AT_A_TIME):
        part = in_order[n : n + AT_A_TIME]
        histories: dict[Stream, list[Fact]] = defaultdict(list)
        for fact in await load(connection, part):
            histories[stream_of(fact)].append(fact)
        known = await known_of(connection, histories)
        folded = [fold(histories[stream], known=of_stream) for stream, of_stream in known.items()]
        await put(connection, [item for item in folded if item is not None])


def _slices(histories: Mapping[Stream, list[Fact]]) -> Iterator[dict[Stream, list[Fact]]]:
    """Yield streams that have about `SLICE` facts together, by the versions of their latest."""
    part: dict[Stream, list[Fact]] = {}
    count = 0
    for stream, history in histories.items():
        part[stream] = history
        count += history[-1].version
        if count >= SLICE:
            yield part
            part, count = {}, 0
    if part:
        yield part


def read(record: ConsumedEvent | RecordedEvent) -> Fact:
    """Read a recorded event as a fact whose sealed fields stay closed; raises `UnknownEvent`."""
    return _book(record.stream.partition("/")[0], record.body).read_record(record)


def read_or_none(stream: str, body: bytes) -> Fact | None:
    """Read an event from its bytes alone; None if it cannot be read."""
    try:
        return _book(stream.partition("/")[0], body).read(body)
    except (UnknownEvent, KeyError):
        return None


def _book(service: str, body: bytes) -> EventRegistry:
    """Return the registry that reads an event: its service's, or that of the service's waits or data rights."""
    type_name = type_in(body)
    if is_wait(type_name):
        return waiting_events(service)
    return data_rights_events(service) if is_data_right(type_name) else READ_MODELS[service].events


async def _keep(connection: Connection, facts: Sequence[Fact]) -> list[Fact]:
    """Store facts; return those that were not stored before. Their places tell them apart: an id may be any that a service says."""
    by_place = {(*stream_of(fact), fact.version): fact for fact in facts}
    columns = (list(column) for column in zip(*map(fact_row, by_place.values()), strict=True))
    new = {tuple(row) for row in await connection.fetch(_KEEP, *columns)}
    return [fact for place, fact in by_place.items() if place in new]


async def advance(connection: Connection, services: Sequence[str]) -> None:
    """Move the high-water marks of some services to the last position before which no fact is missing."""
    # The lock is a statement of its own, so that the next one sees the facts of other consumers that held it.
    if len(await connection.fetch(_LOCK, services)) < len(services):
        await connection.execute(_BEGIN, services)
        await connection.fetch(_LOCK, services)
    await connection.execute(_ADVANCE, services)


async def load(connection: Connection, streams: Iterable[Stream]) -> list[Fact]:
    """Load the facts of some streams, by stream and in order of version, in one query."""
    return [read_row(row) for row in await connection.fetch(_HISTORIES, *split(streams))]


def read_row(row: asyncpg.Record) -> Fact:
    """Read a row of service, position, recorded_at, hash and body as a fact whose sealed fields stay closed."""
    return _book(row["service"], row["body"]).read(
        row["body"], position=row["position"], recorded_at=row["recorded_at"], hash=row["hash"]
    )


def stream_of(fact: Fact) -> Stream:
    return service_of(fact), fact.stream_id


async def put(connection: Connection, folded: Sequence[Folded]) -> None:
    """Replace the rows of some streams, and their duties."""
    if not folded:
        return
    await connection.execute(_PUT, *(list(column) for column in zip(*map(_stream_values, folded), strict=True)))
    await connection.execute(_CLEAR, *split((item.service, item.summary.stream) for item in folded))
    duties = [row for item in folded for row in duty_rows(item)]
    await connection.copy_records_to_table("duty", records=duties, columns=list(DUTY_COLUMNS))


def _stream_values(item: Folded) -> Iterable[Any]:
    """Yield the row of a stream, with lists as PostgreSQL writes arrays."""
    for value, type_ in zip(stream_row(item), COLUMNS.values(), strict=True):
        yield _array_text(value) if "[" in type_ else value


def _array_text(values: Iterable[Any]) -> str:
    quoted = (str(value).replace("\\", r"\\").replace('"', r"\"") for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def fact_row(fact: Fact) -> tuple[Any, ...]:
    """Return the row of a fact, in the order of `FACT_COLUMNS`."""
    return tuple(value_of(fact) for value_of in _FACT.values())


def stream_row(item: Folded) -> tuple[Any, ...]:
    """Return the row of a stream, in the order of `COLUMNS`."""
    return tuple(value_of(item) for _, value_of in _STREAM.values())


def _range_of(days: Collection[date]) -> asyncpg.Range[date] | None:
    """Return the range from the first to the last of some days, in PostgreSQL's own form; None if there are none."""
    return asyncpg.Range(min(days), max(days) + timedelta(days=1)) if days else None


def duty_rows(item: Folded) -> list[tuple[Any, ...]]:
    """Return the rows of a stream's duties, in the order of `DUTY_COLUMNS`."""
    return [tuple(value_of(item, duty) for value_of in _DUTY.values()) for duty in item.duties]


def stood_open(day: str) -> str:
    """Return the condition that `duty as d` was open at the end of a day, a parameter; two indexes support it."""
    return f"({UNMET} and d.opened_on <= {day} or not upper_inf(d.during) and d.during @> {day})"


def duty_of(row: asyncpg.Record) -> Duty:
    return Duty(
        row["duty"], row["opened_on"], row["due"], row["met_on"], row["item"], row["closed_on"], row["lapsed_on"]
    )
