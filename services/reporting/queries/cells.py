"""The records behind a number of a measure: those that count in it, as far as the reader may see them.

A record counts in a number if the measure, counted over that record alone, gives a number there. So no measure needs a
second definition of what it counts. Medians and rates count no records, and groups by ethnicity are not opened.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from services.reporting.measures import MEASURES, Dataset, Measure, WorkItem, measure_named
from services.reporting.measures.period import BadQuestion, Period
from services.reporting.projection.fold import Stream, split
from services.reporting.projection.read_models import SUMMARIES
from services.reporting.projection.snapshot import Pool, positions, snapshot
from services.reporting.queries.freshness import Projected
from services.reporting.queries.measure_queries import load_dataset
from services.reporting.queries.visibility import Reader, record_line, visible
from services.trade.summary import Summary
from shared.api.parameters import Parameter
from shared.api.schemas import Schema

OPENED: Final = tuple(name for name, measure in MEASURES.items() if measure.sealed_texts is None)
"""The measures whose numbers can be opened: those that read no sealed field."""
MOST: Final = 500
"""The most records of an answer."""
CELL: Final = Parameter(
    "cell",
    "The number: its members in the measure's answer, with a dot between, such as columns.youth_caution.ended.",
    re.compile(r"[A-Za-z0-9_-]{1,60}(\.[A-Za-z0-9_-]{1,60}){0,3}"),
    "give the members that lead to the number, with a dot between, such as columns.youth_caution.ended",
    required=True,
)
_SHOWN: Final = f"""
    select s.service, s.stream, s.cases, s.state from stream as s
    join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)
    where {visible(3)} order by s.opened_at, s.service, s.stream limit {MOST}
"""  # noqa: S608 - the clause there and the constant, and no value


class CountedRecord(Schema):
    """A record that counts in a number of a measure, with its cases and its state."""

    service: str = Field(description="The service of the record.")
    id: UUID = Field(description="The id of the record.")
    case_ids: list[UUID] = Field(description="The cases that the record belongs to.")
    state: str = Field(description="The stage of the record.")


class CountedRecords(Projected):
    """The records that count in one number of a measure of a period, given by days, both included."""

    measure: str
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    cell: str = Field(description="The name of the number in the measure's answer.")
    definition_version: str = Field(description="The version of the measure's definition.")
    value: int = Field(description="The number, as the measure gives it.")
    total: int = Field(description="How many records count in it; one may count more than once.")
    records: list[CountedRecord] = Field(description=f"Those that the reader may see, oldest first, at most {MOST}.")


@dataclass(frozen=True, slots=True)
class Question:
    """A number of a measure of a period, by both times."""

    measure: str
    first: date
    last: date
    cell: str
    as_of: datetime | None = None
    known_at: datetime | None = None


async def counted_records(pool: Pool, reader: Reader, question: Question) -> dict[str, Any]:
    """List the records that count in a number. Raises `BadQuestion` for one that counts none."""
    measure, period = measure_named(question.measure), Period(question.first, question.last)
    async with snapshot(pool) as connection:
        reached = await positions(connection, measure.reads, question.known_at)
        dataset = await load_dataset(connection, measure, period, question.as_of, question.known_at, each_stream=True)
        value, counted = records_in_cell(measure, dataset, period, question.cell)
        # Who is shown some members of a record alone does not learn here in what it counts.
        whole = [stream for stream in counted if reader.fields(stream[0]) is None]
        rows = await connection.fetch(_SHOWN, *split(whole), *reader.reach("state").parameters)
    return {
        "measure": measure.name,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "cell": question.cell,
        "definition_version": measure.version,
        "positions": reached,
        "value": value,
        "total": len(counted),
        "records": [record_line(row) for row in rows],
    }


def records_in_cell(measure: Measure[Any], dataset: Dataset, period: Period, cell: str) -> tuple[int, list[Stream]]:
    """Return a number of a measure, and the records that count in it. Raises `BadQuestion` if it counts no records."""
    if measure.name not in OPENED:
        raise BadQuestion(f"{measure.name} is not opened: its groups follow from what is sealed of each child")
    path = cell.split(".")
    rows = measure.rows(dataset, period)
    value = _at(measure.aggregate(rows, dataset, period), path)
    if not isinstance(value, int):
        raise BadQuestion(f"{measure.name} counts no records in {cell}: name one of its counts")
    records = dict.fromkeys(
        record for row in rows if _at(measure.aggregate([row], dataset, period), path) for record in _records_of(row)
    )
    return value, list(records)


def _at(answer: Mapping[str, Any], path: list[str]) -> Any:
    """Return what stands at a place of an answer; None if nothing does."""
    value: Any = answer
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _records_of(row: Any) -> Iterator[Stream]:
    """Yield the record of a row: a work item, a summary, or what holds one."""
    if isinstance(row, WorkItem):
        if row.stream is not None:
            yield row.service, row.stream
        return
    summary: Summary = row if isinstance(row, Summary) else row.summary
    yield from ((service, summary.stream) for service, kind in SUMMARIES.items() if kind is type(summary))
