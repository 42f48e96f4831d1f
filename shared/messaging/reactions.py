"""Reactions: another service's event -> a command of our own, through our own `handle`, as SYSTEM.

The command's id follows from the event, so a repeat is a no-op and the checkpoint may follow the effect. A reaction
that is refused never blocks a partition: it is parked with the reason, and tried again when its target stream moves.
What no event is to blame for (an event store or keyring that does not answer) is an error, and the batch is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from mode import Service as Running

from shared.command_handler import (
    Accepted,
    CommandHandler,
    Forbidden,
    IdempotencyKeyReused,
    NoChange,
    Result,
    StreamNotFound,
    VersionConflict,
)
from shared.database import Connection
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.envelope import EventRegistry, Fact, Origin
from shared.domain.execution import CommandRequest
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor
from shared.messaging.consumer import (
    ConsumedEvent,
    clear_alarm,
    is_transient,
    raise_alarm,
)
from shared.messaging.linking import keep_linked_marks
from shared.messaging.parking import ParkedReactions, PostgresParkedReactions, ReactionToPark, Rejection
from shared.privacy.keyring import KeyDestroyed
from shared.runtime.service import CommandFor, Reaction, Service

SYSTEM: Final = "SYSTEM"
"""The role in which a service acts on another's event; the API accepts it from nobody."""

MAX_CONCURRENT_HOMES: Final = 32
"""How many homes' events are reacted to at once; those of one home go in order."""

PARKED_LONG: Final = timedelta(days=1)
"""How long a reaction waits before it is an alarm: what it needs should have been recorded within a working day."""

LOOK_SECONDS: Final = 30.0
"""Seconds between two looks at how long the oldest has waited."""

POLL_SECONDS: Final = 0.3
"""Seconds between two looks at whether the target of a parked reaction has moved."""

_log = structlog.get_logger("reactions")


def system_actor(service: Service[Any]) -> Actor:
    """Who acts when a service reacts: the same id for ever, bound by no label."""
    return Actor(
        id=derived_uuid("system", service.name),
        role=SYSTEM,
        organisation=service.name,
        labels=dict.fromkeys(sorted(service.inherited_labels), "*"),
    )


@dataclass(frozen=True, slots=True)
class _Due:
    """One effect of one fact by one reaction."""

    reaction: Reaction
    fact: Fact
    effect: CommandFor

    @property
    def command_id(self) -> UUID:
        return self.reaction.command_id(self.fact, self.effect)


