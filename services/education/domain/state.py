"""The state of a session: the classes that `evolve` folds facts into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.education.events import Booking, EducationEvent, WhyPlaceCancelled
from services.trade.vocabulary import AttendanceStatus, SessionKind, Topic
from shared.domain.corrections import PastFacts
from shared.domain.dates import local_day


class Stage(StrEnum):
    """The stage of a session: planned, then delivered or cancelled."""

    PLANNED = "PLANNED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


MISSED: Final = frozenset({AttendanceStatus.DNA_PENDING, AttendanceStatus.DNA_UNACCEPTABLE})
"""Statuses of an absence that a child may have to answer for."""


@dataclass(frozen=True)
class Absence:
    """A missed place: the day on which it was recorded, whether it waited for a reason, and when that was decided."""

    recorded_on: date
    pending: bool
    decided_on: date | None = None


@dataclass(frozen=True)
class Place:
    """A person's place in a session. `status` is None as long as it is only booked."""

    booking: Booking
    booked_at: datetime
    version: int
    """The version of the record by which it was booked, or by which it is known how it ended."""
    status: AttendanceStatus | None = None
    recorded_at: datetime | None = None
    """When the attendance is said to have been recorded (occurred_at)."""
    absence: Absence | None = None

    @property
    def open(self) -> bool:
        """Whether nothing is yet known of how it ended."""
        return self.status is None

    @property
    def called_off(self) -> bool:
        """Whether the session was cancelled while it was open."""
        return not self.open and self.recorded_at is None

    @property
    def missed(self) -> bool:
        """Whether the person did not come, and nobody has accepted that."""
        return self.status in MISSED

    @property
    def waits_for_reason(self) -> bool:
        """Whether somebody did not come and nobody knows why."""
        return self.status is AttendanceStatus.DNA_PENDING


@dataclass(frozen=True)
class GivenBack:
    """A place that a person gave back: when, why, and by which version of the record."""

    booking: Booking
    at: datetime
    why: WhyPlaceCancelled
    version: int


@dataclass(frozen=True)
class Contact:
    """An attempt to reach a person on a day."""

    person_id: UUID
    day: date


@dataclass(frozen=True)
class Session:
    """The state of an education session, folded from its facts."""

    stage: Stage
    kind: SessionKind
    topic: Topic
    planned_at: datetime
    starts_at: datetime
    hours: Decimal
    school_urn: str | None = None
    key_stage: str | None = None
    headcount: int | None = None
    staff: int | None = None
    parents: int | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    places: Mapping[UUID, Place] = field(default_factory=dict)
    given_back: Mapping[UUID, GivenBack] = field(default_factory=dict)
    """The place that each person last gave back."""
    moved_by: int | None = None
    """The version of the record that last corrected when it starts."""
    contacts: tuple[Contact, ...] = ()
    record: PastFacts[EducationEvent] | None = field(default=None, compare=False, repr=False)

    @property
    def starts_on(self) -> date:
        """The day of the session, in Europe/London."""
        return local_day(self.starts_at)

    @property
    def open_bookings(self) -> tuple[Booking, ...]:
        """The places of which nothing is yet known but that they are booked."""
        return tuple(place.booking for place in self.places.values() if place.open)
