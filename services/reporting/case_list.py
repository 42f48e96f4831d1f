"""The list of cases. A column is one field of `CaseLine`: SQL, API and the terminal's table are made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from pydantic import Field

from services.reporting.period import BadQuestion
from services.reporting.projection import UNMET
from services.reporting.read_models import READ_MODELS
from services.reporting.snapshot import Connection, Pool, positions, snapshot
from services.reporting.visibility import Reader, Statement, visible
from shared.api.parameters import UUID_TEXT
from shared.api.schemas import Schema
from shared.domain.dates import local_day

PAGE: Final = 50
"""Cases on one page of the list."""

MOST_COUNTED: Final = 1_000
"""How many cases are counted for the total of a list: counting all of a long one takes longer than its page."""

PANEL_QUEUE: Final = "PANEL_QUEUE"
"""Beside the states of the services: a referral that waits with the panel until a disposal case names it."""

QUEUED: Final = """
    s.service = 'referral' and s.state = 'WITH_PANEL'
    and not exists (select 1 from stream as d where d.service = 'disposal' and d.referral_id = s.stream)
"""
"""The condition on `stream as s` that it is a referral which waits for the panel."""

# A piece of work of its home, the case. Without `coalesce` PostgreSQL expects one stream in some thousands to be one, and
# sorts all of them instead of walking an index to the end of a page.
_IS_WORK: Final = "coalesce(s.home = any(s.cases), false)"

# Times of occurrence are what somebody says, the order of recording is not: so no later work moves a case elsewhere.
_AREA: Final = "(array_agg(work.area order by work.begun_at, work.stream) filter (where work.area is not null))[1]"


def _json_value(value: Any) -> Any:
    """Return a value of the database as JSON has it: ids as text, times and days in ISO 8601."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: its SQL, its heading, and its forms in JSON and text."""

    sql: str
    """An expression over the rows `work` of one case (its streams; `shown`: those that the reader may see) and over
    `waiting`, its unmet duties."""
    heading: str = ""
    """The heading at the terminal; empty: it is not shown there."""
    to_json: Callable[[Any], Any] = _json_value
    """Turns the database's value into JSON's types."""
    to_text: Callable[[Any], Any] = lambda value: value
    """Turns JSON's value into what the terminal shows."""


class Work(Schema):
    """A record of a case, as the list shows it: its service and id, its state, and its officer."""

    service: str = Field(description="The service of the record.")
    id: UUID = Field(description="The id of the record.")
    state: str | None = Field(description="None where the reader may not see it.")
    officer: UUID | None = Field(description="The officer of the record, if it has one.")


def _work_lines(work: list[Mapping[str, Any]]) -> str:
    return "\n".join(f"{item['service']} {item['state']}" for item in work)


_WORK: Final = """
    jsonb_agg(
        jsonb_build_object('service', service, 'id', stream, 'state', state, 'officer', officer)
        order by opened_at, stream
    ) filter (where shown)
"""


class CaseLine(Schema):
    """A case as the list shows it. The order of the fields is that of the terminal's columns."""

    case_id: Annotated[UUID, Column("work.home", "case")]
    area: Annotated[str | None, Column(_AREA)]
    open: Annotated[bool, Column("bool_or(open and shown)")]
    panel_queue: Annotated[bool, Column("bool_or(queued and shown)")]
    next_due: Annotated[date | None, Column("waiting.next_due", "next due")]
    overdue_duties: Annotated[
        int, Column("coalesce(waiting.overdue, 0)", "overdue", to_text=lambda count: count or None)
    ]
    work: Annotated[list[Work], Column(_WORK, "work", to_json=json.loads, to_text=_work_lines)]
    opened_at: Annotated[datetime, Column("min(opened_at) filter (where shown)")]
    updated_at: Annotated[datetime, Column("max(updated_at) filter (where shown)")]


def columns_of(model: type[Schema]) -> dict[str, Column]:
    """Return the columns of a row model, by the field's name; raises `TypeError` for a field without one."""
    columns: dict[str, Column] = {}
    for name, info in model.model_fields.items():
        column = next((item for item in info.metadata if isinstance(item, Column)), None)
        if column is None:
            raise TypeError(f"{model.__name__}.{name} has no Column: annotate the field with one")
        columns[name] = column
    return columns


