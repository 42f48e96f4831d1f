"""A task that is ended has ended."""

import asyncio

from shared.servers.tasks import end


async def test_a_task_that_takes_a_cancellation_for_a_lost_connection_is_ended() -> None:
    """Given a task that goes on after its first cancellation, when it is ended, then it is cancelled again."""
    taken: list[str] = []

    async def run() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            taken.append("lost connection")
        await asyncio.sleep(3600)

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    await end(task)
    assert (taken, task.cancelled()) == (["lost connection"], True)
