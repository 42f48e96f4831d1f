"""Queue of the commands on each stream, first in, first out, within one process, with backpressure.

Without it, concurrent commands on one stream all decide, and all but one decide again. With 200 commands at once, many
needed more than 40 attempts and failed as unavailable. The queue does not cover other processes; there, the expected
version detects conflicts (optimistic concurrency).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MAX_WAITING: Final = 500
"""The most commands that wait for one stream."""
PATIENCE_SECONDS: Final = 20.0
"""The longest wait of a command for its turn, below the usual time-outs of clients."""


class QueueFull(Exception):
    """A stream with too many waiting commands, or a command that waited too long. The command has not started."""


class StreamQueue:
    """The queues of all busy streams. An idle stream takes no memory."""

    def __init__(self, max_waiting: int = MAX_WAITING, patience: float = PATIENCE_SECONDS) -> None:
        self._max_waiting = max_waiting
        self._patience = patience
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, stream: str) -> AsyncIterator[None]:
        """Wait for the turn on a stream, and hold it for the body of the `with` statement. Raises `QueueFull`."""
        waiting = self._waiting.get(stream)
        if waiting is None:
            self._waiting[stream] = deque()
        else:
            await self._wait(stream, waiting)
        try:
            yield
        finally:
            self._pass_on(stream)

    async def _wait(self, stream: str, waiting: deque[asyncio.Future[None]]) -> None:
        """Wait behind the earlier commands. The turn is passed on directly, so no later command overtakes."""
        if len(waiting) >= self._max_waiting:
            raise QueueFull(f"{len(waiting)} commands already wait for {stream}")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on(stream)  # the turn arrived while the wait was cancelled
            else:
                waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise QueueFull(f"{stream} has been busy for {self._patience:g} seconds") from None
            raise

    def _pass_on(self, stream: str) -> None:
        """Pass the turn to the next waiting command, or mark the stream as idle."""
        waiting = self._waiting[stream]
        while waiting:
            successor = waiting.popleft()
            if not successor.done():
                successor.set_result(None)
                return
        del self._waiting[stream]
