"""Verification of one service on live data, at a fixed position: event store, topic and access log against each other.

It reads as the application's role, changes nothing, and may run beside a busy system: the position is taken once, and
everything up to it must be whole in every place.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.domain.decider import BrokenHistory
from shared.domain.execution import claims_of
from shared.domain.messages import (
    GENESIS,
    Fact,
    UnknownEvent,
    next_hash,
)
from shared.event_store.postgres import PostgresEventStore
from shared.messaging.relay import key_and_partition, last_high_water_mark
from shared.runtime.service import Service

PAGE: Final = 5_000
PATIENCE_SECONDS: Final = 60.0
"""How long the topic may take to reach the position that is verified."""


@dataclass(frozen=True)
class Finding:
    """One line of a verification: what was looked at, how much of it, and what is broken (nothing, where it is whole)."""

    service: str
    check: str
    looked_at: str
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not self.problems


def counted(number: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@dataclass
class _Walk:
    """What one walk through an event store collects."""

    position: int = 0
    last_recorded_at: Any = None
    versions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    hashes: dict[str, bytes] = field(default_factory=dict)
    homes: dict[str, UUID] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=lambda: [b""])
    """SHA-256 of the bytes at each position."""
    places: list[tuple[str, int, UUID]] = field(default_factory=lambda: [("", 0, UUID(int=0))])
    histories: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    dense: list[str] = field(default_factory=list)
    gapless: list[str] = field(default_factory=list)
    chained: list[str] = field(default_factory=list)
    readable: list[str] = field(default_factory=list)


async def verify_service(
    service: Service[Any], database: asyncpg.Pool[asyncpg.Record], bootstrap: str
) -> AsyncIterator[Finding]:
    """Every finding about one service, as soon as it is known."""
    event_store = PostgresEventStore(database)
    head = (await event_store.head()).position
    walk = _Walk()
    while walk.position < head:
        records = [record for record in await event_store.read(walk.position, PAGE) if record.position <= head]
        if not records:
            _note_missing(walk, head, "the end")
            break
        for record in records:
            _look(service, walk, record)
        await asyncio.sleep(0)
    events = counted(head, "event")
    name = service.name
    yield Finding(name, "positions dense, recorded_at growing", events, tuple(walk.dense))
    yield Finding(name, "versions gapless", counted(len(walk.versions), "stream"), tuple(walk.gapless))
    yield Finding(name, "chains whole", events, tuple(walk.chained))
    yield Finding(
        name, "events readable, histories fold", counted(len(walk.histories), "stream"), tuple(_folds(service, walk))
    )
    yield Finding(
        name, "answers and claims follow from events", events, tuple(await _derived(service, database, walk, head))
    )
    yield Finding(
        name, "topic equals event store, byte for byte", events, tuple(await _topic(service, walk, head, bootstrap))
    )
    count, broken = await _access_log(database)
    yield Finding(name, "access log dense and chained", counted(count, "line"), tuple(broken))


def _look(service: Service[Any], walk: _Walk, record: Any) -> None:
    """Take one record of the event store into the walk."""
    here = f"position {record.position} ({record.stream} version {record.version})"
    if record.position != walk.position + 1:
        _note_missing(walk, record.position - 1, here)
    if walk.last_recorded_at is not None and record.recorded_at <= walk.last_recorded_at:
        walk.dense.append(f"{here}: recorded_at does not grow")
    walk.position, walk.last_recorded_at = record.position, record.recorded_at
    if record.version != walk.versions[record.stream] + 1:
        walk.gapless.append(f"{here}: version {walk.versions[record.stream] + 1} is missing")
    walk.versions[record.stream] = record.version
    if next_hash(walk.hashes.get(record.stream, GENESIS), record.body) != record.hash:
        walk.chained.append(f"{here}: the hash does not follow from the bytes and the hash before")
    walk.hashes[record.stream] = record.hash
    walk.bodies.append(hashlib.sha256(record.body).digest())
    walk.places.append((record.stream, record.version, record.home))
    try:
        fact = service.events.read(
            record.body, position=record.position, recorded_at=record.recorded_at, hash=record.hash
        )
    except UnknownEvent as error:
        walk.readable.append(f"{here}: {error}")
        return
    envelope = fact.envelope
    said = (envelope.stream, envelope.version, envelope.event_id, envelope.type, envelope.home)
    if said != (record.stream, record.version, record.event_id, record.type, record.home):
        walk.readable.append(f"{here}: the row's columns are not what its bytes say")
    if walk.homes.setdefault(record.stream, record.home) != record.home:
        walk.readable.append(f"{here}: the home is not that of the stream's first event")
    walk.histories[record.stream].append(fact)


def _note_missing(walk: _Walk, last: int, before: str) -> None:
    """Note the positions up to the last that the event store does not hold; what is known of each is nothing."""
    first = walk.position + 1
    which = f"position {first} is" if first == last else f"positions {first} to {last} are"
    walk.dense.append(f"{which} missing before {before}")
    for _ in range(first, last + 1):
        walk.bodies.append(b"")
        walk.places.append(("", 0, UUID(int=0)))


def _folds(service: Service[Any], walk: _Walk) -> Iterator[str]:
    yield from walk.readable
    for stream, history in walk.histories.items():
        try:
            service.decider.state_at(history)
        except BrokenHistory as error:
            yield f"{stream}: {error}"


async def _derived(service: Service[Any], database: asyncpg.Pool[asyncpg.Record], walk: _Walk, head: int) -> list[str]:
    """Whether the kept answers cover each event once, and the claims are those that the events make."""
    problems: list[str] = []
    uncovered = await database.fetchval(
        "select count(*) from event as e where e.position <= $1 and 1 <> (select count(*) from answer as a where a.stream = e.stream"
        " and e.version >= a.first_version and e.version < a.first_version + a.events)",
        head,
    )
    if uncovered:
        problems.append(f"{uncovered} events belong to no kept answer, or to several")
    if (await PostgresEventStore(database).head()).position != head:
        return problems  # claims are held as of now: they can be compared only while nothing moves
    due: dict[str, str] = {}
    for stream, history in walk.histories.items():
        kept: set[str] = set()
        try:
            for claims in claims_of(service, history):
                kept = kept - set(claims.release) | set(claims.take)
        except BrokenHistory:
            continue  # said already of the events
        due.update(dict.fromkeys(kept, stream))
    held = {row["key"]: row["stream"] for row in await database.fetch("select key, stream from claim")}
    problems += [
        f"claim {key}: held by {held.get(key)}, by the events it is {due.get(key)}" for key in held.keys() ^ due.keys()
    ]
    problems += [
        f"claim {key}: held by {held[key]}, by the events it is {due[key]}"
        for key in held.keys() & due.keys()
        if held[key] != due[key]
    ]
    return problems


async def _topic(service: Service[Any], walk: _Walk, head: int, bootstrap: str) -> list[str]:
    """Whether each event up to the position stands in the topic once, unchanged, in its partition and in order."""
    if head == 0:
        return []
    ends = await _relayed(service, head, bootstrap)
    if ends is None:
        return [f"the relay did not reach position {head} within {PATIENCE_SECONDS:g} seconds"]
    problems: list[str] = []
    seen: set[int] = set()
    versions: dict[str, int] = defaultdict(int)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        wanted = {TopicPartition(service.topic, partition): end for partition, end in ends.items() if end > 0}
        consumer.assign(list(wanted))
        await consumer.seek_to_beginning(*wanted)
        until = time.monotonic() + PATIENCE_SECONDS
        while any([await consumer.position(tp) < end for tp, end in wanted.items()]) and time.monotonic() < until:
            for tp, messages in (await consumer.getmany(timeout_ms=500, max_records=PAGE)).items():
                for message in messages:
                    headers = {key: value.decode() for key, value in message.headers}
                    position = int(headers["ooc_position"])
                    if position > head:
                        continue
                    problems += _message(walk, position, headers, message, tp.partition, versions)
                    if position in seen:
                        problems.append(f"position {position} stands in the topic twice")
                    seen.add(position)
    finally:
        await consumer.stop()
    missing = head - len(seen)
    if missing:
        first = next(n for n in range(1, head + 1) if n not in seen)
        problems.append(f"{missing} events are missing in the topic, the first at position {first}")
    return problems


def _message(
    walk: _Walk, position: int, headers: dict[str, str], message: Any, partition: int, versions: dict[str, int]
) -> Iterator[str]:
    stream, version, home = walk.places[position]
    here = f"position {position}"
    if not stream:
        yield f"{here}: the topic holds an event that the event store has lost"
        return
    if hashlib.sha256(message.value).digest() != walk.bodies[position]:
        yield f"{here}: the topic's bytes are not the event store's"
    if (headers["ce_subject"], int(headers["ooc_version"])) != (stream, version) or message.key != str(home).encode():
        yield f"{here}: key or headers are not what the event store says"
    if partition != key_and_partition(home)[1]:
        yield f"{here}: it stands in partition {partition}, where its key does not belong"
    if version != versions[stream] + 1:
        yield f"{here}: {stream} version {version} comes after version {versions[stream]}"
    versions[stream] = version


async def _relayed(service: Service[Any], head: int, bootstrap: str) -> Mapping[int, int] | None:
    """The end offsets of a position record that has reached the head; None when none does in time."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        reached = await last_high_water_mark(bootstrap, service.position_topic)
        if reached is not None and reached.position >= head:
            return reached.offsets
        await asyncio.sleep(0.2)
    return None


async def _access_log(database: asyncpg.Pool[asyncpg.Record]) -> tuple[int, list[str]]:
    """The number of lines, and where numbers are missing or the chain is broken; the database hashes its own lines again."""
    rows = await database.fetch(
        """
        select sequence, hash = sha256(lag(hash, 1, decode(repeat('00', 32), 'hex')) over w || convert_to(jsonb_build_array(
            sequence, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, role, organisation, action,
            target, reason, outcome, rules)::text, 'UTF8')) as chained,
            sequence = lag(sequence, 1, 0::bigint) over w + 1 as dense
        from access_log window w as (order by sequence)
        """
    )
    problems = [
        f"line {row['sequence']} does not follow from the one before"
        for row in rows
        if not (row["chained"] and row["dense"])
    ]
    return len(rows), problems
