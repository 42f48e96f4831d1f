"""The rebuild: reporting's tables computed anew from the event stores, beside the live ones, and swapped in one transaction.

Readers and the worker go on using the live tables (blue/green). The shadow tables stand in a
schema of their own, without indexes while processes copy ranges of streams into them (COPY), each stream folded once. Then
they are indexed, caught up event by event, and compared row by row with the live ones. The swap locks the live tables for
some milliseconds: what the event stores recorded since is projected under the lock, so that no answer goes back in time. A
rebuild that is cancelled or killed leaves the live tables as they are, and what it leaves behind goes with the next one.

What the consumer of reporting holds in quarantine stays out, as it stays out of the live tables.
"""

import asyncio
import multiprocessing
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import asyncpg

from services.reporting.database import DATABASE
from services.reporting.projection import projector
from services.reporting.projection.fold import fold
from services.reporting.projection.knowledge import everybody
from services.reporting.projection.read_models import CONSUMER
from services.reporting.projection.snapshot import LOCKED, PROJECTED
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact, UnknownEvent
from shared.domain.waiting import is_of_kernel
from shared.event_store import RecordedEvent
from shared.messaging.projection_consumer import progress
from shared.runtime.garbage_collection import exempt_from_collection
from shared.runtime.grants import grant_privileges
from shared.servers.database import WRITABLE, Connection, connected

SHADOW: Final = "rebuild"
"""The schema of the shadow tables."""
RANGE_EVENTS: Final = 5_000
"""About how many events one range of streams has: a process holds them in memory."""

CATCH_UP_EVENTS: Final = 2_000
"""How many events of a service are caught up in one transaction."""

NEARLY: Final = 200
"""With so few events missing the swap begins; they are projected under its lock."""

LOCK: Final = 7350713002
"""The advisory lock of a rebuild: its operator is there to end one that hangs."""

LOCK_MILLISECONDS: Final = 500
"""How long the swap waits for reads under way before it lets others pass. Less than PostgreSQL's `deadlock_timeout`, a second:
so that a read which has yet to lock another table never pays for a deadlock."""

EXAMPLES: Final = 20

_connected: Final = partial(connected, timeout=30, target_session_attrs=WRITABLE)

_EVENTS: Final = "select position, recorded_at, stream, version, event_id, type, home, hash, body from event"
_RANGE: Final = f"""
    {_EVENTS} where ($1::text is null or stream >= $1) and ($2::text is null or stream < $2) and position <= $3
    order by stream, version
"""
_AFTER: Final = f"{_EVENTS} where position > $1 order by position limit $2"
_HELD: Final = """
    select q.stream, coalesce(max(s.version), 0) as version from quarantine as q
    left join seen as s on s.consumer = q.consumer and s.stream = q.stream
    where q.consumer = $1 group by q.stream
"""
_CONSTRAINTS: Final = """
    select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = $1::text::regclass and contype in ('p', 'u')
"""
_INDEXES: Final = """
    select pg_get_indexdef(i.indexrelid) as definition from pg_index as i
    where i.indrelid = $1::text::regclass
      and not exists (select from pg_constraint as c where c.conindid = i.indexrelid and c.contype in ('p', 'u'))
"""
_FACTS_DIFFER: Final = f"""
    with mark as (select * from unnest($1::text[], $2::bigint[]) as m (service, last)),
        l as (select f.* from public.fact as f join mark using (service) where f.position <= last),
        r as (select f.* from {SHADOW}.fact as f join mark using (service) where f.position <= last)
    select count(*) filter (where l.event_id is null) as missing, count(*) filter (where r.event_id is null) as surplus,
           count(*) filter (where l.event_id is not null and r.event_id is not null) as other
    from l full join r on r.service = l.service and r.position = l.position
    where ({", ".join(f"l.{column}" for column in projector.FACT_COLUMNS)})
          is distinct from ({", ".join(f"r.{column}" for column in projector.FACT_COLUMNS)})
"""  # noqa: S608 - the columns above, and no value
_STREAMS_DIFFER: Final = f"""
    select service, stream from public.stream as l join {SHADOW}.stream as r using (service, stream)
    where l.version = r.version
      and ({", ".join(f"l.{column}" for column in projector.COLUMNS)}) is distinct from ({", ".join(f"r.{column}" for column in projector.COLUMNS)})
    order by service, stream
"""  # noqa: S608 - the same
_DUTIES: Final = ", ".join(f"d.{column}" for column in projector.DUTY_COLUMNS)
_SAME: Final = f"""
    join public.stream as l using (service, stream) join {SHADOW}.stream as r using (service, stream)
    where l.version = r.version
"""
_DUTIES_DIFFER: Final = f"""
    with live as (select {_DUTIES} from public.duty as d {_SAME}), shadow as (select {_DUTIES} from {SHADOW}.duty as d {_SAME})
    select distinct service, stream from (
        (table live except all table shadow) union all (table shadow except all table live)
    ) as differing order by service, stream
"""  # noqa: S608 - the same


