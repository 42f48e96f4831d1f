"""One command after another on each stream, in the order in which they came, within a process.

Without it, commands on one stream decide at once and all but one decide again: 200 at a time took 40 attempts and more,
and ended as unavailable. Other processes are not waited for here: the expected version still settles who was first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MAX_WAITING: Final = 500
"""How many commands may wait for one stream."""
PATIENCE_SECONDS: Final = 20.0
"""How long one waits for its turn; after its client's time-out its answer reaches nobody."""


class QueueFull(Exception):
    """Too many commands wait for this stream, or this one has waited too long; it has not begun."""


class StreamQueue:
    """A queue for each stream that is busy; a stream at rest takes no memory and no time."""

    def __init__(self, max_waiting: int = MAX_WAITING, patience: float = PATIENCE_SECONDS) -> None:
        self._max_waiting = max_waiting
        self._patience = patience
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, stream: str) -> AsyncIterator[None]:
        """Hold the stream's turn; raises `QueueFull`."""
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
        """Wait behind those who came before; the turn is handed over, so nobody who comes later overtakes."""
        if len(waiting) >= self._max_waiting:
            raise QueueFull(f"{len(waiting)} commands wait for {stream} already")
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(mine)
        try:
            async with asyncio.timeout(self._patience):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                self._pass_on(stream)  # the turn came at the moment at which it was given up
            else:
                waiting.remove(mine)
            if isinstance(error, TimeoutError):
                raise QueueFull(f"{stream} has been busy for {self._patience:g} seconds") from None
            raise

    def _pass_on(self, stream: str) -> None:
        """Hand the turn to the next one that still waits, or let the stream rest."""
        waiting = self._waiting[stream]
        while waiting:
            following = waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        del self._waiting[stream]
