"""What the terminal shows: tables and timelines, from what the services answer. Nothing is shown that was not sent."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from services.console.plain_text import cell_text, moment
from services.reporting.queries.csv_export import flat
from services.system.registry import COLLECTIONS

# In a file or a pipe there is no screen to fold tables for.
WIDE: Final = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
OUT: Final = Console(highlight=False, width=WIDE)
ERR: Final = Console(highlight=False, stderr=True)


TIMES: Final = "occurred, recorded"
WHOLE: Final = frozenset({TIMES, "due", "case"})
"""Columns whose words are not broken while others can give way."""


def say(text: str, console: Console = OUT) -> None:
    """Print a text as it is: without markup, and without line breaks of the terminal, so that lines can be copied whole."""
    console.print(text, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print an error message on standard error."""
    ERR.print(text, style="red", markup=False, soft_wrap=True)


def show(answer: Any, *shown: Any, as_json: bool) -> None:
    """Print an answer whole as JSON, or what is shown of it: tables and lines."""
    if as_json:
        OUT.print_json(data=answer, default=str)
    for part in () if as_json else shown:
        OUT.print(part)


def progress_bar(console: Console) -> Progress:
    """Return a bar that says what is done, how much of it, how long it has taken, and the time left; none in a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(
        *columns, TextColumn("left:"), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    )


def table(title: str, *columns: str, rows: Iterable[Sequence[Any]]) -> Group:
    made = Table(header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in WHOLE)
    for row in rows:
        made.add_row(*(Text(cell_text(cell)) for cell in row))
    # A table's own title is folded to the table's width.
    return Group(Text(title, style="bold"), made)


def measure(name: str, answer: Mapping[str, Any]) -> Group:
    """Return a measure: a row for each group of numbers, else one for each number."""
    period = f"{answer.get('from', '')} to {answer.get('to', '')}"
    title = f"{name}, {period} (definition {answer.get('definition_version', '?')})"
    about = {"measure", "from", "to", "definition_version", "positions", "stale", "note"}
    numbers = {key: value for key, value in answer.items() if key not in about}
    groups = _groups(numbers)
    if groups:
        columns = list(dict.fromkeys(column for group in groups.values() for column in group))
        return table(
            title, "", *columns, rows=[(key, *(group.get(c) for c in columns)) for key, group in groups.items()]
        )
    return table(title, "", "value", rows=flat(numbers))


def _groups(numbers: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the rows of a measure that is a table: one map of maps (columns, groups), or nothing but maps; else none."""
    inner = next(iter(numbers.values())) if len(numbers) == 1 else numbers
    if isinstance(inner, Mapping) and inner and all(isinstance(row, Mapping) for row in inner.values()):
        return inner
    return {}


def waits(title: str, waiting: Sequence[Mapping[str, Any]]) -> Group:
    """Return the table of waits, longest first: a sentence for each, its place, and the case that it concerns."""
    return table(
        title,
        *("since", "what", "in", "case"),
        rows=[(moment(wait["since"]), wait["sentence"], wait["service"], "\n".join(wait["homes"])) for wait in waiting],
    )


def alerts(title: str, alerts_on: Sequence[Mapping[str, Any]]) -> Group:
    """Return the table of the alerts on the people of a case, each with its day of review and its referral."""
    return table(
        title,
        *("alert", "person", "review by", "referral"),
        rows=[(alert["kind"], alert["person_id"], alert["review_on"], alert["referral_id"]) for alert in alerts_on],
    )


def standings(title: str, case: Mapping[str, Any]) -> Group:
    """Return the state of each stream of a case, the people of its referrals, and its open and lapsed duties."""
    work = [
        (
            f"{name.removesuffix('s')}, version {item.get('version')}",
            item.get("id"),
            item.get("state"),
            item.get("outcome"),
            moment(item.get("updated_at")),
        )
        for name in COLLECTIONS.values()
        for item in case.get(name) or ()
    ]
    people = [
        ("person", person, role, None, None)
        for referral in case.get("referrals") or ()
        for person, role in (referral.get("people") or {}).items()
    ]
    due = [
        ("duty", duty.get("duty"), *_unmet_duty_columns(duty))
        for duty in case.get("duties") or ()
        if duty.get("met_on") is None
    ]
    return table(title, "", "which", "state", "outcome", "when", rows=[*work, *people, *due])


def _unmet_duty_columns(duty: Mapping[str, Any]) -> tuple[str, None, str]:
    """Return the state of a duty that was not met, no outcome, and the day that matters."""
    if duty.get("lapsed_on") is not None:
        return "lapsed", None, f"lapsed {duty['lapsed_on']}"
    return "overdue" if duty.get("overdue") else "open", None, f"due {duty.get('due')}"


def timeline(title: str, events: Sequence[Mapping[str, Any]]) -> Group:
    """Events of several streams in their order, each in a sentence with both times, actor and rules; 80 columns do."""
    places = {event["event_id"]: _place(event) for event in events}
    return table(
        f"{title} (times in Europe/London)",
        *(TIMES, "what happened", "by, rules passed, notes"),
        rows=[
            (
                f"{moment(event['occurred_at'])}\n{moment(event['recorded_at'])}",
                "\n".join([event["sentence"], *_corrected(event), _place(event)]),
                "\n".join([event["actor"]["role"], cell_text(event["rules"]), *_notes(event, places)]),
            )
            for event in events
        ],
    )


def _place(event: Mapping[str, Any]) -> str:
    """Where an event stands: its service, the version of its stream, and its position token."""
    return f"{event['service']} {event['version']} ({event['service']}:{event['position']})"


def _corrected(event: Mapping[str, Any]) -> list[str]:
    return [f"corrected: {event['corrected_sentence']}"] if event.get("corrected_sentence") else []


def _notes(event: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    """Return the notes of an event; a correction and its target name each other's places."""
    notes = [_note(note) for note in event["notes"]]
    if event.get("late"):
        notes.append("late")
    if corrects := event.get("corrects"):
        notes.append(f"corrects {places.get(corrects, 'an event that is not shown here')}")
    return notes + [f"corrected by {places.get(by, 'an event that is not shown here')}" for by in event["corrected_by"]]


def _note(note: Mapping[str, Any]) -> str:
    """Return the note of a sealed field: its value if it was opened."""
    if note.get("forgotten"):
        return f"{note['note']}, and its key is destroyed"
    value = note.get("value")
    return (
        note["note"] if value is None else f"{note['field'].rpartition('.')[2].replace('_', ' ')}: {cell_text(value)}"
    )


def search_results(answer: Mapping[str, Any]) -> Group:
    """Return the cases that a search found: a row for each record in which something was found."""
    return table(
        f"Cases found: {answer['total']}"
        + (f", the first {len(answer['cases'])}" if answer["total"] > len(answer["cases"]) else ""),
        *("case", "record", "found by", "person"),
        rows=[
            (
                case["case_id"],
                f"{record['service']}/{record['id']}",
                ", ".join(record["matched"]),
                "\n".join(record["person_ids"]),
            )
            for case in answer["cases"]
            for record in case["records"]
        ],
    )