class CannotRebuild(Exception):
    """A reason for which the tables stay as they are, in words."""


@dataclass(frozen=True, slots=True)
class RebuildStep:
    """How far a rebuild has come: what it does, and how much of that is done, in events or in tables; of 0, not known."""

    doing: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of the live tables from the rebuilt ones, in streams of which both hold the same events."""

    facts_missing: int
    """Events that the event store holds and the live tables lack, before the position that both have reached."""
    facts_surplus: int
    """Events that the live tables hold and the event store lacks."""
    facts_other: int
    streams: int
    duties: int
    """Streams whose duties differ."""
    examples: tuple[str, ...]
    """Some of these streams."""

    @property
    def any(self) -> bool:
        return bool(self.facts_missing or self.facts_surplus or self.facts_other or self.streams or self.duties)

    def view(self) -> dict[str, Any]:
        """Return the values as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A rebuild that is done: the position of each service, what differed before, and whether the tables were swapped."""

    positions: Mapping[str, int]
    differences: Differences
    swapped: bool


@dataclass(frozen=True, slots=True)
class _Range:
    """The streams of one service between two names, up to a position, for one process."""

    service: str
    source: str
    target: str
    low: str | None
    high: str | None
    position: int
    held: Mapping[str, int]


def _begin_process() -> None:
    """Leave interrupts to the parent, and collect garbage as rarely as other processes of the system."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exempt_from_collection()


def copy_range(part: _Range) -> int:
    """Copy the streams of a range into the shadow tables; return how many events. Raises `CannotRebuild`. Runs in a process."""
    return asyncio.run(_copy_range(part))


async def _copy_range(part: _Range) -> int:
    async with _connected(part.source) as source:
        rows = await source.fetch(_RANGE, part.low, part.high, part.position)
    streams: dict[str, list[Fact]] = defaultdict(list)
    for row in rows:
        if row["version"] <= part.held.get(row["stream"], row["version"]):
            streams[row["stream"]].append(_read(row))
    facts: list[tuple[Any, ...]] = []
    folded: list[tuple[Any, ...]] = []
    duties: list[tuple[Any, ...]] = []
    for name, history in streams.items():
        facts += map(projector.fact_row, history)
        if is_of_kernel(history[0].envelope.type):
            continue
        try:
            made = fold(history)
        except BrokenHistory as error:
            raise CannotRebuild(f"{name} cannot be folded: {error}") from error
        if made is not None:
            folded.append(projector.stream_row(made))
            duties += projector.duty_rows(made)
    async with _connected(part.target) as target, target.transaction():
        for table, columns, records in (
            ("fact", projector.FACT_COLUMNS, facts),
            ("stream", tuple(projector.COLUMNS), folded),
            ("duty", projector.DUTY_COLUMNS, duties),
        ):
            await target.copy_records_to_table(table, schema_name=SHADOW, columns=list(columns), records=records)
    return len(rows)


def _read(row: asyncpg.Record) -> Fact:
    try:
        return projector.read(RecordedEvent(**row))
    except UnknownEvent as error:
        raise CannotRebuild(f"{row['stream']} version {row['version']} cannot be read: {error}") from error


@asynccontextmanager
async def _in_shadow(connection: Connection) -> AsyncIterator[None]:
    """Open a transaction in which table names mean the shadow tables."""
    async with connection.transaction():
        await connection.execute(f"set local search_path = {SHADOW}, public")
        yield
        await connection.execute("set local search_path to default")


