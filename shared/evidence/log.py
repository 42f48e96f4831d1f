"""The logs of a service's database, their trees in PostgreSQL, and the growth of a tree behind its log.

A log is append-only: the service's events, and its access log. The entry of each is the 48 bytes of
`shared.event_store.log_hash.log_entry`: number, time and hash.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from shared.event_store.log_hash import log_entry
from shared.evidence import merkle
from shared.evidence.checkpoint import Checkpoint
from shared.servers.database import Connection

MAX_ENTRIES: Final = 20_000
"""How many entries one checkpoint adds at most; a longer backlog becomes several checkpoints."""

LINES_ABOUT: Final = (
    "join access_log as l on l.target = t.name or l.target >= t.name || '/' and l.target < t.name || '0'"
)
"""The lines of the access log about the targets `t.name` and what is below them: '0' follows '/' by code point."""

_TILES = """
    select t.level, t.number, t.hashes from unnest($2::smallint[], $3::bigint[]) as wanted (level, number)
    join tree_tile as t on t.log = $1 and t.level = wanted.level and t.number = wanted.number
"""
_KEEP_TILES = """
    insert into tree_tile (log, level, number, hashes)
    select $1, level, number, hashes from unnest($2::smallint[], $3::bigint[], $4::bytea[]) as t (level, number, hashes)
    on conflict (log, level, number) do update set hashes = excluded.hashes
