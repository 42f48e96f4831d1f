"""Sentences of events in plain English, each from the template beside the event's class (`Event.sentence`).

A template is a text with clear fields in braces:

    {field}              the value in words; a dotted path reaches into a group
    {field?yes|no}       the first text if the field is true, or else the second
    {field#hour|hours}   the number, or the length of a list, with its noun in the singular or plural
    [, due {field}]      left out if a field in it has no value

Codes and names of fields are put into words by the registry (`EventRegistry.words`), or else by their own letters:
RETAIL_WORKSHOP becomes "retail workshop". Dates are written as "9 June 2026", timestamps in Europe/London time. A sealed field has no place in a
template; `sealed_notes` says that it is there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from shared.domain.dates import LONDON
from shared.domain.envelope import Fact
from shared.domain.messages import Event
from shared.domain.sealing import sealed_fields

_OPTIONAL: Final = re.compile(r"\[([^\[\]]*)\]")
_FIELD: Final = re.compile(r"\{([a-z_0-9.]+)(?:([?#])([^{}|]*)\|([^{}|]*))?\}")
_CODE: Final = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")
_PATH: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class SealedNote:
    """A sealed field of an event: its dotted path, and a clear text that says that it is there."""

    path: str
    note: str


def sentence_of(event: Event, words: Mapping[str, str]) -> str:
    """Render the sentence of an event. Raises AttributeError or ValueError for a template that does not fit its event."""
    template = event.sentence
    if not template:
        return re.sub("(?<!^)(?=[A-Z])", " ", type(event).__name__).capitalize()
    return "".join(_render(event, text, optional, words) for text, optional in _parts(template))


def sealed_notes(fact: Fact, words: Mapping[str, str]) -> list[SealedNote]:
    """List the sealed fields of an event and the rationales of its rules, with a clear text for each."""
    fields = [
        SealedNote(path, f"{_with_article(words_of(path.rpartition('.')[2], words))} is recorded")
        for path, _, _ in sealed_fields(fact.event, fact.sealing_home)
    ]
    rationales = [
        SealedNote(f"rationale.{rule}", f"a reason is recorded for rule {rule}") for rule in fact.envelope.rationale
    ]
    return fields + rationales


def words_of(code: str, words: Mapping[str, str]) -> str:
    return words.get(code) or code.replace("_", " ").lower()


@lru_cache(maxsize=1000)
def _parts(template: str) -> tuple[tuple[str, bool], ...]:
    """Split a template into its texts, each with whether it is optional."""
    return tuple((text, index % 2 == 1) for index, text in enumerate(_OPTIONAL.split(template)) if text)


def _render(event: Event, text: str, optional: bool, words: Mapping[str, str]) -> str:
    """Render one text of a template; an optional one is empty if one of its fields has no value."""
    if optional and any(_value_at(event, match[1]) in {None, ()} for match in _FIELD.finditer(text)):
        return ""
    return _FIELD.sub(lambda match: _in_words(_value_at(event, match[1]), match[2], match[3], match[4], words), text)


def _value_at(event: Any, path: str) -> Any:
    """Return the value at a dotted path; None if a group on the way has no value."""
    value = event
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
    return value


def _in_words(value: Any, kind: str | None, first: str, second: str, words: Mapping[str, str]) -> str:
    if kind == "?":
        return first if value else second
    if kind == "#":
        number = len(value) if isinstance(value, tuple) else value
        return f"{_plain(number, words)} {first if number == 1 else second}"
    return _plain(value, words)


def _plain(value: Any, words: Mapping[str, str]) -> str:
    """Put one value into words. Raises ValueError for a type that has none."""
    match value:
        case str():
            return _plain_text(value, words)
        case date():
            return _plain_date(value)
        case Decimal():
            return f"{value.normalize():f}"
        case tuple():
            return ", ".join(_plain(item, words) for item in value)
        case int() if not isinstance(value, bool):
            return str(value)
        case _:
            raise ValueError(f"a {type(value).__name__} has no words: choose another field for the sentence")


def _plain_text(text: str, words: Mapping[str, str]) -> str:
    """Put a code, or the last name of a dotted path, into words; any other text stays as it is."""
    if _CODE.fullmatch(text):
        return words_of(text, words)
    return words_of(text.rpartition(".")[2], words) if _PATH.fullmatch(text) else str(text)


def _plain_date(day: date) -> str:
    if isinstance(day, datetime):
        local = day.astimezone(LONDON)
        return f"{_plain_date(local.date())} at {local:%H:%M}"
    return f"{day.day} {day:%B %Y}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
