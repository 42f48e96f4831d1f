"""The state as of a time: streams that changed since are folded anew, all others are as they are now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from services.reporting.fold import Folded, fold
from services.reporting.projection import Stream, load, stream_of
from services.reporting.snapshot import Connection
from shared.domain.envelope import Fact

_TOUCHED: Final = """
    select service, stream from stream
    where service = any($1::text[]) and (updated_at > $2 or recorded_at > $3)
      and ($2::timestamptz is null or opened_at <= $2) and ($4::text[] is null or area is null or area = any($4))
"""


async def refolded(
    connection: Connection,
    services: Collection[str],
    as_of: datetime | None,
    known_at: datetime | None = None,
    *,
    areas: list[str] | None = None,
) -> list[Folded]:
    """Fold the streams of some services (of these areas, or of all) that changed since, as they were then.

    Those that had not begun are left out.
    """
    if as_of is None and known_at is None:
        return []
    rows = await connection.fetch(_TOUCHED, sorted(services), as_of, known_at, areas)
    histories = await histories_of(connection, [(row["service"], row["stream"]) for row in rows])
    folded = (fold(history, as_of=as_of, known_at=known_at) for history in histories.values())
    return [item for item in folded if item is not None]


async def histories_of(connection: Connection, streams: list[Stream]) -> Mapping[Stream, list[Fact]]:
    """Load the whole histories of some streams."""
    histories: dict[Stream, list[Fact]] = defaultdict(list)
    for fact in await load(connection, streams) if streams else ():
        histories[stream_of(fact)].append(fact)
    return histories
