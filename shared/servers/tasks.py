"""End tasks reliably, and repeat calls in the background."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended.

    Once is not enough: if a cancellation aborts a connection of PostgreSQL, the task may learn of a lost connection in
    its place, and go on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
    if not task.cancelled():
        task.exception()


async def tolerantly(call: Callable[[], Awaitable[None]], log: Any, event: str) -> None:
    """Call something, and log its errors as this event instead of raising them."""
    try:
        await call()
    except Exception as error:  # noqa: BLE001 - it is called again
        log.warning(event, error=repr(error))


@asynccontextmanager
async def repeating(call: Callable[[], Awaitable[None]], seconds: float, log: Any, lost: str) -> AsyncIterator[None]:
    """Call something every few seconds while in the context; log its errors."""

    async def repeat() -> None:
        while True:
            await tolerantly(call, log, lost)
            await asyncio.sleep(seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        await end(task)
