"""The list of cases. A column is one field of `CaseLine`: SQL, API and the terminal's table are made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from pydantic import Field

from services.reporting.measures.period import BadQuestion
from services.reporting.projection.projector import UNMET, held
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Connection, Pool, positions, snapshot
from services.reporting.queries.visibility import Reader, Statement
from shared.api.parameters import UUID_TEXT
from shared.api.schemas import Schema
from shared.domain.dates import local_day
from shared.domain.members import json_value

PAGE: Final = 50

MOST_COUNTED: Final = 1_000
"""How many cases are counted for the total of a list: counting all of a long one takes longer than its page."""

PANEL_QUEUE: Final = "PANEL_QUEUE"
"""Beside the states of the services: a referral that waits with the panel until a disposal case names it."""

QUEUED: Final = """
    s.service = 'referral' and s.state = 'WITH_PANEL'
    and not exists (select 1 from stream as d where d.service = 'disposal' and d.referral_id = s.stream)
"""
"""The condition on `stream as s` that it is a referral which waits for the panel."""

# The condition that a stream is a piece of work of its home, the case. Without `coalesce` PostgreSQL expects one stream in
# some thousands to meet it, and sorts all of them instead of walking an index to the end of a page.
_IS_WORK: Final = "coalesce(s.home = any(s.cases), false)"

# By time of recording, so that no later work moves the case to another area.
_AREA: Final = "(array_agg(work.area order by work.begun_at, work.stream) filter (where work.area is not null))[1]"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: its SQL, and its form in JSON."""

    sql: str
    """An expression over the rows `work` of one case (its streams; `shown`: those that the reader may see) and over
    `waiting`, its unmet duties."""
    to_json: Callable[[Any], Any] = json_value


class Work(Schema):
    """A record of a case, as the list shows it: its service and id, its state, and its officer."""

    service: str = Field(description="The service of the record.")
    id: UUID = Field(description="The id of the record.")
    state: str | None = Field(description="None if the reader may not see it.")
    officer: UUID | None = Field(description="The officer of the record, if it has one.")


_WORK: Final = """
    jsonb_agg(
        jsonb_build_object('service', service, 'id', stream, 'state', state, 'officer', officer)
        order by opened_at, stream
    ) filter (where shown)
"""


class CaseLine(Schema):
    """A case as the list shows it."""

    case_id: Annotated[UUID, Column("work.home")]
    area: Annotated[str | None, Column(_AREA)]
    open: Annotated[bool, Column("bool_or(open and shown)")]
    panel_queue: Annotated[bool, Column("bool_or(queued and shown)")]
    next_due: Annotated[date | None, Column("waiting.next_due")]
    overdue_duties: Annotated[int, Column("coalesce(waiting.overdue, 0)")]
    work: Annotated[list[Work], Column(_WORK, json.loads)]
    opened_at: Annotated[datetime, Column("min(opened_at) filter (where shown)")]
    updated_at: Annotated[datetime, Column("max(updated_at) filter (where shown)")]
    recorded_at: Annotated[datetime, Column("max(recorded_at) filter (where shown)")]


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

DUE: Final = "due"
"""The order of the list by the soonest duty first."""

SORTS: Final[Mapping[str, str]] = {DUE: "next_due", "changed": "recorded_at", "opened": "opened_at"}
"""The orders of the list, with the column of a case's line that each follows: the soonest duty first, what was recorded
last first, the latest beginning first. Each is walked by an index."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list: after the case with this id, and this soonest duty (None: without any) or this time."""

    value: date | datetime | None
    home: UUID

    def __str__(self) -> str:
        value = self.value
        if isinstance(value, datetime):
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}:{self.home}"
        return f"{value or 'none'}:{self.home}"

    @classmethod
    def of(cls, text: str) -> Place:
        """Read the text of a place, as `PLACE` has it. Raises `ValueError` for a day or time that does not exist."""
        value, _, home = text.rpartition(":")
        if value == "none":
            return cls(None, UUID(home))
        return cls(datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value), UUID(home))

    def is_in(self, sort: str) -> bool:
        return isinstance(self.value, datetime) == (sort != DUE)


