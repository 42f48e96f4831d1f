"""What operators decide about held records, gaps and alarms: recorded for ever, and followed by the consumer."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.messaging.consumer.alarms import alarms, raise_alarm
from shared.messaging.consumer.decisions import (
    NothingHeld,
    acknowledge_alarm,
    decisions,
    release_gap,
    release_quarantined,
)
from shared.messaging.consumer.quarantine import gaps, quarantined_streams, retry_requested
from tests.integration.consumers.conftest import Pool
from tests.integration.consumers.publishing import Author
from tests.integration.consumers.test_process_batch import NAME, TOPIC, arriving, effects, process
from tests.integration.consumers.worker import write_down

BY: Any = {"actor": "officer 7", "reason": "agreed with the owner of the data"}


async def test_a_gap_is_released_without_the_missing_versions(projection: Pool) -> None:
    """Given a stream that waits for two lost versions, when an operator does without them, then the held one follows."""
    author, home = Author("note"), uuid4()
    stream = f"note/{home}"
    events = [author.write(home) for _ in range(5)]
    await process(projection, arriving([events[0], *events[3:]]))
    async with projection.acquire() as connection:
        done = await release_gap(connection, NAME, stream, **BY)
        assert (done.action, done.first_version, done.last_version) == ("skip_missing", 2, 3)
        await retry_requested(connection, NAME, write_down)
        with pytest.raises(NothingHeld):
            await release_gap(connection, NAME, stream, **BY)
    assert await effects(projection) == [(stream, 1), (stream, 4), (stream, 5)]
    assert (await alarms(projection), await gaps(projection)) == ([], [])
    # The versions that were given up may still come: they are not applied out of order.
    assert (await process(projection, arriving([events[1], events[4]], 3))).repeated == 2


async def test_a_dry_run_changes_nothing(projection: Pool) -> None:
    """Given a decision in a transaction that is rolled back, then nothing is released and nothing recorded."""
    author, home = Author("note"), uuid4()
    await process(projection, arriving([author.write(home, poison=True)]))
    async with projection.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert len(await release_quarantined(connection, NAME, f"note/{home}", through_offset=None, **BY)) == 1
        await transaction.rollback()
        assert (len(await quarantined_streams(connection)), await decisions(connection)) == (1, [])


async def test_decisions_are_never_changed(projection: Pool) -> None:
    """Given an acknowledged alarm, when its decision is to be changed or deleted, then the database refuses."""
    async with projection.acquire() as connection:
        await raise_alarm(connection, NAME, "malformed_position", TOPIC, "offset 3")
        await acknowledge_alarm(connection, NAME, "malformed_position", TOPIC, **BY)
        assert await alarms(connection) == []
        with pytest.raises(NothingHeld):
            await acknowledge_alarm(connection, NAME, "malformed_position", TOPIC, **BY)
        for statement in ("update quarantine_decision set actor = 'x'", "delete from quarantine_decision"):
            with pytest.raises(asyncpg.RaiseError, match="never changed"):
                await connection.execute(statement)


async def test_an_alarm_that_has_no_entry_in_the_registry_cannot_be_raised(projection: Pool) -> None:
    """Given a name that no runbook page explains, when it is raised, then it is an error."""
    async with projection.acquire() as connection:
        with pytest.raises(KeyError):
            await raise_alarm(connection, NAME, "unheard_of", TOPIC, "")


async def test_an_alarm_stands_in_the_list_whoever_fills_it(projection: Pool) -> None:
    """Given thousands of older alarms, of one kind and of names that nobody knows, then one of each kind is listed all the same."""
    async with projection.acquire() as connection, connection.transaction():
        for name in ("'gap'", "'made up ' || n"):
            await connection.execute(
                "insert into alarm (consumer, name, place, detail, raised_at)"
                f" select 'x', {name}, n, '', '2020-01-01' from generate_series(1, 2000) as n"
            )
        await raise_alarm(connection, "x", "relay_stuck", "note", "")
    listed = await alarms(projection)
    assert "relay_stuck" in {alarm.name for alarm in listed}
    assert len(listed) == 1000
    async with projection.acquire() as connection:
        await connection.execute("delete from alarm")
