"""Words for stories about sessions: who, when, and the usual commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid5

from services.education.domain.commands import (
    BookPlace,
    CancelPlace,
    CancelSession,
    DecideAbsenceReason,
    DeliverSession,
    PlanSession,
    RecordAttendance,
    RecordContact,
    RecordFeedback,
)
from services.education.read_model import READ_MODEL
from services.education.service import service
from services.trade.vocabulary import AttendanceStatus, SessionKind, Topic
from shared.domain.messages import Command
from shared.domain.policy import PolicyBook
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec

OFFICER = "SAFE_SCHOOLS_OFFICER"
NAMES = UUID("6d0fbb0e-0f5a-4a39-8f51-5a2f0e0f7a11")

PLANNED = "2026-03-02T09:00:00+00:00"
BOOKED = "2026-03-02T09:05:00+00:00"
BEFORE = "2026-03-10T09:29:00+00:00"
START = "2026-03-10T09:30:00+00:00"
DELIVERED = "2026-03-10T11:35:00+00:00"
REGISTER = "2026-03-10T11:40:00+00:00"
LATER = "2026-03-12T10:00:00+00:00"


def person(name: str) -> UUID:
    """Return the id of somebody, by name."""
    return uuid5(NAMES, name)


LEO, MIA, MOTHER = person("leo"), person("mia"), person("mother")
REFERRAL, DISPOSAL, CONDITION, CASE = (person(name) for name in ("referral", "disposal", "condition", "case"))


class SessionStory(CommandSpec):
    """A session on Tuesday 10 March 2026 at half past nine, for two hours."""

    def __init__(self, policy: PolicyBook = READ_MODEL.policy) -> None:
        super().__init__(replace(service, read_model=replace(READ_MODEL, policy=policy)))

    def does(self, command: Command, at: str) -> Sequence[str]:
        """Ask as an officer."""
        return self.ask(command, by=OFFICER, at=at)

    def problems(self, command: Command, at: str) -> set[str]:
        """Ask as an officer, to be refused."""
        return self.refused(command, by=OFFICER, at=at)

    def planned(self, kind: SessionKind = SessionKind.WORKSHOP, **more: Any) -> SessionStory:
        """Given: it is planned."""
        self.does(plan(kind=kind, **more), PLANNED)
        return self

    def booked(self, who: UUID = LEO, at: str = BOOKED, **serves: Any) -> SessionStory:
        """Given: somebody has a place."""
        self.does(BookPlace(person_id=who, **serves), at)
        return self

    def delivered(self, headcount: int | None = 1) -> SessionStory:
        """Given: it was held."""
        self.does(DeliverSession(headcount=headcount), DELIVERED)
        return self

    def recorded(self, status: AttendanceStatus, who: UUID = LEO, hours: str = "0", at: str = REGISTER) -> SessionStory:
        """Given: the register says how a place ended."""
        self.does(attendance(status, who, hours), at)
        return self


def plan(**more: Any) -> PlanSession:
    """Return a workshop in two hours."""
    fields: dict[str, Any] = {
        "kind": SessionKind.WORKSHOP,
        "topic": Topic.RETAIL,
        "starts_at": datetime(2026, 3, 10, 9, 30, tzinfo=UTC),
        "hours": Decimal(2),
        "place": Sealed("Dorchester"),
    }
    return PlanSession(**{**fields, **more})


def attendance(
    status: AttendanceStatus, who: UUID = LEO, hours: str = "0", *, complied: bool | None = None
) -> RecordAttendance:
    """Return a line of the register."""
    came = status in {AttendanceStatus.ATTENDED, AttendanceStatus.ATTENDED_LATE, AttendanceStatus.LEFT_EARLY}
    return RecordAttendance(
        person_id=who, status=status, hours_credited=Decimal(hours), complied=came if complied is None else complied
    )


def called_off(by: Literal["SERVICE", "SCHOOL"] = "SERVICE") -> CancelSession:
    """Call the session off."""
    return CancelSession(by=by, why=Sealed("The room is flooded."))


def decided(who: UUID = LEO, *, acceptable: bool) -> DecideAbsenceReason:
    """Decide on an absence."""
    return DecideAbsenceReason(person_id=who, acceptable=acceptable)


def contact(who: UUID = LEO, *, reached: bool = True) -> RecordContact:
    """Return a telephone call."""
    return RecordContact(person_id=who, means="PHONE", reached=reached)


def given_back(who: UUID = LEO) -> CancelPlace:
    """Return the command that gives a place back."""
    return CancelPlace(person_id=who, why="REBOOKED")


def feedback() -> RecordFeedback:
    """Return the feedback of a pupil."""
    return RecordFeedback(score=4, giver="PUPIL", comment=Sealed("Better than an assembly."))