PLACE: Final = re.compile(
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}}Z)?|none):{UUID_TEXT.pattern}"
)
"""The text of a place."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A question to the list: the reader, the day for which duties are judged, and the filters.

    One statement for each order walks an index, duties by day or streams by a time, and joins the line of each case. A case
    is listed where its line says, at its soonest duty or its latest change, and passed over elsewhere. Lines are not stored:
    state, duties and times are those of the work that the reader may see, and readers differ.
    """

    reader: Reader
    today: date
    state: str | None
    officer: UUID | None
    due_before: date | None
    changed_since: datetime | None

    async def lines(self, connection: Connection, sort: str, after: Place | None, most: int) -> list[asyncpg.Record]:
        """Read the first cases after a place: so many, or fewer at the end of the list."""
        if sort != DUE:
            return await self._walk(connection, SORTS[sort], after, most)
        lines: list[asyncpg.Record] = []
        if after is None or after.value is not None:
            lines, after = await self._walk(connection, SORTS[DUE], after, most), None
        if len(lines) < most and self.due_before is None:
            lines += await self._walk(connection, None, after, most - len(lines))
        return lines

    async def _walk(
        self, connection: Connection, column: str | None, after: Place | None, most: int
    ) -> list[asyncpg.Record]:
        """Read cases in the order of a column of their line; if it is None, cases without a duty, by id.

        A value of the walk is never before a `next_due` nor an `opened_at`, nor after a `recorded_at`. So the inequalities mean
        that they are equal; PostgreSQL would expect a true equation to be rare, and sort everything.
        """
        statement = Statement()
        conditions = self._conditions(statement)
        if column is None:
            places, key, at = f"select s.home {self._works(statement)}", "a.home", "line.next_due is null"
        elif column == SORTS[DUE]:
            places, key = f"select d.home, d.due as value {self._duties(statement, in_time=True)}", "a.value, a.home"
            at = "line.next_due >= a.value"
        else:
            places, key = f"select s.home, s.{column} as value {self._works(statement)}", "a.value desc, a.home"
            at = "line.opened_at >= a.value" if column == SORTS["opened"] else "line.recorded_at <= a.value"
            if after is not None:
                places += f" and s.{column} <= {statement.bind(after.value, 'timestamptz')}"
        if column != SORTS[DUE]:
            conditions += self._due_condition(statement)
        if after is not None and after.value is None:
            conditions.append(f"a.home > {statement.bind(after.home, 'uuid')}")
        elif after is not None:
            by_time = isinstance(after.value, datetime)
            value = statement.bind(after.value, "timestamptz" if by_time else "date")
            home = statement.bind(after.home, "uuid")
            conditions.append(f"(a.value {'<' if by_time else '>'} {value} or a.value = {value} and a.home > {home})")
        return await statement.fetch(
            connection,
            f"""
            select distinct on ({key.replace(" desc", "")}) line.*
            from ({places}) as a cross join lateral ({self._line(statement)}) as line
            where {" and ".join([*conditions, at])}
            order by {key} limit {statement.bind(most, "bigint")}
            """,  # noqa: S608 - clauses and numbers of parameters, and no value
        )

    async def total(self, connection: Connection) -> int:
        """Count the cases, to one more than `MOST_COUNTED`: a list of very many costs no more."""
        statement = Statement()
        conditions = [*self._conditions(statement), *self._due_condition(statement)]
        (row,) = await statement.fetch(
            connection,
            f"""
            select count(*) from (
                select distinct a.home from (select s.home {self._works(statement)}) as a
                where {" and ".join(conditions) or "true"} limit {MOST_COUNTED + 1}
            ) as listed
            """,  # noqa: S608 - the same
        )
        return int(row["count"])

    def _conditions(self, statement: Statement) -> list[str]:
        """Return the conditions on the case `a.home`: its area, and some work that meets each filter."""
        conditions: list[str] = []
        if self.reader.areas is not None:
            areas = statement.bind(self.reader.areas, "text[]")
            # Like _IS_WORK: PostgreSQL expects half of all rows to meet a condition within coalesce.
            conditions.append(f"""coalesce((
                select w.area = any({areas}) or {held("w", areas)} from stream as w
                where w.home = a.home and w.home = any(w.cases) and w.area is not null
                order by w.begun_at, w.stream limit 1
            ), false)""")  # noqa: S608 - the same
        limited = list(self.reader.limited)
        works: list[str] = []
        if self.state == PANEL_QUEUE:
            works.append(f"{QUEUED} and s.service <> all({statement.bind(limited, 'text[]')})")
        elif self.state is not None:
            state, stateless = statement.bind(self.state, "text"), statement.bind(self._stateless, "text[]")
            works.append(f"s.state = {state} and s.service <> all({stateless})")
        if self.officer is not None:
            officer = statement.bind(self.officer, "uuid")
            works.append(f"s.officer = {officer} and s.service <> all({statement.bind(limited, 'text[]')})")
        if self.changed_since is not None:
            works.append(f"s.recorded_at > {statement.bind(self.changed_since, 'timestamptz')}")
        return conditions + [f"a.home in (select s.home {self._works(statement)} and {work})" for work in works]

    def _due_condition(self, statement: Statement) -> list[str]:
        """Return the condition that the case `a.home` has a duty in time, if the list is filtered by it."""
        return [] if self.due_before is None else [f"a.home in (select d.home {self._duties(statement, in_time=True)})"]

    def _line(self, statement: Statement) -> str:
        """Return the query of the line of the case `a.home`; it has no row if the reader may see none of its work."""
        limited = statement.bind(list(self.reader.limited), "text[]")
        stateless = statement.bind(self._stateless, "text[]")
        return f"""
            select {", ".join(f"{column.sql} as {name}" for name, column in COLUMNS.items())}
            from (
                select s.home, s.service, s.stream, s.area, s.opened_at, s.updated_at, s.recorded_at, s.begun_at,
                       {QUEUED} and s.service <> all({limited}) as queued,
                       case when s.service <> all({limited}) then s.officer end as officer,
                       case when s.service <> all({stateless}) then s.state end as state,
                       s.open and s.service <> all({limited}) as open,
                       coalesce({statement.visible(self.reader.reach("state"))}, false) as shown
                from stream as s where s.home = a.home and {_IS_WORK} offset 0
            ) as work cross join (
                select min(d.due) as next_due, count(*) filter (where d.due < {statement.bind(self.today, "date")}) as overdue
                {self._duties(statement)} and d.home = a.home
            ) as waiting
            group by work.home, waiting.next_due, waiting.overdue having bool_or(shown)
        """  # noqa: S608 - the same

    @property
    def _stateless(self) -> list[str]:
        return [service for service, fields in self.reader.limited.items() if "state" not in fields]

    def _works(self, statement: Statement) -> str:
        return f"from stream as s where {_IS_WORK} and {statement.visible(self.reader.reach('state'))}"

    def _duties(self, statement: Statement, *, in_time: bool = False) -> str:
        """Return the clauses that read the visible unmet duties, `duty as d`; `in_time`: those due before `due_before`."""
        reach = self.reader.reach("duties")
        due = f"and d.due < {statement.bind(self.due_before, 'date')}" if in_time and self.due_before else ""
        return f"""
            from duty as d join stream as s using (service, stream)
            where {UNMET} and {statement.of_areas(self.reader.areas)} {due}
              and {statement.of_names(reach)} and {statement.visible(reach)}
        """


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
    """List one page of cases, in an order of `SORTS`, as far as the reader may see their streams. Raises `BadQuestion`.

    The filters are those of the route (api.py). `page` counts from 1, from the place `after`, the `next` of an earlier answer in
    the same order. `today` is the Europe/London day for which duties are judged.
    """
    if page < 1:
        raise BadQuestion("pages are numbered from 1")
    today = today or local_day(datetime.now(UTC))
    if after is not None and not after.is_in(sort):
        raise BadQuestion("a page after a place has the order of the answer that gave it")
    question = _Question(reader, today, state, officer, due_before, changed_since)
    skipped = (page - 1) * PAGE
    async with snapshot(pool) as connection:
        begins = page == 1 and after is None
        rows = await question.lines(connection, sort, None, PAGE + 1) if begins else []
        # A list of one page is counted by its page.
        total = len(rows) if begins and len(rows) <= PAGE else await question.total(connection)
        beyond_the_end = after is None and total <= min(skipped, MOST_COUNTED)
        if not begins and not beyond_the_end:
            rows = (await question.lines(connection, sort, after, skipped + PAGE + 1))[skipped:]
        reached = await positions(connection, READ_MODELS)
    shown = rows[:PAGE]
    more = total > MOST_COUNTED
    last = Place(shown[-1][SORTS[sort]], shown[-1]["case_id"]) if len(rows) > PAGE else None
    return {
        "page": page,
        "page_size": PAGE,
        "total": max(MOST_COUNTED, skipped + len(rows)) if more and rows else min(total, MOST_COUNTED),
        "more_than_total": more,
        "next": str(last) if last else None,
        "positions": reached,
        "cases": [{name: column.to_json(row[name]) for name, column in COLUMNS.items()} for row in shown],
    }
