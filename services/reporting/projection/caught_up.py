"""The worker's note of when the projection had last taken everything that was published (freshness.py reads it)."""

from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from services.reporting.projection.read_models import CONSUMER, READ_MODELS
from services.reporting.projection.snapshot import Pool
from shared.messaging.consumer.effects import is_transient
from shared.messaging.consumer.position_record import reader
from shared.messaging.projection_consumer import progress
from shared.servers.kafka import Kafka

NOTE_SECONDS: Final = 2.0
"""Seconds between two notes of the worker."""

_NOTE: Final = """
    insert into freshness (service, caught_up_at) select service, clock_timestamp() from unnest($1::text[]) as s (service)
    on conflict (service) do update set caught_up_at = excluded.caught_up_at
"""
_log = structlog.get_logger("freshness")


class FreshnessRecorder(Service):
    """Notes every few seconds the services of which everything published is projected."""

    def __init__(self, pool: Pool, kafka: Kafka) -> None:
        super().__init__()
        self.failures = 0
        """How often Kafka or the database did not answer."""
        self._pool = pool
        self._kafka = kafka
        self._topics = [TopicPartition(f"ooc.{service}.position", 0) for service in READ_MODELS]

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                async with reader(self._kafka, "read_committed") as consumer:
                    while not self.should_stop:
                        # It raises if Kafka does not answer: then nobody knows what is published.
                        await consumer.end_offsets(self._topics)
                        await note_caught_up(self._pool)
                        await self.sleep(NOTE_SECONDS)
            except Exception as error:
                if not (isinstance(error, KafkaError) or is_transient(error)):
                    raise
                self.failures += 1
                _log.warning("freshness_later", error=repr(error))
                await self.sleep(NOTE_SECONDS)


async def note_caught_up(pool: Pool) -> None:
    """Note the services of which the projection has passed the newest position that it knows of."""
    async with pool.acquire() as connection:
        caught_up = []
        for service in READ_MODELS:
            passed, known = await progress(connection, CONSUMER, service)
            if passed >= known:
                caught_up.append(service)
        await connection.execute(_NOTE, caught_up)
