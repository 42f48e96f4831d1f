"""Restoring an event store from its topic: the way back for lost events, and where the two have parted.

The judge is the Merkle tree: its root at each size is in a signed checkpoint, and follows from positions, times and hashes,
which event store and topic both hold. What is restored has the signed root, or nothing is restored.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from ooc.evidence.verification import owner_database_url, require_answers, stores
from ooc.restore.fork import find_fork, give_up
from services.system.registry import deciding_services
from shared.domain.envelope import GENESIS, next_hash
from shared.domain.service import Service
from shared.event_store import RecordedEvent
from shared.event_store.log_hash import kept_answer, log_entry, next_log_hash
from shared.event_store.lost_commands import lost_commands
from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.evidence.fork import Fork, require_signed, void_roots
from shared.evidence.home_evidence import verifier_keys
from shared.evidence.log import EVENTS, read_tiles
from shared.evidence.merkle import RightEdge, append_leaves, frontier, hash_leaf
from shared.evidence.verification.checkpoints import read_signed
from shared.evidence.verification.problems import Problems
from shared.evidence.verification.streams import claims_after, owner_of
from shared.evidence.verification.topic import committed_records, read_position_record
from shared.messaging.consumer.consumed_event import ConsumedEvent, decode
from shared.privacy.signed_note import BadNote, VerifierKey
from shared.servers.database import Connection, create_pool, database_dsn
from shared.servers.kafka import VERIFIER, Kafka

PAGE: Final = 20_000
"""Entries of an event store that are read at once."""

NOT_KNOWN: Final = b""
"""The digest of a restored receipt: no topic holds that of the request, so a repeat is not compared with it."""

_NOTES: Final = "select size, note from signed_checkpoint where log = 'events'"
_LAST: Final = "select distinct on (stream) stream, version, hash, home from event where stream = any($1) order by stream, version desc"
_CHECK: Final = "select check_event($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_EVENT: Final = """
    insert into event (position, recorded_at, stream, version, event_id, type, home, hash, body, log_hash)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_ANSWER: Final = "insert into answer (command_id, digest, stream, first_version, events) values ($1, $2, $3, $4, $5)"
_STREAM: Final = "select type, body, position from event where stream = $1 order by version"
_CLAIM: Final = "insert into claim (key, stream) values ($1, $2)"
_TILES: Final = """
    insert into tree_tile (log, level, number, hashes) values ('events', $1, $2, $3)
    on conflict (log, level, number) do update set hashes = excluded.hashes
"""
_SIGNED: Final = "insert into signed_checkpoint (log, size, root, note) values ('events', $1, $2, $3)"


Signed = tuple[Checkpoint, str]
"""A checkpoint, and the note by which it is signed."""


class CannotRestore(Exception):
    """A reason for which nothing is restored, in words."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The signed note that gives up a branch of a fork, and the witness whose cosignature it needs; None: there is none."""

    note: str
    witness: VerifierKey | None


@dataclass
class TopicEvents:
    """The events of a topic: the log entry of each position, and those after a position whole."""

    entries: dict[int, bytes] = field(default_factory=dict)
    after: dict[int, RecordedEvent] = field(default_factory=dict)
    commands: dict[int, UUID] = field(default_factory=dict)
    """The command of each event in `after`."""


async def read_topic(
    service: Service[Any], connection: Connection, kafka: Kafka, after: int, problems: Problems
) -> TopicEvents:
    """Read the events that the relay wrote to a topic; whole those after a position. Other records are left out."""
    reached = await read_position_record(service, connection, kafka, problems)
    events = TopicEvents()
    async for records in committed_records(service, kafka, reached, problems):
        for record in records:
            if not reached.vouches(record.partition, record.offset):
                continue
            event = decode(
                record.topic, record.partition, record.offset, record.key, tuple(record.headers), record.value
            )
            _take(event, after, events, problems)
    return events