class ReactionRunner:
    """The reactions of a service, as what a consumer applies to events.

    Raises ValueError where a reaction names a service whose events are not among `published`.
    """

    def __init__(
        self, handler: CommandHandler, consumer: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
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
        """The topics whose events are reacted to, or whose marks are kept."""
        return self.service.consumed_topics

    async def apply(self, connection: Connection, records: Sequence[ConsumedEvent]) -> None:
        """React to events, and keep their marks; what is refused is parked in the transaction of the checkpoint."""
        await keep_linked_marks(connection, self.service.linked, records)
        await self.react(PostgresParkedReactions(connection), records)

    async def react(self, parked: ParkedReactions, records: Sequence[ConsumedEvent]) -> None:
        """Send the commands that follow from events; park the rejected ones."""
        homes: dict[bytes, list[_Due]] = {}
        for record in records:
            for due in self._due_to(record):
                homes.setdefault(record.key or record.stream.encode(), []).append(due)
        limit = asyncio.Semaphore(MAX_CONCURRENT_HOMES)

        async def one_home(dues: Sequence[_Due]) -> list[_Due]:
            async with limit:
                return [due for due in dues if await self._ask(due) is not None]

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one_home(dues)) for dues in homes.values()]
        except BaseExceptionGroup as errors:
            # Trouble of a server goes first: it is tried again before any event is blamed.
            raise next(filter(is_transient, errors.exceptions), errors.exceptions[0]) from None
        for task in tasks:
            for due in task.result():
                await self._park(parked, due)
        superseded = [one for dues in homes.values() for due in dues for one in due.effect.supersedes]
        if superseded:
            await parked.remove(superseded)

    def _due_to(self, record: ConsumedEvent) -> list[_Due]:
        """What the reactions make of an event; nothing of one that none reacts to. Raises `UnknownEvent`."""
        dues: list[_Due] = []
        for reaction, book in self._reactions.get(_stem(record.type), ()):
            fact = record.fact(book)
            dues += [_Due(reaction, fact, effect) for effect in reaction.react(fact)]
        return dues

    async def _ask(self, due: _Due) -> Rejection | None:
        """Ask the command of an effect; None where it is done, now or before."""
        envelope = due.fact.envelope
        asked = CommandRequest(
            command=due.effect.command,
            stream=due.effect.stream,
            command_id=due.command_id,
            actor=self._actor,
            received_at=self._clock(),
            correlation_id=envelope.correlation_id,
            causation_id=envelope.event_id,
            traceparent=envelope.traceparent,
            origin=Origin(kind="REACTION", reference=envelope.type),
            labels=envelope.labels,
        )
        try:
            result = await self.handler.handle(asked)
        except KeyDestroyed:
            return Rejection((), "the key of whom this is about has been destroyed")
        if isinstance(result, IdempotencyKeyReused):
            # The reaction's code has changed since its effect was recorded; what is recorded stays.
            _log.warning("reacted_otherwise_before", reaction=due.reaction.name, command_id=str(due.command_id))
        if isinstance(result, StreamNotFound) and due.effect.if_begun:
            return None
        return _why_not(result)

    async def _park(self, parked: ParkedReactions, due: _Due) -> None:
        """Park a refused effect, judged once more after a look at its target's version, so that no move is missed."""
        target = self.service.stream_name(due.effect.stream)
        version = await parked.version(target)
        why = await self._ask(due)
        if why is None:
            await parked.remove([due.command_id])
            return
        fact = due.fact
        rejected = ReactionToPark(due.command_id, self.consumer, due.reaction.name, fact, target)
        await parked.park(rejected, why, version)
        _log.warning(
            "parked",
            reaction=due.reaction.name,
            command_id=str(due.command_id),
            source=fact.envelope.stream,
            target=target,
            rules=why.rules,
        )

    async def retry_parked(self, pool: asyncpg.Pool[asyncpg.Record]) -> int:
        """Try the parked reactions whose target has moved, oldest first; how many went through."""
        done = 0
        for row in await pool.fetch(_RIPE, self.consumer):
            async with pool.acquire() as connection, connection.transaction():
                done += await self.retry(PostgresParkedReactions(connection), row["command_id"])
        return done

    async def report_parked(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        """Raise the alarm `parked_long` while a reaction has waited for long, and clear it afterwards."""
        async with pool.acquire() as connection:
            count, age = await parked_summary(connection)
            if age < PARKED_LONG:
                await clear_alarm(connection, self.consumer, "parked_long", self.service.name)
                return
            detail = f"{count} reactions wait, the oldest for {age.days} days"
            await raise_alarm(connection, self.consumer, "parked_long", self.service.name, detail)

    async def retry(self, parked: ParkedReactions, command_id: UUID) -> bool:
        """Try a parked reaction again; whether it went through. Raises what `is_transient` says will pass."""
        locked = await parked.lock(command_id)
        if locked is None:
            return False
        version = await parked.version(locked.target_stream)
        try:
            why = await self._ask(self._parked_due(command_id, locked.reaction, locked.body))
        except Exception as error:
            if is_transient(error):
                raise
            # A person sees it in the list; the others must not wait for it.
            _log.exception("parked_fails", reaction=locked.reaction, command_id=str(command_id))
            why = Rejection((), f"{type(error).__name__}: {error}"[:500])
        if why is None:
            await parked.remove([command_id])
            _log.info("unparked", reaction=locked.reaction, command_id=str(command_id), target=locked.target_stream)
            return True
        await parked.keep(command_id, why, version)
        return False

    def _parked_due(self, command_id: UUID, name: str, body: bytes) -> _Due:
        """The effect of a parked reaction, made again from the event that it follows."""
        for of_one in self._reactions.values():
            for reaction, book in of_one:
                if reaction.name == name:
                    fact = book.read(body)
                    for effect in reaction.react(fact):
                        if reaction.command_id(fact, effect) == command_id:
                            return _Due(reaction, fact, effect)
        raise LookupError(f"the reaction {name} does not ask for this any more")


class ParkedReactionRetrier(Running):
    """Tries parked reactions again as their targets move."""

    def __init__(
        self, reacting: ReactionRunner, pool: asyncpg.Pool[asyncpg.Record], *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        super().__init__()
        self._reacting = reacting
        self._pool = pool
        self._poll_seconds = poll_seconds

    @Running.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                done = await self._reacting.retry_parked(self._pool)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("parked_later", consumer=self._reacting.consumer, error=repr(error))
                done = 0
            if not done:
                await self.sleep(self._poll_seconds)

    @Running.task
    async def _report(self) -> None:
        while not self.should_stop:
            try:
                await self._reacting.report_parked(self._pool)
            except Exception as error:
                if not is_transient(error):
                    raise
            await self.sleep(LOOK_SECONDS)


def _stem(type_name: str) -> str:
    """A type name without its version."""
    return type_name.rpartition(".v")[0]


def _why_not(result: Result) -> Rejection | None:
    match result:
        case Accepted() | NoChange() | IdempotencyKeyReused():
            return None
        case Refused(rules):
            return Rejection(result.ids, "; ".join(rule.text for rule in rules))
        case NeedsRationale(rules):
            return Rejection(result.ids, "a rationale is needed: " + "; ".join(rule.text for rule in rules))
        case StreamNotFound():
            return Rejection((), "the stream that it asks has not begun")
        case Forbidden(why, _):
            return Rejection((), why)
        case VersionConflict(expected, actual):
            return Rejection((), f"version {expected} was expected, and the stream is at {actual}")


_RIPE: Final = """
    select p.command_id from parked as p
    where p.consumer = $1
    and exists (select 1 from event as e where e.stream = p.target_stream and e.version > p.tried_version)
    order by p.sequence limit 500
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

    def view(self) -> Mapping[str, Any]:
        """JSON-native values."""
        return {
            "command_id": str(self.command_id),
            "consumer": self.consumer,
            "reaction": self.reaction,
            "source_stream": self.source_stream,
            "source_version": self.source_version,
            "target_stream": self.target_stream,
            "rules": list(self.rules),
            "reason": self.reason,
            "attempts": self.attempts,
            "parked_at": self.parked_at.isoformat(),
        }


async def parked_reactions(connection: Connection, *, limit: int = 1000) -> list[ParkedReaction]:
    """The parked reactions of a service's database, oldest first."""
    rows = await connection.fetch(
        "select command_id, consumer, reaction, source_stream, source_version, target_stream, rules, reason, attempts,"
        " parked_at, body from parked order by sequence limit $1",
        limit,
    )
    return [ParkedReaction(**{**dict(row), "rules": tuple(row["rules"])}) for row in rows]


async def parked_summary(connection: Connection) -> tuple[int, timedelta]:
    """How many reactions are parked, and the age of the oldest (nothing where there is none)."""
    row = await connection.fetchrow(
        "select count(*) as many, coalesce(clock_timestamp() - min(parked_at), interval '0') as age from parked"
    )
    return row["many"], row["age"]
