"""Reactions: another service's event -> a command of our own, through our own `handle`, as SYSTEM.

The command's id follows from the event, so a repeat is a no-op and the checkpoint may follow the effect. A refused reaction
never blocks a partition: it is parked with the reason, and tried again when its target stream changes. If an event store or a
keyring does not answer, the batch is tried again. The standard term is a process manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import chain
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from mode import Service as Running

from shared.domain.consequences import FollowingCommand
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.envelope import EventRegistry, Origin
from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.domain.permissions import SYSTEM
from shared.domain.service import Reaction, Service
from shared.handling import command_handler
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.effects import is_transient, log_transient
from shared.messaging.linking import keep_events, keep_linked_marks
from shared.messaging.parking import ParkedReactions, PostgresParkedReactions, ReactionToPark, Rejection
from shared.messaging.polling import Poll
from shared.observing.tracing import current_traceparent, span
from shared.privacy.keyring import KeyDestroyed
from shared.servers.database import Connection

MAX_CONCURRENT_HOMES: Final = 32
"""The most homes whose events are reacted to at once; those of one home go in order."""

PARKED_LONG: Final = timedelta(days=1)
"""The age of a parked reaction that is an alarm: its cause should be recorded within a working day."""


class Settled(Enum):
    """The outcome of a command that was not rejected: recorded, now or before, or nothing to do."""

    DONE = "done"
    NOTHING_TO_DO = "nothing to do"


KEY_DESTROYED: Final = Rejection((), "the key of the person whom this is about has been destroyed")

OF_ONE_SENDER: Final = 200
"""The most listed parked reactions to one person's events, so that lists of a thousand also show others'."""

_log = structlog.get_logger("reactions")


def system_actor(service: Service[Any]) -> Actor:
    """Return the actor of a service's reactions, with a constant id, and every label unbound. A reaction binds them."""
    return Actor(
        id=derived_uuid("system", service.name),
        role=SYSTEM,
        organisation=service.name,
        labels=dict.fromkeys(sorted(service.inherited_labels), "*"),
    )


