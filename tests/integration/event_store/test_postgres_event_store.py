"""What only the real event store must stand: writers in several processes, readers beside them, killed connections, intruders."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from shared.event_store import Appended, AppendRequest, AppendResult, DuplicateCommand, RecordedEvent
from shared.event_store.postgres import MAX_GROUP, PostgresEventStore
from shared.servers import database as connections
from tests.integration.event_store.streams import Stream, as_application, note_of
from tests.integration.local.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
PROCESSES, STREAMS, EVENTS = 3, 10, 40


async def _writers(dsn: str) -> list[asyncio.subprocess.Process]:
    return [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.event_store.writer", dsn, str(STREAMS), str(EVENTS)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]


async def _printed_number(writer: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE):
        out, _ = await writer.communicate()
    assert writer.returncode == 0
    return int(out.split()[-1])


async def test_writers_in_several_processes_lose_nothing(
    event_store_database: str, postgres_event_store: PostgresEventStore
) -> None:
    """Given three processes that write at once, positions are dense and each stream is whole and in order."""
    writers = await _writers(as_application(event_store_database))
    total = sum([await _printed_number(writer) for writer in writers])
    records = await postgres_event_store.read(0, 10_000)
    assert total == PROCESSES * STREAMS * EVENTS == len(records)
    assert [r.position for r in records] == list(range(1, total + 1))
    assert all(a.recorded_at < b.recorded_at for a, b in pairwise(records))
    versions: Counter[str] = Counter()
    for record in records:
        versions[record.stream] += 1
        assert (record.version, note_of(record.body)) == (versions[record.stream], b"%d" % (record.version - 1))


async def test_a_reader_beside_the_writers_never_misses_one(
    event_store_database: str, postgres_event_store: PostgresEventStore
) -> None:
    """Given a reader that follows by position while three processes write, it meets each position once and in order."""
    writers = await _writers(as_application(event_store_database))
    all_told = asyncio.gather(*(_printed_number(writer) for writer in writers))
    followed: list[RecordedEvent] = []
    looks = 0
    async with asyncio.timeout(PATIENCE):
        while not all_told.done() or len(followed) < sum(await all_told):
            found = await postgres_event_store.read(followed[-1].position if followed else 0, 50)
            followed += found
            looks += bool(found)
    assert [r.position for r in followed] == list(range(1, PROCESSES * STREAMS * EVENTS + 1))
    assert looks > 10  # it did read while they wrote


async def test_two_processes_never_share_a_version(
    event_store_database: str, postgres_event_store: PostgresEventStore
) -> None:
    """Given two event stores of one database that decide on the same version at once, one is recorded and one has moved."""
    pool = await connections.create_pool(as_application(event_store_database))
    other = PostgresEventStore(pool)
    for _ in range(20):
        stream = Stream()
        results = await asyncio.gather(
            postgres_event_store.append(stream.asks(b"here")), other.append(stream.asks(b"there"))
        )
        assert sorted(type(result).__name__ for result in results) == ["Appended", "WrongExpectedVersion"]
    await pool.close()


async def test_more_callers_than_a_group_holds_are_all_answered(postgres_event_store: PostgresEventStore) -> None:
    """Given more callers at once than go down in one call, each is answered with a position of its own."""
    count = 2 * MAX_GROUP + 10
    results = await asyncio.gather(*(postgres_event_store.append(Stream().asks()) for _ in range(count)))
    assert sorted(cast("Appended", result).position for result in results) == list(range(1, count + 1))


async def test_a_caller_that_gives_up_disturbs_nobody(postgres_event_store: PostgresEventStore) -> None:
    """Given a caller cancelled while it waits, the others of its group are answered all the same."""
    appends = [Stream().asks(b"%d" % n) for n in range(10)]
    tasks = [asyncio.create_task(postgres_event_store.append(append)) for append in appends]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError)
    assert all(isinstance(result, Appended) for n, result in enumerate(results) if n != 3)
    assert isinstance(await Stream().write(postgres_event_store, b"after"), Appended)


async def test_an_append_that_no_connection_can_carry_fails_alone_and_at_once(
    postgres_event_store: PostgresEventStore,
) -> None:
    """Given a stream name that PostgreSQL cannot hold, its caller is told at once and the others are recorded."""
    good = [Stream().asks(b"%d" % n) for n in range(5)]
    bad = AppendRequest(uuid4(), b"d", "tests/\x00", 0, bytes(32), good[0].events)
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(
            *(postgres_event_store.append(append) for append in (*good, bad)), return_exceptions=True
        )
    assert isinstance(results[-1], asyncpg.PostgresError)
    assert all(isinstance(result, Appended) for result in results[:-1])


# --- connections that are lost --------------------------------------------------------------------


async def test_connections_killed_around_commits_lose_and_double_nothing(
    event_store_database: str, postgres_event_store: PostgresEventStore
) -> None:
    """Given connections killed again and again while many write, each append is recorded once and answered so."""
    owner = await asyncpg.connect(event_store_database)
    appended = 0
    writing = True

    async def fill(stream: Stream) -> None:
        nonlocal appended
        for n in range(40):
            await stream.write(postgres_event_store, b"%d" % n)
            appended += 1

    async def kill() -> int:
        killed, previous = 0, 0
        while writing:
            await asyncio.sleep(0)
            if appended >= previous + 10:  # in the middle of the work, as far as it goes
                previous = appended
                killed += await owner.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where datname = current_database() and usename = 'ooc_tests_api'"
                )
        return killed

    killer = asyncio.create_task(kill())
    streams = [Stream() for _ in range(16)]
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(fill(stream) for stream in streams))
    finally:
        writing = False
    assert await killer > 10
    records = await connections.retry_for(
        lambda: postgres_event_store.read(0, 10_000), PATIENCE
    )  # the last kill left dead ones
    assert [r.position for r in records] == list(range(1, 641))
    assert {r.stream: r.version for r in records} == {stream.name: 40 for stream in streams}
    await owner.close()


async def append_over_a_lost_connection(
    event_store_database: str, event_store: PostgresEventStore, append: AppendRequest
) -> AppendResult:
    """Append by a call whose first connection is killed before it has recorded anything."""
    owner = await asyncpg.connect(event_store_database)
    # The head row held by another keeps the call waiting until its connection is killed.
    async with owner.transaction():
        await owner.execute("select 1 from head for update")
        again = asyncio.create_task(event_store.append(append))
        async with asyncio.timeout(PATIENCE):
            while not await owner.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and usename = 'ooc_tests_api' and wait_event_type = 'Lock'"
            ):
                pass
    await owner.close()
    return await again


async def test_a_command_recorded_by_another_process_is_not_answered_as_our_own(
    event_store_database: str, postgres_event_store: PostgresEventStore
) -> None:
    """Given the same request recorded by somebody else while our connection was lost, no receipt names events that are not there."""
    stream, command = Stream(), uuid4()
    theirs, ours = (stream.asks(note, command_id=command) for note in (b"theirs", b"ours"))
    await postgres_event_store.append(theirs)
    ours = replace(ours, digest=theirs.digest)
    assert await append_over_a_lost_connection(event_store_database, postgres_event_store, ours) == DuplicateCommand()


async def test_a_group_whose_commit_was_lost_on_the_way_is_answered_as_recorded(
    event_store_database: str, postgres_event_store: PostgresEventStore
) -> None:
    """Given an append that was recorded by a call whose answer never came, the call sent again finds it recorded."""
    stream = Stream()
    append = stream.asks(b"once")
    result = await postgres_event_store.append(append)
    again = await append_over_a_lost_connection(event_store_database, postgres_event_store, append)
    assert again == result  # not Repeated: to this caller it is the first answer
    assert await postgres_event_store.append(append) == DuplicateCommand()
    assert (await postgres_event_store.head()).position == 1


# --- intruders ------------------------------------------------------------------------------------

CHANGES = (
    "update event set body = 'x'",
    "delete from event",
    "truncate event",
    "truncate event cascade",
    "update answer set digest = 'x'",
    "delete from answer",
    "truncate answer",
)


async def test_ranges_of_text_are_read_by_code_point(event_store_database: str) -> None:
    """Given a database that sorts as its server likes, the columns that are read as ranges of text say by themselves how they sort."""
    connection = await asyncpg.connect(event_store_database)
    rows = await connection.fetch(
        "select attrelid::regclass::text as of, attname, collname from pg_attribute join pg_collation as c on c.oid = attcollation"
        " where (attrelid, attname) in (('claim'::regclass, 'key'), ('access_log'::regclass, 'target')) order by 1"
    )
    await connection.close()
    assert [tuple(row) for row in rows] == [("access_log", "target", "C"), ("claim", "key", "C")]


@pytest.mark.parametrize("change", CHANGES)
async def test_even_the_owner_cannot_change_what_is_recorded(
    event_store_database: str, postgres_event_store: PostgresEventStore, change: str
) -> None:
    """Given a recorded event, UPDATE, DELETE and TRUNCATE are refused by trigger to the tables' owner."""
    await Stream().write(postgres_event_store, b"evidence")
    owner = await asyncpg.connect(event_store_database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(change)
    await owner.close()
    assert [note_of(r.body) for r in await postgres_event_store.read(0, 10)] == [b"evidence"]
