"""Waiting with a deadline for what another process does."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
PATIENCE: Final = 180.0
"""A deadline for a busy machine, which costs nothing where all goes well."""


async def eventually(condition: Callable[[], object | Awaitable[object]], within: float = PATIENCE) -> None:
    """Return when the condition holds; fail when it does not within so many seconds.

    Between two looks it pauses as long as a look takes: one that starts a process would keep a core busy otherwise.
    """
    until = time.monotonic() + within
    while True:
        began = time.monotonic()
        try:
            outcome = condition()
            if inspect.isawaitable(outcome):
                outcome = await outcome
            if outcome:
                return
            why: object = "it never held"
        except Exception as error:  # noqa: BLE001 - not yet
            why = error
        now = time.monotonic()
        if now > until:
            raise AssertionError(f"not within {within} seconds: {why}")
        await asyncio.sleep(min(max(SHORTEST_PAUSE, now - began), LONGEST_PAUSE))
