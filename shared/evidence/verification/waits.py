"""Verifies waits and closures: the rows of `waiting` and of closed reactions must follow from the recorded events."""

import itertools
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from shared.domain.decider import BrokenHistory
from shared.domain.ids import RESERVED
from shared.domain.service import Service
from shared.domain.waiting import DECIDER, WAITING_TYPES, Waiting, waiting_service
from shared.evidence.verification.problems import CountedCheck, note_lasting
from shared.messaging.reactions import parked_reactions
from shared.messaging.wait_recorder import MOST_PARKED
from shared.messaging.waiting import KnownWait
from shared.servers.database import Connection, Pool

PATIENCE_SECONDS: Final = 10.0
"""How long a difference may last: a worker records what waits within a second."""

_EVENTS: Final = """
    select stream, position, recorded_at, hash, body from event where type = any($1::text[]) order by stream, version
"""
_ROWS: Final = "select * from waiting where service = $1"
_PARKED: Final = "select command_id from parked"


async def check_waits(service: Service[Any], database: Pool, check: CountedCheck) -> None:
    """Compare rows with events, until nothing differs or patience ends."""

    async def look() -> list[str]:
        async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            recorded = await _recorded(service, connection)
            check.entries = len(recorded)
            return await _differences(service, connection, recorded)

    await note_lasting(look, PATIENCE_SECONDS, check.problems)


async def _recorded(service: Service[Any], connection: Connection) -> dict[UUID, Waiting | None]:
    """Fold the events of each wait; None for a history that cannot be folded, which another check reports."""
    waits = waiting_service(service)
    types = [waits.events.type_name(cls) for cls in WAITING_TYPES]
    waits_by_id: dict[UUID, Waiting | None] = {}
    for stream, rows in itertools.groupby(await connection.fetch(_EVENTS, types), key=itemgetter("stream")):
        history = [
            waits.events.read(row["body"], position=row["position"], recorded_at=row["recorded_at"], hash=row["hash"])
            for row in rows
        ]
        id_ = UUID(stream.rpartition("/")[2])
        if id_.version == RESERVED:
            id_ = UUID(int=id_.int, version=5)
        try:
            waits_by_id[id_] = DECIDER.state_at(history)
        except BrokenHistory:
            waits_by_id[id_] = None
    return waits_by_id


async def _differences(
    service: Service[Any], connection: Connection, recorded: dict[UUID, Waiting | None]
) -> list[str]:
    rows = {row["id"]: row for row in await connection.fetch(_ROWS, service.name)}
    parked = {row["command_id"] for row in await connection.fetch(_PARKED)}
    differences: list[str] = []
    for id_ in sorted(rows.keys() | recorded.keys()):
        row, state = rows.get(id_), recorded.get(id_)
        closed = state is not None and state.closed
        if row is not None and row["closed"] and not closed:
            differences.append(f"wait {id_}: it is closed, and no event says by whom and why")
        elif closed and (row is None or not row["closed"] or id_ in parked):
            differences.append(f"wait {id_}: its closure is recorded, and it still waits: close it again")
        elif row is None or state is None:
            differences.append(f"wait {id_}: {'no row shows it' if row is None else 'no event records it'}")
        elif Waiting(KnownWait.of_row(row).wait, open=row["ended_at"] is None, closed=row["closed"]) != state:
            differences.append(f"wait {id_}: what its row shows is not what its events make")
    differences += [
        f"reaction {reaction.command_id}: it is parked, and no event records it"
        for reaction in await parked_reactions(connection, limit=MOST_PARKED)
        if reaction.command_id not in recorded
    ]
    return differences
