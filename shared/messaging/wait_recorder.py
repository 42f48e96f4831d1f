"""Records waits: the difference between what waits in a service's database and its recorded waits.

Any worker may compute the difference at any time: a killed worker loses nothing, and the decider of waits records nothing
twice. So a wait is published exactly once, like every event (transactional outbox).
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

from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Command
from shared.domain.sentences import sentence_of
from shared.domain.service import Service
from shared.domain.waiting import EndWaiting, RecordWaiting, Wait, waiting_service
from shared.event_store.lost_commands import LostCommand, unsent_commands
from shared.handling.command_handler import Accepted, CommandHandler, NoChange
from shared.messaging.consumer.alarms import kind_of
from shared.messaging.consumer.effects import is_transient, log_transient
from shared.messaging.consumer.quarantine import held_stream_id
from shared.messaging.polling import Poll
from shared.messaging.reactions import ParkedReaction, parked_beside, parked_reactions, system_actor
from shared.messaging.waiting import begin_wait, change_wait, end_wait, open_waits
from shared.servers.database import Connection, Lease, LeaseLost

MOST_PARKED: Final = 5_000
"""How many parked reactions are recorded as waits: any wrong place in a session parks one, and each look reads them all."""

_HELD: Final = """
    select distinct on (consumer, stream) consumer, stream, coalesce(version, 0) as version, cause, key, body,
           min(quarantined_at) over (partition by consumer, stream) as since
    from quarantine where stream ~ '^[a-z][a-z0-9_]{0,62}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    order by consumer, stream, version nulls first, topic, partition, "offset"
"""

_log = structlog.get_logger("waiting")


@dataclass(frozen=True, slots=True)
class StandingWait:
    """A wait in a service's database, with the home and the labels of its source event."""

    wait: Wait
    home: UUID
    labels: Mapping[str, str]


ReadFact = Callable[[str, bytes], Fact | None]
"""Reads an event of a stream from its bytes; None if it cannot be read."""


async def standing_waits(connection: Connection, service: Service[Any]) -> dict[UUID, StandingWait]:
    """Read what waits in a service's database: the oldest parked reactions of each sender, streams in quarantine, commands that were lost.

    A reaction whose wait is recorded waits until it is settled, whoever comes before it then: else its end would be recorded.
    """
    parked_list = await parked_reactions(connection, limit=MOST_PARKED)
    parked_list += await parked_beside(connection, service.name, parked_list)
    waits = {parked.command_id: reaction_wait(service, parked) for parked in parked_list}
    read, targets = partial(read_published, service), partial(_streams_to_reach, service)
    lost = {
        derived_uuid("lost", command.command_id): _of_lost(service, command, at)
        for command, at in await unsent_commands(connection)
    }
    return waits | lost | await held_streams(connection, service.name, read, targets)


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
    day = "an unknown day" if fact is None else "{0.day} {0:%B %Y}".format(local_day(fact.occurred_at))
    text = what.replace("{day}", day)
    return f"{text}: {reason[:1].lower()}{reason[1:]}"


def reaction_wait(service: Service[Any], parked: ParkedReaction) -> StandingWait:
    """Return the wait of a parked reaction, with its sentence for people, and the home and labels of its event."""
    fact = read_published(service, parked.source_stream, parked.body)
    what = next((reaction.waits_as for reaction in service.reactions if reaction.name == parked.reaction), "")
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
    return _standing_wait(wait, fact)


def _of_lost(service: Service[Any], lost: LostCommand, since: datetime) -> StandingWait:
    """Return the wait of a lost command for its sender. What is sealed stays on the branch; the sentence names nobody."""
    fact = service.events.read(lost.body)
    reason = "The server on which it was recorded failed, and its successor did not have it. Send it again."
    wait = Wait(
        kind="COMMAND",
        consumer=f"{service.name}-log",
        name=type(fact.event).__name__,
        source=lost.stream,
        version=fact.envelope.version,
        targets=(lost.stream,),
        rules=(),
        reason=reason,
        sentence=_line(
            waiting_sentence(f"lost: {sentence_of(fact.event, service.events.words)} ({{day}})", fact, reason)
        ),
        since=since,
        sender=UUID(lost.actor),
    )
    return _standing_wait(wait, fact)


def _of_held_stream(service: str, row: Any, read: ReadFact, targets: Callable[[Fact], Collection[str]]) -> StandingWait:
    stream = row["stream"]
    try:
        fact = read(stream, row["body"])
    except Exception:  # noqa: BLE001 - it is in quarantine because something is wrong with it
        fact = None
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
    return _standing_wait(wait, fact)


