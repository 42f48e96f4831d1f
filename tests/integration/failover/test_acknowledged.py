"""Promotions under load: what was acknowledged is on the new primary and in the topic, once and in order."""

from __future__ import annotations

import asyncio
import itertools
import random
import time

import pytest

from shared.event_store import Appended, EventStoreUnavailable
from tests.integration.event_store.streams import Stream
from tests.integration.failover.pair import Pair
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, body_of, running

pytestmark = pytest.mark.slow

CANCEL = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
WAITING = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"


class Officers:
    """Writers of a stream each, who send a command again with the same id until it is acknowledged."""

    def __init__(self, service: RelayedService, count: int = 8) -> None:
        self.acknowledged: dict[str, float] = {}
        """The event of each command that was acknowledged, and when, by the monotonic clock."""
        self._service = service
        self._ended = False
        self._tasks = [asyncio.create_task(self._work(Stream())) for _ in range(count)]

    async def _work(self, stream: Stream) -> None:
        while not self._ended:
            append = stream.asks(body_of(stream.version + 1))
            while True:
                try:
                    loaded = await self._service.event_store.load(append.stream, append.command_id)
                    if loaded.receipt is not None or isinstance(
                        await self._service.event_store.append(append), Appended
                    ):
                        break
                except EventStoreUnavailable:
                    await asyncio.sleep(0.1)
            self.acknowledged[str(append.events[0].event_id)] = time.monotonic()
            stream.knows(append)

    async def more(self, commands: int) -> None:
        """Wait until so many more are acknowledged."""
        until = len(self.acknowledged) + commands
        await eventually(lambda: len(self.acknowledged) >= until, 300)

    def longest_pause(self, since: float) -> float:
        """Return the longest time in seconds in which nobody was answered since then, to the last answer."""
        times = [since, *(at for at in self.acknowledged.values() if at > since)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    async def end(self) -> None:
        """Let each end what it does."""
        self._ended = True
        await asyncio.gather(*self._tasks)


@pytest.mark.parametrize("seed", range(3))
async def test_a_promotion_loses_doubles_and_forks_nothing(pair: Pair, replicated: RelayedService, seed: int) -> None:
    """Given officers at work, when the primary dies, at once or cut off with cancelled waits, then each receipt holds."""
    chance = random.Random(seed)
    await pair.synchronous()
    async with running(replicated.relay()) as relay:
        officers = Officers(replicated)
        await officers.more(chance.randrange(20, 200))
        if cancelled := chance.random() < 0.67:
            await pair.cut()
            await eventually(lambda: pair.primary.ask(WAITING))
            await pair.primary.do(CANCEL)
            await asyncio.sleep(chance.random())
        await pair.fail_over()
        await officers.more(50)
        await officers.end()
        await replicated.relayed()
        assert relay.alarm is None, cancelled
    await replicated.assert_exactly_the_event_store()
    recorded = [str(record.event_id) for record in await replicated.event_store.read(0, 1_000_000)]
    assert set(recorded) == officers.acknowledged.keys()
    assert len(recorded) == len(officers.acknowledged)
