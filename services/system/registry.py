"""The one list of the system's services.

Each entry holds the facts that the system as a whole needs: ports, paths and titles. A service's declaration and read
model are imported on demand, since that takes half a second, and commands that only talk HTTP need neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shared.domain.service import ReadModel, Service
    from shared.runtime.privileges import Schema


@dataclass(frozen=True, slots=True)
class RegisteredService:
    """A service of the system; its package is `services.<name>`."""

    name: str
    title: str
    """The name on pages for people."""
    port_offset: int
    """The place of its API among the ports of all APIs; fixed, so that a new service moves no other."""
    collection: str = ""
    """The plural under which its streams stand in URLs and in the projected case; empty if it keeps none."""
    record: str = ""
    """What people call one of its streams, such as an education session; empty: as its title."""
    belongs_to_case: bool = True
    """Whether each of its records belongs to one case; on a case's page others stand after them."""
    begun_by_hand: bool = True
    """Whether a page begins one of its records under a new id; else the id is known already, as a person's is."""
    names_people: bool = False
    """Whether its records hold people's names; others name people by their ids."""
    decides: bool = True
    """Whether it has an event store and a topic; else it only projects what others publish."""

    @property
    def record_title(self) -> str:
        """What people call one of its streams, for a heading."""
        return self.record or self.title

    def service(self) -> Service[Any]:
        """Import the declaration of a deciding service. Raises TypeError if it has no command for corrections."""
        declaration: Service[Any] = import_module(f"services.{self.name}.service").service
        if not any("corrects" in command.model_fields for command in declaration.commands):
            raise TypeError(
                f"{self.name} has no command for corrections: add a FieldCorrection to its domain/commands.py,"
                " and the CorrectionEngine that guards it to domain/corrections.py"
            )
        return declaration

    def read_model(self) -> ReadModel[Any]:
        read_model: ReadModel[Any] = import_module(f"services.{self.name}.read_model").READ_MODEL
        return read_model

    def database(self) -> tuple[str, Schema]:
        """Import the name and schema of the database of a service that only projects."""
        database: tuple[str, Schema] = import_module(f"services.{self.name}.database").DATABASE
        return database


SERVICES: Final = (
    RegisteredService("referral", "Referral", 0, "referrals", names_people=True),
    RegisteredService("education", "Education", 1, "sessions", record="Education session", belongs_to_case=False),
    RegisteredService("disposal", "Disposal", 2, "disposals", names_people=True),
    RegisteredService("rj_conference", "Restorative conference", 3, "conferences"),
    RegisteredService("panel", "Panel", 5, "sittings", record="Panel sitting", belongs_to_case=False),
    RegisteredService("people", "Person", 7, "people", belongs_to_case=False, begun_by_hand=False),
    RegisteredService("reporting", "Reporting", 4, decides=False),
)

FOLLOWERS: Final[Mapping[str, int]] = {"notifications": 6}
"""Programs of ours that follow all events as another agency's would, and the place of each among the ports of the APIs.

Each has a database and a login, and answers monitoring alone.
"""

DECIDING: Final = tuple(entry for entry in SERVICES if entry.decides)
"""The services that decide, each with an event store and a topic."""

COLLECTIONS: Final[Mapping[str, str]] = {entry.name: entry.collection for entry in DECIDING}
"""Deciding service -> the plural under which its streams stand in URLs."""


_BY_PAGE: Final = sorted(DECIDING, key=lambda entry: not entry.belongs_to_case)

RECORD_TITLES: Final[Mapping[str, str]] = {entry.collection: entry.record_title for entry in _BY_PAGE}
"""Collection -> the title of one of its records, in the order of a case's page."""

BEGUN_BY_HAND: Final = tuple(entry.collection for entry in _BY_PAGE if entry.begun_by_hand)
"""The collections of which a page begins a record, in the same order."""


def deciding_services() -> tuple[Service[Any], ...]:
    return tuple(entry.service() for entry in DECIDING)


def read_models() -> dict[str, ReadModel[Any]]:
    """Import the read models of all deciding services, by the service's name."""
    return {entry.name: entry.read_model() for entry in DECIDING}


def databases_without_events() -> Sequence[tuple[str, Schema]]:
    """Import the databases that hold no event store: those of the services that only project, of followers, and the console's."""
    others: list[tuple[str, Schema]] = [
        import_module(f"services.{name}.database").DATABASE for name in (*FOLLOWERS, "console")
    ]
    return (*(entry.database() for entry in SERVICES if not entry.decides), *others)