def _standing_wait(wait: Wait, fact: Fact | None) -> StandingWait:
    if fact is None:
        return StandingWait(wait, UUID(wait.source.partition("/")[2]), {})
    return StandingWait(wait, fact.envelope.home, fact.envelope.labels)


def read_published(service: Service[Any], stream: str, body: bytes) -> Fact | None:
    """Read an event of another service that a service follows; None if it cannot be read."""
    book = next((book for book in service.published if book.service == stream.partition("/")[0]), None)
    try:
        return None if book is None else book.read(body)
    except Exception:  # noqa: BLE001 - it is in quarantine because something is wrong with it
        return None


def _streams_to_reach(service: Service[Any], fact: Fact) -> frozenset[str]:
    """Return the streams that the reactions would send commands to; none if a reaction fails."""
    reactions = [reaction for reaction in service.reactions if isinstance(fact.event, reaction.event)]
    try:
        effects = [effect for reaction in reactions for effect in reaction.react(fact)]
        return frozenset(service.stream_name(effect.stream) for effect in effects)
    except Exception:  # noqa: BLE001 - perhaps why it is in quarantine
        return frozenset()


def _line(text: str) -> str:
    """Return a text as one line of a wait."""
    return " ".join(text.split())[:2_000] or "no reason is known"


async def record_wait(handler: CommandHandler, connection: Connection, id_: UUID, standing: StandingWait) -> None:
    """Record that something waits, by the handler of a service's waits; a repeat changes nothing."""
    if await _send(handler, id_, _recording(standing), standing.labels, datetime.now(UTC)):
        await begin_wait(connection, id_, handler.service.name, standing.home, standing.wait)


def _recording(standing: StandingWait) -> RecordWaiting:
    return RecordWaiting(home=standing.home, wait=standing.wait)


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

    `read_standing` reads what waits there. `handler` is that of the service's waits; None without an event store.
    """

    def __init__(
        self,
        service: str,
        read_standing: Callable[[Connection], Awaitable[dict[UUID, StandingWait]]],
        pool: asyncpg.Pool[asyncpg.Record],
        handler: CommandHandler | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self._service = service
        self._read_standing = read_standing
        self._pool = pool
        self._handler = handler
        self._clock = clock
        self.poll = Poll(longest=5.0)
        self._lease = Lease()

    async def record(self) -> int:
        """Record every difference; return the number of them. Raises transient errors.

        One worker of a service records at a time, since another's older snapshot would record anew what has ended meanwhile;
        what one records so that had hung is ended again by the next.
        """
        async with self._pool.acquire() as connection:
            if not any(await self._differences(connection)):
                return 0
            if not await self._lease.take(connection):
                return 0
            try:
                changed, begun, ended = await self._differences(connection)
                recorded = 0
                for id_, standing in changed.items():
                    await self._lease.renew(connection)
                    recorded += await self._by_itself(id_, self._record(connection, id_, standing, begun=id_ in begun))
                for id_ in ended:
                    await self._lease.renew(connection)
                    recorded += await self._by_itself(id_, self._end(connection, id_))
            except LeaseLost:
                return 0
            else:
                return recorded
            finally:
                await self._lease.give_back(connection)

    async def _differences(self, connection: Connection) -> tuple[dict[UUID, StandingWait], set[UUID], set[UUID]]:
        """Return the waits that differ from their records, the ids of these that are recorded, and of the waits that ended."""
        # One snapshot, so that what ends in between is not recorded as begun.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            waits = await self._read_standing(connection)
            recorded_waits = await open_waits(connection, self._service)
        changed = {id_: standing for id_, standing in waits.items() if recorded_waits.get(id_) != standing.wait}
        return changed, changed.keys() & recorded_waits.keys(), recorded_waits.keys() - waits.keys()

    async def _by_itself(self, id_: UUID, work: Awaitable[None]) -> bool:
        """Await the work on one wait, and return whether it was done; what is wrong with that wait stops no other."""
        try:
            await work
        except Exception as error:
            if is_transient(error):
                raise
            _log.error("wait_not_recorded", service=self._service, id=str(id_), error=repr(error))
            return False
        return True

    async def _end(self, connection: Connection, id_: UUID) -> None:
        if self._handler is None or await _send(self._handler, id_, EndWaiting(), {}, self._clock()):
            await end_wait(connection, id_, self._clock())

    async def _record(self, connection: Connection, id_: UUID, standing: StandingWait, *, begun: bool) -> None:
        if self._handler is not None and not await _send(
            self._handler, id_, _recording(standing), standing.labels, self._clock()
        ):
            return
        if begun:
            await change_wait(connection, id_, standing.wait)
        else:
            await begin_wait(connection, id_, self._service, standing.home, standing.wait)

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
