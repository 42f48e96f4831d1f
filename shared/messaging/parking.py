"""The storage of parked reactions: PostgreSQL in production; the scenarios have one in memory."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from shared.domain.envelope import Fact
from shared.domain.ids import reserved_id
from shared.domain.permissions import SYSTEM
from shared.servers.database import Connection


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a reaction is parked: the ids of broken rules, and the reason in words."""

    rules: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ReactionToPark:
    """A rejected effect of a reaction: the fact that it follows, and the stream that its command is for."""

    command_id: UUID
    consumer: str
    reaction: str
    fact: Fact
    target_stream: str


@dataclass(frozen=True, slots=True)
class LockedReaction:
    """A parked reaction that this transaction alone may retry; `body` holds the event that it follows."""

    reaction: str
    target_stream: str
    body: bytes


class ParkedReactions(Protocol):
    """The parked reactions of a service, as one transaction sees them."""

    async def closed(self, command_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return the commands that a person has closed."""

    async def version(self, stream: str) -> int:
        """Return the version of a stream of the service; 0 if it has not begun."""

    async def park(self, parked: ReactionToPark, why: Rejection, tried_version: int) -> None:
        """Park a reaction that was rejected at this version of its target; parked before, it counts one more attempt."""

    async def lock(self, command_id: UUID) -> LockedReaction | None:
        """Lock a parked reaction; None if it is gone, or locked by another transaction."""

    async def keep(self, command_id: UUID, why: Rejection, tried_version: int) -> None:
        """Keep a parked reaction that was rejected again, with the new reason."""

    async def remove(self, command_ids: Iterable[UUID]) -> None:
        """Remove parked reactions; an id that is not parked is ignored."""

    async def keep_nothing_to_do(self, command_id: UUID, stream: str) -> None:
        """Store that the command of a reaction had nothing to do in a stream; a repeat changes nothing."""


class PostgresParkedReactions:
    """The table `parked` of a service, within the transaction of a connection."""

    def __init__(self, connection: Connection, service: str) -> None:
        self._connection = connection
        self._service = service

    async def closed(self, command_ids: Collection[UUID]) -> frozenset[UUID]:
        streams = {name: id_ for id_ in command_ids for name in wait_streams(self._service, id_)}
        rows = await self._connection.fetch(_CLOSED, list(streams))
        return frozenset(streams[row["stream"]] for row in rows)

    async def version(self, stream: str) -> int:
        latest = "select coalesce(max(version), 0) from event where stream = $1"
        version: int = await self._connection.fetchval(latest, stream)
        return version

    async def park(self, parked: ReactionToPark, why: Rejection, tried_version: int) -> None:
        fact = parked.fact
        sender = fact.envelope.home if fact.actor.role == SYSTEM else fact.actor.id
        await self._connection.execute(
            _PARK,
            *(parked.command_id, parked.consumer, parked.reaction, fact.envelope.stream, fact.version),
            *(parked.target_stream, fact.body, list(why.rules), why.reason, tried_version, sender),
        )

    async def lock(self, command_id: UUID) -> LockedReaction | None:
        lock = "select reaction, target_stream, body from parked where command_id = $1 for update skip locked"
        row = await self._connection.fetchrow(lock, command_id)
        return None if row is None else LockedReaction(**row)

    async def keep(self, command_id: UUID, why: Rejection, tried_version: int) -> None:
        await self._connection.execute(_KEEP, command_id, list(why.rules), why.reason, tried_version)

    async def remove(self, command_ids: Iterable[UUID]) -> None:
        await self._connection.execute("delete from parked where command_id = any($1::uuid[])", list(command_ids))

    async def keep_nothing_to_do(self, command_id: UUID, stream: str) -> None:
        insert = "insert into nothing_to_do (command_id, stream) values ($1, $2) on conflict do nothing"
        await self._connection.execute(insert, command_id, stream)


def wait_streams(service: str, command_id: UUID) -> list[str]:
    """Return the possible names of a wait's stream: the second if a record was begun under its id."""
    return [f"{service}/{command_id}", f"{service}/{reserved_id(command_id)}"]


async def stream_with_nothing_to_do(connection: Connection, command_id: UUID) -> str | None:
    """Return the stream in which the command of a reaction had nothing to do; None if it is no such command."""
    stream: str | None = await connection.fetchval("select stream from nothing_to_do where command_id = $1", command_id)
    return stream


_CLOSED: Final = "select stream from event where stream = any($1::text[]) and type like '%.WaitingClosed.v_'"
_PARK: Final = """
    insert into parked (command_id, consumer, reaction, source_stream, source_version, target_stream, body, rules, reason,
                        tried_version, sender)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    on conflict (command_id) do update
    set attempts = parked.attempts + 1, rules = excluded.rules, reason = excluded.reason,
        tried_version = excluded.tried_version
"""
_KEEP: Final = """
    update parked set attempts = attempts + 1, rules = $2, reason = $3, tried_version = $4, retry = false
    where command_id = $1
"""
