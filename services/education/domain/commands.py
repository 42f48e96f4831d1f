"""The commands of education, and the roles that may send each. Names and fields are those of the catalogue."""

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import ConfigDict, Field

from services.education import events
from services.trade.vocabulary import (
    AttendanceStatus,
    FieldCorrection,
    KeyStage,
    Minutes,
    Role,
    SchoolUrn,
    SessionKind,
    Topic,
)
from shared.domain.messages import Command, FreeText, Hours, SessionHours, Timestamp, commands_in
from shared.domain.sealing import OwnedBy, Sealed

DEFAULT_ROLES: Final = frozenset(
    {Role.SAFE_SCHOOLS_OFFICER, Role.INTERNET_SAFETY_OFFICER, Role.YJS_CASE_MANAGER, Role.SUPERVISOR}
)
"""Who may send a command that names no roles of its own: all of them here."""


class PlanSession(Command):
    """Plan a session for pupils, parents or staff, with its length in hours. Places in it are booked afterwards."""

    opens: ClassVar[bool] = True
    records = events.SessionPlanned

    kind: SessionKind
    topic: Topic
    starts_at: Timestamp
    hours: SessionHours
    place: Sealed[FreeText]
    school_urn: SchoolUrn | None = None
    key_stage: KeyStage | None = None
    referral_id: UUID | None = None


class BookPlace(Command):
    """Book a place in a planned session for a person, and say which referral, disposal or condition it serves."""

    makes = (events.PlaceBooked,)

    person_id: UUID
    case_id: UUID | None = None
    referral_id: UUID | None = None
    disposal_id: UUID | None = None
    condition_id: UUID | None = None


class CancelPlace(Command):
    """Give a booked place back before the session. This is not an absence."""

    records = events.PlaceCancelled

    person_id: UUID
    why: events.WhyPlaceCancelled


class DeliverSession(Command):
    """Record that the session was held, and how many people were counted. Attendance can be recorded afterwards."""

    records = events.SessionDelivered

    headcount: events.Count | None = None
    staff: events.Count | None = None
    parents: events.Count | None = None


class RecordAttendance(Command):
    """Record how a booked place ended, and how many hours count.

    The referral, disposal or condition that it serves is updated from the register.
    """

    makes = (events.AttendanceRecorded,)

    person_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    minutes_late: Minutes | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id")] = None


class DecideAbsenceReason(Command):
    """Decide whether the reason for an absence is acceptable.

    A condition of a disposal that the place serves takes over the decision.
    """

    makes = (events.AbsenceReasonDecided,)

    person_id: UUID
    acceptable: bool
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id")] = None


class CancelSession(Command):
    """Call the session off. No booked place counts as an absence, and nothing changes for a condition that one serves."""

    makes = (events.SessionCancelled,)

    by: events.CancelledBy
    why: Sealed[FreeText]


class RecordContact(Command):
    """Record that somebody tried to reach a person, and whether they did.

    After an absence even an attempt that fails meets the time limit.
    """

    records = events.ContactRecorded

    person_id: UUID
    means: events.Means
    reached: bool
    note: Sealed[FreeText] | None = None


class RecordFeedback(Command):
    """Record how a pupil, a parent or a member of staff rates the session, from 0 (low) to 10."""

    # `from` is a keyword of Python, so the field is called `giver` here.
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    records = events.FeedbackRecorded

    score: events.Score
    giver: Annotated[events.FeedbackGiver, Field(alias="from")]
    comment: Sealed[FreeText] | None = None


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been, and why (DPA 2018 s46).

    The original stays visible beside it.
    """

    makes = (events.RecordCorrected,)


COMMANDS: Final = commands_in(__name__)
