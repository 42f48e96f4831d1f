"""The daily sheet: the duties of all services as they stood at the end of a day."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.projection.as_of import fold_changed_streams
from services.reporting.projection.fold import Folded, Stream, split
from services.reporting.projection.projector import UNMET, duty_of
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Connection, Pool, positions, snapshot
from services.reporting.queries.visibility import Reach, Reader, Statement
from shared.api.parameters import DAY, UUID_TEXT
from shared.domain.dates import local_day
from shared.domain.duties import Duty

MOST: Final = 500
"""Duties on one page of the sheet at most."""

_ORDER: Final = ("due", 'service collate "C"', "stream", 'duty collate "C"', 'item collate "C"')
"""The order of the sheet, which is that of an index, and of text in Python."""


@dataclass(frozen=True, slots=True, order=True)
class SheetPlace:
    """A place in the sheet: after this duty. Places compare as the duties are listed."""

    due: date
    service: str
    stream: UUID
    duty: str
    item: str

    def __str__(self) -> str:
        return ":".join(map(str, astuple(self)))

    @classmethod
    def of(cls, text: str) -> SheetPlace:
        """Read the text of a place, as `SHEET_PLACE` has it. Raises `ValueError` for a day that does not exist."""
        due, service, stream, duty, item = text.split(":", 4)
        return cls(date.fromisoformat(due), service, UUID(stream), duty, item)


SHEET_PLACE: Final = re.compile(rf"{DAY.pattern}:[a-z_]{{1,60}}:{UUID_TEXT.pattern}:[A-Z0-9_]{{1,60}}:[ -~]{{0,200}}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A duty with its stream, and the home, cases, officer and area of that stream."""

    duty: Duty
    service: str
    stream: UUID
    home: UUID
    cases: tuple[UUID, ...]
    officer: UUID | None
    area: str | None

    @classmethod
    def of_row(cls, row: asyncpg.Record) -> Listed:
        """Read a row of the duty's columns and its stream's cases and officer."""
        duty = duty_of(row)
        return cls(duty, row["service"], row["stream"], row["home"], tuple(row["cases"]), row["officer"], row["area"])

    @classmethod
    def of_fold(cls, folded: Folded) -> Iterable[Listed]:
        summary = folded.summary
        for duty in folded.duties:
            yield cls(duty, folded.service, summary.stream, summary.home, summary.cases, summary.officer, summary.area)

    @property
    def place(self) -> SheetPlace:
        return SheetPlace(self.duty.due, self.service, self.stream, self.duty.duty, self.duty.item)

    def as_json(self, as_of: date) -> dict[str, Any]:
        return {
            **self.duty.as_json(as_of),
            "service": self.service,
            "stream": str(self.stream),
            "case_ids": [str(case) for case in self.cases],
            "officer": self.officer and str(self.officer),
            "area": self.area,
        }


async def daily_sheet(
    pool: Pool,
    reader: Reader,
    as_of: datetime,
    overdue: bool | None = None,
    known_at: datetime | None = None,
    *,
    officer: UUID | None = None,
    after: SheetPlace | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """List the duties that were not met on the Europe/London day of `as_of`, soonest first.

    The duties are those that the owning services would show to the reader, by both times. They may be limited to those past
    their due date or the others (`overdue`), to an officer's records, and to those after a place.
    """
    day, reach = local_day(as_of), reader.reach("duties")
    areas = None if reach.areas is None else list(reach.areas)
    async with snapshot(pool) as connection:
        most = None if limit is None else limit + 1
        folded, moved = set[Stream](), list[Listed]()
        async for item in fold_changed_streams(connection, READ_MODELS, as_of, known_at, areas=areas):
            folded.add((item.service, item.summary.stream))
            moved += [
                listed
                for listed in Listed.of_fold(item)
                if listed.duty.is_open(day) and reach.shows_duty(listed.service, listed.duty.duty)
            ]
        duties = await _open_duties(connection, reach, day, as_of, known_at, folded, overdue, officer, after, most)
        readable = await reach.select(connection, {(listed.service, listed.stream) for listed in moved})
        duties += [listed for listed in moved if (listed.service, listed.stream) in readable]
        reached = await positions(connection, READ_MODELS, known_at)
    shown = [
        listed
        for listed in duties
        if (overdue is None or listed.duty.overdue(day) == overdue)
        and (officer is None or listed.officer == officer)
        and (after is None or listed.place > after)
    ]
    shown.sort(key=lambda listed: listed.place)
    page = shown[:limit]
    return {
        "as_of": day.isoformat(),
        "positions": reached,
        "duties": [listed.as_json(day) for listed in page],
        "next": str(page[-1].place) if page and len(page) < len(shown) else None,
    }


async def _open_duties(
    connection: Connection,
    reach: Reach,
    day: date,
    as_of: datetime,
    known_at: datetime | None,
    folded: Collection[Stream],
    overdue: bool | None,
    officer: UUID | None,
    after: SheetPlace | None,
    most: int | None,
) -> list[Listed]:
    """Read the open duties of the streams that are not folded anew: the first `most` after a place, or all."""
    statement = Statement()
    on = statement.bind(day, "date")
    then, known = statement.bind(as_of, "timestamptz"), statement.bind(known_at, "timestamptz")
    names, ids = (statement.bind(*column) for column in zip(split(folded), ("text[]", "uuid[]"), strict=True))
    conditions = [
        statement.of_areas(reach.areas),
        f"s.updated_at <= {then} and ({known} is null or s.recorded_at <= {known})",
        statement.visible(reach),
        statement.of_names(reach),
        f"(s.service, s.stream) not in (select * from unnest({names}, {ids}))",  # noqa: S608 - numbers of parameters, and no value
    ]
    if overdue is not None:
        conditions.append(f"d.due {'<' if overdue else '>='} {on}")
    if officer is not None:
        conditions.append(f"s.officer = {statement.bind(officer, 'uuid')}")
    order = ", ".join(f"d.{column}" for column in _ORDER)
    if after is not None:
        types = ("date", "text", "uuid", "text", "text")
        values = ", ".join(statement.bind(value, type_) for value, type_ in zip(astuple(after), types, strict=True))
        conditions.append(f"({order}) > ({values})")
    limit = f"limit {statement.bind(most, 'bigint')}"
    parts = (
        f"""(
            select d.*, s.cases, s.officer from duty as d join stream as s using (service, stream)
            where {stood} and {" and ".join(conditions)} order by {order} {limit}
        )"""  # noqa: S608 - clauses and numbers of parameters, and no value
        for stood in (f"{UNMET} and d.opened_on <= {on}", f"not upper_inf(d.during) and d.during @> {on}")
    )
    return [Listed.of_row(row) for row in await statement.fetch(connection, " union all ".join(parts))]
