"""Persons who are known under several ids: merges are events, and which ids are one person is said here alone.

Ids in events stay as they are. `Known` holds what other records say of the persons whom a record names, cut by both times
like every history, so that before a merge two persons are shown.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import UUID

from shared.domain.envelope import Fact
from shared.domain.messages import Correction, Event


class Merging(Event):
    """Base of the event by which the id of its stream names the same person as the id `into`."""

    person_id: UUID
    into: UUID


class Separation(Event):
    """Base of the event that takes the merging of its stream's id back: the two ids name two persons again."""

    person_id: UUID
    into: UUID


@dataclass(frozen=True)
class Known:
    """What is known of the persons whom a record names: events of other records, opened or closed, each stream in order."""

    facts: Sequence[Fact] = ()

    def at(self, as_of: datetime | None = None, known_at: datetime | None = None) -> "Known":
        """Return what had occurred by `as_of` and was recorded by `known_at`; a correction counts once it is recorded."""
        if not self.facts or (as_of is None and known_at is None):
            return self
        return replace(
            self,
            facts=[
                fact
                for fact in self.facts
                if (as_of is None or fact.occurred_at <= as_of or isinstance(fact.event, Correction))
                and (known_at is None or (fact.recorded_at is not None and fact.recorded_at <= known_at))
            ],
        )

    @cached_property
    def merged(self) -> Mapping[UUID, UUID]:
        """The ids that are merged into another, each with that one, in the order of merging."""
        merged: dict[UUID, UUID] = {}
        for fact in sorted(self.facts, key=lambda fact: fact.occurred_at):
            match fact.event:
                case Merging(person_id=person, into=into):
                    merged[person] = into
                case Separation(person_id=person):
                    merged.pop(person, None)
        return merged

    def ids_of(self, person: UUID) -> tuple[UUID, ...]:
        """Return every id that names a person: the one that is kept, then the others in the order of merging."""
        same = self.same_as(person)
        kept = [id_ for id_ in sorted(same) if id_ not in self.merged]
        return (*kept, *(id_ for id_ in self.merged if id_ in same))

    def others(self, person: UUID, alike: Collection[UUID]) -> tuple[UUID, ...]:
        """Return those who are another person than this one, each once, under the id that is kept."""
        return tuple(sorted({self.ids_of(other)[0] for other in alike} - {self.ids_of(person)[0]}))

    def same_as(self, person: UUID) -> frozenset[UUID]:
        """Return every id that names this person, the given one among them."""
        return _find_joined(self.merged.items(), person)

    def merged_at(self, person: UUID, other: UUID) -> datetime | None:
        """Return when two ids came to name one person; None if they do not."""
        same = self.same_as(person)
        merged = (fact for fact in self.facts if isinstance(fact.event, Merging) and fact.event.person_id in same)
        return max((fact.occurred_at for fact in merged), default=None) if other in same else None

    def ever_same_as(self, person: UUID) -> frozenset[UUID]:
        """Return every id that ever named this person, the given one among them: what is shown at some time is read of all."""
        merged = [fact.event for fact in self.facts if isinstance(fact.event, Merging)]
        return _find_joined([(event.person_id, event.into) for event in merged], person)


def persons_in(event: Event, fields: Iterable[str]) -> Iterator[UUID]:
    """Yield the persons in some fields of an event, of which each has an id, a tuple of ids, or nothing."""
    for value in (getattr(event, name) for name in fields):
        yield from value if isinstance(value, tuple) else () if value is None else (value,)


def _find_joined(pairs: Collection[tuple[UUID, UUID]], start: UUID) -> frozenset[UUID]:
    """Return what is reached from an id by pairs of the same person, in either direction."""
    seen = {start}
    while further := {id_ for pair in pairs if not seen.isdisjoint(pair) for id_ in pair} - seen:
        seen |= further
    return frozenset(seen)


@dataclass(frozen=True)
class Alike:
    """The persons who are like one whom a command names: whom its sender could find by a search, and others."""

    found: frozenset[UUID] = frozenset()
    unseen: frozenset[UUID] = frozenset()


NOBODY_ALIKE: Final = Alike()

NOTHING_KNOWN: Final = Known()
"""What is known of persons of whom no other record speaks."""
