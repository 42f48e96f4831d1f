"""Kafka in memory: partitions, transactions and consumer groups, and aiokafka's face towards the product.

What stands here is what a failover can touch. A transaction ends by markers, which come to each partition late; a commit
that was sent may arrive when its producer has given up; a later producer of the same transactional id fences it. A reader
of committed records stops at the first open transaction. The tail of a partition may be lost, committed or not.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, ProducerFenced

from shared.servers.kafka import PARTITIONS
from tests.simulation.loop import Loop, Process, current
from tests.simulation.network import Network

T = TypeVar("T")

REQUEST_SECONDS = 12.0
"""How long a client waits for a broker that does not answer."""

BATCH_RECORDS = 20
"""The most records of a batch."""

Place = tuple[str, int]


@dataclass(slots=True)
class Entry:
    """An entry of a partition: a record, or the marker by which a transaction ends (its key is None)."""

    key: bytes | None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0
    marker: bool = False
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record, or the first of a batch, stands."""

    offset: int


class Partition:
    """The log of a partition, and the offsets that its open transactions have written."""

    def __init__(self) -> None:
        self.log: list[Entry] = []
        self.open: dict[Producing, list[int]] = {}
        self.frozen: tuple[int, int] | None = None
        """Both ends as a former leader knows them, while it answers readers as if it still led; else None."""

    @property
    def stable(self) -> int:
        """The offset of the first record of an open transaction: the end, for readers of committed records."""
        return min((offsets[0] for offsets in self.open.values()), default=len(self.log))

    def seen(self, *, committed: bool) -> int:
        """Return the end that readers are told."""
        return (self.frozen or (self.stable, len(self.log)))[not committed]

    def end(self, producer: Producing, *, commit: bool) -> None:
        """Write the marker of a transaction."""
        for offset in self.open.pop(producer, ()):
            self.log[offset].aborted = not commit
        self.log.append(Entry(None, marker=True))

    def lose(self, count: int) -> int:
        """Lose the last entries; returns how many."""
        keep = max(0, len(self.log) - count)
        lost = len(self.log) - keep
        del self.log[keep:]
        for producer, offsets in list(self.open.items()):
            kept = [offset for offset in offsets if offset < keep]
            if kept:
                self.open[producer] = kept
            else:
                del self.open[producer]
        return lost


@dataclass(eq=False, slots=True)
class Producing:
    """A transactional producer as the coordinator knows it, at one epoch."""

    name: str
    epoch: int
    process: Process
    """The program that has it."""
    partitions: set[Place] = field(default_factory=set)
    ending: bool = False
    """Whether its transaction has been decided, and markers are under way."""
    timer: asyncio.TimerHandle | None = None


