"""Returns: a measure of a period as chart and table, as a file, for the board, and frozen beside what is counted today."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console import names
from services.console.analysts.charts import MAX_SERIES, Bar, bar_chart
from services.console.analysts.figures import quarter_name, whole_quarters
from services.console.analysts.workbooks import workbook_of
from services.console.apis import Apis, Part, Problem, part_of
from services.console.directory import nameless
from services.console.navigation import lists_of
from services.console.rendering import render
from services.console.routing import Form, console_of, first, query, read_key, read_name, read_page, read_uuid, see
from services.console.sessions import Session
from services.console.words import day, in_words, today
from services.reporting.measures import MEASURES
from services.reporting.measures.pack import PARTS
from services.reporting.measures.period import Period, quarter
from services.system.registry import COLLECTIONS, RECORD_TITLES
from services.trade.csv_text import csv_text
from shared.api.parameters import UUID_TEXT

PACK: Final = "pack"
CHOICE: Final = 12
"""How many quarters are offered by their names."""
FILES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
ACRONYM: Final = re.compile(r"[a-z]{3}[0-9]*")
"""Names of measures that are written in capitals, such as kpi10."""
NAMED: Final = 50
"""The most records of a list whose children are named: each name is a read that is logged."""
ROWS: Final = 50
BOARD_ROWS: Final = 25
MOST_ROWS: Final = 30
"""The most rows of a table that get a chart."""
NOT_COUNTS: Final = frozenset({"Median days", "Rate", "Relative rate index"})
"""Columns in another unit than the counts, which have no place in the same chart."""


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers as a table: the headings of its columns, and its rows, each with its own heading."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    cells: Sequence[Sequence[str]] = ()
    """For each number of `rows` its place in the answer, as the question after its records names it."""


@dataclass(frozen=True, slots=True)
class ShownMeasure:
    """A measure of a period, as a page shows it."""

    name: str
    answer: Mapping[str, Any]
    table: Table
    chart: Markup | None
    opens: bool = False
    """Whether a number leads to the records that count in it, by measure and role."""
    known_at: str | None = None
    """Of a return that was frozen: when."""
    rows: int = 0
    """How many rows the whole table has; `table` has those of a page."""
    first_row: int = 1
    """The number of the first row of the page among all, from 1."""
    page: int = 1
    pages: int = 1

    def at(self, page: int, size: int) -> ShownMeasure:
        """Return the measure with one page of its table; one beyond the last is the last."""
        rows = len(self.table.rows)
        pages = max(1, -(-rows // size))
        page = min(page, pages)
        here = slice((page - 1) * size, page * size)
        table = Table(self.table.columns, self.table.rows[here], self.table.cells[here])
        return replace(self, table=table, rows=rows, first_row=here.start + 1, page=page, pages=pages)


ABOUT: Final = frozenset({"measure", "from", "to", "definition_version", "positions", "stale", "note", "target"})
"""Members of an answer that are no numbers."""


async def returns_page(request: Request, session: Session) -> Response:
    measures = [name for name in await _measures(console_of(request).apis) if name != PACK]
    chosen = query(request, "measure") | period_of(request)
    shown, wrong = None, ""
    if chosen["measure"] in measures:
        try:
            answer = await ask_measure(request, session, chosen["measure"], period_of(request))
            shown = await _show_measure(request, session, answer, page=request.query_params.get("page"))
        except Problem as problem:
            if problem.status != 422:
                raise
            wrong = problem.why
    return render(
        request,
        "returns.html",
        session,
        problem=wrong,
        measures=measures,
        name_of=measure_name,
        chosen=chosen,
        quarters=quarter_choice(request),
        shown=shown,
        definition=MEASURES[chosen["measure"]].definition if shown else "",
        wrong=wrong,
        key=str(uuid4()),
    )


async def file_of_returns(request: Request, session: Session) -> Response:
    """Return a measure of a period as a file, of which each line has its labels."""
    kind, measure = read_name(request, "kind"), request.query_params.get("measure")
    if kind not in FILES or measure not in await _measures(console_of(request).apis):
        raise HTTPException(404)
    answer = await ask_measure(request, session, measure, period_of(request))
    sheets = {short_name(part["measure"]): list(lines_of(part)) for part in answers_in(answer)}
    if kind == "csv":
        content: str | bytes = csv_of([line for lines in sheets.values() for line in lines])
    else:
        content = await asyncio.to_thread(workbook_of, measure_name(measure), sheets)
    name = f"{measure}-{answer['from']}-{answer['to']}.{kind}"
    return Response(content, media_type=FILES[kind], headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def counted_page(request: Request, session: Session) -> Response:
    """Show the records that count in a number of a measure, as far as the person may see them."""
    apis, question = console_of(request).apis, query(request, "from", "to", "cell", "known_at")
    measure = request.query_params.get("measure")
    if measure not in await _measures(apis, "/v1/measures/{measure}/records"):
        raise HTTPException(404)
    counted = await apis.get(session, "reporting", f"/v1/measures/{measure}/records", question)
    records = counted["records"]
    return render(
        request,
        "counted.html",
        session,
        name=measure_name(measure),
        cell=cell_in_words(counted["cell"], await console_of(request).directory.names(session)),
        found=counted,
        known_at=question["known_at"],
        records=[(record, RECORD_TITLES[COLLECTIONS[record["service"]]]) for record in records],
        names=await names.of_records(apis, session, ((record["service"], record["id"]) for record in records[:NAMED])),
        collections=COLLECTIONS,
    )


async def board_page(request: Request, session: Session) -> Response:
    """Show every measure of a period on one page, for the board."""
    chosen = period_of(request)
    measures, answers = await measures_of(console_of(request).apis, session, chosen)
    parts: list[tuple[str, Part[ShownMeasure]]] = []
    for name, part in zip(measures, answers, strict=True):
        value = None if part.value is None else await _show_measure(request, session, part.value, size=BOARD_ROWS)
        parts.append((measure_name(name), Part(value, part.notice, part.status)))
    if all(part.status == 403 for _, part in parts):
        raise HTTPException(403, parts[0][1].notice)
    return render(request, "board.html", session, chosen=chosen, parts=parts)


def period_of(request: Request) -> dict[str, str]:
    """Return the period of an address, by the name of a quarter or by its days; the last whole quarter if it has none."""
    chosen = query(request, "from", "to")
    return chosen if any(chosen.values()) else days_in(chosen_quarter(request))


def chosen_quarter(request: Request) -> Period:
    """Return the quarter of an address by its name; the last whole one if it names none that is offered."""
    offered = {quarter(one.first): one for one in whole_quarters(today(), CHOICE)}
    return offered.get(request.query_params.get("quarter", "")) or next(iter(offered.values()))


def days_in(period: Period) -> dict[str, str]:
    return {"from": period.first.isoformat(), "to": period.last.isoformat()}


def quarter_choice(request: Request) -> list[tuple[str, str, bool]]:
    """Return the quarters that are offered: value, name, and whether it is the chosen one."""
    chosen, quarters = period_of(request), whole_quarters(today(), CHOICE)
    return [(quarter(one.first), quarter_name(one), days_in(one) == chosen) for one in quarters]


def answers_in(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the answers of the measures of a pack, or the answer itself if it is of one measure."""
    parts, about = [name for name in PARTS if name in answer], {name: answer[name] for name in ABOUT & answer.keys()}
    return [{**about, "measure": name, **answer[name]} for name in parts] if parts else [answer]


