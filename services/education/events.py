"""What has happened to education sessions: the contract that other services may import.

A session belongs to no case: its home is its own id. A place may serve a referral, a disposal or a condition of one;
that booking travels with every event that others react to, so that nobody has to ask back.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import ConfigDict, Field

from services.trade.vocabulary import (
    RECORD_IDS,
    WORDS,
    AttendanceStatus,
    KeyStage,
    Minutes,
    Personal,
    Regime,
    SchoolUrn,
    SessionKind,
    Topic,
)
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Added, Correction, Event, FreeText, Hours, Timestamp, ValueObject
from shared.domain.sealing import OwnedBy, Sealed

Count = Annotated[int, Field(ge=0, le=100_000)]
"""A number of heads."""

Score = Annotated[int, Field(ge=0, le=10)]
"""How somebody rated a session."""

WhyPlaceCancelled = Literal["REBOOKED", "WITHDRAWN", "OTHER"]
CancelledBy = Literal["SERVICE", "SCHOOL"]
Means = Literal["PHONE", "VISIT", "LETTER", "EMAIL"]
FeedbackGiver = Literal["PUPIL", "PARENT", "STAFF"]


class Booking(ValueObject):
    """The person who has a place, and the case, referral, disposal and condition that it serves.

    An id is null if the place serves none.
    """

    person_id: UUID
    case_id: UUID | None = None
    referral_id: UUID | None = None
    disposal_id: UUID | None = None
    condition_id: UUID | None = None


class SessionPlanned(Event):
    """A session for pupils, parents or staff will begin at `starts_at` and last `hours`.

    `referral_id` names the referral that led to it, if one did.
    """

    sentence = "Session planned: {topic}, {kind}, {starts_at}, {hours#hour|hours}"

    kind: SessionKind
    topic: Topic
    starts_at: Timestamp
    hours: Hours
    place: Annotated[Sealed[FreeText], Personal.PLACE]
    school_urn: SchoolUrn | None = None
    key_stage: KeyStage | None = None
    referral_id: UUID | None = None


class PlaceBooked(Event):
    """A person has a place in the session, perhaps for a referral, a disposal or a condition of one.

    `starts_at` and `hours` are the session's beginning and length; an event that is older than these two fields has
    neither.
    """

    sentence = "Place booked[ in the session of {starts_at}][, {hours#hour|hours}]"

    person_id: UUID
    case_id: UUID | None = None
    referral_id: UUID | None = None
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    starts_at: Added[Timestamp] = None
    hours: Added[Hours] = None


class PlaceCancelled(Event):
    """A booked place was given back before the session. This is not an absence."""

    sentence = "Place cancelled: {why}"

    person_id: UUID
    why: WhyPlaceCancelled


class SessionDelivered(Event):
    """The session was held; attendance can be recorded from now on.

    The numbers of people are those that were counted, and null if nobody counted.
    """

    sentence = (
        "Session delivered[, {headcount#pupil|pupils}][, {staff#member of staff|members of staff}][, "
        "{parents#parent|parents}]"
    )

    headcount: Count | None = None
    staff: Count | None = None
    parents: Count | None = None


class AttendanceRecorded(Event):
    """The register says how a booked place ended: whether the person came, and how many of the scheduled hours count.

    Disposal and referral react to it. `activity` says whether it counts as an activity undertaken, on which outcome 22
    may rest (rule O22).
    """

    sentence = "Attendance recorded: {status}, {hours_credited} of {hours_scheduled#hour|hours} credited"

    person_id: UUID
    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    minutes_late: Minutes | None = None
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None
    booking: Booking
    kind: SessionKind
    topic: Topic
    hours_scheduled: Hours
    activity: bool


class AbsenceReasonDecided(Event):
    """Somebody decided whether the reason for an absence is acceptable.

    The register had left that open (`DNA_PENDING`). A condition of a disposal that the place serves takes over the
    decision.
    """

    sentence = "Reason for the absence found {acceptable?acceptable|not acceptable}"

    person_id: UUID
    acceptable: bool
    evidence: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None
    booking: Booking


class SessionCancelled(Event):
    """The service or the school called the session off.

    `bookings` are the places that were open then: none counts as an absence, and nothing changes for a condition that
    one serves.
    """

    sentence = "Session cancelled by the {by}"

    by: CancelledBy
    why: Annotated[Sealed[FreeText], Personal.REASONS]
    bookings: tuple[Booking, ...]


class ContactRecorded(Event):
    """Somebody tried to reach a person, such as a child who had missed the session; `reached` says whether they did.

    Even an attempt that fails meets the duty `MISSED_CONTACT`.
    """

    sentence = "Contact by {means}: the person was {reached?reached|not reached}"

    person_id: UUID
    means: Means
    reached: bool
    note: Annotated[Added[Sealed[FreeText]], OwnedBy("person_id"), Personal.NARRATIVE] = None


class FeedbackRecorded(Event):
    """A pupil, a parent or a member of staff rated the session, from 0 (low) to 10."""

    sentence = "Feedback given by a {giver}: {score} of 10"

    # `from` is a keyword of Python, so the field is called `giver` here.
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    score: Score
    giver: Annotated[FeedbackGiver, Field(alias="from")]
    comment: Annotated[Sealed[FreeText] | None, Personal.NARRATIVE] = None


class AttendanceOfPlace(ValueObject):
    """How a booked place ended, with a later decision on an absence or the cancellation of the session.

    `hours_credited` are the hours that count.
    """

    status: AttendanceStatus
    hours_credited: Hours
    complied: bool
    activity: bool
    occurred_at: Timestamp


class CorrectedPlace(ValueObject):
    """What a booked place served before a correction, what it serves since, and how it ended.

    Both bookings are the same if the correction is of how it ended.
    """

    before: Booking
    after: Booking
    starts_at: Timestamp | None = None
    hours: Hours | None = None
    """The session's beginning and length, if its booking says them: the right condition is offered the place."""
    attendance: AttendanceOfPlace | None = None
    told_by: tuple[UUID, ...] = ()
    """The events by which others had learned of the place as it was before: their reactions are superseded."""


