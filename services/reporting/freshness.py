"""How fresh an answer is: the worker notes when the projection had taken all that was published, the API looks how long ago.

A projection that has stopped, one that is behind, and one whose Kafka does not answer all show in the same way. What a
service has recorded and its relay has not published yet is known to nobody here: `ooc status` of that service tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from mode import Service
from starlette.responses import JSONResponse

from services.reporting.read_models import CONSUMER, READ_MODELS
from services.reporting.snapshot import Pool
from shared.api.schemas import Schema
from shared.kafka import Kafka
from shared.messaging.consumer import is_transient
from shared.messaging.consumer.position_record import reader
from shared.messaging.projection_consumer import progress

NOTE_SECONDS: Final = 2.0
"""Seconds between two notes of the worker."""

FRESH_SECONDS: Final = 15
"""Seconds after which an answer without a new note is stale: several notes, and what a busy machine delays."""

HEADER: Final = "Ooc-Stale"

MAY_BE_STALE: Final[dict[str, Any]] = {
    "headers": {
        HEADER: {
            "description": "Of which services later events may be missing, from which position and since when; absent from a"
            " fresh answer.",
            "schema": {"type": "string"},
            "example": "referral:12; since=2026-11-26T09:00:00+00:00",
        }
    }
}
"""What an answer of projected events is declared with."""

_NOTE: Final = """
    insert into freshness (service, caught_up_at) select service, clock_timestamp() from unnest($1::text[]) as s (service)
    on conflict (service) do update set caught_up_at = excluded.caught_up_at
"""
_STALE: Final = """
    select s.service, coalesce(h.position, 0) as position, f.caught_up_at as since
    from unnest($1::text[]) as s (service)
    left join freshness as f using (service) left join high_water_mark as h using (service)
    where coalesce(f.caught_up_at < clock_timestamp() - make_interval(secs => $2), true)
    order by s.service
"""
_log = structlog.get_logger("freshness")


class StaleService(Schema):
    """A service of which events may be missing in an answer."""

    service: str
    position: int
    """Everything up to this position is in the answer, and later events may be missing."""
    since: datetime | None
    """When the answer last held all that was published; null: it never did."""


async def stale_services(pool: Pool) -> list[dict[str, Any]]:
    """Return the services of which the projection may lack events, each as a `StaleService`."""
    rows = await pool.fetch(_STALE, sorted(READ_MODELS), FRESH_SECONDS)
    return [
        {"service": row["service"], "position": row["position"], "since": row["since"] and row["since"].isoformat()}
        for row in rows
    ]


def stale_header(stale: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the header of an answer that is stale, such as `referral:12; since=2026-11-26T09:00:00+00:00`."""
    if not stale:
        return {}
    return {HEADER: ", ".join(f"{one['service']}:{one['position']}; since={one['since'] or 'ever'}" for one in stale)}


def json_answer(found: Mapping[str, Any], stale: list[dict[str, Any]]) -> JSONResponse:
    """Answer, with a header where the answer is stale, and in its body where positions are told too."""
    return JSONResponse({**found, "stale": stale} if "positions" in found else found, headers=stale_header(stale))


class FreshnessRecorder(Service):
    """Notes every few seconds of which services the projection has taken all that is published."""

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
                        # It raises where Kafka does not answer: then nobody knows what is published.
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
