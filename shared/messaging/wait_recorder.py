"""Records what waits: the difference between what waits in a service's database and what its events say of it.

The difference may be taken again at any time and by any number of workers: a killed worker loses nothing, and the decider
of waits records nothing twice. So a wait is published exactly once, like every event (transactional outbox).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import structlog
from mode import Service as Running

from shared.command_handler import Accepted, CommandHandler, NoChange
from shared.database import Connection
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest
from shared.domain.messages import Command
from shared.domain.service import Service
from shared.domain.waiting import EndWaiting, RecordWaiting, Wait, waiting_service
from shared.messaging.consumer import kind_of, log_transient
from shared.messaging.consumer.quarantine import held_stream_id
from shared.messaging.polling import Poll
from shared.messaging.reactions import ParkedReaction, parked_reactions, system_actor
from shared.messaging.waiting import begin_wait, change_wait, end_wait, open_waits

LOCK: Final = 7350713004
"""The advisory lock of who records, in a service's database."""

_HELD: Final = """
    select distinct on (consumer, stream) consumer, stream, coalesce(version, 0) as version, cause, key, body,
           min(quarantined_at) over (partition by consumer, stream) as since
    from quarantine where stream ~ '^[a-z][a-z0-9_]{0,62}/[0-9a-f-]{36}$'
    order by consumer, stream, version nulls first, topic, partition, "offset"
"""

_log = structlog.get_logger("waiting")


@dataclass(frozen=True, slots=True)
class StandingWait:
    """Something that waits in a service's database; `home` and `labels` are those of what waits."""

    wait: Wait
    home: UUID
    labels: Mapping[str, str]


Standing = Callable[[Connection], Awaitable[dict[UUID, StandingWait]]]
"""Reads what waits in a database."""

ReadFact = Callable[[str, bytes], Fact | None]
"""Reads an event of a stream from its bytes; None where it cannot be read."""


async def standing_waits(connection: Connection, service: Service[Any]) -> dict[UUID, StandingWait]:
    """Read what waits in a service's database: parked reactions, and streams in quarantine."""
    waits = {one.command_id: reaction_wait(service, one) for one in await parked_reactions(connection, limit=None)}
    read, targets = partial(read_published, service), partial(_streams_to_reach, service)
    return waits | await held_streams(connection, service.name, read, targets)


async def held_streams(
    connection: Connection, service: str, read: ReadFact, targets: Callable[[Fact], Collection[str]] = lambda _fact: ()
) -> dict[UUID, StandingWait]:
    """Read the streams in quarantine in a service's database; `targets` says which streams a fact should reach."""
    rows = await connection.fetch(_HELD)
    return {
        held_stream_id(row["consumer"], row["stream"]): _of_held_stream(service, row, read, targets) for row in rows
    }


def waiting_sentence(what: str, fact: Fact | None, reason: str) -> str:
    """Say in one sentence what waits, and why. `{day}` in the text is the day of the fact, such as 4 May 2026."""
    day = local_day(fact.occurred_at) if fact is not None else None
    text = what.replace("{day}", f"{day.day} {day:%B %Y}" if day is not None else "an unknown day")
    return f"{text}: {reason[:1].lower()}{reason[1:]}"


def reaction_wait(service: Service[Any], parked: ParkedReaction) -> StandingWait:
    """Return the wait of a parked reaction, with its sentence for people, and the home and labels of its event."""
    fact = read_published(service, parked.source_stream, parked.body)
    what = next((one.waits_as for one in service.reactions if one.name == parked.reaction), "")
    wait = Wait(
        kind="REACTION",
        consumer=parked.consumer,
        name=parked.reaction,
        source=parked.source_stream,
        version=parked.source_version,
        targets=(parked.target_stream,),
        rules=parked.rules,
        reason=_line(parked.reason),
        sentence=_line(
            waiting_sentence(what or f"what {parked.reaction} carries has not arrived", fact, parked.reason)
        ),
        since=parked.parked_at,
    )
    return StandingWait(wait, _home_of(fact, parked.source_stream), {} if fact is None else fact.envelope.labels)


def _of_held_stream(service: str, row: Any, read: ReadFact, targets: Callable[[Fact], Collection[str]]) -> StandingWait:
    stream = row["stream"]
    fact = read(stream, row["body"])
    alarm = kind_of(row["cause"])
    what = f"what was recorded in {stream.partition('/')[0]} from version {row['version']} on has not reached {service}"
    wait = Wait(
        kind="STREAM",
        consumer=row["consumer"],
        name=row["cause"],
        source=stream,
        version=row["version"],
        targets=() if fact is None else tuple(sorted(targets(fact))),
        rules=(),
        reason=alarm.meaning,
        sentence=_line(waiting_sentence(what, fact, alarm.meaning)),
        since=row["since"],
    )
    return StandingWait(wait, _home_of(fact, stream), {} if fact is None else fact.envelope.labels)


