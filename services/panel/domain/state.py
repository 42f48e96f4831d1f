"""The state of a sitting: the classes that `evolve` folds facts into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.panel.events import Member, PanelEvent, PresentMember
from shared.domain.corrections import PastFacts


class Stage(StrEnum):
    """The stage of a sitting. It sits once a member is recorded as present."""

    PLANNED = "PLANNED"
    SITTING = "SITTING"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class ItemStatus(StrEnum):
    """What became of a case on the agenda."""

    TO_CONSIDER = "TO_CONSIDER"
    CONSIDERED = "CONSIDERED"
    ADJOURNED = "ADJOURNED"


@dataclass(frozen=True, slots=True)
class AgendaItem:
    """A case on the agenda, and the time since which it has its status."""

    case_id: UUID
    person_id: UUID
    status: ItemStatus
    since: datetime
    version: int
    """The version of the event that gave it its status."""


@dataclass(frozen=True, slots=True)
class AgreedAction:
    """An action of the panel; `done_on` is None as long as it is open."""

    case_id: UUID
    agreed_at: datetime
    agreed_on: date
    due: date
    done_on: date | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The members of the panel from a time on."""

    at: datetime
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Sitting:
    """The state of a sitting, folded from its facts."""

    stage: Stage
    starts_at: datetime
    chair: UUID
    agenda: Mapping[UUID, AgendaItem] = field(default_factory=dict)
    """By the id of the disposal."""
    removed: Mapping[UUID, datetime] = field(default_factory=dict)
    """When each case was last taken off the agenda."""
    memberships: tuple[Membership, ...] = ()
    """In order of time."""
    actions: Mapping[UUID, AgreedAction] = field(default_factory=dict)
    record: PastFacts[PanelEvent] | None = field(default=None, compare=False, repr=False)

    def members(self, at: datetime) -> tuple[Member, ...]:
        return next((membership.members for membership in reversed(self.memberships) if membership.at <= at), ())

    def present(self, at: datetime) -> tuple[PresentMember, ...]:
        """Return the members who were there at a time, as the record of a case names them."""
        return tuple(
            PresentMember(officer_id=member.officer_id, kind=member.kind)
            for member in self.members(at)
            if member.present
        )
