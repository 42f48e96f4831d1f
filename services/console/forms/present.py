"""Who was invited to a conference, as the rows of the form that asks who took part."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.console.forms.fields import MAX_ROWS
from services.console.records import as_it_stands

COMMAND: Final = "RecordConferenceHeld"


def rows_of(events: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return an answer with a row for each person of a conference's history, the harmer first; attendance is left to be said."""
    invited: dict[str, str] = {}
    for event in events:
        data = as_it_stands(event)
        if event["type"] == "ConferenceProposed":
            invited[str(data["harmer"])] = "HARMER"
        elif event["type"] == "ParticipantAdded":
            invited[str(data["person_id"])] = str(data["role"])
    people = list(invited.items())[:MAX_ROWS]
    rows = {"rows.present": [str(len(people))]} if people else {}
    for row, (person, role) in enumerate(people):
        rows |= {f"present.{row}.person_id": [person], f"present.{row}.role": [role]}
    return rows
