"""Persons who are known under several ids: merges are events, and whoever asks which ids are one person asks here.

Ids in events stay as they are. `Known` holds what other records say of the persons whom a record names, cut by both times
like every history, so that before a merge two persons are shown.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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

    @cached_property
    def _neighbours(self) -> Mapping[UUID, set[UUID]]:
        neighbours: dict[UUID, set[UUID]] = defaultdict(set)
        for person, into in self.merged.items():
            neighbours[person].add(into)
            neighbours[into].add(person)
        return neighbours

    def ids_of(self, person: UUID) -> tuple[UUID, ...]:
        """Return every id that names a person: the one that is kept, then the others in the order of merging."""
        same = self.same_as(person)
        kept = [id_ for id_ in sorted(same) if id_ not in self.merged]
        return (*kept, *(id_ for id_ in self.merged if id_ in same))

    def same_as(self, person: UUID) -> frozenset[UUID]:
        """Return every id that names this person, the given one among them."""
        return frozenset(_reached(self._neighbours, person))


def _reached(neighbours: Mapping[UUID, Collection[UUID]], start: UUID) -> Iterator[UUID]:
    seen, waiting = {start}, [start]
    while waiting:
        yield (here := waiting.pop())
        further = seen.symmetric_difference(seen.union(neighbours.get(here, ())))
        seen |= further
        waiting += further


NOTHING_KNOWN: Final = Known()
"""What is known of persons of whom no other record speaks."""
