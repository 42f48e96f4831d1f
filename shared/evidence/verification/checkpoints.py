"""The signed checkpoints of a service's logs: each against the log as it stands now, its signature, and its topic.

The tree of each log is computed anew from the entries, a page at a time, with no more in memory than its right edge. If a
checkpoint has another root, the entries that differ from the stored tree are named.
"""

import asyncio
import contextlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import asyncpg
from aiokafka import TopicPartition

from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.evidence.fork import Root
from shared.evidence.home_evidence import verifier_keys
from shared.evidence.log import Log, read_tiles
from shared.evidence.merkle import SIZE, WIDTH, RightEdge, TileId, hash_leaf
from shared.evidence.verification.problems import CountedCheck, Problems
from shared.messaging.consumer.position_record import reader
from shared.privacy.signed_note import BadNote, VerifierKey
from shared.servers.database import Pool
from shared.servers.kafka import Kafka

PAGE: Final = 20 * WIDTH
"""Entries that are read at once: some whole tiles."""

STALL_SECONDS: Final = 10.0
"""How long a broker may give no record of a topic that has not come to its end."""

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CHECKPOINTS: Final = """
    select size, root, note from signed_checkpoint where log = $1 and size > $2 and size <= $3 order by size
"""
_LAST: Final = "select max(size) from signed_checkpoint where log = $1"


async def check_checkpoints(
    database: Pool, log: Log, published: Mapping[int, str], check: CountedCheck, outside: Sequence[str] = ()
) -> None:
    """Compute the tree of a log anew up to its last checkpoint, and compare each checkpoint on the way.

    `published` are the notes of the log's topic by size; `outside` those that a witness, or anybody else, has kept.
    """
    keys = await verifier_keys(database)
    signed = await database.fetchval(_LAST, log.name) or 0
    kept = _roots(outside, keys, check.problems)
    last = max([signed, *kept])
    if published and max(published) > signed:
        check.problems.note(
            f"the topic has a checkpoint of {max(published)} entries, the database's last one has {signed}"
        )
    edge = RightEdge()
    while (size := edge.size) < last:
        async with database.acquire() as connection:
            entries = await log.read(connection, size, min(PAGE, last - size))
            if not entries or [number for number, _ in entries] != list(range(size + 1, size + len(entries) + 1)):
                whose = " that the witness or another has kept" if last > signed else ""
                check.problems.note(
                    f"entry {size + 1} or one soon after it is missing, and a checkpoint of {last}{whose} is signed"
                )
                return
            leaf_tiles = range(size // WIDTH, (size + len(entries) - 1) // WIDTH + 1)
            tiles = await read_tiles(connection, log, [TileId(0, n) for n in leaf_tiles])
            rows = await connection.fetch(_CHECKPOINTS, log.name, size, size + len(entries))
        due = {row["size"]: row for row in rows}
        for number, entry in entries:
            leaf = hash_leaf(entry)
            edge.append(leaf)
            if number <= signed and _stored_leaf(tiles, number) != leaf:
                check.problems.note(
                    f"entry {number} is not the one that the tree holds: it was changed after it was signed"
                )
            if number in due:
                check.entries += 1
                _compare(due[number], edge.root, keys, published.get(number), check.problems)
            if number in kept and kept[number] != {edge.root}:
                check.problems.note(
                    f"the checkpoint of {number} entries that the witness or another has kept has another root: the log was rewritten"
                )
        await asyncio.sleep(0)


def _roots(notes: Sequence[str], keys: Sequence[VerifierKey], problems: Problems) -> Mapping[int, set[bytes]]:
    """Return the roots of checkpoints by size; note each that no key of the log has signed."""
    roots: dict[int, set[bytes]] = {}
    for note in notes:
        try:
            checkpoint = open_checkpoint(note, keys)
        except BadNote as error:
            problems.note(f"a checkpoint that the witness or another has kept: {error}")
        else:
            roots.setdefault(checkpoint.size, set()).add(checkpoint.root)
    return roots


def _compare(
    row: asyncpg.Record, root: bytes, keys: Sequence[VerifierKey], published: str | None, problems: Problems
) -> None:
    """Compare a checkpoint with the root of the present entries, with its signature, and with the published one."""
    here = f"the checkpoint of {row['size']} entries"
    if row["root"] != root:
        problems.note(f"{here} has another root than the entries: the log was rewritten")
    try:
        signed = open_checkpoint(row["note"], keys)
    except BadNote as error:
        problems.note(f"{here}: {error}")
        return
    if (signed.size, signed.root) != (row["size"], row["root"]):
        problems.note(f"{here} was signed with another size or root")
    if published is not None and published.partition("\n\n")[0] != row["note"].partition("\n\n")[0]:
        problems.note(f"{here} was published with another root: the database was rewritten after it")


async def read_published(
    bootstrap: Kafka, topic: str, void: Collection[Root] = frozenset()
) -> dict[str, dict[int, str]]:
    """Read every checkpoint of a topic but the void ones of a fork: log -> size -> note.

    Raises a KafkaError, or TimeoutError.
    """
    notes: dict[str, dict[int, str]] = {}
    for log, size, note in await read_notes(bootstrap, topic):
        if (size, _root_of(note)) not in void:
            notes.setdefault(log, {}).setdefault(size, note)
    return notes


def _root_of(note: str) -> bytes:
    try:
        return Checkpoint.parse(note).root
    except BadNote:
        return b""


async def read_signed(
    bootstrap: Kafka, topic: str, log: Log, keys: Collection[VerifierKey]
) -> list[tuple[Checkpoint, str]]:
    """Read the checkpoints of a log in a topic that one of its keys has signed, with their notes, the smallest first.

    Other writers of the topic may add checkpoints, which prove nothing. Raises a KafkaError, or TimeoutError.
    """
    signed: list[tuple[Checkpoint, str]] = []
    for name, _, note in await read_notes(bootstrap, topic):
        if name == log.name:
            with contextlib.suppress(BadNote):
                checkpoint = open_checkpoint(note, keys)
                if checkpoint.origin.endswith(f"/{log.name}"):
                    signed.append((checkpoint, note))
    return sorted(signed, key=lambda pair: pair[0].size)


async def read_notes(bootstrap: Kafka, topic: str) -> list[tuple[str, int, str]]:
    """Read every checkpoint of a topic, in order: log, size, note. Raises a KafkaError, or TimeoutError."""
    notes: list[tuple[str, int, str]] = []
    async with reader(bootstrap, "read_committed") as consumer:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        async with asyncio.timeout(STALL_SECONDS):
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            records = (await consumer.getmany(timeout_ms=int(STALL_SECONDS * 1000))).get(place, [])
            if not records:
                raise TimeoutError(f"{topic} gives no record before its end")
            for record in records:
                note = (record.value or b"").decode(errors="replace")
                size = note.split("\n")[1] if note.count("\n") > 2 else ""
                if _SIZE.fullmatch(size) and record.key is not None:
                    notes.append((record.key.decode(errors="replace"), int(size), note))
    return notes


def _stored_leaf(tiles: Mapping[TileId, bytes], number: int) -> bytes:
    begin = (number - 1) % WIDTH * SIZE
    return tiles.get(TileId(0, (number - 1) // WIDTH), b"")[begin : begin + SIZE]