class RecordCorrected(Correction):
    """A field of an earlier event of this session was wrong; this is its right value (DPA 2018 s46).

    The original event stays. A sealed value is encrypted with the key of the person `owner`, or of the session if that
    is null. `place` tells services that had counted the place what to change.
    """

    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None
    place: CorrectedPlace | None = None

    @property
    def becomes_activity(self) -> bool:
        """Whether an attendance is an activity (O22) since this correction, and was none before."""
        return any(correction.field == "activity" and correction.value is True for correction in self.also)


EventAfterPlanning: TypeAlias = (
    SessionDelivered
    | FeedbackRecorded
    | PlaceBooked
    | PlaceCancelled
    | AttendanceRecorded
    | AbsenceReasonDecided
    | SessionCancelled
    | ContactRecorded
    | RecordCorrected
)
"""The events that may follow the planning; mypy reports each one that `evolve` has no branch for."""

EducationEvent: TypeAlias = SessionPlanned | EventAfterPlanning
"""Every event of a session."""

REGIMES: Final[Mapping[type[Event], Regime]] = {
    # The session as such: education of schools, staff and parents.
    SessionPlanned: Regime.UK_GDPR,
    SessionDelivered: Regime.UK_GDPR,
    FeedbackRecorded: Regime.UK_GDPR,
    # What names a child's place: it may serve a referral or a disposal.
    PlaceBooked: Regime.LE_PART3,
    PlaceCancelled: Regime.LE_PART3,
    AttendanceRecorded: Regime.LE_PART3,
    AbsenceReasonDecided: Regime.LE_PART3,
    SessionCancelled: Regime.LE_PART3,
    ContactRecorded: Regime.LE_PART3,
    # It may correct any of them.
    RecordCorrected: Regime.LE_PART3,
}
"""The law under which each event is processed (DPA 2018 part 3, or UK GDPR)."""


def _planned(fact: Fact) -> Iterable[str]:
    """ONLINE: it teaches safety online. OFFICER: who planned it."""
    yield f"OFFICER:{fact.actor.id}"
    if isinstance(fact.event, SessionPlanned) and fact.event.topic is Topic.ONLINE_SAFETY:
        yield "ONLINE"


EVENTS: Final = EventRegistry(
    "education",
    get_args(EducationEvent),
    labels=lambda event: {"regime": REGIMES[event].value},
    marks={SessionPlanned: _planned},
    mentions=("person_id", "case_id", "referral_id", "disposal_id"),
    of_records=RECORD_IDS,
    words=WORDS,
    reasons=Personal.REASONS,
)