async def measures_of(
    apis: Apis, session: Session, period: Mapping[str, str]
) -> tuple[Sequence[str], Sequence[Part[dict[str, Any]]]]:
    names_of_measures = [name for name in await _measures(apis) if name != PACK]
    answers = (part_of(apis.get(session, "reporting", f"/v1/measures/{name}", period)) for name in names_of_measures)
    return names_of_measures, await asyncio.gather(*answers)


async def frozen_page(request: Request, session: Session) -> Response:
    asked = query(request, "page")
    answer = await console_of(request).apis.get(session, "reporting", "/v1/returns", asked)
    return render(request, "frozen.html", session, answer=answer, name_of=measure_name)


async def freeze(request: Request, session: Session, form: Form) -> Response:
    """Freeze a measure of a period. Sent twice it is frozen once: the form carries the key."""
    body = {name: first(form, name) for name in ("measure", "from", "to")}
    line = await console_of(request).apis.post(session, "reporting", "/v1/returns", body, str(read_key(form)))
    return see(f"/returns/frozen/{line['return_id']}")


async def one_frozen_page(request: Request, session: Session) -> Response:
    """Show a frozen return, and what would be counted today."""
    path = f"/v1/returns/{read_uuid(request, 'return')}"
    found = await console_of(request).apis.get(session, "reporting", path)
    asked = request.query_params.get("page")
    answers = answers_in(found["answer"])
    shown = [await _show_measure(request, session, one, found["frozen_at"], page=asked) for one in answers]
    return render(
        request,
        "frozen_return.html",
        session,
        found=found,
        name=measure_name(found["measure"]),
        shown=shown,
        restated=[
            (
                sentence(", ".join(in_words(part) for part in difference["column"].split("."))),
                *map(_number, (difference["frozen"], difference["today"])),
            )
            for difference in found["today"]["differences"]
        ],
    )


async def extract_file(request: Request, session: Session) -> Response:
    """Return the cases behind a frozen pack as a file, for the Youth Justice Board."""
    kind, id_ = read_name(request, "kind"), read_uuid(request, "return")
    if kind not in {"json", "xml"}:
        raise HTTPException(404)
    path = f"/v1/returns/{id_}/extract"
    content = await console_of(request).apis.document(session, "reporting", path, {"format": kind})
    disposition = f'attachment; filename="extract-{id_}.{kind}"'
    return Response(content, media_type=f"application/{kind}", headers={"Content-Disposition": disposition})


