"""Alarms for parts that stand still without an error, and the watch over a relay.

A relay that hangs can raise no alarm itself, nor can a process that is paused: so the API of the service watches it.
"""

import time
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.servers.database import Connection, Pool
from shared.servers.tasks import repeating

ALARMIST: Final = "watch"
"""The consumer of these alarms, in the table `alarm`."""

STUCK_SECONDS: Final = 60.0
"""How long a relay may stand still behind the event store."""

LOOK_SECONDS: Final = 5.0

_POSITIONS: Final = "select head.position as head, coalesce((select position from relayed), 0) as relayed from head"
_log = structlog.get_logger("watch")


class Standstill:
    """An alarm that is raised while something stands still, and cleared when it moves or has nothing left to do."""

    def __init__(self, name: str, place: str, seconds: float) -> None:
        self._name, self._place, self._seconds = name, place, seconds
        self._since: float | None = None
        self._stands: bool | None = None

    async def note(self, connection: Connection, why: str | None) -> None:
        """Note that it stands still, for the reason given, or that it moves (None)."""
        now = time.monotonic()
        if why is None:
            self._since = None
            if self._stands is not False:  # the alarm of a process before this one is cleared too
                await clear_alarm(connection, ALARMIST, self._name, self._place)
            self._stands = False
            return
        self._since = self._since or now
        if now - self._since >= self._seconds:
            if not self._stands:
                _log.critical(self._name, place=self._place, why=why)
            await raise_alarm(connection, ALARMIST, self._name, self._place, why)
            self._stands = True


def watching_relay(
    pool: Pool, service: str, stuck: float = STUCK_SECONDS, pause: float = LOOK_SECONDS
) -> AbstractAsyncContextManager[None]:
    """Raise `relay_stuck` while the relay of a service stands still behind its event store for `stuck` seconds."""
    standstill = Standstill("relay_stuck", service, stuck)
    last: int | None = None

    async def look() -> None:
        nonlocal last
        row = await pool.fetchrow(_POSITIONS)
        assert row is not None
        head, relayed = row
        moved = last is not None and relayed != last
        last = relayed
        why = f"the event store is at position {head}, the relay stands at {relayed}"
        await standstill.note(pool, why if relayed < head and not moved else None)

    return repeating(look, pause, _log, "not_looked")
