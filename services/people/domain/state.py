"""The state of a person: the classes that `evolve` folds facts into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.people.domain.commands import RecordCircumstance
from services.people.events import CircumstanceRecorded, Contact, HistoryKind, PersonEvent, Relation
from shared.domain.corrections import PastFacts
from shared.domain.persons import NOTHING_KNOWN, Known


class Stage(StrEnum):
    """Whether the person is known under this id, or it is given up for another one."""

    KNOWN = "KNOWN"
    MERGED = "MERGED"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What was given elsewhere, and the day of that."""

    kind: HistoryKind
    on: date


@dataclass(frozen=True, slots=True)
class RelationToChild:
    """In which relation the adult stands to a child, and whether they may be in contact, until a day or for good."""

    relation: Relation
    contact: Contact
    until: date | None
    parental_responsibility: bool | None


_NEEDED: Final = {"ACCOMMODATION": "accommodation", "ETE": "provision"}
"""The field that a circumstance of the kind needs; one of another kind any of its own, or words."""
_OF_COMMAND: Final = RecordCircumstance.model_json_schema()["properties"]
CODED: Final[Mapping[str, Sequence[str]]] = {
    name: field["x-of-kind"] for name, field in _OF_COMMAND.items() if "x-of-kind" in field
}
"""The fields in clear of a circumstance, each with the kinds that may have it."""


def fits_its_kind(said: RecordCircumstance | CircumstanceRecorded) -> bool:
    given = {name for name in (*CODED, "description") if getattr(said, name) is not None}
    enough = _NEEDED[said.kind] in given if said.kind in _NEEDED else bool(given)
    return enough and all(said.kind in CODED[name] for name in given - {"description"})


@dataclass(frozen=True)
class Person:
    """The state of a person, folded from the facts of one id."""

    id: UUID
    merged_into: UUID | None = None
    changed_at: datetime | None = None
    """When it was last merged or separated."""
    history: Mapping[UUID, HistoryEntry] = field(default_factory=dict)
    relations: Mapping[UUID, RelationToChild] = field(default_factory=dict)
    circumstances: Mapping[UUID, CircumstanceRecorded] = field(default_factory=dict)
    """Each interval as it was recorded last."""
    known: Known = field(default=NOTHING_KNOWN, compare=False, repr=False)
    """What is known of this and the other ids of the person."""
    record: PastFacts[PersonEvent] | None = field(default=None, compare=False, repr=False)

    @property
    def stage(self) -> Stage:
        return Stage.KNOWN if self.merged_into is None else Stage.MERGED

    @property
    def ids(self) -> tuple[UUID, ...]:
        """Every id that names the person: the one that is kept, then the others in the order in which they were merged."""
        return self.known.ids_of(self.id)