def cell_in_words(cell: str, officers: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the place of a number in an answer as a heading; the name of a measure's only group says nothing."""
    return ", ".join(sentence(_called(part, officers)) for part in cell.removeprefix("columns.").split("."))


def lines_of(answer: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the numbers of an answer in long form: one line for each, with all its labels."""
    table = table_of(answer)
    for name, numbers in table.rows:
        for column, number in zip(table.columns, numbers, strict=True):
            yield {
                "Measure": short_name(answer["measure"]),
                "First day": str(answer["from"]),
                "Last day": str(answer["to"]),
                "Definition": str(answer["definition_version"]),
                "What is counted": name,
                "Number of": column,
                "Value": number,
            }


def csv_of(lines: Sequence[Mapping[str, str]]) -> str:
    labels = list(lines[0]) if lines else []
    return csv_text([labels, *([line[label] for label in labels] for line in lines)])


def measure_name(name: str) -> str:
    """Return a measure as its heading has it, such as KPI6 (out-of-court disposals) or Workload."""
    return (MEASURES[name].title if name in MEASURES else None) or short_name(name)


def figure_name(name: str) -> str:
    """Return a measure as the pack has it, where the inclusion is the Youth Justice Board's throughout."""
    return measure_name(name.removesuffix("_yjb"))


def short_name(name: str) -> str:
    """Return a measure as a file has it, such as KPI6 or Workload."""
    return name.upper() if ACRONYM.fullmatch(name) else sentence(name)


def bars_of(table: Table) -> list[Bar]:
    """Return the counts of a table as bars; none if there are too many rows or columns for a chart that can be read."""
    columns = [column for column in table.columns if column not in NOT_COUNTS]
    if len(table.rows) > MOST_ROWS or len(columns) > MAX_SERIES:
        return []
    return [
        Bar(name, column, float(number))
        for name, numbers in table.rows
        for column, number in zip(table.columns, numbers, strict=True)
        if column in columns and number.replace(".", "", 1).isdecimal()
    ]


async def _measures(apis: Apis, path: str = "/v1/measures/{measure}") -> list[str]:
    return await apis.parameter_values("reporting", path, "measure")


async def ask_measure(request: Request, session: Session, measure: str, period: Mapping[str, str]) -> Any:
    return await console_of(request).apis.get(session, "reporting", f"/v1/measures/{measure}", period)


async def _show_measure(
    request: Request,
    session: Session,
    answer: Mapping[str, Any],
    frozen_at: str | None = None,
    *,
    size: int = ROWS,
    page: str | None = None,
) -> ShownMeasure:
    """Return an answer with a page of its table, and with its chart, which takes a while to draw."""
    opens = "cases" in lists_of(session.roles).parts
    opened = await _measures(console_of(request).apis, "/v1/measures/{measure}/records") if opens else ()
    table = table_of(answer, await console_of(request).directory.names(session))
    name = str(answer["measure"])
    title = f"{measure_name(name)}, {day(answer['from'])} to {day(answer['to'])}"
    chart = await asyncio.to_thread(bar_chart, f"chart-{name.replace('_', '-')}", title, bars_of(table))
    shown = ShownMeasure(measure_name(name), answer, table, chart, name in opened, frozen_at)
    return shown.at(read_page(page), size)


def table_of(answer: Mapping[str, Any], officers: Mapping[str, str] = MappingProxyType({})) -> Table:
    """Return the numbers of a measure as a table: a row for each group if it has groups, else one for each number.

    `officers` are the names of those whom a number may be of, by id.
    """
    numbers: Mapping[str, Any] = {key: value for key, value in answer.items() if key not in ABOUT}
    (only,) = numbers.values() if len(numbers) == 1 else (None,)
    prefix: tuple[str, ...] = ()
    if isinstance(only, Mapping) and only:
        prefix, numbers = tuple(numbers), only
    if numbers and all(isinstance(row, Mapping) and row and not _is_nested(row) for row in numbers.values()):
        columns = list(dict.fromkeys(column for row in numbers.values() for column in row))
        rows = [
            (sentence(in_words(key)), [_number(row.get(column)) for column in columns]) for key, row in numbers.items()
        ]
        cells = [[".".join((*prefix, key, column)) for column in columns] for key in numbers]
        return Table([sentence(in_words(column)) for column in columns], rows, cells)
    leaves = list(_leaves(numbers))
    return Table(
        ["Number"],
        [(sentence(", ".join(_called(part, officers) for part in path)), [_number(value)]) for path, value in leaves],
        [[".".join((*prefix, *path))] for path, _ in leaves],
    )


def _called(part: str, officers: Mapping[str, str]) -> str:
    return officers.get(part) or (nameless(part) if UUID_TEXT.fullmatch(part) else in_words(part))


def _is_nested(row: Mapping[str, Any]) -> bool:
    return any(isinstance(value, (Mapping, list)) for value in row.values())


def _leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, (*path, str(key)))
        elif not isinstance(item, list):
            yield (*path, str(key)), item


def sentence(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


def _number(value: Any) -> str:
    return "not known" if value is None else str(value)
