"""Verification of one service on live data, at a fixed position: event store, topic, keys and access log.

It reads by the role `ooc_verify`, changes nothing, and may run beside a busy system: the position is taken once, and
everything up to it must be whole in every place. It runs to its end, whatever it meets: one finding for each check.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.service import Service
from shared.evidence.fork import GivenUp, Root, given_up
from shared.evidence.home_evidence import verifier_keys
from shared.evidence.log import ACCESS, EVENTS, Log
from shared.evidence.verification.access_log import check_access_log
from shared.evidence.verification.checkpoints import check_checkpoints, read_published
from shared.evidence.verification.log import LogChecks, check_log, end_of_log
from shared.evidence.verification.problems import CountedCheck, Passed, Problems, ignore_passed, to_the_end
from shared.evidence.verification.streams import StreamChecks, check_streams
from shared.evidence.verification.topic import check_reached, check_topic, read_position_record
from shared.privacy.signed_note import VerifierKey
from shared.servers.database import Pool
from shared.servers.kafka import Kafka


@dataclass(frozen=True)
class Finding:
    """The result of one check: its subject, the number of entries, and the problems (none if it is correct)."""

    service: str
    check: str
    looked_at: str
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def counted(number: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


async def verify_service(
    service: Service[Any],
    database: Pool,
    keyring: Pool,
    bootstrap: Kafka,
    passed: Passed = ignore_passed,
    named: set[tuple[str, int]] | None = None,
    outside: Sequence[str] = (),
    witness: VerifierKey | None = None,
) -> AsyncIterator[Finding]:
    """Every finding about one service, as soon as it is known.

    `passed` hears of each event three times: in order of position, in its stream, and in the topic. The data keys that
    events name are added to `named`. `outside` are checkpoints as others keep them, `witness` the key of who
    cosigns that a branch is given up.
    """
    behind = Problems()
    reached = await read_position_record(service, database, bootstrap, behind)
    await to_the_end(check_reached(database, reached, behind), behind)
    yield Finding(service.name, "event store holds what its topic holds", f"position {reached.position}", behind.lines)
    log = LogChecks()
    end = await end_of_log(database, reached.position, log.places)
    events = counted(end.position, "event")

    await to_the_end(check_log(database, end, log, passed), log.places, log.hashes, log.answers)
    yield Finding(service.name, "positions dense, recorded_at growing", events, log.places.lines)
    yield Finding(service.name, "log hash whole over positions, times and answers", events, log.hashes.lines)

    streams = StreamChecks(named=set() if named is None else named)
    every = (streams.versions, streams.chains, streams.histories, streams.claims, streams.keys)
    await to_the_end(check_streams(service, database, keyring, end.position, streams, passed), *every)
    number = counted(streams.streams, "stream")
    follow = log.answers.lines + streams.claims.lines
    yield Finding(service.name, "versions gapless", number, streams.versions.lines)
    yield Finding(service.name, "chains whole", events, streams.chains.lines)
    yield Finding(service.name, "events readable, histories fold", number, streams.histories.lines)
    yield Finding(service.name, "answers and claims follow from events", events, follow)
    yield Finding(service.name, "data keys there, or destroyed with a tombstone", events, streams.keys.lines)

    topic = Problems()
    await to_the_end(check_topic(service, database, bootstrap, min(end.position, end.last), topic, passed), topic)
    yield Finding(service.name, "topic equals event store, byte for byte", events, topic.lines)

    access = CountedCheck()

    async def check_access() -> None:
        # Whether a statement stands is said with the logs' checkpoints.
        stated = await _given_up(database, Problems(), witness)
        lost = [statement.anchor for statement in stated if statement.anchor is not None]
        await check_access_log(database, reached.anchors, access, lost)

    await to_the_end(check_access(), access.problems)
    yield Finding(service.name, "access log dense and chained", counted(access.entries, "line"), access.problems.lines)
    both, topic_of_checkpoints = (EVENTS, ACCESS), service.checkpoints_topic
    logs = verify_checkpoints(service.name, both, database, bootstrap, topic_of_checkpoints, outside, witness)
    async for finding in logs:
        yield finding


async def verify_checkpoints(
    service: str,
    logs: Sequence[Log],
    database: Pool,
    bootstrap: Kafka,
    topic: str,
    outside: Sequence[str] = (),
    witness: VerifierKey | None = None,
) -> AsyncIterator[Finding]:
    """Yield a finding for each log: whether it is still what its checkpoints have signed, and those kept `outside`.

    If the checkpoints of the topic cannot be read, those of the database are checked all the same.
    """
    published, unread, stated = dict[str, dict[int, str]](), Problems(), list[GivenUp]()
    try:
        stated = await _given_up(database, unread, witness)
        void = frozenset[Root]().union(*(statement.void for statement in stated))
        published = await read_published(bootstrap, topic, void)
    except Exception as error:  # noqa: BLE001 - whatever stands there
        unread.note(f"{topic} cannot be read: {type(error).__name__}: {error}")
    for log in logs:
        check = CountedCheck()
        of_log = [note for note in outside if note.partition("\n")[0].endswith(f"/{service}/{log.name}")]
        await to_the_end(check_checkpoints(database, log, published.get(log.name, {}), check, of_log), check.problems)
        lines = unread.lines + check.problems.lines
        gaps = [
            f"; what followed entry {statement.common}, up to {max(size for size, _ in statement.void)}, was given up by a statement"
            for statement in stated
            if statement.void and statement.origin.endswith(f"/{service}/{log.name}")
        ]
        looked_at = counted(check.entries, "checkpoint") + "".join(gaps)
        yield Finding(service, f"the log {log.name} is what was signed", looked_at, lines)


async def _given_up(database: Pool, problems: Problems, witness: VerifierKey | None) -> list[GivenUp]:
    keys = await verifier_keys(database)
    return await given_up(database, keys, problems, witness)
