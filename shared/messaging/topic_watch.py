"""Watches a service's topic for an open transaction, behind which every reader stands still.

The worker does, since an API never connects to Kafka.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mode import Service

from shared.database import Pool
from shared.kafka import Kafka
from shared.messaging.consumer.position_record import end_offsets, reader
from shared.messaging.standstill import LOOK_SECONDS, Standstill, look_tolerantly

HANGING_SECONDS: Final = 20.0
"""How long a record may wait for the end of a transaction: the broker ends one of a killed relay by then."""


class TopicWatch(Service):
    """Raises `hanging_transaction` while records of a topic wait longer for the end of a transaction than any of ours takes."""

    def __init__(
        self, topic: str, pool: Pool, bootstrap: Kafka, hanging: float = HANGING_SECONDS, pause: float = LOOK_SECONDS
    ) -> None:
        super().__init__()
        self._topic = topic
        self._pool = pool
        self._bootstrap = bootstrap
        self._hanging = hanging
        self._pause = pause

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            await look_tolerantly(self._watch)
            await self.sleep(self._pause)

    async def _watch(self) -> None:
        # What was at the end when it was last looked at afresh, by partition: it must be stable before the next such look.
        ends: Mapping[int, int] = {}
        standstill = Standstill("hanging_transaction", self._topic, self._hanging)
        async with (
            reader(self._bootstrap, "read_uncommitted") as anything,
            reader(self._bootstrap, "read_committed") as committed,
        ):
            while not self.should_stop:
                stable = await end_offsets(committed, self._topic)
                behind = [n for n, end in ends.items() if stable[n] < end]
                if not behind:
                    ends = await end_offsets(anything, self._topic)
                where = ", ".join(f"{n} at offset {stable[n]}" for n in behind)
                await standstill.note(self._pool, f"an open transaction holds up partition {where}" if behind else None)
                await self.sleep(self._pause)
