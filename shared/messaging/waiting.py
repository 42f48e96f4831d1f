"""The table of waits in each consumer's database: a service's own waits, and those that other services publish."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.domain import waiting
from shared.domain.envelope import Fact, UnknownEvent
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.servers.database import Connection

_FIELDS: Final = (
    "kind",
    "consumer",
    "name",
    "source",
    "version",
    "targets",
    "rules",
    "reason",
    "sentence",
    "since",
    "sender",
)
_OF_WAIT: Final = ", ".join(_FIELDS)
_BEGIN: Final = f"""
    insert into waiting (id, service, home, {_OF_WAIT}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    on conflict (id) do update
    set service = excluded.service, home = excluded.home, {", ".join(f"{name} = excluded.{name}" for name in _FIELDS)},
        ended_at = null, closed = false
    where not waiting.closed or waiting.service <> excluded.service
"""  # noqa: S608 - the columns above, and no value
_CHANGE: Final = """
    update waiting set name = $2, version = $3, targets = $4, rules = $5, reason = $6, sentence = $7
    where id = $1 and ended_at is null
"""
_OPEN: Final = f"select id, {_OF_WAIT} from waiting where service = $1 and ended_at is null"  # noqa: S608 - the same
STANDING: Final = "w.since <= {0} and (w.ended_at is null or w.ended_at > {0})"
"""The condition on `waiting as w` that it waited at a time, a parameter."""
_OF_STREAM: Final = f"""
    select id, service, {_OF_WAIT} from waiting as w
    where (source = $1 or targets @> array[$1]) and {STANDING.format("coalesce($2, clock_timestamp())")}
    order by since, id
"""  # noqa: S608 - the same
_NAMED: Final = f"select id, service, ended_at, closed, {_OF_WAIT} from waiting where id = any($1::uuid[])"  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class KnownWait:
    """A wait with its id and the service where it waits."""

    id: UUID
    service: str
    wait: waiting.Wait

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> KnownWait:
        """Read a row of the table `waiting`."""
        return cls(row["id"], row["service"], _wait_of(row))

    def view(self) -> dict[str, Any]:
        """Return the JSON members that every reader is shown."""
        wait = self.wait
        return {
            "id": str(self.id),
            "sentence": wait.sentence,
            "since": wait.since.isoformat(),
            "kind": wait.kind,
            "name": wait.name,
            "service": self.service,
            "source_stream": wait.source,
            "target_streams": list(wait.targets),
            "rules": list(wait.rules),
            "reason": wait.reason,
        }


@dataclass(frozen=True, slots=True)
class WaitState:
    """A wait, and whether it has ended or a person has closed it."""

    known: KnownWait
    ended: bool
    closed: bool


def wait_facts(records: Iterable[ConsumedEvent]) -> list[Fact]:
    """Read the events of waits among some records. Raises `UnknownEvent`."""
    return [
        record.fact(waiting.waiting_events(record.stream.partition("/")[0], record.type.partition(".")[0]))
        for record in records
        if waiting.is_wait(record.type)
    ]


async def keep_waits(connection: Connection, facts: Iterable[Fact]) -> None:
    """Apply events of waits to the table of waits; a repeat changes nothing. Raises `UnknownEvent` for another service's wait."""
    for fact in facts:
        id_, service = fact.stream_id, fact.envelope.stream.partition("/")[0]
        waits_in = await connection.fetchval("select service from waiting where id = $1", id_)
        if waits_in not in {None, service}:
            raise UnknownEvent(f"{service} records a wait of {waits_in}")
        match fact.event:
            case waiting.WaitingBegan(home=home, wait=wait):
                await begin_wait(connection, id_, service, home, wait)
            case waiting.WaitingChanged(wait=wait):
                await change_wait(connection, id_, wait)
            case waiting.WaitingEnded():
                await end_wait(connection, id_, fact.occurred_at)
            case waiting.WaitingClosed():
                await end_wait(connection, id_, fact.occurred_at, closed=True)
            case _:
                raise AssertionError(fact.envelope.type)


async def begin_wait(connection: Connection, id_: UUID, service: str, home: UUID, wait: waiting.Wait) -> None:
    """Insert an open wait under its id, in the place of another service's; one that a person has closed stays closed."""
    values = (getattr(wait, name) for name in _FIELDS)
    columns = (list(value) if isinstance(value, tuple) else value for value in values)
    await connection.execute(_BEGIN, id_, service, home, *columns)


async def change_wait(connection: Connection, id_: UUID, wait: waiting.Wait) -> None:
    """Update the cause and the targets of an open wait; one that has ended stays as it was."""
    await connection.execute(
        _CHANGE, id_, wait.name, wait.version, list(wait.targets), list(wait.rules), wait.reason, wait.sentence
    )


async def end_wait(connection: Connection, id_: UUID, at: datetime, *, closed: bool = False) -> None:
    """End a wait at a time; `closed` says that a person closed it."""
    end = "update waiting set ended_at = coalesce(ended_at, $2), closed = closed or $3 where id = $1"
    await connection.execute(end, id_, at, closed)


async def open_waits(connection: Connection, service: str) -> dict[UUID, waiting.Wait]:
    """Load the open waits of a service by their ids."""
    return {row["id"]: _wait_of(row) for row in await connection.fetch(_OPEN, service)}


async def waits_of(connection: Connection, stream: str, at: datetime | None = None) -> list[KnownWait]:
    """Load the waits of a stream, or for it, longest first: now, or at a time."""
    return [KnownWait.of_row(row) for row in await connection.fetch(_OF_STREAM, stream, at)]


async def waits_named(connection: Connection, ids: Collection[UUID]) -> dict[UUID, WaitState]:
    """Load the waits with these ids, open or not; an unknown id is left out."""
    rows = await connection.fetch(_NAMED, list(ids))
    return {row["id"]: WaitState(KnownWait.of_row(row), row["ended_at"] is not None, row["closed"]) for row in rows}


async def closed_waits(connection: Connection, service: str, ids: Collection[UUID]) -> frozenset[UUID]:
    """Return those of some ids of waits of a service that a person has closed."""
    closed = "select id from waiting where id = any($1::uuid[]) and closed and service = $2"
    return frozenset(row["id"] for row in await connection.fetch(closed, list(ids), service))


def _wait_of(row: Mapping[str, Any]) -> waiting.Wait:
    values = {name: row[name] for name in _FIELDS}
    return waiting.Wait(**values | {"targets": tuple(row["targets"]), "rules": tuple(row["rules"])})
