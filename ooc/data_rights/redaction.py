"""Redaction of a copy for one person: who else is named becomes "another person", and other ids become references. Pure.

The services have left everybody else's values sealed. What is left of others are ids, and codes beside them. An id stays
only if it is the person's own, or that of a record, case or event of theirs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from services.system.registry import read_models

OTHER: Final = "another person"
NOT_SHOWN: Final = "[not shown]"
"""What stands for a value that is not opened."""
ERASED: Final = "[erased]"
"""What stands for a value whose key was destroyed."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def person_fields() -> frozenset[str]:
    """Return the names of the fields of events that hold ids of persons, of every service."""
    named = {name for model in read_models().values() for name in model.events.mentions}
    return frozenset(name for name in named if name == "person_id" or not name.endswith("_id"))


class Redaction:
    """The replacements of one copy: the same id becomes the same words everywhere in it."""

    def __init__(self, person: UUID, own: Iterable[Any], answers: Iterable[Any]) -> None:
        """Take whose copy it is, the ids that stay (beside the person's), and the answers: they say which ids are persons'."""
        self._person = str(person)
        self._own = frozenset({self._person, *map(str, own)})
        fields = person_fields()
        self._persons = {id_ for value in answers for id_ in _persons_in(value, fields)} - self._own
        self._words: dict[str, str] = {}

    def names_others(self, value: Any) -> bool:
        """Tell whether something is of another person: its `person_id` is another one's."""
        return isinstance(value, Mapping) and str(value.get("person_id") or self._person) != self._person

    def apply(self, value: Any) -> Any:
        """Return a JSON value without other people's ids, and without what is of another person."""
        match value:
            case str():
                return _UUID.sub(lambda match: self._word(match[0]), value)
            case Mapping():
                return self._member(value)
            case list() | tuple():
                return [self.apply(item) for item in value]
            case _:
                return value

    def _member(self, value: Mapping[str, Any]) -> Any:
        if value.get("sealed") is True:
            return NOT_SHOWN
        if value.get("forgotten") is True:
            return ERASED
        if self.names_others(value):
            return {"about": self._word(str(value["person_id"]))}
        return {self.apply(key): NOT_SHOWN if key in self._persons else self.apply(item) for key, item in value.items()}

    def _word(self, id_: str) -> str:
        if id_.lower() in self._own:
            return id_
        if id_ not in self._words:
            kind = OTHER if id_ in self._persons else "reference"
            number = 1 + sum(word.startswith(kind) for word in self._words.values())
            self._words[id_] = f"{kind} {number}"
        return self._words[id_]


def _persons_in(value: Any, fields: frozenset[str], *, is_person: bool = False) -> Iterator[str]:
    """Yield the ids of persons in a JSON value: those in fields for them, and the members of `people`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "people" and isinstance(item, Mapping):
                yield from item
            yield from _persons_in(item, fields, is_person=key in fields)
    elif isinstance(value, list):
        for item in value:
            yield from _persons_in(item, fields, is_person=is_person)
    elif is_person and isinstance(value, str) and _UUID.fullmatch(value):
        yield value
