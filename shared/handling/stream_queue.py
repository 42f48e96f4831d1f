"""Turns by key within one process, and the queue of the commands on each stream, with backpressure.

Without the queue, concurrent commands on one stream all decide, and all but one decide again. With 200 commands at once, many
needed more than 40 attempts and failed as unavailable. The queue does not cover other processes; there, the expected
version detects conflicts (optimistic concurrency).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

MAX_WAITING: Final = 500
"""The most commands that wait for one stream."""
PATIENCE_SECONDS: Final = 20.0
"""The longest wait of a command for its turn, below the usual time-outs of clients."""


class QueueFull(Exception):
    """A stream with too many waiting commands, or a command that waited too long. The command has not started."""


class _Turns(asyncio.Semaphore):
    """The turns of one key, in order of arrival."""

    users = 0
    """The number of holders and waiters."""


class Turns:
    """The turns of each key: a limited number at once; others wait. An idle key uses no memory."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self.busy: dict[str, _Turns] = {}

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn of a key, and hold it for the body of the `with` statement."""
        turns = self.busy.setdefault(key, _Turns(self._at_once))
        turns.users += 1
        try:
            async with turns:
                yield
        finally:
            turns.users -= 1
            if not turns.users:
                del self.busy[key]


class StreamQueue:
    """The queues of all busy streams."""

    def __init__(self, max_waiting: int = MAX_WAITING, patience: float = PATIENCE_SECONDS) -> None:
        self._max_waiting = max_waiting
        self._patience = patience
        self._turns = Turns(1)
        self._busy = self._turns.busy

    @asynccontextmanager
    async def turn(self, stream: str) -> AsyncIterator[None]:
        """Wait for the turn on a stream, and hold it for the body of the `with` statement. Raises `QueueFull`."""
        turns = self._busy.get(stream)
        if turns is not None and turns.users > self._max_waiting:
            raise QueueFull(f"{turns.users - 1} commands already wait for {stream}")
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(self._patience):
                    await turn.enter_async_context(self._turns.turn(stream))
            except TimeoutError:
                raise QueueFull(f"{stream} has been busy for {self._patience:g} seconds") from None
            yield
