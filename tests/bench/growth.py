"""`make bench-growth`: what reporting's answers cost as its history grows, from the scenarios' own events.

History is that of `history`: each event is projected as it would be from its topic, up to `PROJECTED`: that is one team's
work. More teams are copies of its rows, with other ids and an area of their own. Bodies are those that the command handler
wrote, but for ids, days and areas; nobody reads the sealed fields here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import uvloop

from services.reporting.projection.projector import apply
from services.reporting.projection.verify import check_projection
from services.reporting.queries.case_list import list_cases
from services.reporting.queries.cases import case
from services.reporting.queries.cells import OPENED
from services.reporting.queries.daily_sheet import daily_sheet
from services.reporting.queries.measure_queries import measure
from services.reporting.queries.visibility import reader_of
from services.trade.vocabulary import Role
from shared.domain.dates import end_of_day
from shared.domain.messages import Actor
from shared.evidence.verification.problems import Problems
from shared.runtime.garbage_collection import exempt_from_collection
from shared.servers.database import create_pool
from tests.bench.history import LAST_DAY, history
from tests.bench.machine import machine
from tests.bench.place import Place, place

SIZES: Final = (10_000, 100_000, 1_000_000)
PROJECTED: Final = 100_000
"""How many events are projected, the work of one team in three years; larger sizes are copies of them."""

TIMES: Final = 7
"""How often a question is asked, after a first time that does not count."""

BATCH: Final = 2_000
QUARTER: Final = (date(2026, 4, 1), date(2026, 6, 30))
EARLIER: Final = datetime(2026, 5, 15, 12, tzinfo=UTC)
"""The time that questions by `as_of` and `known_at` name, in the middle of the quarter."""

AREA: Final = "DORSET"
"""The area of the projected events."""

# A copy's ids have a version of their own, a digit that no id of the stories has there. Chains of hashes do not follow
# from the copied bytes: no question looks at them.
_OTHER: Final = """
    create function other_text(t text, n text, area text) returns text immutable language sql as $$
        select replace(regexp_replace(t, '([0-9a-f]{8}-[0-9a-f]{4}-)[0-9a-f]([0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})',
            '\\1' || n || '\\2', 'g'), '"DORSET"', '"' || area || '"')
    $$;
    create function other_id(id uuid, n text) returns uuid immutable language sql as $$
        select overlay(id::text placing n from 15 for 1)::uuid
    $$;
    create function other_ids(ids uuid [], n text) returns uuid [] immutable language sql as $$
        select coalesce(array_agg(other_id(id, n)), '{}') from unnest(ids) as id
    $$;
"""
_COPIES: Final = (
    """
    insert into fact (service, stream, version, event_id, type, home, occurred_at, recorded_at, position, hash, body)
    select service, other_id(stream, $1), version, other_id(event_id, $1), type, other_id(home, $1), occurred_at, recorded_at,
           position + $3 * (select max(position) from original_fact as last where last.service = f.service), hash,
           convert_to(other_text(convert_from(body, 'UTF8'), $1, $2), 'UTF8')
    from original_fact as f
    """,
    """
    insert into stream (service, stream, home, version, position, hash, state, open, view, record, area, officer, cases,
                        referral_id, opened_at, updated_at, recorded_at, mentions, marks, begun_at, counted, subject)
    select service, other_id(stream, $1), other_id(home, $1), version,
           position + $3 * (select max(position) from original_fact as last where last.service = s.service), hash, state,
           open, other_text(view::text, $1, $2)::jsonb, other_text(record::text, $1, $2)::jsonb,
           case when area is not null then $2 end, other_id(officer, $1), other_ids(cases, $1), other_id(referral_id, $1),
           opened_at, updated_at, recorded_at, other_ids(mentions, $1), marks, begun_at, counted, other_id(subject, $1)
    from original_stream as s
    """,
    """
    insert into duty (service, stream, home, duty, item, opened_on, due, met_on, closed_on, area, lapsed_on)
    select service, other_id(stream, $1), other_id(home, $1), duty, other_text(item, $1, $2), opened_on, due, met_on,
           closed_on, case when area is not null then $2 end, lapsed_on
    from original_duty where $3::bigint > 0
    """,
    """
    update high_water_mark as h set position = (select max(position) from fact as f where f.service = h.service)
    where $1 <> $2 and $3::bigint > 0
    """,
)
_TEAM_DIGITS: Final = "6789abcdef"
"""The first digits of copies' versions of ids; those of the stories are 1 to 5."""

_OFFICERS: Final = """
    select s.officer from duty as d join stream as s using (service, stream)
    where d.area = $1 and s.officer is not null group by s.officer order by s.officer limit 50
"""

Question = Callable[[], Awaitable[object]]


