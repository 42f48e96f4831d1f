"""Commands on one stream take turns in the order in which they came; others do not wait for them."""

import asyncio

import pytest

from shared.handling.stream_queue import QueueFull, StreamQueue


async def test_turns_come_in_order_and_one_at_a_time() -> None:
    """Given many at once on one stream, each has its turn alone, first come, first served, and nothing is left."""
    queue, order, inside = StreamQueue(), list[int](), 0

    async def work(n: int) -> None:
        nonlocal inside
        async with queue.turn("a"):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(n)
            inside -= 1

    await asyncio.gather(*(work(n) for n in range(100)))
    assert order == list(range(100))
    assert not queue._busy


async def test_another_stream_does_not_wait() -> None:
    """Given one stream that is busy, another one has its turn at once."""
    queue = StreamQueue()
    async with queue.turn("a"), asyncio.timeout(60), queue.turn("b"):
        assert len(queue._busy) == 2


async def test_a_turn_passes_on_when_its_work_fails_or_its_waiter_goes() -> None:
    """Given work that fails, and a waiter that is cancelled, those behind them have their turns."""
    queue, done = StreamQueue(), asyncio.Event()

    async def fails() -> None:
        async with queue.turn("a"):
            await asyncio.sleep(0)
            raise ValueError

    async def ends() -> None:
        async with queue.turn("a"):
            done.set()

    failing = asyncio.create_task(fails())
    await asyncio.sleep(0)
    leaving, last = asyncio.create_task(ends()), asyncio.create_task(ends())
    await asyncio.sleep(0)
    leaving.cancel()
    async with asyncio.timeout(60):
        await last
    assert isinstance((await asyncio.gather(failing, return_exceptions=True))[0], ValueError)
    assert done.is_set()
    assert not queue._busy


async def test_a_turn_that_comes_as_its_waiter_goes_is_passed_on() -> None:
    """Given a waiter that is cancelled after its turn has been handed to it and before it has begun, the next one goes on."""
    queue = StreamQueue()
    order: list[str] = []

    async def work(name: str) -> None:
        async with queue.turn("a"):
            order.append(name)

    holding = queue.turn("a")
    await holding.__aenter__()
    first, second = asyncio.create_task(work("first")), asyncio.create_task(work("second"))
    await asyncio.sleep(0)
    await holding.__aexit__(None, None, None)
    first.cancel()
    async with asyncio.timeout(60):
        await second
    assert order == ["second"]
    assert not queue._busy


async def test_who_waits_too_long_or_comes_too_late_is_told() -> None:
    """Given a queue that is full, or a turn that does not come in time, the one that waits is refused and forgotten."""
    queue = StreamQueue(max_waiting=1, patience=0.05)
    async with queue.turn("a"):
        waiting = asyncio.create_task(queue.turn("a").__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="already wait for a"):
            await queue.turn("a").__aenter__()
        with pytest.raises(QueueFull, match="busy"):
            await waiting
    assert not queue._busy
