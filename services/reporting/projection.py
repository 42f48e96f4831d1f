"""The projection: events in, rows out, all in the caller's transaction.

`apply` takes recorded events as they were published, of any services and streams, each stream in order of version. It
keeps each event once, folds the streams that moved from all their facts, and puts their rows and duties in place. A
repeated event changes nothing. Table names carry no schema, so that a rebuild can stand beside the live tables.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg

from services.reporting.fold import Folded, fold
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Connection, Pool
from services.reporting.summaries import DisposalSummary
from shared.domain.decider import check_gapless
from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.domain.messages import Correction

Stream = tuple[str, UUID]


class Recorded(Protocol):
    """A recorded event, from its topic or from its event store: its bytes, and what is known outside them."""

    @property
    def stream(self) -> str:
        """`service/uuid`."""
        ...

    @property
    def body(self) -> bytes:
        """The event's bytes."""
        ...

    @property
    def position(self) -> int:
        """Its place in its service's event store."""
        ...

    @property
    def recorded_at(self) -> datetime:
        """When it was recorded."""
        ...

    @property
    def hash(self) -> bytes:
        """Its stream's hash after it."""
        ...


_KEEP: Final = """
    insert into fact (service, stream, version, event_id, type, home, occurred_at, recorded_at, position, hash, body)
    select * from unnest($1::text[], $2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::uuid[], $7::timestamptz[],
                         $8::timestamptz[], $9::bigint[], $10::bytea[], $11::bytea[])
    on conflict do nothing
"""
_HISTORIES: Final = """
    select f.service, f.position, f.recorded_at, f.hash, f.body
    from fact as f join unnest($1::text[], $2::uuid[]) as moved (service, stream) using (service, stream)
    order by f.service, f.stream, f.version
"""
_CORRECT: Final = """
    update fact set corrected_by = array_append(corrected_by, c.by)
    from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) as c (service, stream, corrects, by)
    where fact.service = c.service and fact.stream = c.stream and fact.event_id = c.corrects
      and not c.by = any (fact.corrected_by)
"""
COLUMNS: Final = (
    "service",
    "stream",
    "home",
    "version",
    "position",
    "hash",
    "state",
    "open",
    "view",
    "record",
    "area",
    "officer",
    "cases",
    "referral_id",
    "opened_at",
    "updated_at",
    "recorded_at",
    "mentions",
    "marks",
)
_PUT: Final = f"""
    insert into stream ({", ".join(COLUMNS)})
    values ({", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))})
    on conflict (service, stream) do update
    set {", ".join(f"{column} = excluded.{column}" for column in COLUMNS[2:])}
"""  # noqa: S608 - the columns above, and no value
_CLEAR: Final = """
    delete from duty using unnest($1::text[], $2::uuid[]) as moved (service, stream)
    where duty.service = moved.service and duty.stream = moved.stream
"""
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


_UNMARKED: Final = "select service, stream from stream where marks is null limit 200 for update skip locked"


async def apply(connection: Connection, records: Sequence[Recorded]) -> None:
    """Project a batch. Raises `UnknownEvent` or `BrokenHistory`; then the caller rolls back."""
    arrived = [read(record) for record in records]
    if not arrived:
        return
    await _keep(connection, arrived)
    histories = await _whole(connection, arrived)
    folded: list[Folded] = []
    for history in histories.values():
        check_gapless(history)
        found = fold(history)
        # A stream's first fact is always what opens it, so whatever has a fact has a state.
        assert found is not None, history[0].envelope.stream
        folded.append(found)
    await put(connection, folded)


def read(record: Recorded) -> Fact:
    """Read a recorded event as a fact whose sealed fields stay closed; raises `UnknownEvent`."""
    service = record.stream.partition("/")[0]
    return READ_MODELS[service].events.read(
        record.body, position=record.position, recorded_at=record.recorded_at, hash=record.hash
    )


async def _keep(connection: Connection, facts: Sequence[Fact]) -> None:
    rows = [
        (
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
        for fact in facts
    ]
    await connection.execute(_KEEP, *(list(column) for column in zip(*rows, strict=True)))
    corrections = [
        (*stream_of(fact), target, fact.event_id)
        for fact in facts
        if isinstance(fact.event, Correction)
        for target in fact.event.targets
    ]
    if corrections:
        await connection.execute(_CORRECT, *(list(column) for column in zip(*corrections, strict=True)))


async def _whole(connection: Connection, arrived: Sequence[Fact]) -> Mapping[Stream, list[Fact]]:
    """Return the whole histories of the streams of a batch. A stream that begins in this batch need not be read back."""
    histories: dict[Stream, dict[int, Fact]] = defaultdict(dict)
    for fact in arrived:
        histories[stream_of(fact)][fact.version] = fact
    older = [stream for stream, facts in histories.items() if 1 not in facts]
    # A repeated first event says that later ones may be known already: these streams are read back too.
    older += await _known_further(connection, {s: max(facts) for s, facts in histories.items() if 1 in facts})
    if older:
        for fact in await load(connection, older):
            histories[stream_of(fact)].setdefault(fact.version, fact)
    return {stream: [facts[version] for version in sorted(facts)] for stream, facts in histories.items()}


async def _known_further(connection: Connection, begun: Mapping[Stream, int]) -> list[Stream]:
    rows = await connection.fetch(
        """
        select stream.service, stream.stream from stream
        join unnest($1::text[], $2::uuid[], $3::int[]) as b (service, stream, version)
            on stream.service = b.service and stream.stream = b.stream
        where stream.version > b.version
        """,
        [service for service, _ in begun],
        [stream for _, stream in begun],
        list(begun.values()),
    )
    return [(row["service"], row["stream"]) for row in rows]


async def load(connection: Connection, streams: Iterable[Stream]) -> list[Fact]:
    """Load the facts of some streams, by stream and in order of version, in one query."""
    streams = list(streams)
    rows = await connection.fetch(_HISTORIES, [service for service, _ in streams], [stream for _, stream in streams])
    return [
        READ_MODELS[row["service"]].events.read(
            row["body"], position=row["position"], recorded_at=row["recorded_at"], hash=row["hash"]
        )
        for row in rows
    ]


def stream_of(fact: Fact) -> Stream:
    """Service and id of the stream of a fact."""
    return fact.envelope.stream.partition("/")[0], fact.stream_id


async def put(connection: Connection, folded: Sequence[Folded]) -> None:
    """Put the rows of some streams, and their duties, in place."""
    await connection.executemany(_PUT, [stream_row(item) for item in folded])
    await connection.execute(_CLEAR, [item.service for item in folded], [item.summary.stream for item in folded])
    duties = [row for item in folded for row in duty_rows(item)]
    if duties:
        await connection.copy_records_to_table("duty", records=duties, columns=list(DUTY_COLUMNS))


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
    )


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


def duty_of(row: asyncpg.Record) -> Duty:
    """Read a row of `duty`."""
    return Duty(
        row["duty"], row["opened_on"], row["due"], row["met_on"], row["item"], row["closed_on"], row["lapsed_on"]
    )