def _take(event: ConsumedEvent, after: int, topic: TopicEvents, problems: Problems) -> None:
    place = f"{event.topic} partition {event.partition} offset {event.offset}"
    if event.error is not None:
        problems.note(f"{place}: {event.error}")
        return
    entry = log_entry(event.position, event.recorded_at, event.hash)
    if topic.entries.setdefault(event.position, entry) != entry:
        problems.note(f"{place}: position {event.position} stands in the topic twice, with another event")
    if event.position > after:
        envelope = json.loads(event.body)
        topic.commands[event.position] = UUID(envelope["command_id"])
        topic.after[event.position] = RecordedEvent(
            event.position,
            event.recorded_at,
            event.stream,
            event.version,
            event.event_id,
            event.type,
            UUID(envelope["home"]),
            event.hash,
            event.body,
        )


def signed_roots(checkpoints: Iterable[Signed], problems: Problems) -> dict[int, Checkpoint]:
    """Return checkpoints by size; two of a size must be the same."""
    by_size: dict[int, Checkpoint] = {}
    for checkpoint, _ in checkpoints:
        if by_size.setdefault(checkpoint.size, checkpoint).root != checkpoint.root:
            problems.note(f"two checkpoints of {checkpoint.size} entries have different roots: `ooc restore fork`")
    return by_size


def compare_roots(
    what: str, entries: Mapping[int, bytes], signed: Mapping[int, Checkpoint], problems: Problems
) -> None:
    """Compute the tree of entries by position, and note each signed root that differs."""
    edge = RightEdge()
    last = max((*entries, *signed), default=0)
    for position in range(1, last + 1):
        entry = entries.get(position)
        if entry is None:
            problems.note(f"{what} lacks position {position}, and {last} are known")
            break
        edge.append(hash_leaf(entry))
        if position in signed and signed[position].root != edge.root:
            problems.note(f"{what} has another root at {position} entries than the checkpoint that is signed")


async def entries_of_store(connection: Connection) -> dict[int, bytes]:
    """Read the log entry of each position of an event store."""
    entries: dict[int, bytes] = {}
    after = 0
    while page := await EVENTS.read(connection, after, PAGE):
        entries |= dict(page)
        after = page[-1][0]
    return entries


async def restore_events(
    service: Service[Any],
    connection: Connection,
    kafka: Kafka,
    keys: Sequence[VerifierKey] = (),
    statement: Statement | None = None,
) -> tuple[int, int]:
    """Record again, in one transaction, what a topic holds and its event store lacks. Returns the position before and after.

    A `statement` of a fork has the branch given up first that the topic does not hold.
    Raises `CannotRestore`, and then nothing has changed. Receipts come back without the digest of their request.
    """
    problems = Problems()
    async with connection.transaction():
        await connection.execute("select from head for update")
        # A running signer waits: the stored tree grows here.
        await connection.execute("lock table signed_checkpoint, tree_tile in share row exclusive mode")
        stored = await entries_of_store(connection)
        topic = await read_topic(service, connection, kafka, 0 if statement else max(stored, default=0), problems)
        checkpoints = await _checkpoints(connection, service, kafka, problems, keys)
        lost: set[str] = set()
        if statement is not None:
            _require(problems)
            entries = (stored, topic.entries)
            checkpoints, lost = await _give_up_branch(connection, statement, entries, checkpoints, keys)
            stored = await entries_of_store(connection)
        head = await connection.fetchrow("select position, log_hash from head")
        assert head is not None
        begin: int = head["position"]
        signed = signed_roots(checkpoints, problems)
        differing = [position for position, entry in stored.items() if topic.entries.get(position, entry) != entry]
        if differing:
            problems.note(
                f"the event store holds another event than the topic at position {differing[0]}: `ooc restore fork`"
            )
        # Checkpoints may be ahead of the topic, if the relay ended before the signer.
        compare_roots("the topic, with the event store,", {**stored, **topic.entries}, signed, problems)
        if topic.after and not signed:
            problems.note("no checkpoint is signed that could prove what is restored")
        _require(problems)
        events = [topic.after[position] for position in sorted(topic.after) if position > begin]
        if events:
            await _require_chains(connection, service, events, topic.commands)
            await _insert(connection, events, topic.commands, head["log_hash"])
        if events or statement:
            await _rebuild_claims(connection, service, lost | {event.stream for event in events})
            await _rebuild_tree(
                connection, {**stored, **topic.entries}, signed, {c.size: note for c, note in checkpoints}
            )
        return begin, events[-1].position if events else begin


