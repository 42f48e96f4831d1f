"""An answer says when events may be missing in it: where the projection has stopped, is behind, or cannot ask Kafka."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from services.reporting.projection.caught_up import FreshnessRecorder, note_caught_up
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Pool
from services.reporting.queries.freshness import stale_header, stale_services
from shared.runtime.provision import position_topic, topics
from tests.integration.local.waiting import eventually


@pytest.fixture
async def kafka(kafka_bootstrap: str) -> str:
    await topics(kafka_bootstrap, [position_topic(f"ooc.{service}.position", 1) for service in READ_MODELS])
    return kafka_bootstrap


async def fresh(pool: Pool) -> bool:
    return not await stale_services(pool)


@pytest.fixture
async def recorder(pool: Pool, kafka: str) -> AsyncIterator[FreshnessRecorder]:
    one = FreshnessRecorder(pool, kafka)
    await one.start()
    yield one
    await one.stop()


async def test_a_projection_that_never_ran_is_stale(pool: Pool) -> None:
    """Before anything was projected every service is named, at position 0 and since ever."""
    assert await stale_services(pool) == [
        {"service": service, "position": 0, "since": None} for service in sorted(READ_MODELS)
    ]
    assert stale_header(await stale_services(pool))["Ooc-Stale"].startswith("disposal:0; since=ever, ")
    assert stale_header([]) == {}


async def test_a_projection_that_stops_is_stale_since_then(pool: Pool, recorder: FreshnessRecorder) -> None:
    """While the projector runs answers are fresh; when it is stopped, they soon say since when, and start anew with it."""
    await eventually(lambda: fresh(pool))
    await recorder.stop()
    stopped = await pool.fetchval("select clock_timestamp()")

    async def stale() -> bool:
        return len(await stale_services(pool)) == len(READ_MODELS)

    await eventually(stale)
    assert all(datetime.fromisoformat(str(one["since"])) <= stopped for one in await stale_services(pool))


async def test_a_projection_that_is_behind_is_not_noted_as_caught_up(pool: Pool) -> None:
    """Given a position that a relay has told and that is not passed yet, its service stays as it was, and the others do not."""
    await pool.execute(
        "insert into position_record (service, position, offsets) values ('disposal', 3, '{\"4\": 9}'::jsonb)"
    )
    await note_caught_up(pool)
    (behind,) = await stale_services(pool)
    assert behind == {"service": "disposal", "position": 0, "since": None}
    await pool.execute(
        "insert into checkpoint (consumer, topic, partition, next_offset) values ('reporting', 'ooc.disposal.events', 4, 9)"
    )
    await note_caught_up(pool)
    assert await fresh(pool)


async def test_where_kafka_does_not_answer_nothing_is_noted(pool: Pool) -> None:
    """Whoever cannot ask Kafka does not know what is published, and so calls nothing fresh."""
    one = FreshnessRecorder(pool, "127.0.0.1:1")
    await one.start()
    await eventually(lambda: one.failures >= 2)
    await one.stop()
    assert await pool.fetchval("select count(*) from freshness") == 0
