"""Verification of one service on live data, at a fixed position: event store, topic, keys and access log.

It reads by the role `ooc_verify`, changes nothing, and may run beside a busy system: the position is taken once, and
everything up to it must be whole in every place. It runs to its end, whatever it meets: one finding for each check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.kafka import Kafka
from shared.runtime.service import Service
from shared.runtime.verification.access_log import AccessLogCheck, check_access_log
from shared.runtime.verification.checkpoints import CheckpointCheck, check_checkpoints, read_published
from shared.runtime.verification.log import LogChecks, check_log, end_of_log
from shared.runtime.verification.problems import Problems, to_the_end
from shared.runtime.verification.streams import StreamChecks, check_streams
from shared.runtime.verification.topic import check_reached, check_topic, read_position_record
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


async def verify_service(
    service: Service[Any],
    database: asyncpg.Pool[asyncpg.Record],
    keyring: asyncpg.Pool[asyncpg.Record],
    bootstrap: Kafka,
) -> AsyncIterator[Finding]:
    """Every finding about one service, as soon as it is known."""
    behind = Problems()
    reached = await read_position_record(service, bootstrap, behind)
    await to_the_end(check_reached(database, reached, behind), behind)
    yield Finding(service.name, "event store holds what its topic holds", f"position {reached.position}", behind.lines)
    end = await end_of_log(database)
    events = counted(end.position, "event")

    log = LogChecks()
    await to_the_end(check_log(database, end, log), log.places, log.hashes, log.answers)
    yield Finding(service.name, "positions dense, recorded_at growing", events, log.places.lines)
    yield Finding(service.name, "log hash whole over positions, times and answers", events, log.hashes.lines)

    streams = StreamChecks()
    every = (streams.versions, streams.chains, streams.histories, streams.claims, streams.keys)
    await to_the_end(check_streams(service, database, keyring, end.position, streams), *every)
    number = counted(streams.streams, "stream")
    yield Finding(service.name, "versions gapless", number, streams.versions.lines)
    yield Finding(service.name, "chains whole", events, streams.chains.lines)
    yield Finding(service.name, "events readable, histories fold", number, streams.histories.lines)
    yield Finding(
        service.name, "answers and claims follow from events", events, log.answers.lines + streams.claims.lines
    )
    yield Finding(service.name, "data keys there, or destroyed with a tombstone", events, streams.keys.lines)

    waits = WaitCheck()
    await to_the_end(check_waits(service, database, waits), waits.problems)
    yield Finding(service.name, "waits and closures recorded", counted(waits.waits, "wait"), waits.problems.lines)

    topic = Problems()
    await to_the_end(check_topic(service, database, bootstrap, min(end.position, end.last), topic), topic)
    yield Finding(service.name, "topic equals event store, byte for byte", events, topic.lines)

    access = AccessLogCheck()
    await to_the_end(check_access_log(database, reached.anchors, access), access.problems)
    yield Finding(service.name, "access log dense and chained", counted(access.lines, "line"), access.problems.lines)
    async for finding in verify_checkpoints(
        service.name, (EVENTS, ACCESS), database, bootstrap, service.checkpoints_topic
    ):
        yield finding


async def verify_checkpoints(
    service: str, logs: Sequence[Log], database: asyncpg.Pool[asyncpg.Record], bootstrap: Kafka, topic: str
) -> AsyncIterator[Finding]:
    """Yield a finding for each log: whether it is still what its checkpoints have signed."""
    unread = Problems()
    published: dict[str, dict[int, str]] = {}
    try:
        published = await read_published(bootstrap, topic)
    except Exception as error:  # noqa: BLE001 - the checkpoints of the database are checked all the same
        unread.note(f"{topic} cannot be read: {type(error).__name__}: {error}")
    for log in logs:
        check = CheckpointCheck()
        await to_the_end(check_checkpoints(database, log, published.get(log.name, {}), check), check.problems)
        lines = unread.lines + check.problems.lines
        yield Finding(
            service, f"the log {log.name} is what was signed", counted(check.checkpoints, "checkpoint"), lines
        )
