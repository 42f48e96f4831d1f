"""What two records of a case say differently of a person: the values side by side, and why, if somebody said so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.console.records import Record
from services.console.rendering import address
from services.console.words import day, in_words
from services.trade.vocabulary import EXPLAINS_A_DIFFERENCE

COMPARED: Final[Mapping[str, str]] = {"name": "Name", "date_of_birth": "Date of birth", "ethnicity": "Ethnic group"}
"""The fields that services compare (rule N1), in the words of the page."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a record says, with the form that corrects it if the reader may send it."""

    record: str
    text: str
    correct: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a person about which records differ, and the reason that somebody gave."""

    who: str
    what: str
    values: Sequence[Value]
    because: str


def differences_of(
    records: Sequence[Record], events: Sequence[Mapping[str, Any]], corrections: Mapping[str, str | None], case: str
) -> Iterator[Difference]:
    """Yield the differences between the records of a case that the person may read; `corrections` has the command by record."""
    said: dict[str, list[tuple[Record, Mapping[str, Any]]]] = {}
    for record in records:
        for who in record.people:
            said.setdefault(who.id, []).append((record, who.details))
    for of_person in said.values():
        for name, what in COMPARED.items():
            texts = [(record, details, details[name]) for record, details in of_person if _is_text(details.get(name))]
            if len({" ".join(text.split()).casefold() for _, _, text in texts}) > 1:
                naming = {record.id: _naming(record, details, events) for record, details, _ in texts}
                yield Difference(
                    next((details["name"] for _, details, _ in texts if _is_text(details.get("name"))), ""),
                    what,
                    [
                        Value(
                            record.title,
                            day(text) if name == "date_of_birth" else in_words(text),
                            _form(record, naming[record.id], corrections.get(record.id), case),
                        )
                        for record, _, text in texts
                    ],
                    next((reason for event in naming.values() if event and (reason := _reason(event))), ""),
                )


def _naming(
    record: Record, details: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the event of a record that names a person so, the latest; of a corrected name none."""
    return next(
        (
            event
            for event in reversed(events)
            if event["stream"] == record.id
            and any(_of_note(note, "details.name") == details.get("name") for note in event["notes"])
        ),
        None,
    )


def _form(record: Record, event: Mapping[str, Any] | None, command: str | None, case: str) -> str:
    if command is None:
        return ""
    path = f"/records/{record.collection}/{record.id}/do/{command}"
    return address(path, case=case, corrects=event["event_id"] if event else None)


def _reason(event: Mapping[str, Any]) -> str:
    return next((text for note in event["notes"] if (text := _of_note(note, f"rationale.{EXPLAINS_A_DIFFERENCE}"))), "")


def _of_note(note: Mapping[str, Any], field: str) -> str:
    """Return the text of a note on a field, if the person may read it; else none."""
    value = note.get("value")
    return value if note["field"] == field and isinstance(value, str) else ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