"""
_LAST = "select size, root from signed_checkpoint where log = $1 order by size desc limit 1"


def line_of(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "number": row["sequence"],
        "at": row["at"].isoformat(),
        "actor": str(row["actor"]),
        **{name: row[name] for name in ("role", "organisation", "action", "target", "reason", "outcome")},
        "rules": list(row["rules"]),
    }


class LogRewritten(Exception):
    """A log that differs from its tree. The message names the entry."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log of a database: its name, how its entries are read after a number, with a limit, and those of one home."""

    name: str
    entries: str
    of_home: str
    """Reads number, time and hash of a home's ($1) or its targets' ($2) entries up to a number ($3)."""
    end: str
    """Reads the number of the last entry; null for an empty log."""

    async def of(
        self, connection: Connection, home: UUID, targets: Sequence[str], size: int
    ) -> list[tuple[int, bytes]]:
        """Read a home's entries among the first `size`, in order: their number and bytes."""
        return _entries(await connection.fetch(self.of_home, home, list(targets), size))

    async def read(self, connection: Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Read entries in order: their number and bytes."""
        return _entries(await connection.fetch(self.entries, after, limit))


def _entries(rows: Iterable[tuple[int, datetime, bytes]]) -> list[tuple[int, bytes]]:
    return [(number, log_entry(number, at, hash_)) for number, at, hash_ in rows]


EVENTS: Final = Log(
    "events",
    "select position, recorded_at, hash from event where position > $1 order by position limit $2",
    "select position, recorded_at, hash from event where home = $1 and $2::text[] is not null and position <= $3 order by position",
    "select max(position) from event",
)
ACCESS: Final = Log(
    "access",
    "select sequence, at, hash from access_log where sequence > $1 order by sequence limit $2",
    f"""
    select distinct l.sequence, l.at, l.hash from unnest($2::text[]) as t (name)
    {LINES_ABOUT}
    where $1::uuid is not null and l.sequence <= $3
    order by l.sequence
    """,  # noqa: S608 - the constant above
    "select max(sequence) from access_log",
)
LOGS: Final[Mapping[str, Log]] = {log.name: log for log in (EVENTS, ACCESS)}


def origin_of(authority: str, service: str, log: Log) -> str:
    """Name a log in its checkpoints: `<authority>/<service>/<log>`."""
    return f"{authority}/{service}/{log.name}"


async def read_tiles(connection: Connection, log: Log, places: Iterable[merkle.TileId]) -> dict[merkle.TileId, bytes]:
    """Read tiles of a log's tree; those that do not exist are left out."""
    wanted = list(places)
    rows = await connection.fetch(_TILES, log.name, [tile.level for tile in wanted], [tile.number for tile in wanted])
    return {merkle.TileId(row["level"], row["number"]): row["hashes"] for row in rows}


async def prove(connection: Connection, log: Log, spans: Sequence[merkle.Span]) -> list[bytes]:
    """Compute the hashes of subtrees of a log's tree, as a proof. Raises `IncompleteTile` or KeyError beyond the tree."""
    return merkle.proof(await read_tiles(connection, log, merkle.tiles_of(spans)), spans)


async def prove_inclusion(connection: Connection, log: Log, number: int, size: int) -> list[bytes]:
    """Prove that the entry with a number (from 1) is among the first `size`."""
    return await prove(connection, log, merkle.inclusion_spans(number - 1, size))


async def prove_each(connection: Connection, log: Log, numbers: Iterable[int], size: int) -> list[list[bytes]]:
    """Prove for each of these numbers that its entry is among the first `size`, reading each tile once."""
    paths = [merkle.inclusion_spans(number - 1, size) for number in numbers]
    tiles = await read_tiles(connection, log, {tile for path in paths for tile in merkle.tiles_of(path)})
    return await asyncio.to_thread(merkle.proofs, tiles, paths)


async def prove_all(connection: Connection, log: Log, numbers: Sequence[int], size: int) -> list[bytes]:
    """Prove in one that the entries with these numbers, ascending, are among the first `size`: `merkle.spans_beside`.

    The arithmetic, a second for a hundred thousand entries, runs in a thread: other requests are answered meanwhile.
    """

    def beside() -> tuple[list[merkle.Span], set[merkle.TileId]]:
        spans = list(merkle.spans_beside([number - 1 for number in numbers], 0, size))
        return spans, merkle.tiles_of(spans)

    spans, places = await asyncio.to_thread(beside)
    return await asyncio.to_thread(merkle.proof, await read_tiles(connection, log, places), spans)


async def prove_consistency(connection: Connection, log: Log, first: int, second: int) -> list[bytes]:
    """Prove that the tree of `second` entries begins with that of `first`."""
    return await prove(connection, log, merkle.consistency_spans(first, second))


async def grow(connection: Connection, log: Log, origin: str, end: int) -> tuple[int, Checkpoint] | None:
    """Append to a log's tree its next entries, up to number `end`; to be called in the transaction that keeps the checkpoint.

    Returns the size before and the new checkpoint, or None if the log has nothing new. Raises `LogRewritten`.
    """
    last = await connection.fetchrow(_LAST, log.name)
    size: int = last["size"] if last else 0
    tiles = await read_tiles(connection, log, {*merkle.frontier(size), *merkle.tiles_of([merkle.Span(0, size)])})
    if last:
        await _require_unchanged(connection, log, size, last["root"], tiles)
    entries = await log.read(connection, size, min(MAX_ENTRIES, max(0, end - size)))
    if not entries:
        return None
    for expected, (number, _) in enumerate(entries, size + 1):
        if number != expected:
            raise LogRewritten(f"{origin} has no entry {expected}: the next one is {number}")
    grown, changed = merkle.append_leaves(tiles, size, (merkle.hash_leaf(entry) for _, entry in entries))
    tile_ids = sorted(changed)
    try:
        await connection.execute(
            _KEEP_TILES,
            log.name,
            [tile.level for tile in tile_ids],
            [tile.number for tile in tile_ids],
            [tiles[tile] for tile in tile_ids],
        )
    except asyncpg.InsufficientPrivilegeError as error:  # a tile only grows
        raise LogRewritten(f"{origin}: its tree holds other hashes after entry {size}") from error
    return size, Checkpoint(origin, grown, merkle.root_hash(tiles, grown))


async def _require_unchanged(
    connection: Connection, log: Log, size: int, root: bytes, tiles: Mapping[merkle.TileId, bytes]
) -> None:
    """Check the tree against its last checkpoint, and the last entry against the tree; `ooc verify` checks the rest."""
    for place, hashes in tiles.items():
        if len(hashes) > merkle.SIZE * (size // merkle.WIDTH**place.level - place.number * merkle.WIDTH):
            raise LogRewritten(
                f"the tree of the log {log.name} holds hashes after entry {size}, which no checkpoint has signed"
            )
    try:
        standing = merkle.root_hash(tiles, size)
    except KeyError as error:
        raise LogRewritten(f"the tree of the log {log.name} lacks the tile {error}") from error
    if standing != root:
        raise LogRewritten(f"the tree of the log {log.name} has another root at size {size} than its checkpoint")
    entry = await log.read(connection, size - 1, 1)
    if not entry or entry[0][0] != size:
        raise LogRewritten(f"the log {log.name} ends before entry {size}, which a checkpoint has signed")
    place = merkle.TileId(0, (size - 1) // merkle.WIDTH)
    tile = tiles.get(place) or (await read_tiles(connection, log, [place]))[place]
    offset = (size - 1) % merkle.WIDTH * merkle.SIZE
    if tile[offset : offset + merkle.SIZE] != merkle.hash_leaf(entry[0][1]):
        raise LogRewritten(f"entry {size} of the log {log.name} is not the one that a checkpoint has signed")
