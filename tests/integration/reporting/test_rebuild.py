"""The rebuild on a real PostgreSQL: from event stores, beside live tables that are read and projected into all the time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.education.events import SessionDelivered, SessionPlanned
from services.reporting import rebuild
from services.reporting.projection.projector import apply
from services.reporting.projection.snapshot import LOCKED, PROJECTED, snapshot
from services.reporting.queries.case_list import list_cases
from services.reporting.queries.daily_sheet import daily_sheet
from services.reporting.queries.measure_queries import measure
from services.reporting.rebuild import CannotRebuild, Rebuild, RebuildStep
from services.system.registry import DECIDING
from shared.domain.dates import end_of_day
from shared.domain.envelope import GENESIS, Fact, has_event
from shared.event_store import Appended, AppendRequest, EventToAppend
from shared.event_store.postgres import PostgresEventStore
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import service_database
from shared.servers.database import as_role, create_pool, database_dsn
from tests.architecture.test_extending import MEASURE, copied, make, run_in
from tests.copied_databases import databases
from tests.integration.local.waiting import eventually
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, play, reader, refold_differences

YEAR = (date(2025, 4, 1), date(2026, 12, 31))
DAY = date(2026, 8, 31)
WAIT = 120.0
"""Seconds for what takes a moment on an idle machine."""
_TABLES = (
    "select indexdef from pg_indexes where tablename = any($1::text[]) and schemaname = 'public' order by indexdef"
)


@pytest.fixture(scope="module")
def scenarios() -> RecordedScenarios:
    return play("01", "03", "13")


def commands_of(scenarios: RecordedScenarios) -> list[list[Fact]]:
    """Return the events of each command, in the order of recording."""
    return [list(facts) for _, facts in groupby(scenarios.facts, lambda fact: fact.envelope.command_id)]


class Stores:
    """The event stores of the deciding services, which grow event by event."""

    def __init__(self, stores: Mapping[str, PostgresEventStore], addresses: Mapping[str, str]) -> None:
        self._stores = stores
        self.addresses = addresses
        """For the role that reads."""
        self._projected = dict.fromkeys(stores, 0)
        self._hashes: dict[str, bytes] = {}

    async def record(self, commands: Iterable[Sequence[Fact]]) -> None:
        """Record the events of some commands."""
        for facts in commands:
            events = []
            for fact in facts:
                assert fact.body is not None
                assert fact.hash is not None
                events.append(
                    EventToAppend(fact.event_id, fact.envelope.type, fact.envelope.home, fact.body, fact.hash)
                )
            stream = facts[0].envelope.stream
            previous = self._hashes.get(stream, GENESIS)
            version, command_id = facts[0].version - 1, facts[0].envelope.command_id
            request = AppendRequest(command_id, bytes(32), stream, version, previous, tuple(events))
            result = await self._stores[stream.partition("/")[0]].append(request)
            assert isinstance(result, Appended), result
            self._hashes[stream] = events[-1].hash

    async def project(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        """Project what was recorded since, as the worker does."""
        for service, store in self._stores.items():
            records = await store.read(self._projected[service], 10_000)
            async with pool.acquire() as connection, connection.transaction():
                await apply(connection, records)
            if records:
                self._projected[service] = records[-1].position


@pytest.fixture
async def stores(postgres_url: str, database: str) -> AsyncIterator[Stores]:
    """Yield empty event stores of the deciding services."""
    names = {entry.name: f"{urlsplit(database).path[1:]}_{entry.name}" for entry in DECIDING}
    await databases(postgres_url, [(name, service_database(service)[1]) for service, name in names.items()])
    dsns = {service: database_dsn(postgres_url, name) for service, name in names.items()}
    async with contextlib.AsyncExitStack() as stack:
        pools = {
            service: await stack.enter_async_context(
                await create_pool(as_role(dsn, role_name(RoleKind.API, service)), max_size=1)
            )
            for service, dsn in dsns.items()
        }
        yield Stores(
            {service: PostgresEventStore(pool) for service, pool in pools.items()},
            {service: as_role(dsn, role_name(RoleKind.VERIFY)) for service, dsn in dsns.items()},
        )
    owner = await asyncpg.connect(postgres_url)
    for name in names.values():
        await owner.execute(f'drop database "{name}" with (force)')
    await owner.close()


@pytest.fixture
async def target(postgres_url: str, owner: Any) -> str:
    """Return the address of reporting's database for its owner."""
    return database_dsn(postgres_url, await owner.fetchval("select current_database()"))