class Group:
    """A consumer group: partitions are dealt out anew whenever a member comes or goes."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.generation = 0
        self._members: dict[int, tuple[float, float, frozenset[str]]] = {}

    def beat(self, member: int, session_seconds: float, topics: frozenset[str]) -> int:
        """Hear of a member; returns the generation."""
        now = self._loop.time()
        before = sorted(self._members)
        self._members = {id_: of for id_, of in self._members.items() if now - of[0] < of[1]}
        self._members[member] = (now, session_seconds, topics)
        self.generation += before != sorted(self._members)
        return self.generation

    def leave(self, member: int) -> None:
        """Let a member go."""
        if self._members.pop(member, None):
            self.generation += 1

    def share(self, member: int) -> set[TopicPartition]:
        """Return the partitions of a member."""
        members = sorted(self._members)
        places = [(topic, n) for topic in sorted(self._members[member][2]) for n in range(PARTITIONS)]
        return {TopicPartition(*place) for i, place in enumerate(places) if members[i % len(members)] == member}


class Broker:
    """The brokers as one: what is written is kept, but for a tail that a run loses on purpose."""

    def __init__(self, loop: Loop, network: Network) -> None:
        self.loop = loop
        self.network = network
        self.process = Process(loop, "kafka")
        self.topics: dict[str, list[Partition]] = {}
        self.groups: dict[str, Group] = {}
        self.members = itertools.count(1)
        self.expiring = 0.0
        """How often a batch expires in its producer before it is sent."""
        self.slowness = 0.0
        """Seconds that each request takes besides."""
        self._producers: dict[str, Producing] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._looking: list[asyncio.Future[Process]] = []

    def add(self, topic: str, partitions: int) -> None:
        """Add a topic."""
        self.topics[topic] = [Partition() for _ in range(partitions)]

    def lose_tail(self, topic: str, partition: int, count: int) -> None:
        """Elect a leader that lags: the last entries of a partition are gone."""
        lost = self.topics[topic][partition].lose(count)
        self.loop.note(f"kafka: the last {lost} entries of {topic}/{partition} are lost")

    async def grown(self, topics: Iterable[str], seconds: float) -> None:
        """Return when one of these topics has grown, or after some seconds."""
        grown: asyncio.Future[None] = self.loop.create_future()
        for topic in topics:
            self._waiting.setdefault(topic, []).append(grown)
        await asyncio.wait({grown}, timeout=seconds)

    def _notice(self, topic: str) -> None:
        for grown in self._waiting.pop(topic, ()):
            if not grown.done():
                grown.set_result(None)

    # --- producers --------------------------------------------------------------------------------

    async def publishing(self) -> Process:
        """Return the program that is the next to write something within a transaction, which is then open."""
        looking: asyncio.Future[Process] = self.loop.create_future()
        self._looking.append(looking)
        return await looking

    async def begin(self, name: str, process: Process) -> Producing:
        """Give a transactional id its next epoch, which ends the open transaction of the one before."""
        while (old := self._producers.get(name)) is not None and old.ending:  # noqa: ASYNC110 - as the client asks again
            await asyncio.sleep(0.02)
        new = Producing(name, old.epoch + 1 if old else 0, process)
        self._producers[name] = new
        if old is not None and old.partitions:
            await self._end(old, commit=False)
        return new

    def _require_current(self, producer: Producing) -> None:
        if self._producers.get(producer.name) is not producer:
            raise ProducerFenced

    async def write(self, producer: Producing | None, place: Place, entries: Sequence[Entry], seconds: float) -> int:
        """Append records; returns the offset of the first."""
        if producer is not None:
            self._require_current(producer)
            while producer.ending:
                await asyncio.sleep(0.01)
                self._require_current(producer)
            if producer.timer is None:
                producer.timer = self.loop.call_later(seconds, self._time_out, producer)
            producer.partitions.add(place)
        partition = self.topics[place[0]][place[1]]
        first = len(partition.log)
        partition.log += entries
        if producer is not None:
            partition.open.setdefault(producer, []).extend(range(first, len(partition.log)))
            for looking in self._looking:
                if not looking.done():
                    looking.set_result(producer.process)
            self._looking.clear()
        self._notice(place[0])
        return first

    def _time_out(self, producer: Producing) -> None:
        if self._producers.get(producer.name) is producer and producer.partitions and not producer.ending:
            self.loop.note(f"kafka: the transaction of {producer.name} took too long, and is aborted")
            self._producers[producer.name] = Producing(producer.name, producer.epoch + 1, producer.process)
            self.process.start(self._end(producer, commit=False))

    async def end(self, producer: Producing, *, commit: bool) -> None:
        """Decide a transaction; its markers come later."""
        self._require_current(producer)
        if producer.ending:
            return
        producer.ending = True
        self.process.start(self._end(producer, commit=commit))

    async def _end(self, producer: Producing, *, commit: bool) -> None:
        producer.ending = True
        if producer.timer is not None:
            producer.timer.cancel()
        for topic, number in sorted(producer.partitions):
            await asyncio.sleep(self.network.delay())
            self.topics[topic][number].end(producer, commit=commit)
            self._notice(topic)
        producer.partitions, producer.timer, producer.ending = set(), None, False

    # --- consumers --------------------------------------------------------------------------------

    async def fetch(
        self, wanted: Mapping[TopicPartition, int], limit: int, *, committed: bool
    ) -> dict[TopicPartition, tuple[list[Record], int]]:
        """Return the next records of some partitions, and where to go on in each."""
        found = {}
        for tp, start in wanted.items():
            partition = self.topics[tp.topic][tp.partition]
            end = partition.seen(committed=committed)
            records: list[Record] = []
            out_of_range = start > partition.seen(committed=False)
            offset = 0 if out_of_range else start  # read again from the beginning
            while offset < end and len(records) < limit:
                entry = partition.log[offset]
                if not entry.marker and not (committed and entry.aborted):
                    records.append(
                        Record(tp.topic, tp.partition, offset, entry.timestamp, entry.key, entry.value, entry.headers)
                    )
                offset += 1
            if offset != start:
                found[tp] = (records, offset)
        return found

    async def ends(self, places: Iterable[TopicPartition], *, committed: bool) -> dict[TopicPartition, int]:
        """Return the end of each partition."""
        return {tp: self.topics[tp.topic][tp.partition].seen(committed=committed) for tp in places}


class Client:
    """What producers and consumers share: requests that are answered late, or never."""

    broker: Broker

    def __init__(self) -> None:
        self._process = current()
        self._closed = False

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True

    async def ask(self, work: Callable[[], Awaitable[T]]) -> T:
        """Ask the broker. Raises a KafkaError; the broker may have done it."""
        if self._closed:
            raise KafkaConnectionError("the client is closed")
        waiter: asyncio.Future[T] = self.broker.loop.create_future()
        self.broker.process.start(self._serve(work, waiter))
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await waiter
        except TimeoutError:
            raise KafkaTimeoutError from None

    async def _serve(self, work: Callable[[], Awaitable[T]], waiter: asyncio.Future[T]) -> None:
        network = self.broker.network
        await asyncio.sleep(network.delay() + self.broker.slowness)
        lost = network.loses()
        try:
            if lost and self.broker.loop.chance.random() < 0.5:
                raise KafkaConnectionError("the request was lost")
            answer = await work()
            await asyncio.sleep(network.delay())
            if lost:
                raise KafkaConnectionError("the answer was lost")
        except Exception as error:  # noqa: BLE001 - the client gets it
            if not waiter.done():
                waiter.set_exception(error)
        else:
            if not waiter.done():
                waiter.set_result(answer)


class Batch:
    """A batch of aiokafka."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def append(self, *, timestamp: Any, key: Any, value: Any, headers: Sequence[tuple[str, bytes]]) -> Any:
        """Add a record; returns None if the batch is full."""
        if len(self.entries) == BATCH_RECORDS:
            return None
        self.entries.append(Entry(key, value, tuple(headers), timestamp or 0))
        return True

    def close(self) -> None:
        """Take no more."""


