"""Who was invited to a conference, as the rows of the form that asks who took part."""

from collections.abc import Mapping
from typing import Any, Final

from services.console.forms.fields import MAX_ROWS

COMMAND: Final = "RecordConferenceHeld"


def rows_of(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return an answer with a row for each person of a conference, the harmer first; attendance is left to be said."""
    people = list((state.get("participants") or {}).items())[:MAX_ROWS]
    rows = {"rows.present": [str(len(people))]} if people else {}
    for row, (person, who) in enumerate(people):
        rows |= {f"present.{row}.person_id": [person], f"present.{row}.role": [who["role"]]}
    return rows