async def questions(pool: asyncpg.Pool[asyncpg.Record], cases: list[UUID]) -> dict[str, Question]:
    """Return what is asked, by its name in the table."""
    actor = Actor(id=uuid4(), role=Role.SUPERVISOR, organisation="YJS", labels={"area": "*"})
    reader = await reader_of(pool, actor)
    team = await reader_of(pool, actor.model_copy(update={"labels": {"area": AREA}}))
    turn = iter(cases * 100)
    officers = cycle(row["officer"] for row in await pool.fetch(_OFFICERS, AREA))
    questions_by_name: dict[str, Question] = {
        "a case": lambda: case(pool, reader, next(turn)),
        "a case, as_of": lambda: case(pool, reader, next(turn), as_of=EARLIER),
        "a case, known_at": lambda: case(pool, reader, next(turn), known_at=EARLIER),
        "case list, first page": lambda: list_cases(pool, reader, today=LAST_DAY),
        "case list of a team, first page": lambda: list_cases(pool, team, today=LAST_DAY),
        "case list of a team, overdue": lambda: list_cases(pool, team, today=LAST_DAY, due_before=LAST_DAY),
        "case list of a team, by state": lambda: list_cases(pool, team, today=LAST_DAY, state="ACTIVE"),
        "case list by latest change": lambda: list_cases(pool, reader, today=LAST_DAY, sort="changed"),
        "case list by latest beginning": lambda: list_cases(pool, reader, today=LAST_DAY, sort="opened"),
        "daily sheet, first 100": lambda: daily_sheet(pool, reader, end_of_day(LAST_DAY), limit=100),
        "daily sheet of a team, first 100": lambda: daily_sheet(pool, team, end_of_day(LAST_DAY), limit=100),
        "daily sheet of a team, whole": lambda: daily_sheet(pool, team, end_of_day(LAST_DAY)),
        "daily sheet of an officer, whole": lambda: daily_sheet(
            pool, team, end_of_day(LAST_DAY), officer=next(officers)
        ),
        "daily sheet of a team, as_of": lambda: daily_sheet(pool, team, EARLIER, limit=100),
        "daily sheet of a team, known_at": lambda: daily_sheet(
            pool, team, end_of_day(LAST_DAY), known_at=EARLIER, limit=100
        ),
    }
    for name in OPENED:
        questions_by_name[name] = lambda name=name: measure(pool, name, *QUARTER)  # type: ignore[misc]  # its default binds it
        questions_by_name[f"{name}, as_of"] = lambda name=name: measure(pool, name, *QUARTER, as_of=EARLIER)  # type: ignore[misc]
        questions_by_name[f"{name}, known_at"] = lambda name=name: measure(pool, name, *QUARTER, known_at=EARLIER)  # type: ignore[misc]
    return questions_by_name


async def grown(here: Place, events: int) -> dict[str, float]:
    """Project a history of some size into a new database, and ask every question: milliseconds, and what else it costs."""
    dsn = await here.reporting_database()
    pool = await create_pool(dsn, max_size=4)
    try:
        return await _measured(here, pool, dsn.rpartition("/")[2], events)
    finally:
        await pool.close()


async def _measured(here: Place, pool: asyncpg.Pool[asyncpg.Record], database: str, events: int) -> dict[str, float]:
    found: dict[str, float] = {}
    records, homes, told, took = history(min(events, PROJECTED)), dict[UUID, None](), 0, 0.0
    exempt_from_collection()
    while batch := list(islice(records, BATCH)):
        homes |= dict.fromkeys(record.home for record in batch if record.stream.startswith("referral/"))
        start = time.perf_counter()
        async with pool.acquire() as connection, connection.transaction():
            await apply(connection, batch)
        took += time.perf_counter() - start
        told += len(batch)
    found["projected, events/s"] = told / took
    owner = await asyncpg.connect(re.sub(r"/[^/]*$", f"/{database}", here.database_url))
    try:
        teams = max(1, round(events / told))
        await _copied(owner, teams)
        await owner.execute("vacuum analyze")
        found["events"] = await owner.fetchval("select count(*) from fact")
        found["streams"] = await owner.fetchval("select count(*) from stream")
        found["disk, MB"] = await owner.fetchval("select pg_database_size(current_database())") / 1e6
    finally:
        await owner.close()
    for name, question in (await questions(pool, list(homes)[:: max(1, len(homes) // 50)])).items():
        found[f"{name}, ms"] = await _median(question)
    if teams == 1:
        start, problems = time.perf_counter(), Problems()
        await check_projection(pool, problems)
        assert problems.lines == ()
        found["verify, events/s"] = told / (time.perf_counter() - start)
    return found


async def _copied(owner: Any, teams: int) -> None:
    """Copy the rows of the first team until there are so many teams."""
    await owner.execute(_OTHER)
    for table in ("fact", "stream", "duty"):
        await owner.execute(f"create temporary table original_{table} as table {table}")
    await owner.execute("create index on original_fact (service, position); analyze original_fact")
    for n, digit in zip(range(1, teams), _TEAM_DIGITS, strict=False):
        for statement in _COPIES:
            await owner.execute(statement, digit, f"TEAM_{digit.upper()}", n)


async def _median(question: Question) -> float:
    await question()
    took: list[float] = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await question()
        took.append(time.perf_counter() - start)
    return statistics.median(took) * 1000


def table(columns: list[dict[str, float]]) -> Iterator[str]:
    """Yield the lines of the table: a row for each figure, a column for each size."""
    for name in columns[0]:
        cells = (f"{column[name]:,.{1 if column[name] < 100 else 0}f}" if name in column else "" for column in columns)
        yield f"{name:<36}" + "".join(f"{cell:>14}" for cell in cells)


async def main(sizes: list[int], json_path: Path) -> None:
    """Start the servers, fill and measure each size, and print the table."""
    json_path.parent.mkdir(parents=True, exist_ok=True)
    columns: list[dict[str, float]] = []
    began: dict[str, Any] = {"began": datetime.now(UTC).isoformat()}
    async with place(json_path.parent / "growth-servers") as here:
        began["machine"] = dict(await machine(here))
        for size in sizes:
            columns.append(await grown(here, size))
            print("\n".join(table(columns)), flush=True)
            text = json.dumps({**began, "sizes": columns}, indent=2)
            await asyncio.to_thread(json_path.write_text, text + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-growth", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, help=f"how many events; {SIZES} where none is given")
    parser.add_argument("--json", type=Path, default=Path("var/bench/growth.json"), help="where all values go")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.sizes or list(SIZES), arguments.json))
