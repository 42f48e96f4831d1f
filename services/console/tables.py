"""What the terminal shows: tables and timelines, from what the services answer. Nothing is shown that was not sent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from services.registry import COLLECTIONS
from shared.domain.dates import LONDON

# In a file or a pipe there is no screen to fold tables for.
WIDE: Final = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
OUT: Final = Console(highlight=False, width=WIDE)
ERR: Final = Console(highlight=False, stderr=True)


TIMES: Final = "occurred, recorded"
WHOLE: Final = frozenset({TIMES, "event", "due", "duty"})
"""Columns whose words are not broken while others can give way."""


def complain(text: str) -> None:
    """Say what is wrong, on standard error, as it stands."""
    ERR.print(text, style="red", markup=False, soft_wrap=True)


def table(title: str, *columns: str, rows: Iterable[Sequence[Any]]) -> Group:
    """A titled table whose cells are plain text."""
    made = Table(header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in WHOLE)
    for row in rows:
        made.add_row(*(Text(shown(cell)) for cell in row))
    # A table's own title is folded to the table's width.
    return Group(Text(title, style="bold"), made)


def shown(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{key}: {shown(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(shown(item) for item in value)
        case _:
            return str(value)


def moment(text: Any) -> str:
    """A moment in Europe/London, to the second."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(LONDON).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return shown(text)


def measure(name: str, answer: Mapping[str, Any]) -> Group:
    """A measure: a row for each group of numbers, else one for each number."""
    period = f"{answer.get('from', '')} to {answer.get('to', '')}"
    title = f"{name}, {period} (definition {answer.get('definition_version', '?')})"
    about = {"measure", "from", "to", "definition_version", "positions", "note"}
    numbers = {key: value for key, value in answer.items() if key not in about}
    groups = _groups(numbers)
    if groups:
        columns = list(dict.fromkeys(column for group in groups.values() for column in group))
        return table(
            title, "", *columns, rows=[(key, *(group.get(c) for c in columns)) for key, group in groups.items()]
        )
    return table(title, "", "value", rows=list(_flat(numbers)))


def _groups(numbers: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The rows of a measure that is a table: one map of maps (columns, groups), or nothing but maps; else none."""
    inner = next(iter(numbers.values())) if len(numbers) == 1 else numbers
    if isinstance(inner, Mapping) and inner and all(isinstance(row, Mapping) for row in inner.values()):
        return inner
    return {}


def _flat(value: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(item, Mapping) and item:
            yield from _flat(item, here)
        else:
            yield here, item


def records(title: str, rows: Sequence[Mapping[str, Any]]) -> Group:
    """Any list of flat records, with the columns that occur."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return table(title, *columns, rows=[[row.get(column) for column in columns] for row in rows])


def sheet(title: str, duties: Sequence[Mapping[str, Any]]) -> Group:
    """The daily sheet: soonest first, with the case in which each duty stands."""
    return table(
        title,
        *("due", "duty", "", "case", "in", "of"),
        rows=[
            (
                duty["due"],
                duty["duty"],
                "overdue" if duty["overdue"] else "",
                "\n".join(duty["case_ids"]),
                duty["service"],
                duty["item"],
            )
            for duty in duties
        ],
    )


def case_list(title: str, cases: Sequence[Mapping[str, Any]]) -> Group:
    """The list of cases: what is due next in each, and where its work stands."""
    from services.reporting.case_list import COLUMNS  # noqa: PLC0415  it brings the services' declarations

    columns = {name: column for name, column in COLUMNS.items() if column.heading}
    return table(
        title,
        *(column.heading for column in columns.values()),
        rows=[[column.to_text(case[name]) for name, column in columns.items()] for case in cases],
    )


def standings(title: str, case: Mapping[str, Any]) -> Group:
    """Where a projected case stands: each piece of work with its state, and what is still to be done or lapsed."""
    work = [
        (name.removesuffix("s"), item.get("id"), item.get("state"), item.get("outcome"), moment(item.get("updated_at")))
        for name in COLLECTIONS.values()
        for item in case.get(name) or ()
    ]
    due = [
        ("duty", duty.get("duty"), *_standing(duty)) for duty in case.get("duties") or () if duty.get("met_on") is None
    ]
    return table(title, "", "which", "state", "outcome", "when", rows=[*work, *due])


def _standing(duty: Mapping[str, Any]) -> tuple[str, None, str]:
    """The state of a duty that was not met, no outcome, and the day that matters."""
    if duty.get("lapsed_on") is not None:
        return "lapsed", None, f"lapsed {duty['lapsed_on']}"
    return "overdue" if duty.get("overdue") else "open", None, f"due {duty.get('due')}"


def timeline(title: str, events: Iterable[tuple[str, Mapping[str, Any]]]) -> Group:
    """Events of several streams by the time at which they occurred, with both times, actor and rules; 80 columns do."""
    ordered = sorted(events, key=lambda item: (item[1]["occurred_at"], item[1]["recorded_at"] or ""))
    return table(
        f"{title} (times in Europe/London)",
        *(TIMES, "event", "by, rules passed, notes"),
        rows=[
            (
                f"{moment(event['occurred_at'])}\n{moment(event['recorded_at'])}",
                f"{event['type']}\n{service} {event['version']}",
                "\n".join([event["actor"]["role"], shown(event["rules"]), *_notes(event)]),
            )
            for service, event in ordered
        ],
    )


def _notes(event: Mapping[str, Any]) -> list[str]:
    notes = []
    if event.get("late"):
        notes.append("late")
    if event.get("corrects"):
        notes.append("a correction")
    if event.get("corrected_by"):
        notes.append("corrected")
    if event.get("rationale"):
        notes.append(f"with a rationale for {', '.join(event['rationale'])}")
    return notes