class Readers:
    """Readers that ask all the time: no answer fails, and none goes back in time."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._answered = asyncio.Event()
        self._positions: dict[str, int] = {}
        self._cases = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            listed = await list_cases(self._pool, reader(), today=DAY)
            assert listed["total"] >= self._cases, "a case is gone"
            self._cases = listed["total"]
            self._see(listed["positions"])
            self._see((await measure(self._pool, "timeliness", *YEAR))["positions"])
            self._see((await daily_sheet(self._pool, reader(), end_of_day(DAY)))["positions"])
            self._answered.set()

    async def next_answer(self) -> None:
        """Wait for the end of the questions under way."""
        self._answered.clear()
        await self._answered.wait()

    def _see(self, positions: Mapping[str, int]) -> None:
        for service, position in positions.items():
            assert position >= self._positions.get(service, 0), f"{service} goes back to {position}"
            self._positions[service] = position


async def test_reads_never_fail_or_go_back_while_the_tables_are_rebuilt(
    pool: asyncpg.Pool[asyncpg.Record],
    owner: Any,
    target: str,
    stores: Stores,
    scenarios: RecordedScenarios,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given tables that were spoilt, readers and new events all the time, when they are rebuilt, then all is as folded."""
    monkeypatch.setattr(rebuild, "RANGE_EVENTS", 40)
    commands = commands_of(scenarios)
    most = len(commands) * 2 // 3
    await stores.record(commands[:most])
    await stores.project(pool)
    await owner.execute("update stream set state = 'SPOILT' where service = 'disposal'")
    await owner.execute("delete from duty where service = 'referral'")
    lost = await owner.fetchval("delete from fact where service = 'disposal' and position = 3 returning event_id")
    before = await owner.fetch(_TABLES, list(PROJECTED))
    readers = Readers(pool)
    heard: list[RebuildStep] = []

    async def record_the_rest() -> None:
        for command in commands[most:]:
            await stores.record([command])
            await stores.project(pool)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(readers.run())
        recording = group.create_task(record_the_rest())
        rebuilt = await Rebuild(stores.addresses, target, 2, heard.append).run()
        await recording
        async with asyncio.timeout(WAIT):
            for _ in range(2):  # the first may have been under way at the swap
                await readers.next_answer()
        reading.cancel()
    await stores.project(pool)

    assert rebuilt.swapped
    assert rebuilt.differences.facts_missing == 1
    assert rebuilt.differences.streams >= 1
    assert rebuilt.differences.duties >= 1
    copied = [step for step in heard if step.doing == "folding and copying"]
    assert [step.done for step in copied] == sorted(step.done for step in copied)
    assert copied[-1].done == copied[-1].of > most
    assert await refold_differences(pool) == []
    assert await pool.fetchval("select count(*) from fact") == len(scenarios.facts)
    assert await pool.fetchval("select true from fact where event_id = $1", lost)
    assert await owner.fetch(_TABLES, list(PROJECTED)) == before
    assert not await owner.fetchval("select true from pg_namespace where nspname = $1", rebuild.SHADOW)


async def test_a_rebuild_that_only_compares_or_is_cancelled_changes_nothing(
    pool: asyncpg.Pool[asyncpg.Record], owner: Any, target: str, stores: Stores, scenarios: RecordedScenarios
) -> None:
    """Given tables with one wrong row, when it compares only, or is cancelled, then the row stands, and no shadow table."""
    await stores.record(commands_of(scenarios))
    await stores.project(pool)
    wrong = await owner.fetchval(
        "update stream set state = 'SPOILT' where (service, stream) in ("
        " select service, stream from stream order by stream limit 1) returning service || '/' || stream"
    )
    compared = await Rebuild(stores.addresses, target, 1).run(swap=False)
    assert compared.differences.examples == (wrong,)
    assert not compared.swapped

    begun = asyncio.Event()
    cancelled = asyncio.create_task(Rebuild(stores.addresses, target, 1, lambda _step: begun.set()).run())
    async with asyncio.timeout(WAIT):
        await begun.wait()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await owner.fetchval("select count(*) from stream where state = 'SPOILT'") == 1
    assert not await owner.fetchval("select true from pg_namespace where nspname = $1", rebuild.SHADOW)


