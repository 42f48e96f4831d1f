"""Polling for changes by other processes: often after a change, seldom after a long silence."""

import asyncio
import contextlib
from typing import Any

from shared.messaging.consumer.effects import Apply


class Poll:
    """The pauses between two looks, in seconds: from `shortest` after a change, growing to `longest`.

    Setting `moved` ends a pause after `delay`, so that many changes are one look.
    """

    def __init__(self, shortest: float = 0.2, longest: float = 1.0, delay: float = 0.2) -> None:
        self.moved = asyncio.Event()
        """Ends a pause early: set it when there is something to find."""
        self._shortest = self._pause = shortest
        self._longest, self._delay = longest, delay

    def reset(self) -> None:
        """Let the next pause be the shortest, since something has changed."""
        self._pause = self._shortest

    async def pause(self) -> None:
        """Wait before the next look, a little longer than the last time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.moved.wait(), self._pause)
            await asyncio.sleep(self._delay)
        self.moved.clear()
        # So a look is late by about a tenth of the silence before it.
        self._pause = min(1.1 * self._pause, self._longest)


def waking(apply: Apply, *polls: Poll) -> Apply:
    """Wrap `apply` so that it ends the pauses of some polls. Their next pauses are the shortest, as it commits later."""

    async def apply_and_wake(connection: Any, records: Any) -> None:
        for poll in polls:
            poll.reset()
            poll.moved.set()
        await apply(connection, records)

    return apply_and_wake
