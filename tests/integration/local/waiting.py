"""Waiting with a deadline for what another process does."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], object | Awaitable[object]], within: float = 20) -> None:
    """Return when the condition holds; fail when it does not within so many seconds."""
    until = time.monotonic() + within
    while True:
        try:
            outcome = condition()
            if inspect.isawaitable(outcome):
                outcome = await outcome
            if outcome:
                return
            why: object = "it never held"
        except Exception as error:  # noqa: BLE001 - not yet
            why = error
        if time.monotonic() > until:
            raise AssertionError(f"not within {within} seconds: {why}")
        await asyncio.sleep(0.05)
