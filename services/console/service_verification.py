"""Verification of one service on live data, at a fixed position: event store, topic, keys and access log.

It reads by the role `ooc_verify`, changes nothing, and may run beside a busy system: the position is taken once, and
everything up to it must be whole in every place. It runs to its end, whatever it meets: one finding for each check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from services.console.topic_verification import TopicComparison, comparing_topic
from shared.kafka import Kafka
from shared.runtime.service import Service
from shared.runtime.verification.access_log import check_access_log
from shared.runtime.verification.checkpoints import TreeComparison, check_checkpoints, read_published
from shared.runtime.verification.log import LogChecks, LogEnd, check_log, end_of_log
from shared.runtime.verification.problems import CountedCheck, Passed, Pool, Problems, to_the_end
from shared.runtime.verification.streams import Follower, StreamChecks, check_streams, follow_nothing
from shared.runtime.verification.topic import check_reached, read_position_record
from shared.runtime.verification.waits import WaitCheck, check_waits
from shared.transparency.log import ACCESS, EVENTS, Log


@dataclass(frozen=True)
class Finding:
    """The result of one check: its subject, the number of entries, and the problems (none if it is correct)."""

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


Runner: TypeAlias = Callable[..., AsyncIterator[Any]]
"""Yields the results of checks by service, database, keyring, Kafka and the log's end, in their order; all can be pickled.