COLUMNS: Final[Mapping[str, Column]] = columns_of(CaseLine)
"""The columns of the list, by name."""

DUE: Final = "due"
"""The order of the list by the soonest duty first."""

SORTS: Final[Mapping[str, str]] = {DUE: "next_due", "changed": "recorded_at", "opened": "opened_at"}
"""The orders of the list, with the column of a case's line that each follows: the soonest duty first, what was recorded
last first, the latest beginning first. Each is walked by an index."""

# Filters count only work that is shown; the area is that of the case, whoever may see the work that tells it.
_LINES: Final = f"""
    with work as materialized (
        select s.home, s.service, s.stream, s.area, s.opened_at, s.updated_at, s.recorded_at, s.begun_at,
               {QUEUED} and s.service <> all($7::text[]) as queued,
               case when s.service <> all($7) then s.officer end as officer,
               case when s.service <> all($8::text[]) then s.state end as state,
               s.open and s.service <> all($7) as open,
               coalesce({visible(9)}, false) as shown
        from stream as s where s.home = any($6::uuid[]) and {_IS_WORK}
    ),
    waiting as (
        select d.home, min(d.due) as next_due, count(*) filter (where d.due < $4) as overdue
        from duty as d join stream as s using (service, stream)
        where d.home = any($6) and {UNMET} and {visible(14)} group by d.home
    )
    select {", ".join(f"{column.sql} as {name}" for name, column in COLUMNS.items())},
           max(recorded_at) filter (where shown) as recorded_at
    from work left join waiting on waiting.home = work.home
    group by work.home, waiting.next_due, waiting.overdue
    having bool_or(shown)
       and ($1::text is null or bool_or(shown and state = $1) or ($1 = '{PANEL_QUEUE}' and bool_or(shown and queued)))
       and ($2::uuid is null or bool_or(shown and officer = $2))
       and ($3::date is null or waiting.next_due < $3)
       and ($5::text[] is null or {_AREA} = any($5))
       and ($19::timestamptz is null or bool_or(shown and recorded_at > $19))
"""  # noqa: S608 - the clauses above, and no value


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list: after the case with this id, and this soonest duty (None: without any) or this time."""

    value: date | datetime | None
    home: UUID

    def __str__(self) -> str:
        return f"{self.value or 'none'}:{self.home}"

    @classmethod
    def of(cls, text: str) -> Place:
        """Read the text of a place by duty, as `PLACE` has it. Raises `ValueError` for a day that does not exist."""
        due, _, home = text.partition(":")
        return cls(None if due == "none" else date.fromisoformat(due), UUID(home))

    @property
    def key(self) -> tuple[bool, date | timedelta, UUID]:
        """The sort value: the soonest day or the latest time first, cases without a duty last."""
        if isinstance(self.value, datetime):
            return False, _LATEST - self.value, self.home
        return self.value is None, self.value or date.min, self.home


_LATEST: Final = datetime.max.replace(tzinfo=UTC)

PLACE: Final = re.compile(f"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|none):{UUID_TEXT.pattern}")
"""The text of a place in the order of the soonest duty."""


_Candidates = Callable[[Place | None, int], Awaitable[list[asyncpg.Record]]]
"""Finds the candidates after a place, and how many at most: rows of `value` and `home`, in the order of the list."""


class _CaseSearch:
    """One question: cases in an order of the list, found by index and read some at a time.

    Walks the unmet duties by day, then the homes of streams without one; or the streams by time. What it finds are
    candidates: `_LINES` judges each by the same conditions.
    """

    def __init__(
        self,
        connection: Connection,
        reader: Reader,
        state: str | None,
        officer: UUID | None,
        due_before: date | None,
        changed_since: datetime | None,
        today: date,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._state = state
        self._officer = officer
        self._due_before = due_before
        self._changed_since = changed_since
        limited = reader.limited
        self._limited = list(limited)
        self._stateless = [service for service, fields in limited.items() if "state" not in fields]
        self._today = today

    async def lines(self, sort: str, after: Place | None, most: int) -> list[asyncpg.Record]:
        """Return the first cases after a place in an order: so many, or fewer at the end of the list."""
        if sort != DUE:
            return await self._walk(SORTS[sort], partial(self._by_time, SORTS[sort]), after, most)
        found: list[asyncpg.Record] = []
        if after is None or after.value is not None:
            found = await self._walk(SORTS[DUE], self._due, after, most)
            after = None
        if len(found) < most and self._due_before is None:
            found += await self._walk(SORTS[DUE], self._without_duty, after, most - len(found))
        return found

    async def _walk(self, column: str, candidates: _Candidates, after: Place | None, most: int) -> list[asyncpg.Record]:
        """Judge candidates in their order, more each time, until so many cases are found.

        A case has as many candidates as it has duties or streams, and stands where its line's column says: at the others it
        has been seen before, or will be seen.
        """
        found: list[asyncpg.Record] = []
        size = 4 * PAGE
        while len(found) < most:
            rows = await candidates(after, size)
            end = Place(rows[-1]["value"], rows[-1]["home"]) if len(rows) == size else None
            judged = [
                (Place(row[column], row["case_id"]).key, row)
                for row in await self._connection.fetch(_LINES, *self._filters({row["home"] for row in rows}))
            ]
            found += [
                row
                for key, row in sorted(judged, key=itemgetter(0))
                if (after is None or key > after.key) and (end is None or key <= end.key)
            ]
            if end is None:
                break
            after = end
            size *= 2
        return found[:most]

    def _filters(self, homes: Collection[UUID]) -> tuple[Any, ...]:
        """Return the parameters of `_LINES`, for some cases."""
        return (
            *(self._state, self._officer, self._due_before, self._today, self._reader.areas),
            *(homes, self._limited, self._stateless),
            *(*self._reader.reach("state").parameters, *self._reader.reach("duties").parameters),
            self._changed_since,
        )

    async def _due(self, after: Place | None, most: int) -> list[asyncpg.Record]:
        """Return unmet duties that the reader may see, by day, of cases that may be listed."""
        statement = Statement()
        beyond = ""
        if after is not None:
            beyond = (
                f"and (d.due, d.home) > ({statement.bind(after.value, 'date')}, {statement.bind(after.home, 'uuid')})"
            )
        return await statement.fetch(
            self._connection,
            f"""
            select due as value, home from (
                select d.due, d.home from duty as d join stream as s using (service, stream)
                where {UNMET} and {statement.of_areas(self._reader.areas)} {beyond} {self._due_in_time(statement)}
                  and {statement.visible(self._reader.reach("duties"))}
            ) as c where {self._has_work(statement, "c.home")}
            order by due, home limit {statement.bind(most, "bigint")}
            """,  # noqa: S608 - clauses and numbers of parameters, and no value
        )

    async def _without_duty(self, after: Place | None, most: int) -> list[asyncpg.Record]:
        """Return the cases without an unmet duty that may be listed, by id."""
        statement = Statement()
        rest = "" if after is None else f"and s.home > {statement.bind(after.home, 'uuid')}"
        return await statement.fetch(
            self._connection,
            f"""
            select null as value, home from (
                select s.home from stream as s where {_IS_WORK} {rest}
                  and {self._visible_to_reader(statement)}
            ) as c where {self._has_work(statement, "c.home")} and not exists ({self._duties_of("c.home", statement)})
            group by home order by home limit {statement.bind(most, "bigint")}
            """,  # noqa: S608 - the same
        )

    async def _by_time(self, column: str, after: Place | None, most: int) -> list[asyncpg.Record]:
        """Return streams that the reader may see, the latest first by a column, of cases that may be listed."""
        statement = Statement()
        beyond = ""
        if after is not None:
            value, home = statement.bind(after.value, "timestamptz"), statement.bind(after.home, "uuid")
            beyond = f"and s.{column} <= {value} and (s.{column} < {value} or s.home > {home})"
        return await statement.fetch(
            self._connection,
            f"""
            select value, home from (
                select s.{column} as value, s.home from stream as s where {_IS_WORK} {beyond}
                  and {self._visible_to_reader(statement)}
            ) as c where {self._may_be_listed(statement, "c.home")}
            order by value desc, home limit {statement.bind(most, "bigint")}
            """,  # noqa: S608 - the same
        )

    async def total(self) -> int:
        """Count the cases that are listed, to one more than `MOST_COUNTED`: a list of very many costs no more.

        The index of one filter gives homes, and the other filters judge each.
        """
        if self._state is None and self._officer is None:
            if self._changed_since is not None:
                return await self._count(self._changed_homes)
            if self._due_before is not None:
                return await self._count(self._due_homes)
        return await self._count_by_home()

    async def _count_by_home(self) -> int:
        """Count by the indexes of home, of state and of officer, in which the streams of a case are neighbours."""
        statement = Statement()
        work, *others = self._works(statement) or ["true"]
        judged = [*self._has_works(statement, "s.home", others), *self._filters_of_case(statement, "s.home")]
        (row,) = await statement.fetch(
            self._connection,
            f"""
            select count(*) from (
                select s.home from stream as s where {_IS_WORK} and {work} and {self._visible_to_reader(statement)}
                  and {" and ".join(judged) or "true"}
                group by s.home limit {MOST_COUNTED + 1}
            ) as listed
            """,  # noqa: S608 - the same
        )
        return int(row["count"])

    async def _count(self, homes: Callable[[Statement], tuple[str, Sequence[str]]]) -> int:
        """Count by an index in another order: some thousand of its rows, and more each time.

        `homes` returns the statement that finds homes in that order, and the conditions that judge `c.home`.
        """
        size = 2 * MOST_COUNTED
        while True:
            statement = Statement()
            found, judged = homes(statement)
            (row,) = await statement.fetch(
                self._connection,
                f"""
                with found as ({found} limit {statement.bind(size, "bigint")})
                select (select count(*) from found) as read, (
                    select count(*) from (
                        select from (select distinct home from found) as c
                        where {" and ".join(judged) or "true"} limit {MOST_COUNTED + 1}
                    ) as listed
                ) as cases
                """,  # noqa: S608 - the same
            )
            if row["cases"] > MOST_COUNTED or row["read"] < size:
                return int(row["cases"])
            size *= 4

    def _changed_homes(self, statement: Statement) -> tuple[str, Sequence[str]]:
        """Find the homes of what has changed, the latest first."""
        (changed,) = self._works(statement)
        found = f"""
            select s.home from stream as s where {_IS_WORK} and {changed} and {self._visible_to_reader(statement)}
            order by s.recorded_at desc, s.home
        """  # noqa: S608 - the same
        return found, self._filters_of_case(statement, "c.home")

    def _due_homes(self, statement: Statement) -> tuple[str, Sequence[str]]:
        """Find the homes of unmet duties in time, the soonest first.

        The stream is looked up by a subquery: a join would read all duties and all streams before the first.
        """
        found = f"""
            select d.home from duty as d
            where {UNMET} and {statement.of_areas(self._reader.areas)} {self._due_in_time(statement)} and coalesce((
                select true from stream as s where s.service = d.service and s.stream = d.stream
                  and {statement.visible(self._reader.reach("duties"))} limit 1
            ), false) order by d.due, d.home
        """  # noqa: S608 - the same
        seen = f"exists (select from stream as s where s.home = c.home and {_IS_WORK} and {self._visible_to_reader(statement)})"
        return found, [seen, *self._is_of_area(statement, "c.home")]

    def _may_be_listed(self, statement: Statement, home: str) -> str:
        """Return the condition that the filters leave a case, of which the reader may see some stream."""
        return " and ".join([self._has_work(statement, home), *self._filters_of_case(statement, home)])

    def _filters_of_case(self, statement: Statement, home: str) -> list[str]:
        """Return the conditions on a case beside those on its work: its duties and its area."""
        return [*self._is_due(statement, home), *self._is_of_area(statement, home)]

    def _is_due(self, statement: Statement, home: str) -> list[str]:
        """Return the condition that a case has an unmet duty in time, if the list is filtered by it."""
        if self._due_before is None:
            return []
        return [f"exists ({self._duties_of(home, statement)} {self._due_in_time(statement)})"]

    def _is_of_area(self, statement: Statement, home: str) -> list[str]:
        """Return the condition that a case is of the reader's areas, if they have not all."""
        if self._reader.areas is None:
            return []
        areas = statement.bind(self._reader.areas, "text[]")
        return [
            f"""coalesce((
                select w.area from stream as w where w.home = {home} and w.home = any(w.cases) and w.area is not null
                order by w.begun_at, w.stream limit 1
            ) = any({areas}), false)"""  # noqa: S608 - the same
        ]

    def _due_in_time(self, statement: Statement) -> str:
        return "" if self._due_before is None else f"and d.due < {statement.bind(self._due_before, 'date')}"

    def _duties_of(self, home: str, statement: Statement) -> str:
        return (
            f"select from duty as d join stream as s using (service, stream) where d.home = {home} and {UNMET}"
            f" and {statement.visible(self._reader.reach('duties'))}"
        )

    def _has_work(self, statement: Statement, home: str) -> str:
        """Return the condition that a case has shown work in the state, of the officer, and that has changed: each some."""
        return " and ".join(self._has_works(statement, home, self._works(statement))) or "true"

    def _works(self, statement: Statement) -> list[str]:
        """Return the conditions on `stream as s` of which a case needs shown work each: state, officer, change."""
        works: list[str] = []
        if self._state == PANEL_QUEUE:
            works.append(f"{QUEUED} and s.service <> all({statement.bind(self._limited, 'text[]')})")
        elif self._state is not None:
            state, stateless = statement.bind(self._state, "text"), statement.bind(self._stateless, "text[]")
            works.append(f"s.state = {state} and s.service <> all({stateless})")
        if self._officer is not None:
            officer, limited = statement.bind(self._officer, "uuid"), statement.bind(self._limited, "text[]")
            works.append(f"s.officer = {officer} and s.service <> all({limited})")
        if self._changed_since is not None:
            works.append(f"s.recorded_at > {statement.bind(self._changed_since, 'timestamptz')}")
        return works

    def _has_works(self, statement: Statement, home: str, works: Iterable[str]) -> list[str]:
        """Return the conditions that a case has shown work of each kind."""
        return [
            f"{home} in (select s.home from stream as s where {_IS_WORK} and {work} and {self._visible_to_reader(statement)})"  # noqa: S608 - the same
            for work in works
        ]

    def _visible_to_reader(self, statement: Statement) -> str:
        return statement.visible(self._reader.reach("state"))


