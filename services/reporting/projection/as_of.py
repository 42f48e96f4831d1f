"""Bitemporal state: streams that changed after a time or a position are folded again; others are read as stored."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Final

from services.reporting.projection.fold import EVERYTHING, Folded, Stream, fold, split
from services.reporting.projection.knowledge import known_of, known_since, streams_naming
from services.reporting.projection.projector import in_reach, load, read_row, stream_of
from services.reporting.projection.read_models import READ_MODELS, published_types
from services.reporting.projection.snapshot import Connection
from shared.domain.envelope import Fact
from shared.domain.messages import Correction
from shared.domain.persons import NOTHING_KNOWN

_TOUCHED: Final = f"""
    select service, stream from stream
    where (
        tstzrange(opened_at, updated_at) @> $2::timestamptz
        or tstzrange(begun_at, greatest(begun_at, recorded_at)) @> $3::timestamptz
    )
      and ($2 is null or opened_at <= $2) and ($3 is null or begun_at <= $3)
      and service = any($1::text[]) and {in_reach("stream", "$4::text[]")}
"""  # noqa: S608 - the clause above, and no value


_AFTER: Final = """
    select s.service, s.stream from unnest($1::text[], $2::bigint[]) as cut (service, position)
    join stream as s on s.service = cut.service and s.position > cut.position
"""

# Facts at the end of a history that had not occurred, or were not known, change nothing and are not read. A correction counts
# from the occurrence of the fact that it corrects, so `as_of` never cuts it off.
_BEGINNINGS: Final = """
    with cut as (
        select f.service, f.stream, max(f.version) as last
        from fact as f join unnest($1::text[], $2::uuid[]) as wanted (service, stream) using (service, stream)
        where ($3::timestamptz is null or f.occurred_at <= $3 or f.type = any($5::text[]))
          and ($4::timestamptz is null or f.recorded_at <= $4)
        group by f.service, f.stream
    )
    select f.service, f.position, f.recorded_at, f.hash, f.body
    from fact as f join cut using (service, stream) where f.version <= cut.last
    order by f.service, f.stream, f.version
"""

AT_A_TIME: Final = 25
"""Streams whose histories are loaded and folded in one go; then other requests have their turn."""

CORRECTIONS: Final = published_types(
    (read_model.events for read_model in READ_MODELS.values()), lambda event: issubclass(event, Correction)
)


async def fold_changed_streams(
    connection: Connection,
    services: Collection[str],
    as_of: datetime | None,
    known_at: datetime | None = None,
    *,
    areas: list[str] | None = None,
    last_positions: Mapping[str, int] = EVERYTHING,
) -> AsyncIterator[Folded]:
    """Fold the streams of some areas, or of all, that changed after these times or positions, as they were then.

    They are yielded one by one: each that the caller keeps holds its history in memory. Of a stream that is yielded the
    stored row does not count, though it may be older: what is known of its persons is newer.
    """
    touched: set[Stream] = set()
    if as_of is not None or known_at is not None:
        rows = await connection.fetch(_TOUCHED, sorted(services), as_of, known_at, areas)
        touched.update((row["service"], row["stream"]) for row in rows)
    touched.update(await changed_after(connection, services, last_positions, as_of, known_at))
    async for stream, history in histories_in_turn(connection, sorted(touched), as_of, known_at):
        known = (await known_of(connection, {stream: history})).get(stream, NOTHING_KNOWN)
        item = fold(history, as_of=as_of, known_at=known_at, last_positions=last_positions, known=known)
        if item is not None:
            yield item


async def changed_after(
    connection: Connection,
    services: Collection[str],
    positions: Mapping[str, int],
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> set[Stream]:
    """Return the streams of some services that have an event after the positions, or a person of whom something became known since.

    What became known after these times counts too.
    """
    if not positions and as_of is None and known_at is None:
        return set()
    rows = await connection.fetch(_AFTER, list(positions), list(positions.values()))
    persons = await known_since(connection, as_of, known_at, positions)
    changed = [(row["service"], row["stream"]) for row in rows] + await streams_naming(connection, persons)
    return {stream for stream in changed if stream[0] in services}


async def histories_in_turn(
    connection: Connection, streams: list[Stream], as_of: datetime | None = None, known_at: datetime | None = None
) -> AsyncIterator[tuple[Stream, list[Fact]]]:
    """Yield the histories of many streams, as `histories_of` loads them: a few are in memory at a time."""
    for n in range(0, len(streams), AT_A_TIME):
        for history in (await histories_of(connection, streams[n : n + AT_A_TIME], as_of, known_at)).items():
            yield history


async def histories_of(
    connection: Connection, streams: list[Stream], as_of: datetime | None = None, known_at: datetime | None = None
) -> Mapping[Stream, list[Fact]]:
    """Load the histories of some streams: whole, or the part that counts at these times."""
    histories: dict[Stream, list[Fact]] = defaultdict(list)
    if not streams:
        return histories
    if as_of is None and known_at is None:
        facts = await load(connection, streams)
    else:
        rows = await connection.fetch(_BEGINNINGS, *split(streams), as_of, known_at, CORRECTIONS)
        facts = [read_row(row) for row in rows]
    for fact in facts:
        histories[stream_of(fact)].append(fact)
    return histories