class ReactionRunner:
    """The reactions of a service, which a consumer applies to events.

    Raises ValueError if a reaction names a service whose events are not among `published`.
    """

    def __init__(
        self,
        handler: command_handler.CommandHandler,
        consumer: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.handler = handler
        self.service: Service[Any] = handler.service
        self.consumer = consumer
        self._clock = clock
        self._actor = system_actor(self.service)
        self._reactions: dict[str, list[tuple[Reaction, EventRegistry]]] = {}
        books = {book.service: book for book in self.service.published}
        for reaction in self.service.reactions:
            if reaction.service not in books:
                raise ValueError(f"{reaction.name} reacts to {reaction.service}, which `published` does not list")
            book = books[reaction.service]
            self._reactions.setdefault(_stem(book.type_name(reaction.event)), []).append((reaction, book))

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the services to whose events this service reacts, or whose marks or events it keeps."""
        return self.service.consumed_topics

    async def apply(self, connection: Connection, records: Sequence[ConsumedEvent]) -> None:
        """React to events, and store their marks and kept events; park refused reactions in the transaction of the checkpoint."""
        await keep_linked_marks(connection, self.service, records)
        await keep_events(connection, self.service, records)
        await self.react(PostgresParkedReactions(connection, self.service.name), records)

    async def react(self, parked: ParkedReactions, records: Sequence[ConsumedEvent]) -> None:
        """Send the commands that follow from events; park the rejected ones."""
        homes: dict[bytes, list[FollowingCommand]] = {}
        dues = [(record, due) for record in records for due in self._due_to(record)]
        closed = await parked.closed([due.command_id for _, due in dues]) if dues else ()
        for record, due in dues:
            if due.command_id not in closed:
                homes.setdefault(record.key or record.stream.encode(), []).append(due)
        limit = asyncio.Semaphore(MAX_CONCURRENT_HOMES)

        async def one_home(dues: Sequence[FollowingCommand]) -> list[tuple[FollowingCommand, Rejection | Settled]]:
            async with limit:
                return [(due, await self._send(due)) for due in dues]

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one_home(dues)) for dues in homes.values()]
        except BaseExceptionGroup as errors:
            # The error of a server goes first: it is tried again before an event goes into quarantine.
            raise next(filter(is_transient, errors.exceptions), errors.exceptions[0]) from None
        for task in tasks:
            for due, outcome in task.result():
                if isinstance(outcome, Rejection):
                    await self._park(parked, due)
                else:
                    await self._keep(parked, due, outcome)
        if superseded := [command_id for _, due in dues for command_id in due.effect.supersedes]:
            await parked.remove(superseded)

    def _due_to(self, record: ConsumedEvent) -> list[FollowingCommand]:
        """Return the effects of the reactions to an event, none if no reaction is declared for it. Raises `UnknownEvent`."""
        dues: list[FollowingCommand] = []
        for reaction, book in self._reactions.get(_stem(record.type), ()):
            fact = record.fact(book)
            dues += [FollowingCommand(self.service, reaction, fact, effect) for effect in reaction.react(fact)]
        return dues

    async def _keep(self, parked: ParkedReactions, due: FollowingCommand, outcome: Settled) -> None:
        """Store that a command had nothing to do: no event shows it."""
        if outcome is Settled.NOTHING_TO_DO:
            await parked.keep_nothing_to_do(due.command_id, due.stream)

    async def _send(self, due: FollowingCommand) -> Rejection | Settled:
        try:
            with span(f"react {due.reaction.name}", parent=due.fact.envelope.traceparent):
                result = await self.handler.handle(self._request(due))
        except KeyDestroyed:
            return KEY_DESTROYED
        if isinstance(result, command_handler.IdempotencyKeyReused):
            # The reaction's code has changed since its effect was recorded; what is recorded stays.
            _log.warning("reacted_otherwise_before", reaction=due.reaction.name, command_id=str(due.command_id))
        return _outcome_of(due, result)

    async def foresee(self, command_id: UUID, reaction: str, body: bytes) -> Rejection | None:
        """Return why a parked reaction would be refused now; None if it would succeed. Records nothing."""
        try:
            due = self._parked_due(command_id, reaction, body)
            result = await self.handler.dry_run(self._request(due))
        except LookupError as error:
            return Rejection((), str(error))
        except KeyDestroyed:
            return KEY_DESTROYED
        if isinstance(result, command_handler.DryRun):
            if isinstance(result.outcome, tuple):
                return None
            result = result.outcome
        outcome = _outcome_of(due, result)
        return outcome if isinstance(outcome, Rejection) else None

    def _request(self, due: FollowingCommand) -> CommandRequest:
        envelope = due.fact.envelope
        inherited = {name: value for name, value in envelope.labels.items() if name in self.service.inherited_labels}
        return CommandRequest(
            command=due.effect.command,
            stream=due.effect.stream,
            command_id=due.command_id,
            actor=self._actor.model_copy(update={"labels": inherited}),
            received_at=self._clock(),
            correlation_id=envelope.correlation_id,
            causation_id=envelope.event_id,
            traceparent=current_traceparent() or envelope.traceparent,
            origin=Origin(kind="REACTION", reference=envelope.type),
            about=due.effect.about,
        )

    async def _park(self, parked: ParkedReactions, due: FollowingCommand) -> None:
        """Park a refused effect. It is tried once more after its target's version is read, so that no change is missed."""
        version = await parked.version(due.stream)
        why = await self._send(due)
        if isinstance(why, Settled):
            await self._keep(parked, due, why)
            await parked.remove([due.command_id])
            return
        rejected = ReactionToPark(due.command_id, self.consumer, due.reaction.name, due.fact, due.stream)
        await parked.park(rejected, why, version)
        _log.warning(
            "parked",
            reaction=due.reaction.name,
            command_id=str(due.command_id),
            source=due.fact.envelope.stream,
            target=due.stream,
            rules=why.rules,
        )

    async def retry_parked(self, pool: asyncpg.Pool[asyncpg.Record]) -> int:
        """Try the parked reactions whose target has changed, each target's oldest first; return how many succeeded."""
        done = 0
        for row in await pool.fetch(_RIPE, self.consumer):
            async with pool.acquire() as connection, connection.transaction():
                done += await self.retry(PostgresParkedReactions(connection, self.service.name), row["command_id"])
        return done

    async def report_parked(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        """Raise the alarm `parked_long` while a reaction has waited for long, and clear it afterwards."""
        count, age = await parked_summary(pool)
        if age < PARKED_LONG:
            await clear_alarm(pool, self.consumer, "parked_long", self.service.name)
        else:
            detail = f"{count} reactions wait, the oldest for {age.days} days"
            await raise_alarm(pool, self.consumer, "parked_long", self.service.name, detail)

    async def retry(self, parked: ParkedReactions, command_id: UUID) -> bool:
        """Try a parked reaction again; return whether it succeeded. Raises transient errors."""
        locked = await parked.lock(command_id)
        if locked is None:
            return False
        if await parked.closed([command_id]):  # its removal was not committed
            await parked.remove([command_id])
            return False
        version = await parked.version(locked.target_stream)
        why: Rejection | Settled
        try:
            due = self._parked_due(command_id, locked.reaction, locked.body)
            why = await self._send(due)
            if isinstance(why, Settled):
                await self._keep(parked, due, why)
        except Exception as error:
            if is_transient(error):
                raise
            # The list shows it to a person; other reactions must not wait for it.
            _log.exception("parked_fails", reaction=locked.reaction, command_id=str(command_id))
            why = Rejection((), f"the program fails on it ({type(error).__name__}): its log says more")
        if isinstance(why, Settled):
            await parked.remove([command_id])
            _log.info("unparked", reaction=locked.reaction, command_id=str(command_id), target=locked.target_stream)
            return True
        await parked.keep(command_id, why, version)
        return False

    def _parked_due(self, command_id: UUID, name: str, body: bytes) -> FollowingCommand:
        """Compute the effect of a parked reaction again from its event. Raises LookupError."""
        for reaction, book in chain(*self._reactions.values()):
            if reaction.name == name:
                fact = book.read(body)
                for effect in reaction.react(fact):
                    if reaction.command_id(fact, effect) == command_id:
                        return FollowingCommand(self.service, reaction, fact, effect)
        raise LookupError(f"the reaction {name} does not ask for this any more")


class ParkedReactionRetrier(Running):
    """A task that tries parked reactions again as their targets change."""

    def __init__(self, reacting: ReactionRunner, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        super().__init__()
        self.poll = Poll()
        self._reacting = reacting
        self._pool = pool

    @Running.task
    async def _run(self) -> None:
        while not self.should_stop:
            with log_transient(_log, "parked_later", consumer=self._reacting.consumer):
                if await self._reacting.retry_parked(self._pool):
                    self.poll.reset()
                    continue
            await self.poll.pause()

    @Running.task
    async def _report(self) -> None:
        while not self.should_stop:
            with log_transient(_log, "report_later", consumer=self._reacting.consumer):
                await self._reacting.report_parked(self._pool)
            await self.sleep(30)


def _stem(type_name: str) -> str:
    return type_name.rpartition(".v")[0]


def _outcome_of(due: FollowingCommand, result: command_handler.Result) -> Rejection | Settled:
    match result:
        case command_handler.Accepted() | command_handler.IdempotencyKeyReused():
            return Settled.DONE
        case command_handler.NoChange():
            return Settled.NOTHING_TO_DO
        case Refused(rules) | NeedsRationale(rules):
            needed = "a rationale is needed: " if isinstance(result, NeedsRationale) else ""
            return Rejection(result.ids, needed + "; ".join(rule.text for rule in rules))
        case command_handler.StreamNotFound() | command_handler.Forbidden(hidden=True):
            return (
                Settled.NOTHING_TO_DO if due.effect.if_begun else Rejection((), "the stream that it asks has not begun")
            )
        case command_handler.Forbidden(why, _):
            return Rejection((), why)
        case command_handler.VersionConflict(expected, actual):
            return Rejection((), f"version {expected} was expected, and the stream is at {actual}")


# Those of one target in their order; a target that was tried often lets others go first.
_RIPE: Final = """
    select p.command_id from parked as p
    where p.consumer = $1
    and (p.retry or exists (select 1 from event as e where e.stream = p.target_stream and e.version > p.tried_version))
    order by max(p.attempts) over (partition by p.target_stream), p.sequence limit 500
"""


@dataclass(frozen=True, slots=True)
class ParkedReaction:
    """A parked reaction, as `GET /v1/reactions` shows it."""

    command_id: UUID
    consumer: str
    reaction: str
    source_stream: str
    source_version: int
    target_stream: str
    rules: tuple[str, ...]
    reason: str
    attempts: int
    parked_at: datetime
    body: bytes = field(repr=False)
    """The event that it follows."""


_COLUMNS: Final = ", ".join(column.name for column in fields(ParkedReaction))
_LISTED: Final = f"""
    select {_COLUMNS} from parked where command_id in (
        select command_id from (
            select command_id, sequence, row_number() over (partition by sender order by sequence) as nth from parked
        ) as p where nth <= $2 order by sequence limit $1
    ) order by sequence
"""  # noqa: S608 - the columns above

_OF_HOME: Final = f"""
    select {_COLUMNS} from parked
    where target_stream in (select stream from event where home = $2 and version = 1)
       or position(convert_to('"home":"' || $2::uuid || '"', 'UTF8') in body) > 0
    order by sequence limit $1
"""  # noqa: S608 - the columns above


async def parked_reactions(
    connection: Connection, *, limit: int = 1000, home: UUID | None = None
) -> list[ParkedReaction]:
    """Return the oldest parked reactions of a service's database, in order: of each sender some, or of a home all."""
    if home is not None:
        return _parked(await connection.fetch(_OF_HOME, limit, home))
    return _parked(await connection.fetch(_LISTED, limit, OF_ONE_SENDER))


async def parked_reaction(connection: Connection, command_id: UUID) -> ParkedReaction | None:
    """Return the parked reaction with this id; None if there is none."""
    query = f"select {_COLUMNS} from parked where command_id = $1"  # noqa: S608 - the columns above
    return next(iter(_parked(await connection.fetch(query, command_id))), None)


def _parked(rows: Iterable[asyncpg.Record]) -> list[ParkedReaction]:
    return [ParkedReaction(**{**dict(row), "rules": tuple(row["rules"])}) for row in rows]


async def lock_parked(connection: Connection, command_id: UUID) -> bool:
    """Lock a parked reaction until the transaction ends; return whether it is still there."""
    return bool(await connection.fetchval("select true from parked where command_id = $1 for update", command_id))


async def parked_summary(connection: Connection) -> tuple[int, timedelta]:
    """Count the parked reactions, and return the age of the oldest (zero if there is none)."""
    row = await connection.fetchrow(
        "select count(*) as many, coalesce(clock_timestamp() - min(parked_at), interval '0') as age from parked"
    )
    return row["many"], row["age"]
