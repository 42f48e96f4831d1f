"""A promoted standby accepts and answers nothing until its relay has compared it with the topic."""

import pytest

from shared.event_store import Appended, StoreBehindTopic, TimelineNotCompared
from tests.integration.event_store.streams import Stream
from tests.integration.failover.pair import Pair
from tests.integration.local.waiting import eventually
from tests.integration.relay.conftest import RelayedService, running


async def published(service: RelayedService, streams: int, events: int) -> None:
    """Record some events, and see them in the topic."""
    await service.write(streams, events)
    async with service.relay():
        await service.relayed()


async def test_a_standby_that_lagged_forks_nothing(pair: Pair, replicated: RelayedService) -> None:
    """Given a standby that lacks what was published, when it is promoted, then no command takes a position of the topic."""
    await published(replicated, 2, 2)
    await pair.caught_up()
    await pair.cut()
    await published(replicated, 3, 1)
    await pair.fail_over()
    with pytest.raises(TimelineNotCompared):
        await replicated.event_store.append(Stream().asks())
    async with running(replicated.relay()) as relay:
        await eventually(lambda: relay.alarm is not None)
    with pytest.raises(StoreBehindTopic):
        await replicated.event_store.append(Stream().asks())
    assert (await replicated.event_store.head()).position == 4


async def test_a_standby_that_has_everything_goes_on_once_it_is_compared(
    pair: Pair, replicated: RelayedService
) -> None:
    """Given a standby that lacks nothing, when it is promoted, then commands and repeats wait for the relay, then go on."""
    append = Stream().asks(b"once")
    await replicated.event_store.append(append)
    await published(replicated, 1, 1)
    await pair.caught_up()
    await pair.fail_over()
    with pytest.raises(TimelineNotCompared):
        await replicated.event_store.append(Stream().asks())
    with pytest.raises(TimelineNotCompared):
        await replicated.event_store.load(append.stream, append.command_id)
    async with running(replicated.relay()) as relay:
        await eventually(lambda: relay.reached is not None)
        assert isinstance(await replicated.event_store.append(Stream().asks()), Appended)
        loaded = await replicated.event_store.load(append.stream, append.command_id)
        assert loaded.receipt is not None
        await replicated.relayed()
    await replicated.assert_exactly_the_event_store()