class FakeProducer(Client):
    """aiokafka's producer."""

    def __init__(self, *, transactional_id: str | None = None, transaction_timeout_ms: int = 60_000, **_: Any) -> None:
        super().__init__()
        self.client = self
        self._name = transactional_id
        self._seconds = transaction_timeout_ms / 1000
        self._producer: Producing | None = None
        self._last: dict[Place, asyncio.Task[Any]] = {}
        self._open = False

    async def start(self) -> None:
        if self._name is not None:
            name = self._name
            while True:
                try:
                    self._producer = await self.ask(lambda: self.broker.begin(name, self._process))
                except (KafkaConnectionError, KafkaTimeoutError):
                    await asyncio.sleep(0.1)
                else:
                    return

    async def stop(self) -> None:
        if self._open and self._producer is not None:
            producer, self._open = self._producer, False
            await self.ask(lambda: self.broker.end(producer, commit=False))

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(len(self.broker.topics[topic])))

    def create_batch(self) -> Batch:
        return Batch()

    async def begin_transaction(self) -> None:
        self._last, self._open = {}, True

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Task[Placed]:
        place = (topic, partition)
        before = self._last.get(place)
        self._last[place] = sent = self.broker.loop.create_task(self._send(place, batch.entries, before))
        return sent

    async def send_and_wait(
        self, topic: str, *, key: bytes, value: bytes, partition: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Placed:
        place = (topic, partition)
        entry = Entry(key, value, tuple(headers))
        self._last[place] = sent = self.broker.loop.create_task(self._send(place, [entry], self._last.get(place)))
        return await sent

    async def _send(self, place: Place, entries: Sequence[Entry], before: asyncio.Task[Any] | None) -> Placed:
        """Write a batch after the one before, again and again until an answer comes: the broker writes it once."""
        if before is not None:
            await asyncio.wait({before})
        first: int | None = None

        async def write() -> int:
            nonlocal first
            if first is None:
                first = await self.broker.write(self._producer, place, entries, self._seconds)
            return first

        if self.broker.loop.chance.random() < self.broker.expiring:
            raise KafkaTimeoutError
        for _ in range(3):
            try:
                return Placed(await self.ask(write))
            except (KafkaConnectionError, KafkaTimeoutError):
                await asyncio.sleep(0.1)
        raise KafkaTimeoutError

    async def commit_transaction(self) -> None:
        await self._end_transaction(commit=True)

    async def abort_transaction(self) -> None:
        await self._end_transaction(commit=False)

    async def _end_transaction(self, *, commit: bool) -> None:
        assert self._producer is not None
        producer = self._producer
        if self._last:
            await asyncio.wait(set(self._last.values()))
        self._open = False  # aiokafka commits past a batch that failed
        while True:
            try:
                await self.ask(lambda: self.broker.end(producer, commit=commit))
            except KafkaConnectionError:
                await asyncio.sleep(0.1)
            else:
                return


class FakeConsumer(Client):
    """aiokafka's consumer, in a group or not."""

    def __init__(
        self,
        *,
        isolation_level: str,
        group_id: str | None = None,
        session_timeout_ms: int = 10_000,
        heartbeat_interval_ms: int = 3_000,
        **_: Any,
    ) -> None:
        super().__init__()
        self._client = self._fetcher = self
        self._committed = isolation_level == "read_committed"
        self._positions: dict[TopicPartition, int] = {}
        self._assigned: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._group = group_id
        self._session_seconds = session_timeout_ms / 1000
        self._heartbeat_seconds = heartbeat_interval_ms / 1000
        self._member = next(self.broker.members)
        self._topics: frozenset[str] = frozenset()
        self._listener: Any = None

    async def start(self) -> None:
        await self.ask(self._nothing)

    async def _nothing(self) -> None:
        """Answer."""

    async def stop(self) -> None:
        self._closed = True
        if self._group in self.broker.groups:
            self.broker.groups[self._group].leave(self._member)

    def assign(self, places: Iterable[TopicPartition]) -> None:
        self._assigned = set(places)
        self._positions = {}

    def assignment(self) -> set[TopicPartition]:
        return set(self._assigned)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._positions[place] = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        for place in places:
            self.seek(place, 0)

    async def position(self, place: TopicPartition) -> int:
        await asyncio.sleep(0)
        return self._positions.get(place, 0)

    def pause(self, *places: TopicPartition) -> None:
        self._paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        self._paused -= set(places)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        places = list(places)
        return await self.ask(lambda: self.broker.ends(places, committed=self._committed))

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await self.ask(self._nothing)
        return dict.fromkeys(places, 0)

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> dict[TopicPartition, list[Record]]:
        until = self.broker.loop.time() + timeout_ms / 1000
        while True:
            wanted = {
                tp: self._positions.get(tp, 0)
                for tp in sorted(places or self._assigned)
                if tp not in self._paused and tp in self._assigned
            }
            try:
                found = await self.ask(partial(self.broker.fetch, wanted, max_records, committed=self._committed))
            except (KafkaConnectionError, KafkaTimeoutError):
                found = {}
            records: dict[TopicPartition, list[Record]] = {}
            for tp, (fetched, reached) in found.items():
                if tp in self._assigned and self._positions.get(tp, 0) == wanted[tp]:  # not sought meanwhile
                    self._positions[tp] = reached
                    if fetched:
                        records[tp] = fetched
            remaining = until - self.broker.loop.time()
            if records or remaining <= 0 or self._closed:
                return records
            if not found:
                await self.broker.grown({tp.topic for tp in wanted}, remaining)

    # --- in a group -------------------------------------------------------------------------------

    def subscribe(self, topics: Iterable[str], listener: Any) -> None:
        assert self._group is not None
        self._topics, self._listener = frozenset(topics), listener
        self.broker.loop.create_task(self._belong(self.broker.groups.setdefault(self._group, Group(self.broker.loop))))

    async def _belong(self, group: Group) -> None:
        """Beat, and take over what the group gives, until the consumer is closed."""
        generation = -1

        async def beat() -> int:
            return group.beat(self._member, self._session_seconds, self._topics)

        async def share() -> tuple[int, set[TopicPartition]]:
            return await beat(), group.share(self._member)

        while not self._closed:
            try:
                if await self.ask(beat) != generation:
                    await self._listener.on_partitions_revoked(self._assigned)
                    self._assigned, self._positions = set(), {}
                    generation, self._assigned = await self.ask(share)
                    self.broker.loop.note(f"{self._process}: {len(self._assigned)} partitions of {self._group}")
                    await self._listener.on_partitions_assigned(set(self._assigned))
            except Exception as error:  # noqa: BLE001 - aiokafka swallows a listener's error, and joins again after one of its own
                self.broker.loop.note(f"{self._process}: {error!r}")
            await asyncio.sleep(self._heartbeat_seconds)