def read_published(service: Service[Any], stream: str, body: bytes) -> Fact | None:
    """Read an event of another service that a service follows; None where it cannot be read."""
    book = next((book for book in service.published if book.service == stream.partition("/")[0]), None)
    try:
        return None if book is None else book.read(body)
    except Exception:  # noqa: BLE001 - it is in quarantine because something is wrong with it
        return None


def _streams_to_reach(service: Service[Any], fact: Fact) -> frozenset[str]:
    """Return the streams to which the reactions would carry a fact; none where they cannot tell."""
    reactions = [one for one in service.reactions if isinstance(fact.event, one.event)]
    try:
        return frozenset(service.stream_name(one.stream) for reaction in reactions for one in reaction.react(fact))
    except Exception:  # noqa: BLE001 - perhaps why it is in quarantine
        return frozenset()


def _home_of(fact: Fact | None, stream: str) -> UUID:
    return UUID(stream.partition("/")[2]) if fact is None else fact.envelope.home


def _line(text: str) -> str:
    """Return a text as one line of a wait."""
    return " ".join(text.split())[:2_000] or "no reason is known"


async def record_wait(handler: CommandHandler, connection: Connection, id_: UUID, one: StandingWait) -> None:
    """Record that something waits, by the handler of a service's waits; a repeat changes nothing."""
    if await _record_wait(handler, id_, one, datetime.now(UTC)):
        await begin_wait(connection, id_, handler.service.name, one.home, one.wait)


async def _record_wait(handler: CommandHandler, id_: UUID, one: StandingWait, at: datetime) -> bool:
    return await _send(handler, id_, RecordWaiting(home=one.home, wait=one.wait), one.labels, at)


async def _send(handler: CommandHandler, id_: UUID, command: Command, labels: Mapping[str, str], at: datetime) -> bool:
    """Send a command to a wait, and return whether its event is recorded. A repeat records nothing, so any id will do."""
    command_id, actor = uuid4(), system_actor(handler.service)
    result = await handler.handle(CommandRequest(command, id_, command_id, actor, at, command_id, labels=labels))
    if not isinstance(result, (Accepted, NoChange)):
        _log.error("wait_not_recorded", id=str(id_), command=command.type, result=repr(result))
        return False
    return True


class WaitRecorder(Running):
    """A task that records what waits in a service's database, as it changes.

    Args:
        service: its name.
        standing: what reads what waits there.
        pool: connections to the database.
        handler: the command handler of the service's waits, in whose event store they stand; None where it has none.
        clock: the time at which waits begin to be known and end.

    """

    def __init__(
        self,
        service: str,
        standing: Standing,
        pool: asyncpg.Pool[asyncpg.Record],
        handler: CommandHandler | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self._service = service
        self._standing = standing
        self._pool = pool
        self._handler = handler
        self._clock = clock
        self.poll = Poll()

    async def record(self) -> int:
        """Record every difference; return how many there were. Raises what `is_transient` says will pass.

        Of a service's workers one records at a time: another's older look would record anew what has ended since. The
        others leave it to their next look.
        """
        async with self._pool.acquire() as connection:
            if not any(await self._differences(connection)):
                return 0
            if not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
                return 0
            try:
                changed, begun, ended = await self._differences(connection)
                for id_, one in changed.items():
                    await self._record(connection, id_, one, begun=id_ in begun)
                for id_ in ended:
                    await self._end(connection, id_)
                return len(changed) + len(ended)
            finally:
                await connection.execute("select pg_advisory_unlock($1)", LOCK)

    async def _differences(self, connection: Connection) -> tuple[dict[UUID, StandingWait], set[UUID], set[UUID]]:
        """Return what waits other than it is recorded, the ids of these that are recorded, and of what waits no longer."""
        # One snapshot, so that what ends in between is not recorded as begun.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            standing = await self._standing(connection)
            recorded_waits = await open_waits(connection, self._service)
        changed = {id_: one for id_, one in standing.items() if recorded_waits.get(id_) != one.wait}
        return changed, changed.keys() & recorded_waits.keys(), recorded_waits.keys() - standing.keys()

    async def _record(self, connection: Connection, id_: UUID, one: StandingWait, *, begun: bool) -> None:
        if self._handler is not None and not await _record_wait(self._handler, id_, one, self._clock()):
            return
        if begun:
            await change_wait(connection, id_, one.wait)
        else:
            await begin_wait(connection, id_, self._service, one.home, one.wait)

    async def _end(self, connection: Connection, id_: UUID) -> None:
        if self._handler is None or await _send(self._handler, id_, EndWaiting(), {}, self._clock()):
            await end_wait(connection, id_, self._clock())

    @Running.task
    async def _run(self) -> None:
        while not self.should_stop:
            with log_transient(_log, "waits_later", service=self._service):
                if await self.record():
                    self.poll.reset()
            await self.poll.pause()


def recorder_of(
    handler: CommandHandler,
    pool: asyncpg.Pool[asyncpg.Record],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> WaitRecorder:
    """Return the recorder of a deciding service, on the event store of its command handler."""
    service: Service[Any] = handler.service
    waits = handler.for_service(waiting_service(service))
    return WaitRecorder(service.name, lambda connection: standing_waits(connection, service), pool, waits, clock)