async def list_cases(
    pool: Pool,
    reader: Reader,
    *,
    state: str | None = None,
    officer: UUID | None = None,
    due_before: date | None = None,
    changed_since: datetime | None = None,
    sort: str = next(iter(SORTS)),
    page: int = 1,
    after: Place | None = None,
    today: date | None = None,
) -> dict[str, Any]:
    """List one page of cases, in an order of `SORTS`; raises `BadQuestion`.

    `state` is that of any work of the case, or PANEL_QUEUE; `officer` has any of it; `due_before` asks for an unmet duty
    that is due before a day; `changed_since` for an event that was recorded after a time. Only streams that the reader
    may see are listed, counted and searched. `after` is the place after which the page begins, as `next` of the page
    before gave it, in the order of the soonest duty alone; `page` counts from there. `today` is the
    Europe/London day for which duties are judged.
    """
    if page < 1:
        raise BadQuestion("pages are numbered from 1")
    today = today or local_day(datetime.now(UTC))
    if sort != DUE and after is not None:
        raise BadQuestion(f"a page after a place is sorted by {DUE}")
    skipped = (page - 1) * PAGE
    async with snapshot(pool) as connection:
        search = _CaseSearch(connection, reader, state, officer, due_before, changed_since, today)
        begins = page == 1 and after is None
        rows = await search.lines(sort, None, PAGE + 1) if begins else []
        # A list of one page is counted by its page.
        total = len(rows) if begins and len(rows) <= PAGE else await search.total()
        beyond_the_end = after is None and total <= min(skipped, MOST_COUNTED)
        if not begins and not beyond_the_end:
            rows = (await search.lines(sort, after, skipped + PAGE + 1))[skipped:]
        reached = await positions(connection, READ_MODELS)
    shown = rows[:PAGE]
    more = total > MOST_COUNTED
    following = sort == DUE and len(rows) > PAGE
    return {
        "page": page,
        "page_size": PAGE,
        "total": max(MOST_COUNTED, skipped + len(rows)) if more and rows else min(total, MOST_COUNTED),
        "more_than_total": more,
        "next": str(Place(shown[-1]["next_due"], shown[-1]["case_id"])) if following else None,
        "positions": reached,
        "cases": [{name: column.to_json(row[name]) for name, column in COLUMNS.items()} for row in shown],
    }
