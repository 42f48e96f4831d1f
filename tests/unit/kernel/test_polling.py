"""The pauses between two looks for what another process may have changed."""

import asyncio
from typing import Any

import pytest

from shared.messaging.polling import Poll, waking


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the lengths of the pauses, none of which is waited out."""
    lengths: list[float] = []

    async def wait_for(awaitable: Any, seconds: float) -> None:
        awaitable.close()
        lengths.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(asyncio, "wait_for", wait_for)
    return lengths


async def test_pauses_grow_with_silence_to_the_longest(waited: list[float]) -> None:
    """Given nothing to find, when looks follow, then each pause is a tenth longer, to the longest; what is found ends that."""
    poll = Poll(1.0, 1.3)
    for _ in range(4):
        await poll.pause()
    assert waited == pytest.approx([1.0, 1.1, 1.21, 1.3])
    poll.reset()
    await poll.pause()
    assert waited[-1] == 1.0


async def test_whoever_knows_of_something_to_find_ends_a_pause() -> None:
    """Given a pause of an hour, when its event is set, then it ends, and the next pause waits for the next event."""
    poll = Poll(3600, 3600, delay=0)
    pausing = asyncio.create_task(poll.pause())
    await asyncio.sleep(0)
    assert not pausing.done()
    poll.moved.set()
    await asyncio.wait_for(pausing, 60)
    assert not poll.moved.is_set()


async def test_an_applied_batch_ends_the_pauses_and_makes_the_next_short(waited: list[float]) -> None:
    """Given long pauses, when a consumer applies events, then a look comes, and the pause after it is the shortest."""
    poll = Poll(1.0, 2.0)
    applied: list[Any] = []

    async def apply(_connection: Any, records: Any) -> None:
        applied.append(records)

    for _ in range(3):
        await poll.pause()
    events: Any = ["event"]
    await waking(apply, poll)(None, events)
    assert poll.moved.is_set()
    assert applied == [events]
    await poll.pause()
    assert waited[-1] == 1.0