async def _checkpoints(
    connection: Connection, service: Service[Any], kafka: Kafka, problems: Problems, keys: Sequence[VerifierKey] = ()
) -> list[Signed]:
    """Return the signed checkpoints of an event store with their notes, from its database and from its topic.

    Those of a branch that was given up are left out.
    """
    keys = keys or await verifier_keys(connection)
    void = await void_roots(connection, keys, problems)
    notes = [row["note"] for row in await connection.fetch(_NOTES)]
    published = await read_signed(kafka, service.checkpoints_topic, EVENTS, keys)
    checkpoints = {note: checkpoint for checkpoint, note in published}
    for note in notes:
        try:
            checkpoints[note] = open_checkpoint(note, keys)
        except BadNote as error:
            problems.note(f"a checkpoint: {error}")
    return [
        (checkpoint, note) for note, checkpoint in checkpoints.items() if (checkpoint.size, checkpoint.root) not in void
    ]


async def name_fork(
    service: Service[Any], connection: Connection, kafka: Kafka, keys: Sequence[VerifierKey] = ()
) -> Fork | None:
    """Find where an event store, its topic and their signed checkpoints part; None if they do not. Raises `CannotRestore`."""
    problems = Problems()
    topic = await read_topic(service, connection, kafka, 0, problems)
    checkpoints = await _checkpoints(connection, service, kafka, problems, keys)
    _require(problems)
    return await find_fork(
        connection, _origin(checkpoints), (await entries_of_store(connection), topic.entries), checkpoints
    )


def _origin(checkpoints: Sequence[Signed]) -> str:
    if not checkpoints:
        raise CannotRestore("no checkpoint is signed that could prove what is restored")
    return checkpoints[0][0].origin


async def _give_up_branch(
    connection: Connection,
    statement: Statement,
    entries: tuple[dict[int, bytes], dict[int, bytes]],
    checkpoints: list[Signed],
    keys: Sequence[VerifierKey],
) -> tuple[list[Signed], set[str]]:
    """Take the lost branch of a fork out of the store; return the checkpoints that count on, and the streams that lost events."""
    fork = await find_fork(connection, _origin(checkpoints), entries, checkpoints)
    if fork is None:
        raise CannotRestore("event store, topic and checkpoints agree: there is no fork to settle")
    try:
        keys = keys or await verifier_keys(connection)
        require_signed(statement.note, fork, keys, statement.witness)
    except BadNote as error:
        raise CannotRestore(str(error)) from error
    await give_up(connection, fork, statement.note)
    counting = [pair for pair in checkpoints if (pair[0].size, pair[0].root) not in fork.void]
    return counting, {lost.stream for lost in lost_commands(fork.evidence)}


def _require(problems: Problems) -> None:
    if problems.lines:
        raise CannotRestore("\n".join(problems.lines))


async def _require_chains(
    connection: Connection, service: Service[Any], events: Sequence[RecordedEvent], commands: Mapping[int, UUID]
) -> None:
    """Check that each event follows from the one before in its stream, and is one that `append` would have taken."""
    rows = await connection.fetch(_LAST, sorted({event.stream for event in events}))
    last = {row["stream"]: (row["version"], row["hash"], row["home"]) for row in rows}
    for event in events:
        version, hash_, home = last.get(event.stream, (0, GENESIS, event.home))
        if event.version != version + 1 or next_hash(hash_, event.body) != event.hash:
            raise CannotRestore(f"position {event.position} does not follow from {event.stream} version {version}")
        last[event.stream] = (event.version, event.hash, home)
        columns = (event.event_id, event.type, event.home, event.body)
        await connection.execute(
            _CHECK, service.name, commands[event.position], event.stream, event.version, home, *columns
        )


