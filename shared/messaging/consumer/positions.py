"""Follows the position topics of some services, so that a consumer can tell the relay's records from others.

Each process does so without a group, since a group would give a position topic to one member only.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from shared.messaging.consumer.position_record import (
    HighWaterMark,
    Ignored,
    end_offsets,
    evaluate,
    evaluate_at_ends,
    events_topic_of,
    find_last,
    reader,
)
from shared.messaging.consumer.position_signature import PositionKeys
from shared.servers.kafka import Kafka

FOLLOW_MILLISECONDS: Final = 2_000
"""The wait of a fetch for the next position record."""

SILENT_SECONDS: Final = 10.0
"""The least age of a silent connection that is replaced by another."""

RECONNECT_SECONDS: Final = 0.5

ASK_SECONDS: Final = 5.0
"""How long a position topic may take to answer one question."""

_log = structlog.get_logger("consumer")


class PositionFollower(Service):
    """Follower of position topics, from the last record of each.

    `alarm` is called with each ignored record; `connected` at each connection, with each events topic and what reads the ends
    of its partitions.
    """

    def __init__(
        self,
        position_topics: Sequence[str],
        bootstrap: Kafka,
        keys: PositionKeys,
        alarm: Callable[[Ignored], Awaitable[None]],
        connected: Callable[[str, Callable[[], Awaitable[Mapping[int, int]]]], Awaitable[None]],
    ) -> None:
        super().__init__()
        self.believed: dict[str, HighWaterMark] = {}
        """The last record believed for each events topic."""
        self.moved = asyncio.Event()
        """Set whenever one more is believed; the reader clears it."""
        self._topics = {events_topic_of(topic): topic for topic in position_topics}
        self._bootstrap = bootstrap
        self._keys = keys
        self._alarm = alarm
        self._connected = connected
        self._followed: dict[str, HighWaterMark | None] = {}
        """The last record believed of those that the connection has read; `ask` may have read further."""
        self._ends: dict[str, dict[int, int]] = {topic: {} for topic in self._topics}
        self._began = float("-inf")
        self._again = asyncio.Event()

    def saw(self, events_topic: str, partition: int, offset: int) -> None:
        """Store that a record exists at an offset, so that the end of the topic need not be queried."""
        ends = self._ends[events_topic]
        ends[partition] = max(ends.get(partition, 0), offset + 1)

    def vouches(self, events_topic: str, partition: int, offset: int) -> bool | None:
        """Tell whether the relay wrote the record at an offset; None if that is not known yet."""
        believed = self.believed.get(events_topic)
        return None if believed is None else believed.vouches(partition, offset)

    def follow_again(self) -> None:
        """Replace a connection that is older than `SILENT_SECONDS`: records wait, and a hanging connection yields none."""
        if time.monotonic() - self._began > SILENT_SECONDS:
            self._again.set()

    async def ask(self, events_topic: str) -> bool:
        """Read a position topic to its end on a new connection, and believe it; return whether it has answered.

        Not while a transaction is open there: what its record covers is not known yet.
        """
        positions = self._topics[events_topic]
        place = TopicPartition(positions, 0)
        try:
            async with (
                asyncio.timeout(ASK_SECONDS),
                reader(self._bootstrap, "read_uncommitted") as anything,
                reader(self._bootstrap, "read_committed") as search,
            ):
                search.assign([place])
                if await anything.end_offsets([place]) != await search.end_offsets([place]):
                    return False
                last, _ = await find_last(
                    search, positions, partial(self._read_ends, anything, events_topic), self._keys, patience=0
                )
        except (KafkaError, OSError, TimeoutError):
            return False
        believed = self.believed.get(events_topic)
        if last is not None and (believed is None or last.position > believed.position):
            await self._take(events_topic, last, ())
        return True

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            self._began = time.monotonic()
            self._again.clear()
            try:
                async with (
                    reader(self._bootstrap, "read_uncommitted") as anything,
                    reader(self._bootstrap, "read_committed", FOLLOW_MILLISECONDS) as consumer,
                ):
                    await self._unless_again(self._find_and_follow(consumer, anything))
            except (KafkaError, OSError) as error:
                _log.warning("positions_later", topics=sorted(self._topics.values()), error=repr(error))
                await self.sleep(RECONNECT_SECONDS)

    async def _unless_again(self, following: Coroutine[Any, Any, None]) -> None:
        """Follow until `follow_again`. Raises the errors of following."""
        task, again = asyncio.ensure_future(following), asyncio.ensure_future(self._again.wait())
        try:
            await asyncio.wait({task, again}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            else:
                _log.warning("positions_again", topics=sorted(self._topics.values()))
        finally:
            task.cancel()
            again.cancel()
            await asyncio.gather(task, again, return_exceptions=True)

    async def _find_and_follow(self, consumer: Any, anything: Any) -> None:
        """Read the last record of each topic, and those that come after it."""
        places = [TopicPartition(topic, 0) for topic in self._topics.values()]
        async with reader(self._bootstrap, "read_committed") as search:
            search.assign(places)
            for events, positions in self._topics.items():
                await self._connected(events, partial(end_offsets, anything, events))
                last, ignored = await find_last(
                    search, positions, partial(self._read_ends, anything, events), self._keys
                )
                self._followed[events] = last
                await self._take(events, last, ignored)
            consumer.assign(places)
            read_to = {place.topic: await search.position(place) for place in places}
            for place in places:
                consumer.seek(place, read_to[place.topic])
        await self._follow(consumer, anything, read_to)

    async def _follow(self, consumer: Any, anything: Any, read_to: dict[str, int]) -> None:
        """Believe the records that come, until the service stops, or a topic ends before what has been read of it.

        Then a broker answers that was frozen while others led, or the end is lost: a new connection reads the last record.
        """
        events_of = {positions: events for events, positions in self._topics.items()}
        while not self.should_stop:
            for tp, records in (await consumer.getmany(timeout_ms=10_000)).items():
                if records[0].offset < read_to[tp.topic]:
                    return
                read_to[tp.topic] = records[-1].offset + 1
                events = events_of[tp.topic]
                before = self._followed[events]
                last, ignored = evaluate(records, before, self._ends[events], self._keys)
                if ignored:
                    # The events may not have been seen here yet: read the end of the topic before a record is ignored.
                    read_ends = partial(self._read_ends, anything, events)
                    last, ignored = await evaluate_at_ends(records, before, read_ends, self._keys)
                self._followed[events] = last
                believed = self.believed.get(events)
                is_behind = last is not None and believed is not None and last.position < believed.position
                await self._take(events, None if is_behind else last, ignored)

    async def _read_ends(self, anything: Any, events: str) -> Mapping[int, int]:
        for partition, end in (await end_offsets(anything, events)).items():
            self._ends[events][partition] = max(end, self._ends[events].get(partition, 0))
        return self._ends[events]

    async def _take(self, events: str, last: HighWaterMark | None, ignored: Sequence[Ignored]) -> None:
        if last is not None and last != self.believed.get(events):
            self.believed[events] = last
            self.moved.set()
        for record in ignored:
            _log.error(record.alarm, topic=record.topic, why=record.detail)
            await self._alarm(record)
