"""Who took part: those invited to a conference as the rows of its form; and of an absent child nothing more is asked."""

from collections.abc import Mapping
from typing import Any, Final

from services.console.forms.fields import MAX_ROWS, Answers
from services.trade.vocabulary import AttendanceStatus

COMMAND: Final = "RecordConferenceHeld"
NOT_THERE: Final = frozenset(status for status in AttendanceStatus if status.startswith(("DNA_", "CANCELLED_")))
"""An absent child has no hours and took no part: nothing more is asked."""


def of_absent(answers: Answers, prefix: str = "") -> dict[str, list[str]]:
    """Return the answers about an attendance, of a child who was not there without hours; `prefix` stands before each name."""
    nothing = {"hours_credited": ["0"], "complied": ["no"], "minutes_late": [""]}
    absent = set(answers.get(f"{prefix}status", ())) & NOT_THERE
    known = {name: list(given) for name, given in answers.items()}
    return known | ({f"{prefix}{name}": values for name, values in nothing.items()} if absent else {})


def rows_of(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return an answer with a row for each person of a conference, the harmer first; attendance is left to be said."""
    people = list((state.get("participants") or {}).items())[:MAX_ROWS]
    rows = {"rows.present": [str(len(people))]} if people else {}
    for row, (person, who) in enumerate(people):
        rows |= {f"present.{row}.person_id": [person], f"present.{row}.role": [who["role"]]}
    return rows
