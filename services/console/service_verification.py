"""Verification of one service on live data, at a fixed position: event store, topic, keys and access log.

It reads by the role `ooc_verify`, changes nothing, and may run beside a busy system: the position is taken once, and
everything up to it must be whole in every place. It runs to its end, whatever it meets: one finding for each check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from services.console.topic_verification import check_topic
from shared.kafka import Kafka
from shared.runtime.service import Service
from shared.runtime.verification.access_log import check_access_log
from shared.runtime.verification.checkpoints import check_checkpoints, read_published
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
    results = run((log_of, streams_of, topic_of, checkpoints_of), service, database, keyring, bootstrap, end)

    log: LogChecks = await anext(results)
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

    topic: Problems = await anext(results)
    yield Finding(service.name, "topic equals event store, byte for byte", events, topic.lines)

    access = CountedCheck()
    await to_the_end(check_access_log(database, reached.anchors, access), access.problems)
    yield Finding(service.name, "access log dense and chained", counted(access.entries, "line"), access.problems.lines)
    for finding in await anext(results):
        yield finding


async def log_of(
    _service: Service[Any], database: Pool, _ring: Pool, _kafka: Kafka, end: LogEnd, passed: Passed
) -> LogChecks:
    """Check the log in order of position."""
    log = LogChecks()
    await to_the_end(check_log(database, end, log, passed), log.places, log.hashes, log.answers)
    return log


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


async def topic_of(
    service: Service[Any], database: Pool, _ring: Pool, kafka: Kafka, end: LogEnd, passed: Passed
) -> Problems:
    """Compare the topic with the event store."""
    topic = Problems()
    await to_the_end(check_topic(service, database, kafka, min(end.position, end.last), topic, passed), topic)
    return topic


async def checkpoints_of(
    service: Service[Any], database: Pool, _ring: Pool, kafka: Kafka, _: LogEnd, passed: Passed
) -> list[Finding]:
    """Compare the logs with their checkpoints."""
    found = verify_checkpoints(service.name, (EVENTS, ACCESS), database, kafka, service.checkpoints_topic, passed)
    return [finding async for finding in found]


async def verify_checkpoints(
    service: str,
    logs: Sequence[Log],
    database: Pool,
    bootstrap: Kafka,
    topic: str,
    passed: Passed = lambda _: None,
) -> AsyncIterator[Finding]:
    """Yield a finding for each log: whether it is still what its checkpoints have signed.

    `passed` hears of the entries of the log of events.
    """
    unread = Problems()
    published: dict[str, dict[int, str]] = {}
    try:
        published = await read_published(bootstrap, topic)
    except Exception as error:  # noqa: BLE001 - the checkpoints of the database are checked all the same
        unread.note(f"{topic} cannot be read: {type(error).__name__}: {error}")
    for log in logs:
        check = CountedCheck()
        heard = passed if log is EVENTS else lambda _: None
        await to_the_end(check_checkpoints(database, log, published.get(log.name, {}), check, heard), check.problems)
        lines = unread.lines + check.problems.lines
        yield Finding(service, f"the log {log.name} is what was signed", counted(check.entries, "checkpoint"), lines)
