"""Watches a service's topic for an open transaction, behind which every reader stands still.

The worker does, since an API never connects to Kafka.
"""

from collections.abc import Mapping
from typing import Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from mode import Service

from shared.messaging.consumer.position_record import end_offsets, reader
from shared.messaging.standstill import ALARMIST, LOOK_SECONDS, Standstill
from shared.observing.progress import finish_cycle, write_unconfirmed
from shared.servers.database import Pool
from shared.servers.kafka import Kafka, administering
from shared.servers.tasks import tolerantly

_log = structlog.get_logger("watch")

HANGING_SECONDS: Final = 20.0
"""How long a record may wait for the end of a transaction: the broker ends one of a killed relay by then."""


_NOTE_REPLICAS: Final = """
    insert into replication (topic, replicas, in_sync) values ($1, $2, $3)
    on conflict (topic) do update set replicas = excluded.replicas, in_sync = excluded.in_sync
"""


class TopicWatch(Service):
    """Raises `hanging_transaction` while records of a topic wait longer for the end of a transaction than any of ours lasts."""

    def __init__(
        self, topic: str, pool: Pool, bootstrap: Kafka, hanging: float = HANGING_SECONDS, pause: float = LOOK_SECONDS
    ) -> None:
        super().__init__()
        self._topic = topic
        self._pool = pool
        self._bootstrap = bootstrap
        self._hanging = hanging
        self._pause = pause
        self._noted: tuple[int, int] | None = None

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            await tolerantly(self._watch, _log, "not_looked")
            await self.sleep(self._pause)

    async def _watch(self) -> None:
        # What was at the end when it was last looked at afresh, by partition: it must be stable before the next such look.
        ends: Mapping[int, int] = {}
        standstill = Standstill("hanging_transaction", self._topic, self._hanging)
        async with (
            reader(self._bootstrap, "read_uncommitted") as anything,
            reader(self._bootstrap, "read_committed") as committed,
            administering(self._bootstrap, request_timeout_ms=5000) as admin,
        ):
            while not self.should_stop:
                stable = await end_offsets(committed, self._topic)
                behind = [n for n, end in ends.items() if stable[n] < end]
                if not behind:
                    ends = await end_offsets(anything, self._topic)
                where = ", ".join(f"{n} at offset {stable[n]}" for n in behind)
                await standstill.note(self._pool, f"an open transaction holds up partition {where}" if behind else None)
                await self._note_replicas(admin)
                finish_cycle(ALARMIST)
                await self.sleep(self._pause)

    async def _note_replicas(self, admin: AIOKafkaAdminClient) -> None:
        """Note how many replicas the worst partition has, and how many of them are in sync."""
        (topic,) = await admin.describe_topics([self._topic])
        partitions = topic["partitions"]
        replicas, in_sync = (min(len(partition[kind]) for partition in partitions) for kind in ("replicas", "isr"))
        if self._noted != (replicas, in_sync):
            await write_unconfirmed(self._pool, _NOTE_REPLICAS, self._topic, replicas, in_sync)
            self._noted = replicas, in_sync
