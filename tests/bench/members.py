"""The members of a consumer group: one projecting process, or two that share the partitions, on the same backlog."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import GroupCoordinatorNotAvailableError

from services.reporting.projection.projector import apply
from shared.messaging.consumer.consumed_event import ConsumedEvent
from shared.messaging.consumer.handling import GroupSettings
from tests.bench.corpus import SERVICES, Corpus
from tests.bench.place import Place
from tests.bench.processes import SPAWN, feeding, process_running, relaying
from tests.bench.projection import event_stores_of
from tests.bench.rounds import OURS, Side
from tools.local.supervisor import running

EVENTS: Final = 12_000
"""How many events one round projects."""

PATIENT: Final = GroupSettings(session_seconds=60.0)
"""A machine that others keep busy must not take partitions away in the middle of a round."""

GLANCE: Final = 0.005
"""Seconds between two looks at how far the tables have come."""

PATIENCE: Final = 120.0
"""Seconds for the members to share the partitions, and for their notes."""

_REACHED: Final = "select coalesce(sum(position), 0)::int from high_water_mark"


class Took(NamedTuple):
    """A batch of a member: its events, when it began (seconds since 1970), and what it took of the member's processor.

    `processor` is the processor time of the process since the batch before, fetching and decoding included; of the first
    batch that since the process had loaded its modules.
    """

    events: int
    began: float
    processor: float


class TookQueue(Protocol):
    """A queue between processes."""

    def put(self, took: Took) -> None:
        """Add a batch."""
        ...

    def get(self, *, timeout: float | None = None) -> Took:
        """Take a batch; raises `queue.Empty` after the timeout."""
        ...


async def projecting(dsn: str, kafka: str, namespace: str, notes: TookQueue) -> None:
    """Feed reporting's projection, for ever; `notes` hears of each batch."""
    processor = time.process_time()

    async def apply_and_note(connection: Any, records: Sequence[ConsumedEvent]) -> None:
        nonlocal processor
        began = time.time()
        await apply(connection, records)
        now = time.process_time()
        notes.put(Took(len(records), began, now - processor))
        processor = now

    await feeding(dsn, kafka, namespace, apply_and_note, PATIENT)


async def sharing(kafka: str, group: str, members: int) -> None:
    """Return when so many members of a group have partitions. Raises TimeoutError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while await _having_partitions(admin, group) != members:  # noqa: ASYNC110 - another process gives no sign
                await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def _having_partitions(admin: AIOKafkaAdminClient, group: str) -> int:
    try:
        (response,) = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:  # the first group of a new broker has it made
        return 0
    ((_error, _name, _state, _type, _protocol, members, *_),) = response.groups
    return sum(bool(member[-1] and ConsumerProtocol.ASSIGNMENT.decode(member[-1]).assignment) for member in members)


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken, with its children, those that have ended included."""
    process = psutil.Process(pid)
    total = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:2])
    return float(total)


class Members:
    """So many projecting processes of one group, on new topics and a new database each round."""

    def __init__(self, place: Place, event_stores: Mapping[str, str], events: int, members: int) -> None:
        self._place = place
        self._event_stores = dict(event_stores)
        self._events = events
        self._members = members

    async def round(self, _seconds: float) -> Mapping[str, float]:
        """Measure events a second from the first batch to the last commit, and the processor time of each kind of process."""
        kafka = self._place.kafka
        namespace, dsn = await self._place.topics(list(SERVICES)), await self._place.reporting_database()
        notes: TookQueue = SPAWN.Queue()
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(self._members):
                stack.enter_context(process_running(projecting, dsn, kafka, namespace, notes))
            await sharing(kafka, namespace, self._members)
            servers = running(self._place.folder)
            before = {name: processor_seconds(pid) for name, pid in servers.items()}
            stack.enter_context(process_running(relaying, self._event_stores, kafka, namespace))
            await self._wait_until_projected(dsn)
            ended = time.time()
            spent = {name: processor_seconds(pid) - before[name] for name, pid in servers.items()}
            batches = await asyncio.to_thread(self._batches_of, notes)
        took = ended - min(batch.began for batch in batches)
        spent["projecting"] = sum(batch.processor for batch in batches)
        return {
            "events/s": self._events / took,
            **{f"{name} us an event": 1e6 * spent[name] / self._events for name in sorted(spent)},
            "batches": len(batches),
        }

    async def _wait_until_projected(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        try:
            async with asyncio.timeout(10 * PATIENCE):
                while await connection.fetchval(_REACHED) < self._events:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(GLANCE)
        finally:
            await connection.close()

    def _batches_of(self, notes: TookQueue) -> list[Took]:
        batches: list[Took] = []
        while sum(batch.events for batch in batches) < self._events:
            batches.append(notes.get(timeout=PATIENCE))
        return batches


@contextlib.asynccontextmanager
async def members(place: Place) -> AsyncIterator[Sequence[Side]]:
    """Two members against one, on the events of four event stores, as their relays publish them."""
    event_stores, events = await event_stores_of(place, Corpus(), EVENTS)
    side = partial(Members, place, event_stores, events)
    yield [
        Side(OURS, f"{events:,} events, two projecting processes that share the partitions", side(2).round),
        Side("one", "the same, one projecting process", side(1).round),
    ]
