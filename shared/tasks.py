"""Ends tasks for sure, and repeats what is measured beside the work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended.

    Once is not enough: where a cancellation aborts a connection of PostgreSQL, the task may learn of a lost connection in
    its place, and go on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def repeating(
    call: Callable[[], Awaitable[None]], seconds: float, lost: Callable[[Exception], object]
) -> AsyncIterator[None]:
    """Call something every few seconds meanwhile. What fails is told to `lost`: a measurement ends no process."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await call()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next call comes
                lost(error)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        await end(task)
