"""The state as of a time or a position: streams that changed later are folded again; others are read as stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from services.reporting.fold import Folded, Stream, fold
from services.reporting.projection import load, stream_of
from services.reporting.snapshot import Connection
from shared.domain.envelope import Fact

_TOUCHED: Final = """
    select service, stream from stream
    where (
        tstzrange(opened_at, updated_at) @> $2::timestamptz
        or tstzrange(begun_at, greatest(begun_at, recorded_at)) @> $3::timestamptz
    )
      and ($2 is null or opened_at <= $2) and ($3 is null or begun_at <= $3)
      and service = any($1::text[]) and ($4::text[] is null or area is null or area = any($4))
"""


_AFTER: Final = """
    select s.service, s.stream from unnest($1::text[], $2::bigint[]) as cut (service, position)
    join stream as s on s.service = cut.service and s.position > cut.position
"""


async def refolded(
    connection: Connection,
    services: Collection[str],
    as_of: datetime | None,
    known_at: datetime | None = None,
    *,
    areas: list[str] | None = None,
    last_positions: Mapping[str, int] | None = None,
) -> list[Folded]:
    """Fold the streams of some services (of these areas, or of all) that changed since, as they were then.

    Those that had not begun are left out. `last_positions` cuts each service's log behind a position.
    """
    streams: set[Stream] = set()
    if as_of is not None or known_at is not None:
        rows = await connection.fetch(_TOUCHED, sorted(services), as_of, known_at, areas)
        streams.update((row["service"], row["stream"]) for row in rows)
    streams.update(await moved_after(connection, last_positions or {}))
    histories = await histories_of(connection, sorted(streams))
    folded = (
        fold(history, as_of=as_of, known_at=known_at, last_position=(last_positions or {}).get(service))
        for (service, _), history in histories.items()
    )
    return [item for item in folded if item is not None]


async def moved_after(connection: Connection, positions: Mapping[str, int]) -> list[Stream]:
    """List the streams that have an event after the position of their service."""
    rows = await connection.fetch(_AFTER, list(positions), list(positions.values()))
    return [(row["service"], row["stream"]) for row in rows]


async def histories_of(connection: Connection, streams: list[Stream]) -> Mapping[Stream, list[Fact]]:
    """Load the whole histories of some streams."""
    histories: dict[Stream, list[Fact]] = defaultdict(list)
    for fact in await load(connection, streams) if streams else ():
        histories[stream_of(fact)].append(fact)
    return histories