_COUNTED_IN_THE_COPY = """
import asyncio, json, sys
from datetime import date
from services.reporting.queries.measure_queries import measure
from services.reporting.rebuild import Rebuild
from shared.servers.database import create_pool

async def rebuilt():
    at = json.loads(sys.argv[1])
    async with await create_pool(at["worker"], max_size=1) as pool:
        ask = lambda: measure(pool, "hours", date(2025, 4, 1), date(2026, 12, 31))
        before = (await ask())["hours"]
        done = await Rebuild(at["stores"], at["target"], 1).run()
        print(json.dumps([before, (await ask())["hours"], done.differences.facts_other]))

asyncio.run(rebuilt())
"""


@pytest.mark.slow
async def test_a_field_that_a_summary_gains_is_filled_by_a_rebuild(
    pool: asyncpg.Pool[asyncpg.Record], target: str, stores: Stores, scenarios: RecordedScenarios, tmp_path: Path
) -> None:
    """Given tables from before, when a measure of a new field is added by the guide, then it counts what was recorded once they are rebuilt."""
    await stores.record(commands_of(scenarios))
    await stores.project(pool)
    copy = copied(tmp_path)
    make(MEASURE, copy)
    worker = as_role(target, role_name(RoleKind.WORKER, "reporting"))
    at = {"worker": worker, "stores": stores.addresses, "target": target}
    before, after, other = json.loads(await asyncio.to_thread(run_in, copy, _COUNTED_IN_THE_COPY, json.dumps(at)))
    planned = {fact.envelope.stream: fact.event.hours for fact in scenarios.facts if has_event(fact, SessionPlanned)}
    delivered = {fact.envelope.stream for fact in scenarios.facts if has_event(fact, SessionDelivered)}
    assert (before, other) == (0, 0)
    assert after == float(sum(planned[stream] for stream in delivered)) > 0


async def test_an_event_store_behind_the_live_tables_is_refused(
    pool: asyncpg.Pool[asyncpg.Record], target: str, stores: Stores, scenarios: RecordedScenarios
) -> None:
    """Given live tables that hold more than an event store, when rebuilt, then it is refused and they stay as they are."""
    commands = commands_of(scenarios)[:20]
    await stores.record(commands)
    await stores.project(pool)
    async with pool.acquire() as connection:
        await connection.execute("update high_water_mark set position = position + 1 where service = 'referral'")
    with pytest.raises(CannotRebuild, match="restore event-store referral"):
        await Rebuild(stores.addresses, target, 1).run()
    assert await pool.fetchval("select count(*) from fact") == sum(map(len, commands))


async def test_a_read_that_waits_for_the_swap_sees_the_new_rows(
    pool: asyncpg.Pool[asyncpg.Record], owner: Any, stores: Stores, scenarios: RecordedScenarios
) -> None:
    """Given a read that begins while a swap has the lock, when it ends, then the read sees rows that are younger than itself."""
    await stores.record(commands_of(scenarios))
    await stores.project(pool)
    rows = await pool.fetchval("select count(*) from stream")

    async def read() -> int:
        async with snapshot(pool) as connection:
            return int(await connection.fetchval("select count(*) from stream"))

    async def waits() -> bool:
        return bool(
            await pool.fetchval(
                "select true from pg_locks where not granted and database = (select oid from pg_database"
                " where datname = current_database())"
            )
        )

    async with owner.transaction():
        await owner.execute(f"lock table {LOCKED} in access exclusive mode")
        reading = asyncio.create_task(read())
        await eventually(waits, WAIT)
        await owner.execute("create table other (like stream including all); insert into other table stream")
        await owner.execute("drop table stream; alter table other rename to stream")
        await owner.execute(f"grant select on stream to {role_name(RoleKind.WORKER, 'reporting')}")
    assert await reading == rows > 0
