"""Disclosure of sealed fields by class: decrypts the classes that a reader may see, and leaves all others closed.

Only the keys of what is shown are fetched. A field takes the class that its event has after all corrections, and needs each
narrower one that it had before: a corrected event shows neither what it would hide now nor what it hid. Nor does an earlier
link of a person, at whatever time it is asked for, show what the newest one hides.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from shared.domain import sealing
from shared.domain.decider import check_gapless, versions_of
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Correction, Event
from shared.domain.permissions import ids_mentioned
from shared.privacy.keyring import Keyring


@dataclass(frozen=True)
class Disclosure:
    """A whole history with the sealed fields of some classes decrypted, or forgotten if their key was destroyed."""

    facts: Sequence[Fact]
    needed: Mapping[str, Sequence[sealing.FieldClass | None]]
    """The classes that open each sealed field, by its token; the first is its own."""
    opened: frozenset[sealing.FieldClass]
    """The classes of which a value was decrypted, for the access log."""

    def show(self, sealed: sealing.Sealed[Any]) -> Any:
        """Return the value of a field, or `{"sealed": true}` or `{"forgotten": true}` with its class."""
        if not (sealed.is_closed or sealed.is_forgotten):
            return sealed.value
        return {"forgotten" if sealed.is_forgotten else "sealed": True, "class": self._class_of(sealed)}

    def _class_of(self, sealed: sealing.Sealed[Any]) -> sealing.FieldClass | None:
        return self.needed[sealed.token][0]

    def details(
        self, facts: Sequence[Fact], only: Collection[sealing.FieldClass] | None = None
    ) -> dict[str, dict[str, Any] | list[Any]]:
        """Collect the sealed fields of facts, as corrected: groups of a person under `people`, all others under `texts`.

        `facts` are those of `history_at`. `only` limits texts and members of people to some classes.
        """
        people: dict[str, Any] = {}
        texts: list[dict[str, Any]] = []
        for fact in facts:
            groups = dict(_groups(fact.event))
            for name, owner in groups.items():
                group = getattr(fact.event, name)
                if only is not None:
                    group = self._of_classes(group, only)
                if group:
                    people[str(owner)] = sealing.to_json(group, self.show)
                else:  # a later group of another class hides what an earlier one showed
                    people.pop(str(owner), None)
            for path, subject, sealed in sealing.sealed_fields(fact.event, fact.sealing_home):
                in_place = isinstance(fact.event, Correction) and path == "sealed"
                if in_place or path.partition(".")[0] in groups:
                    continue
                if only is None or self._class_of(sealed) in only:
                    texts.append(self._text(fact, path, subject, sealed))
        return {"people": people, "texts": texts}

    def _of_classes(self, group: BaseModel, only: Collection[sealing.FieldClass]) -> dict[str, sealing.Sealed[Any]]:
        sealed = {
            name: value
            for name in type(group).model_fields
            if isinstance(value := getattr(group, name), sealing.Sealed)
        }
        return {name: value for name, value in sealed.items() if self._class_of(value) in only}

    def fields_of(self, fact: Fact) -> dict[str, dict[str, Any]]:
        """Return the sealed fields of an event and the rationales of its rules, by path: each with its class and value."""
        home = fact.sealing_home
        fields = (*sealing.sealed_fields(fact.event, home), *sealing.sealed_fields(fact.envelope, home))
        return {path: self._member(sealed) for path, _, sealed in fields}

    def _member(self, sealed: sealing.Sealed[Any]) -> dict[str, Any]:
        """Return the class of a field with its value, or with the mark that it is sealed or forgotten."""
        if sealed.is_closed or sealed.is_forgotten:
            return dict(self.show(sealed))
        return {"class": self._class_of(sealed), "value": sealing.to_json(sealed, self.show)}

    def _text(self, fact: Fact, path: str, subject: str, sealed: sealing.Sealed[Any]) -> dict[str, Any]:
        kind, _, id_ = subject.partition("/")
        return {
            "event": fact.name,
            "version": fact.version,
            "field": path,
            "person_id": id_ if kind == "person" else None,
            **self._member(sealed),
        }


def undisclosed(registry: EventRegistry, history: Sequence[Fact]) -> Disclosure:
    """Return a whole history that was read without keys, with every sealed field closed."""
    return Disclosure(history, _needed_in(registry, history), frozenset())


def concerned(registry: EventRegistry, history: Sequence[Fact]) -> dict[UUID, set[str]]:
    """Return the people whom the sealed fields of a history concern, each with the homes whose free texts may concern them.

    These are the owners of fields, with the home of the stream; and whom an event names that is sealed under another home,
    with that home.
    """
    homes: dict[UUID, set[str]] = defaultdict(set)
    for fact in history:
        owners = (subject.partition("/") for subject, _ in sealing.key_ids_in(fact.body or b""))
        for person in (UUID(id_) for kind, _, id_ in owners if kind == "person"):
            homes[person].add(f"home/{fact.envelope.home}")
        if type(fact.event).sealed_under is not None:
            for id_ in ids_mentioned(registry, [fact]):
                homes[id_].add(f"home/{fact.sealing_home}")
    return homes


async def disclose(
    registry: EventRegistry,
    history: Sequence[Fact],
    classes: Collection[sealing.FieldClass],
    keyring: Keyring,
    events: Collection[UUID] | None = None,
    withheld: Collection[str] = (),
) -> Disclosure:
    """Decrypt the fields of some classes in a whole history that was read without keys.

    `events` limits it to some events; all others stay closed, and so do fields of the owners in `withheld`. Raises `KeyringUnavailable`, `UnusableKey` or `TamperedToken`.
    """
    needed = _needed_in(registry, history)
    selected_facts = [fact for fact in history if events is None or fact.event_id in events]
    within = {
        sealed.token
        for fact in selected_facts
        for part in (fact.event, fact.envelope)
        for _, _, sealed in sealing.sealed_fields(part, fact.sealing_home)
    }
    tokens = {text: sealing.SealedToken.parse(text) for text in within if set(needed[text]).issubset(classes)}
    wanted = {text: token for text, token in tokens.items() if token.subject not in withheld}
    keys = await keyring.open({(token.subject, token.generation) for token in wanted.values()}) if wanted else {}

    def opening(event_id: UUID) -> sealing.Change:
        def open_field(_path: str, _subject: str, sealed: sealing.Sealed[Any]) -> sealing.Sealed[Any]:
            token = wanted.get(sealed.token)
            if token is None:
                return sealed
            key = keys[token.subject, token.generation]
            return sealed.as_forgotten() if key is None else sealed.with_value(sealing.unseal(token, key, event_id))

        return open_field

    opened = [
        replace(
            fact,
            envelope=sealing.map_sealed(fact.envelope, fact.sealing_home, opening(fact.event_id)),
            event=sealing.map_sealed(fact.event, fact.sealing_home, opening(fact.event_id)),
        )
        for fact in history
    ]
    return Disclosure(
        opened,
        needed,
        frozenset(
            class_
            for text, token in wanted.items()
            if keys[token.subject, token.generation] is not None
            for class_ in needed[text]
            if class_ is not None
        ),
    )


def closed_but(registry: EventRegistry, history: Sequence[Fact], classes: Collection[sealing.FieldClass]) -> list[Fact]:
    """Close the fields of all other classes in a whole history that was read with its keys; a forgotten one stays forgotten."""
    needed = _needed_in(registry, history)

    def close(_path: str, _subject: str, sealed: sealing.Sealed[Any]) -> sealing.Sealed[Any]:
        opens = sealed.is_forgotten or set(needed[sealed.token]).issubset(classes)
        return sealed if opens else sealing.Sealed.of_token(sealed.token)

    return [
        replace(
            fact,
            envelope=sealing.map_sealed(fact.envelope, fact.sealing_home, close),
            event=sealing.map_sealed(fact.event, fact.sealing_home, close),
        )
        for fact in history
    ]


def _needed_in(registry: EventRegistry, history: Sequence[Fact]) -> dict[str, Sequence[sealing.FieldClass | None]]:
    """Return the classes that open each sealed field of a whole history, by its token. Raises `BrokenHistory`.

    A field of a group of a person's fields needs the class, too, that it has in the newest such group of that person.
    """
    check_gapless(history)
    versions = {event_id: [fact.event for fact in facts] for event_id, facts in versions_of(history).items()}
    newest = {group: event_id for event_id, events in versions.items() for group in _groups(events[-1])}
    needed: dict[str, Sequence[sealing.FieldClass | None]] = {}
    for fact in history:
        for path, _, sealed in sealing.sealed_fields(fact.event, fact.sealing_home):
            event, field, of_event = fact.event, path, fact.event_id
            if isinstance(event, Correction) and path == "sealed":
                of_event, field = event.corrects, event.field
            own = registry.classes_of(versions[of_event], field)
            group = field.partition(".")[0]
            later = (newest[key] for key in _groups(versions[of_event][-1]) if key[0] == group)
            now = (registry.class_of(versions[event_id][-1], field) for event_id in later)
            needed[sealed.token] = tuple(dict.fromkeys((*own, *now)))
        for _, _, sealed in sealing.sealed_fields(fact.envelope, fact.sealing_home):
            needed[sealed.token] = (registry.reasons,)
    return needed


def _groups(event: Event) -> Iterator[tuple[str, UUID]]:
    """Yield the fields of an event that hold a whole group of fields of a person, with the id of that person."""
    for name, field in type(event).model_fields.items():
        mark = next((mark for mark in field.metadata if isinstance(mark, sealing.OwnedBy)), None)
        if mark is not None and isinstance(getattr(event, name), BaseModel):
            owner = getattr(event, mark.field)
            if owner is not None:
                yield name, owner