class Rebuild:
    """One rebuild.

    Args:
        sources: the event store of each deciding service: its address for a role that reads events and head.
        target: the address of reporting's database for its owner.
        processes: how many processes fold and copy.
        tell: hears how far it has come.

    """

    def __init__(
        self,
        sources: Mapping[str, str],
        target: str,
        processes: int,
        tell: Callable[[RebuildStep], None] = lambda _step: None,
    ) -> None:
        self._sources = sources
        self._target = target
        self._processes = processes
        self._tell = tell
        self._held: Mapping[str, int] = {}
        """The streams in quarantine, each with the version up to which it was projected."""
        self._reached: dict[str, int] = {}
        """The position of each service up to which its events have been read."""

    async def run(self, *, swap: bool = True) -> Rebuilt:
        """Build the shadow tables, compare, and swap if asked; remove them in the end. Raises `CannotRebuild`."""
        async with _connected(self._target) as connection:
            if not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
                raise CannotRebuild("another rebuild is under way: wait for its end")
            try:
                await self._make_tables(connection)
                positions = await self._heads()
                await self._copy(positions)
                await self._index(connection, positions)
                while await self._catch_up(connection) > NEARLY:
                    pass
                self._tell(RebuildStep("comparing each row with the live tables"))
                differences = await _compare(connection, self._sources)
                if swap:
                    await self._swap(connection)
                rows = await connection.fetch(
                    f"select service, position from {'public' if swap else SHADOW}.high_water_mark"  # noqa: S608 - no value
                )
                return Rebuilt({row["service"]: row["position"] for row in rows}, differences, swap)
            finally:
                await connection.execute(f"drop schema if exists {SHADOW} cascade")

    async def _make_tables(self, connection: Connection) -> None:
        """Make empty shadow tables, as the live ones are but for indexes; and note what reporting holds in quarantine."""
        self._held = {row["stream"]: row["version"] for row in await connection.fetch(_HELD, CONSUMER)}
        await connection.execute(f"drop schema if exists {SHADOW} cascade; create schema {SHADOW}")
        for table in PROJECTED:
            await connection.execute(
                f"create table {SHADOW}.{table} (like public.{table} including all excluding indexes)"
            )

    async def _heads(self) -> dict[str, int]:
        heads: dict[str, int] = {}
        for service, dsn in self._sources.items():
            async with _connected(dsn) as source:
                heads[service] = await source.fetchval("select position from head")
        return heads

    async def _copy(self, positions: Mapping[str, int]) -> None:
        total, done = sum(positions.values()), 0
        self._tell(RebuildStep("folding and copying", 0, total))
        loop = asyncio.get_running_loop()
        executor = ProcessPoolExecutor(
            self._processes, multiprocessing.get_context("spawn"), initializer=_begin_process
        )
        parts = [loop.run_in_executor(executor, copy_range, part) for part in self._ranges(positions)]
        try:
            for part in asyncio.as_completed(parts):
                done += await part
                self._tell(RebuildStep("folding and copying", done, total))
        finally:
            for future in parts:
                future.cancel()
            # The ranges under way write to the shadow tables: they end first, in a second or two.
            await asyncio.to_thread(executor.shutdown)
        if done != total:
            raise CannotRebuild(
                f"the event stores hold {done} events up to positions that add up to {total}: `ooc verify`"
            )

    def _ranges(self, positions: Mapping[str, int]) -> Iterable[_Range]:
        """Yield ranges of streams with about `RANGE_EVENTS` events each: ids are spread evenly."""
        for service, position in positions.items():
            number = -(-position // RANGE_EVENTS)
            bounds = [f"{service}/{n * 16**8 // number:08x}" for n in range(1, number)]
            for low, high in zip([None, *bounds], [*bounds, None], strict=True):
                yield _Range(service, self._sources[service], self._target, low, high, position, self._held)

    async def _index(self, connection: Connection, positions: Mapping[str, int]) -> None:
        self._tell(RebuildStep("indexing"))
        await asyncio.gather(*(self._index_table(table) for table in PROJECTED))
        async with _in_shadow(connection):
            await projector.advance(connection, sorted(positions))
            await projector.complete(connection, (), await everybody(connection))
        self._reached = dict(positions)

    async def _index_table(self, table: str) -> None:
        async with _connected(self._target) as connection:
            for row in await connection.fetch(_CONSTRAINTS, f"public.{table}"):
                await connection.execute(
                    f'alter table {SHADOW}.{table} add constraint "{row["name"]}" {row["definition"]}'
                )
            for row in await connection.fetch(_INDEXES, f"public.{table}"):
                await connection.execute(row["definition"].replace(f" ON public.{table} ", f" ON {SHADOW}.{table} ", 1))
            await connection.execute(f"vacuum (analyze) {SHADOW}.{table}")

    async def _catch_up(self, connection: Connection) -> int:
        """Project what the event stores have recorded since; return how many events that was."""
        done = 0
        for service, dsn in self._sources.items():
            async with _connected(dsn) as source:
                while records := await self._catch_up_service(connection, source, service):
                    done += records
                    self._tell(RebuildStep("catching up", done))
        return done

    async def _catch_up_service(self, connection: Connection, source: Connection, service: str) -> int:
        reached = self._reached[service]
        rows = await source.fetch(_AFTER, reached, CATCH_UP_EVENTS)
        if not rows:
            return 0
        records = [
            RecordedEvent(**row) for row in rows if row["version"] <= self._held.get(row["stream"], row["version"])
        ]
        async with _in_shadow(connection):
            try:
                await projector.apply(connection, records)
            except (UnknownEvent, BrokenHistory) as error:
                raise CannotRebuild(f"{service} cannot be projected after position {reached}: {error}") from error
        self._reached[service] = rows[-1]["position"]
        return len(rows)

    async def _swap(self, connection: Connection) -> None:
        """Swap in one transaction. Reads under way end first; while one takes long, the others go on, and the lock is retried."""
        self._tell(RebuildStep("swapping"))
        while not await self._swapped(connection):
            self._tell(RebuildStep("waiting for a long read to end"))
            await asyncio.sleep(LOCK_MILLISECONDS / 1000)
            await self._catch_up(connection)

    async def _swapped(self, connection: Connection) -> bool:
        """Try to swap; False if a read under way takes too long."""
        reached = dict(self._reached)
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = {LOCK_MILLISECONDS}")
                await connection.execute(f"lock table {LOCKED} in access exclusive mode")
                await self._catch_up(connection)
                await _require_not_behind(connection)
                for table in PROJECTED:
                    await connection.execute(f"drop table public.{table}")
                    await connection.execute(f"alter table {SHADOW}.{table} set schema public")
                _name, schema = DATABASE
                await grant_privileges(connection, await connection.fetchval("select current_database()"), schema)
        except asyncpg.LockNotAvailableError:
            self._reached = reached
            return False
        return True


async def _require_not_behind(connection: Connection) -> None:
    row = await connection.fetchrow(
        f"""
        select l.service, l.position as live, coalesce(r.position, 0) as rebuilt from public.high_water_mark as l
        left join {SHADOW}.high_water_mark as r using (service) where l.position > coalesce(r.position, 0) limit 1
        """  # noqa: S608 - no value
    )
    if row is not None:
        raise CannotRebuild(
            f"reporting holds {row['service']} up to position {row['live']}, and its event store ends at {row['rebuilt']}:"
            f" restore it first (`ooc restore event-store {row['service']}`)"
        )


async def _compare(connection: Connection, services: Iterable[str]) -> Differences:
    """Compare the live tables with the shadow tables, row by row, at one moment; facts as far as the consumer has come."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        marks = {row["service"]: row["position"] for row in await connection.fetch("table public.high_water_mark")}
        for service in services:
            passed, _ = await progress(connection, CONSUMER, service)
            marks[service] = max(marks.get(service, 0), passed or 0)
        facts = await connection.fetchrow(_FACTS_DIFFER, list(marks), list(marks.values()))
        streams = [(row["service"], row["stream"]) for row in await connection.fetch(_STREAMS_DIFFER)]
        duties = [(row["service"], row["stream"]) for row in await connection.fetch(_DUTIES_DIFFER)]
    examples = sorted({*streams, *duties})[:EXAMPLES]
    return Differences(
        *(facts["missing"], facts["surplus"], facts["other"], len(streams), len(duties)),
        examples=tuple(f"{service}/{stream}" for service, stream in examples),
    )
