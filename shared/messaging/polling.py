"""Looks for what another process may have changed: often while something happens, seldom after a long silence."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from shared.messaging.consumer import Apply

GROWTH: Final = 1.1
"""How a pause follows from the one before: so a look comes about a tenth of the time late that has passed in silence."""


class Poll:
    """The pauses between two looks.

    Args:
        shortest: seconds of the first pause after something was found.
        longest: seconds to which pauses grow.
        delay: seconds from the end of a pause by `moved` to the look, so that many such ends are one look.

    """

    def __init__(self, shortest: float = 0.2, longest: float = 1.0, delay: float = 0.2) -> None:
        self.moved = asyncio.Event()
        """Ends a pause when it is set, by whoever knows that there is something to find."""
        self._shortest = self._pause = shortest
        self._longest, self._delay = longest, delay

    def reset(self) -> None:
        """Let the next pause be the shortest, since something was found."""
        self._pause = self._shortest

    async def pause(self) -> None:
        """Wait before the next look, a little longer than the last time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.moved.wait(), self._pause)
            await asyncio.sleep(self._delay)
        self.moved.clear()
        self._pause = min(GROWTH * self._pause, self._longest)


def waking(apply: Apply, *polls: Poll) -> Apply:
    """Return the same, which also ends the pauses of those who look for what it leaves.

    It may not be committed yet when they look, so the pauses that follow are the shortest.
    """

    async def apply_and_wake(connection: Any, records: Any) -> None:
        for poll in polls:
            poll.reset()
            poll.moved.set()
        await apply(connection, records)

    return apply_and_wake
