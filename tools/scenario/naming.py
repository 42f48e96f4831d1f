"""Names to ids: each is a UUID version 5 (RFC 9562) of the scenario's id, the run and the name.

So a scenario can be run again and again in one system, and every run meets streams and people of its own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from shared.domain.ids import derived_uuid
from tools.scenario.story import Officer

NAME: Final = r"[A-Za-z_][\w-]*"
_ID: Final = re.compile(rf"\$({NAME}(?:\+{NAME})?)")
DETAILS: Final = re.compile(rf"\$({NAME})\.details")
OFFICER: Final = re.compile(r"\$officer\.([A-Z_]+(?:/\d+)?)")
EVENT: Final = re.compile(rf"\$({NAME}(?:\+{NAME})?)\.([A-Z]\w*)")
_REFERENCE: Final = re.compile(rf"\${NAME}[+./\w-]*")


def references_in(value: Any) -> Iterator[str]:
    """Yield each `$name` anywhere in a value that is more than an id."""
    match value:
        case dict():
            yield from references_in([*value, *value.values()])
        case list():
            for item in value:
                yield from references_in(item)
        case str() if _REFERENCE.fullmatch(value) and not _ID.fullmatch(value):
            yield value


class Names:
    """The ids of one run of one scenario.

    `officer_id` gives the id of the person who acts in a role, `latest_event` that of a stream's latest event of a
    type.
    """

    def __init__(
        self,
        scenario: str,
        run: str,
        people: Mapping[str, Mapping[str, Any]],
        officer_id: Callable[[Officer], UUID],
        latest_event: Callable[[str, str], UUID],
    ) -> None:
        self._own = derived_uuid("scenario", scenario, run)
        self._people = people
        self._officer_id = officer_id
        self._latest_event = latest_event
        self._names_by_id: dict[str, str] = {}

    def is_own(self, id_: str) -> bool:
        return id_ in self._names_by_id

    def id(self, name: str) -> UUID:
        """Derive the id of a name; of `d1+c1`, the conference that is proposed for condition c1 of disposal d1."""
        first, plus, second = name.partition("+")
        id_ = uuid5(self._own, first)
        if plus:
            self.id(first)
            id_ = uuid5(id_, str(self.id(second)))
        self._names_by_id[str(id_)] = name
        return id_

    def key(self, *parts: object) -> str:
        """Derive an idempotency key that belongs to this run alone."""
        return str(uuid5(self._own, "/".join(("key", *map(str, parts)))))

    def in_words(self, value: Any) -> Any:
        """Put the names of this run in place of their ids, for people to read."""
        if isinstance(value, Mapping):
            return {self.in_words(key): self.in_words(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.in_words(item) for item in value]
        return self._names_by_id.get(value, value) if isinstance(value, str) else value

    def fill_in(self, value: Any) -> Any:
        """Put ids, details and events in place of every `$name`."""
        if isinstance(value, Mapping):
            return {self._text(key): self.fill_in(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill_in(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> Any:
        if match := OFFICER.fullmatch(text):
            role, _, number = match[1].partition("/")
            return str(self._officer_id(Officer(role, int(number or 1))))
        if (match := DETAILS.fullmatch(text)) and match[1] in self._people:
            return dict(self._people[match[1]])
        if match := EVENT.fullmatch(text):
            return str(self._latest_event(match[1], match[2]))
        if match := _ID.fullmatch(text):
            return str(self.id(match[1]))
        return text
