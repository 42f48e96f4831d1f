"""Finding a fork of an event store and its topic, and giving up the branch that the topic does not hold.

A promotion of a standby that lagged once let commands take positions that the topic held otherwise. Consumers have acted on the
topic's branch, so that one is kept. The other is kept as evidence; its commands have to be sent again.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.event_store.lost_commands import lost_commands
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.fork import Fork
from shared.evidence.merkle import EMPTY_ROOT, RightEdge, hash_leaf
from shared.servers.database import Connection

_LOST: Final = "select position, recorded_at, stream, version, event_id, type, hash, body from event where position > $1 order by 1"


async def find_fork(
    connection: Connection,
    origin: str,
    entries: tuple[Mapping[int, bytes], Mapping[int, bytes]],
    signed: Sequence[tuple[Checkpoint, str]],
) -> Fork | None:
    """Compare the entries of an event store and of its topic, and the signed checkpoints of both; None: there is no fork."""
    stored, topic = entries
    here, there = _roots(stored), _roots(topic)
    differing = min((n for n, entry in stored.items() if topic.get(n, entry) != entry), default=None)

    def is_void(checkpoint: Checkpoint) -> bool:
        size, root = checkpoint.size, checkpoint.root
        other = there.get(size) != root
        return other and (size in there or (differing is not None and size >= differing and here.get(size) == root))

    void = {(checkpoint.size, checkpoint.root): note for checkpoint, note in signed if is_void(checkpoint)}
    if differing is not None:
        common = differing - 1
    elif void:
        # The lost events are nowhere: the branches parted after the last checkpoint that fits.
        first = min(size for size, _ in void)
        common = max((c.size for c, _ in signed if c.size < first and there.get(c.size) == c.root), default=0)
    else:
        return None
    rows = [] if differing is None else await connection.fetch(_LOST, common)
    return Fork(
        origin,
        (common, there[common]),
        (max(topic, default=0), there[max(topic, default=0)]),
        _evidence(rows, [void[root] for root in sorted(void)]),
        tuple(sorted(void)),
    )


def _roots(entries: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return the root of the tree at each size, up to the first entry that is missing."""
    edge, roots = RightEdge(), {0: EMPTY_ROOT}
    while (entry := entries.get(edge.size + 1)) is not None:
        edge.append(hash_leaf(entry))
        roots[edge.size] = edge.root
    return roots


def _evidence(rows: Sequence[Any], notes: Sequence[str]) -> bytes:
    events = [
        {
            **{name: row[name] for name in ("position", "stream", "version", "type")},
            "recorded_at": row["recorded_at"].isoformat(),
            "event_id": str(row["event_id"]),
            "hash": row["hash"].hex(),
            "body": base64.b64encode(row["body"]).decode(),
        }
        for row in rows
    ]
    return json.dumps({"events": events, "checkpoints": list(notes)}, sort_keys=True, indent=1).encode()


async def give_up(connection: Connection, fork: Fork, note: str) -> None:
    """Keep the lost branch as evidence, and take it out of the store, with the tree; to be called in a transaction, as the owner."""
    await connection.execute("insert into fork (note, evidence) values ($1, $2)", note, fork.evidence)
    lost = lost_commands(fork.evidence)
    tables = ("event", "answer", "tree_tile", "signed_checkpoint")
    for table in tables:
        await connection.execute(f"alter table {table} disable trigger user")
    if lost:
        await connection.execute(
            "delete from answer where command_id = any($1)", [command.command_id for command in lost]
        )
        await connection.execute("delete from event where position > $1", fork.common[0])
        await connection.execute(
            "update head set (position, recorded_at, log_hash) = ("
            "  select coalesce(max(e.position), 0), coalesce(max(e.recorded_at), 'epoch'),"
            "         coalesce((array_agg(e.log_hash order by e.position desc))[1], decode(repeat('00', 32), 'hex'))"
            "  from event as e where e.position = $1)",
            fork.common[0],
        )
    await connection.execute("delete from tree_tile where log = 'events'")
    await connection.execute("delete from signed_checkpoint where log = 'events'")
    for table in tables:
        await connection.execute(f"alter table {table} enable trigger user")