async def _insert(
    connection: Connection, events: Sequence[RecordedEvent], commands: Mapping[int, UUID], log_hash: bytes
) -> None:
    """Insert events and the receipts of their commands, and set the head."""
    rows, answers = [], list[tuple[UUID, bytes, str, int, int]]()
    first = events[0].version
    for n, event in enumerate(events):
        command = commands[event.position]
        if n and commands[events[n - 1].position] != command:
            first = event.version
        ends = n + 1 == len(events) or commands[events[n + 1].position] != command
        entry = log_entry(event.position, event.recorded_at, event.hash)
        log_hash = next_log_hash(log_hash, entry, kept_answer(command, NOT_KNOWN) if ends else b"")
        if ends:
            answers.append((command, NOT_KNOWN, event.stream, first, event.version - first + 1))
        rows.append(
            (
                *(event.position, event.recorded_at, event.stream, event.version, event.event_id, event.type),
                *(event.home, event.hash, event.body, log_hash),
            )
        )
    await connection.executemany(_EVENT, rows)
    await connection.executemany(_ANSWER, answers)
    await connection.execute(
        "update head set position = $1, recorded_at = $2, log_hash = $3",
        *(events[-1].position, events[-1].recorded_at, log_hash),
    )


async def _rebuild_claims(connection: Connection, service: Service[Any], streams: set[str]) -> None:
    """Set the unique keys that the restored streams hold: they follow from their events."""
    await connection.execute("delete from claim where stream = any($1)", sorted(streams))
    for stream in sorted(streams):
        if not (rows := await connection.fetch(_STREAM, stream)):
            continue  # it began on a branch that was given up
        owner = owner_of(service, rows[0]["type"])
        held = claims_after(owner, [owner.events.read(row["body"], position=row["position"]) for row in rows])
        await connection.executemany(_CLAIM, [(key, stream) for key in sorted(held)])


async def _rebuild_tree(
    connection: Connection, entries: Mapping[int, bytes], signed: Mapping[int, Checkpoint], notes: Mapping[int, str]
) -> None:
    size: int = await connection.fetchval("select coalesce(max(size), 0) from signed_checkpoint where log = 'events'")
    tiles = await read_tiles(connection, EVENTS, frontier(size))
    for target in sorted(number for number in notes if number > size and number in signed):
        leaves = (hash_leaf(entries[position]) for position in range(size + 1, target + 1))
        size, changed = append_leaves(tiles, size, leaves)
        await connection.executemany(_TILES, [(*tile, tiles[tile]) for tile in sorted(changed)])
        await connection.execute(_SIGNED, target, signed[target].root, notes[target])


# --- on this machine ------------------------------------------------------------------------------


async def restore_service(
    name: str, known: Sequence[VerifierKey], statement: Statement | None = None
) -> tuple[int, int]:
    """Restore the event store of a service; returns its last position before and after. Raises KeyError for another name."""
    service = {service.name: service for service in deciding_services()}[name]
    async with opened(service.name) as (connection, kafka):
        return await restore_events(service, connection, kafka, known, statement)


async def fork_of_service(name: str, known: Sequence[VerifierKey]) -> Fork | None:
    """Find the fork of the event store of a service, if there is one. Raises KeyError for another name, and `CannotRestore`."""
    service = {service.name: service for service in deciding_services()}[name]
    async with opened(service.name) as (connection, kafka):
        return await name_fork(service, connection, kafka, known)


@asynccontextmanager
async def opened(service: str) -> AsyncIterator[tuple[Connection, Kafka]]:
    """Connect to a service's event store as its owner; yield the connection, and Kafka by the login that reads all."""
    settings = stores()
    await require_answers(settings)
    address = database_dsn(owner_database_url(), f"ooc_{service}")
    async with await create_pool(address, max_size=1) as pool, pool.acquire() as connection:
        yield connection, settings.kafka_as(VERIFIER)