It gives each check besides what hears how far it has come.
"""


async def one_after_another(checks: Sequence[Callable[..., Awaitable[Any]]], *sources: Any) -> AsyncIterator[Any]:
    """Run each check in this process, when its result is asked for."""
    for check in checks:
        yield await check(*sources, lambda _: None)


async def verify_service(
    service: Service[Any], database: Pool, keyring: Pool, bootstrap: Kafka, run: Runner = one_after_another
) -> AsyncIterator[Finding]:
    """Every finding about one service, as soon as it is known. `run` runs the checks whose work grows with the log."""
    behind = Problems()
    reached = await read_position_record(service, bootstrap, behind)
    await to_the_end(check_reached(database, reached, behind), behind)
    yield Finding(service.name, "event store holds what its topic holds", f"position {reached.position}", behind.lines)
    end = await end_of_log(database)
    events = counted(end.position, "event")
    results = run((positions_of, streams_of), service, database, keyring, bootstrap, end)

    log: LogChecks
    topic: Problems
    log, topic, signed = await anext(results)
    yield Finding(service.name, "positions dense, recorded_at growing", events, log.places.lines)
    yield Finding(service.name, "log hash whole over positions, times and answers", events, log.hashes.lines)

    streams: StreamChecks = await anext(results)
    number = counted(streams.streams, "stream")
    follow = log.answers.lines + streams.claims.lines
    yield Finding(service.name, "versions gapless", number, streams.versions.lines)
    yield Finding(service.name, "chains whole", events, streams.chains.lines)
    yield Finding(service.name, "events readable, histories fold", number, streams.histories.lines)
    yield Finding(service.name, "answers and claims follow from events", events, follow)
    yield Finding(service.name, "data keys there, or destroyed with a tombstone", events, streams.keys.lines)

    waits = WaitCheck()
    await to_the_end(check_waits(service, database, waits), waits.problems)
    yield Finding(service.name, "waits and closures recorded", counted(waits.waits, "wait"), waits.problems.lines)

    yield Finding(service.name, "topic equals event store, byte for byte", events, topic.lines)

    access = CountedCheck()
    await to_the_end(check_access_log(database, reached.anchors, access), access.problems)
    yield Finding(service.name, "access log dense and chained", counted(access.entries, "line"), access.problems.lines)
    for finding in signed:
        yield finding


async def positions_of(
    service: Service[Any], database: Pool, _ring: Pool, kafka: Kafka, end: LogEnd, passed: Passed
) -> tuple[LogChecks, Problems, list[Finding]]:
    """Check the log in order of position; and by the same rows the topic, and the tree that the checkpoints have signed.

    Each of the three goes on by itself where another one fails.
    """
    log, topic, walked = LogChecks(), Problems(), False
    published = await read_published_checkpoints(kafka, service.checkpoints_topic)
    tree = _SignedTree(database, published.of(EVENTS))

    async def walk(comparison: TopicComparison | None) -> None:
        nonlocal walked
        walked = True

        async def follow(rows: Sequence[asyncpg.Record], entries: Sequence[tuple[int, bytes]]) -> None:
            await tree.follow(entries)
            if comparison is not None and not topic.count:
                await to_the_end(comparison.follow(rows), topic)

        await to_the_end(check_log(database, end, log, passed, follow), log.places, log.hashes, log.answers)

    async def compare() -> None:
        async with comparing_topic(service, database, kafka, min(end.position, end.last), topic) as comparison:
            await walk(comparison)
            await comparison.finish()

    await to_the_end(compare(), topic)
    if not walked:
        await walk(None)
    signed = _signed(service.name, EVENTS, await tree.finish(), published)
    return log, topic, [signed, await _verify_log(service.name, ACCESS, database, published)]


async def streams_of(
    service: Service[Any],
    database: Pool,
    ring: Pool,
    _kafka: Kafka,
    end: LogEnd,
    passed: Passed,
    follow: Follower = follow_nothing,
) -> StreamChecks:
    """Check the streams, one after the other; `follow` hears of those that are whole."""
    streams = StreamChecks()
    every = (streams.versions, streams.chains, streams.histories, streams.claims, streams.keys)
    await to_the_end(check_streams(service, database, ring, end.position, streams, passed, follow), *every)
    return streams


class _SignedTree:
    """Compares the log of events with its checkpoints, as far as it can by rows that are read already."""

    def __init__(self, database: Pool, published: Mapping[int, str]) -> None:
        self._database = database
        self._published = published
        self._check = CountedCheck()
        self._tree: TreeComparison | None = None
        self._failed = False

    async def follow(self, entries: Sequence[tuple[int, bytes]]) -> None:
        """Append the next entries of the log; after a failure, no more."""
        if self._failed:
            return
        try:
            if self._tree is None:
                self._tree = await TreeComparison.begin(self._database, EVENTS, self._published, self._check)
            await self._tree.follow(entries)
        except Exception:  # noqa: BLE001 - whatever stands there: it will be said by the comparison that begins anew
            self._failed = True

    async def finish(self) -> CountedCheck:
        """Compare what is left, or everything after a failure; return what was found."""
        if self._tree is None or self._failed:
            self._check = CountedCheck()
            left = check_checkpoints(self._database, EVENTS, self._published, self._check)
        else:
            left = self._tree.complete()
        await to_the_end(left, self._check.problems)
        return self._check


@dataclass
class PublishedCheckpoints:
    """The checkpoints of a topic: log -> size -> note; and what could not be read."""

    notes: Mapping[str, Mapping[int, str]]
    unread: Problems

    def of(self, log: Log) -> Mapping[int, str]:
        """Return those of a log."""
        return self.notes.get(log.name, {})


async def read_published_checkpoints(bootstrap: Kafka, topic: str) -> PublishedCheckpoints:
    """Read the checkpoints of a topic; where that fails, those of the database are checked all the same."""
    unread = Problems()
    try:
        return PublishedCheckpoints(await read_published(bootstrap, topic), unread)
    except Exception as error:  # noqa: BLE001 - whatever stands there
        unread.note(f"{topic} cannot be read: {type(error).__name__}: {error}")
        return PublishedCheckpoints({}, unread)


async def verify_checkpoints(
    service: str, logs: Sequence[Log], database: Pool, bootstrap: Kafka, topic: str
) -> AsyncIterator[Finding]:
    """Yield a finding for each log: whether it is still what its checkpoints have signed."""
    published = await read_published_checkpoints(bootstrap, topic)
    for log in logs:
        yield await _verify_log(service, log, database, published)


async def _verify_log(service: str, log: Log, database: Pool, published: PublishedCheckpoints) -> Finding:
    check = CountedCheck()
    await to_the_end(check_checkpoints(database, log, published.of(log), check), check.problems)
    return _signed(service, log, check, published)


def _signed(service: str, log: Log, check: CountedCheck, published: PublishedCheckpoints) -> Finding:
    lines = published.unread.lines + check.problems.lines
    return Finding(service, f"the log {log.name} is what was signed", counted(check.entries, "checkpoint"), lines)
