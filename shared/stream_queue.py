"""Queue of the commands on each stream, first in, first out, within one process, with backpressure.

Without it, concurrent commands on one stream all decide, and all but one decide again. With 200 commands at once, many
needed more than 40 attempts and failed as unavailable. The queue does not cover other processes; there, the expected
version detects conflicts (optimistic concurrency).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MAX_WAITING: Final = 500
"""The most commands that wait for one stream."""
PATIENCE_SECONDS: Final = 20.0
"""The longest wait of a command for its turn, below the usual time-outs of clients."""


class QueueFull(Exception):
    """A stream with too many waiting commands, or a command that waited too long. The command has not started."""


class _Turns(asyncio.Lock):
    """The lock of one stream, which wakes those who wait in the order in which they came."""

    users = 0
    """How many commands hold it or wait for it."""


class StreamQueue:
    """The queues of all busy streams. An idle stream takes no memory."""

    def __init__(self, max_waiting: int = MAX_WAITING, patience: float = PATIENCE_SECONDS) -> None:
        self._max_waiting = max_waiting
        self._patience = patience
        self._busy: dict[str, _Turns] = {}

    @asynccontextmanager
    async def turn(self, stream: str) -> AsyncIterator[None]:
        """Wait for the turn on a stream, and hold it for the body of the `with` statement. Raises `QueueFull`."""
        turns = self._busy.setdefault(stream, _Turns())
        if turns.users > self._max_waiting:
            raise QueueFull(f"{turns.users - 1} commands already wait for {stream}")
        turns.users += 1
        try:
            try:
                async with asyncio.timeout(self._patience):
                    await turns.acquire()
            except TimeoutError:
                raise QueueFull(f"{stream} has been busy for {self._patience:g} seconds") from None
            try:
                yield
            finally:
                turns.release()
        finally:
            turns.users -= 1
            if not turns.users:
                del self._busy[stream]
