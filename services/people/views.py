"""What is shown of a person: the catalogue's state, in clear JSON values."""

from typing import NotRequired, cast

from typing_extensions import TypedDict

from services.people.domain.state import Person
from services.people.events import CircumstanceRecorded
from shared.domain.members import described, shown


@described
class EntryView(TypedDict):
    """What was given elsewhere, and the day of that."""

    kind: str
    on: str


@described
class RelationView(TypedDict):
    """In which relation an adult stands to a child."""

    relation: str
    contact: str
    until: str | None
    """The last day on which the contact is so; null: for good."""
    parental_responsibility: bool | None


@described
class CircumstanceView(TypedDict):
    """How a child lives in an interval, as far as it is in clear; the rest is in the event."""

    kind: str
    accommodation: str | None
    provision: str | None
    suitable: str | None
    hours_offered: float | None
    """In a week."""
    hours_attended: float | None
    identified: NotRequired[bool]
    """Of special educational needs or a disability; left out if nobody said, as each that is not required."""
    formal_plan: NotRequired[bool]
    screened_on: NotRequired[str]
    mental_health_intervention: NotRequired[str]
    substances_intervention: NotRequired[str]
    offered_on: NotRequired[str]
    attended_from: NotRequired[str]
    attended_until: NotRequired[str]
    care_status: NotRequired[str]
    since: str
    until: str | None


@described
class PersonView(TypedDict):
    """What is shown of a person."""

    state: str
    merged_into: str | None
    ids: list[str]
    """Every id that names the person: the one that is kept, then the others in the order of merging."""
    history: dict[str, str]
    """By entry: what was given elsewhere."""
    relations: dict[str, str]
    """By child: whether the adult may be in contact, as last recorded."""
    entries: dict[str, EntryView]
    related: dict[str, RelationView]
    """By child."""
    circumstances: dict[str, CircumstanceView]
    """By the id of the interval."""


def view(person: Person) -> PersonView:
    """Return the state of a person, under all ids that name them."""
    return shown(
        PersonView,
        person,
        state=person.stage,
        history={entry: given.kind for entry, given in person.history.items()},
        relations={child: relation.contact for child, relation in person.relations.items()},
        entries={entry: shown(EntryView, given) for entry, given in person.history.items()},
        related={child: shown(RelationView, relation) for child, relation in person.relations.items()},
        circumstances={id_: _circumstance(said) for id_, said in person.circumstances.items()},
    )


def _circumstance(said: CircumstanceRecorded) -> CircumstanceView:
    members = shown(CircumstanceView, said)
    left_out = {name for name in CircumstanceView.__optional_keys__ if members.get(name) is None}
    return cast("CircumstanceView", {name: value for name, value in members.items() if name not in left_out})
