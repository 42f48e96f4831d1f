"""Words for stories about persons: who, and the usual commands."""

from datetime import date
from typing import Any, Final
from uuid import UUID

from services.people.domain.commands import (
    MergePerson,
    RecordCircumstance,
    RecordHistory,
    RecordRelation,
    SeparatePerson,
)
from services.people.events import Contact, HistoryKind
from services.people.service import service
from shared.domain.ids import derived_uuid
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec


def person(name: str) -> UUID:
    """Return the id of somebody, by name."""
    return derived_uuid("people-test", name)


LEO, LEO_AGAIN, MIA = person("leo"), person("leo again"), person("mia")
WHO_MERGES: Final = "SUPERVISOR"
START: Final = "2026-03-02T09:00:00+00:00"


class PersonStory(CommandSpec):
    """The id under which Leo was typed again."""

    def __init__(self) -> None:
        super().__init__(service, LEO_AGAIN)


def merging(into: UUID = LEO, **more: Any) -> MergePerson:
    """Return the command by which the person is the same as another one."""
    return MergePerson(into=into, why=Sealed("Typed twice."), **more)


SEPARATION: Final = SeparatePerson(why=Sealed("They are cousins."))


def entry(name: str = "caution", on: date = date(2025, 6, 2), kind: HistoryKind = HistoryKind.YC) -> RecordHistory:
    """Return the record of a caution elsewhere."""
    return RecordHistory(entry_id=person(name), kind=kind, on=on, by="Hampshire Constabulary", reference="HC/2025/118")


def relation(child: UUID = MIA, contact: Contact = Contact.ORDER) -> RecordRelation:
    """Return the record that the person is a parent of a child."""
    return RecordRelation(
        child_id=child,
        relation="PARENT",
        parental_responsibility=True,
        contact=contact,
        order=Sealed("Non-molestation order."),
        until=date(2027, 5, 1),
    )


def circumstance(name: str = "home", **said: Any) -> RecordCircumstance:
    """Return the record that the person lives with a parent, unless another circumstance is said."""
    home = {"kind": "ACCOMMODATION", "accommodation": "LIVING_WITH_PARENT_S", "suitable": "SUITABLE"}
    return RecordCircumstance(circumstance_id=person(name), **{"since": date(2018, 3, 14), **(said or home)})
