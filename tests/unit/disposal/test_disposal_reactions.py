"""What education and conferences make happen here, decided from their events alone."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.disposal.domain.commands import (
    DecideAbsence,
    OfferSession,
    RecordActivityUndertaken,
    RecordConditionAttendance,
    RecordPanelRecommendation,
)
from services.disposal.events import CancellationReason
from services.disposal.service import service
from services.education import events as education
from services.panel import events as panel
from services.rj_conference import events as conference_events
from services.trade.vocabulary import (
    AttendanceStatus,
    ConferenceCategory,
    ConferenceMode,
    MemberKind,
    Recommendation,
    SessionKind,
    Topic,
)
from shared.domain.envelope import Envelope, EventRegistry, Fact, Origin, PolicyStamp
from shared.domain.ids import derived_uuid
from shared.domain.messages import Event
from shared.domain.sealing import Sealed
from shared.domain.service import CommandFor, reaction_command_id
from tests.command_spec import officer
from tests.unit.disposal.stories import FIRST, LEO, MEETING, REFERRAL, WORK, CaseStory, absence, conference

HELD_AT: Final = datetime(2026, 3, 18, 18, tzinfo=UTC)
STARTS_AT: Final = datetime(2026, 3, 18, 16, tzinfo=UTC)
TWO_HOURS: Final = Decimal(2)
DISPOSAL: Final = derived_uuid("test", "disposal")
FOR_CONDITION: Final = education.Booking(person_id=LEO, disposal_id=DISPOSAL, condition_id=WORK)
FOR_DIVERSION: Final = education.Booking(person_id=LEO, disposal_id=DISPOSAL, referral_id=REFERRAL)
FOR_REFERRAL: Final = education.Booking(person_id=LEO, referral_id=REFERRAL)


def fact(book: EventRegistry, event: Event, stream: UUID = FIRST) -> Fact:
    """Another service's event as it is read from its topic."""
    envelope = Envelope(
        event_id=derived_uuid("test", "event"),
        type=book.type_name(type(event)),
        stream=f"{book.service}/{stream}",
        version=3,
        home=stream,
        command_id=derived_uuid("test", "command"),
        occurred_at=HELD_AT,
        actor=officer("SAFE_SCHOOLS_OFFICER"),
        correlation_id=derived_uuid("test", "correlation"),
        causation_id=None,
        traceparent=None,
        policy=PolicyStamp(edition="2026-01-01", day=date(2026, 3, 18)),
        rules=(),
        rationale={},
        labels={},
        origin=Origin(),
    )
    return Fact(envelope, event)


def effects(of: Fact) -> list[CommandFor]:
    """All that this service does about it."""
    found: list[CommandFor] = []
    for reaction in service.reactions:
        if isinstance(of.event, reaction.event):
            made: Iterable[CommandFor] = reaction.react(of)
            found.extend(made)
    return found


def attended(booking: education.Booking, *, activity: bool = True) -> Fact:
    """Return a register of two hours."""
    event = education.AttendanceRecorded(
        person_id=LEO,
        status=AttendanceStatus.ATTENDED_LATE,
        hours_credited=Decimal("1.5"),
        complied=True,
        booking=booking,
        kind=SessionKind.WORKSHOP,
        topic=Topic.RETAIL,
        hours_scheduled=Decimal(2),
        activity=activity,
    )
    return fact(education.EVENTS, event)


def booked(**other: object) -> Fact:
    """Return a place in a session of two hours on 18 March, for the reparation unless told otherwise."""
    fields = {
        "person_id": LEO,
        "disposal_id": DISPOSAL,
        "condition_id": WORK,
        "starts_at": STARTS_AT,
        "hours": TWO_HOURS,
    }
    return fact(education.EVENTS, education.PlaceBooked(**{**fields, **other}))  # type: ignore[arg-type]


def test_a_place_is_offered_to_the_condition_it_serves() -> None:
    """Given a place booked for a condition, then its session is offered there at once, with start and hours; for none, nothing happens."""
    (effect,) = effects(booked())
    assert effect.stream == DISPOSAL
    assert effect.command == OfferSession(
        occurred_at=HELD_AT, condition_id=WORK, session_id=FIRST, starts_at=STARTS_AT, hours=TWO_HOURS
    )
    assert effects(booked(condition_id=None)) == []
    assert effects(booked(disposal_id=None, condition_id=None)) == []


def test_a_place_of_before_its_session_was_carried_is_not_offered() -> None:
    """Given an old event that says neither start nor hours, then nothing is offered, and its register still counts."""
    assert effects(booked(starts_at=None, hours=None)) == []


def test_a_register_reaches_the_condition_it_serves() -> None:
    """Given a place booked for a condition, when attendance is recorded, then the same is recorded here, at its time."""
    (effect,) = effects(attended(FOR_CONDITION))
    assert effect.stream == DISPOSAL
    command = effect.command
    assert isinstance(command, RecordConditionAttendance)
    assert (command.condition_id, command.session_id, command.occurred_at) == (WORK, FIRST, HELD_AT)
    assert (command.status, command.hours_credited) == (AttendanceStatus.ATTENDED_LATE, Decimal("1.5"))


def test_an_activity_reaches_a_diversion() -> None:
    """Given a place booked for a disposal without condition, then its activity is recorded; no activity, nothing."""
    (effect,) = effects(attended(FOR_DIVERSION))
    assert effect.command == RecordActivityUndertaken(occurred_at=HELD_AT, session_id=FIRST)
    assert effects(attended(FOR_DIVERSION, activity=False)) == []
    assert effects(attended(FOR_REFERRAL)) == []


def test_a_reason_reaches_the_condition() -> None:
    """Given an absence from a condition's session, when its reason is decided, then it is decided here."""
    event = education.AbsenceReasonDecided(
        person_id=LEO, acceptable=True, evidence=Sealed("A letter."), booking=FOR_CONDITION
    )
    (effect,) = effects(fact(education.EVENTS, event))
    assert effect.command == DecideAbsence(occurred_at=HELD_AT, session_id=FIRST, acceptable=True)
    other = event.model_copy(update={"booking": FOR_DIVERSION})
    assert effects(fact(education.EVENTS, other)) == []


def test_a_cancelled_session_reaches_every_condition() -> None:
    """Given a session with places for two conditions, a diversion and a referral, then the two learn that it was lost."""
    second = education.Booking(person_id=LEO, disposal_id=derived_uuid("test", "other"), condition_id=MEETING)
    event = education.SessionCancelled(
        by="SCHOOL", why=Sealed("Snow."), bookings=(FOR_CONDITION, FOR_DIVERSION, FOR_REFERRAL, second)
    )
    found = effects(fact(education.EVENTS, event))
    assert [(effect.stream, effect.item) for effect in found] == [
        (DISPOSAL, str(WORK)),
        (derived_uuid("test", "other"), str(MEETING)),
    ]
    for effect in found:
        assert isinstance(effect.command, RecordConditionAttendance)
        assert effect.command.status is AttendanceStatus.CANCELLED_BY_SERVICE
        assert effect.command.because is CancellationReason.SERVICE


def conference_held(**other: object) -> Fact:
    """Return a conference of an hour and a half."""
    event = conference_events.ConferenceHeld(
        **{
            "present": (),
            "facilitator_attended": True,
            "disposal_id": DISPOSAL,
            "condition_id": MEETING,
            "harmer": LEO,
            "hours": Decimal("1.5"),
            "category": ConferenceCategory.SHOPLIFTING,
            "mode": ConferenceMode.DIRECT_CONFERENCE,
            "harmed_took_part": 1,
            "follow_up_due": date(2026, 4, 29),
            **other,
        }  # type: ignore[arg-type]
    )
    return fact(conference_events.EVENTS, event)


def not_held(why: conference_events.NotProceedingReason) -> Fact:
    """Return a conference that did not proceed."""
    event = conference_events.ConferenceDidNotProceed(why=why, disposal_id=DISPOSAL, condition_id=MEETING, harmer=LEO)
    return fact(conference_events.EVENTS, event)


def test_a_conference_counts_for_its_condition() -> None:
    """Given a conference for a condition, when it is held, then the child attended it."""
    (effect,) = effects(conference_held())
    assert isinstance(effect.command, RecordConditionAttendance)
    assert (effect.command.status, effect.command.hours_credited) == (AttendanceStatus.ATTENDED, Decimal("1.5"))


def test_a_conference_is_an_activity_of_a_diversion() -> None:
    """Given a conference for a disposal without condition, when it is held, then it is an activity; for no disposal, nothing."""
    (effect,) = effects(conference_held(condition_id=None))
    assert effect.stream == DISPOSAL
    assert effect.command == RecordActivityUndertaken(occurred_at=HELD_AT, session_id=FIRST)
    assert effects(conference_held(condition_id=None, disposal_id=None, referral_id=REFERRAL)) == []


def test_whose_absence_it_was_decides() -> None:
    """Given a conference that did not proceed, then the harmer's absence waits for a reason and the harmed's is never his."""
    why = conference_events.NotProceedingReason
    found = {
        reason: [
            (effect.command.status, effect.command.because)
            for effect in effects(not_held(reason))
            if isinstance(effect.command, RecordConditionAttendance)
        ]
        for reason in why
    }
    lost = AttendanceStatus.CANCELLED_BY_SERVICE
    assert found == {
        why.HARMER_ABSENT: [(AttendanceStatus.DNA_PENDING, None)],
        why.HARMED_WITHDREW: [(lost, CancellationReason.HARMED_WITHDREW)],
        why.HARMED_ABSENT: [(lost, CancellationReason.HARMED_ABSENT)],
        why.HARMER_WITHDREW: [],
        why.FACILITATOR: [],
        why.RISK: [],
    }


def test_reactions_are_accepted_without_a_booking() -> None:
    """Given a condition whose sessions education keeps, when its register arrives, then no booking here is needed."""
    story = CaseStory().issued("YCC", conference())
    (effect,) = effects(conference_held())
    assert story.ask(effect.command, by="SYSTEM") == ["ConditionAttended", "ConditionCompleted", "DisposalCompleted"]


def test_a_reason_before_its_absence_is_refused_and_can_be_tried_again() -> None:
    """Given the reason arrives before the absence, then E6 refuses it, and after the absence it is accepted."""
    story = CaseStory().issued()
    decide = DecideAbsence(occurred_at=HELD_AT, session_id=FIRST, acceptable=True)
    assert story.refused(decide, by="SYSTEM") == {"E6"}
    story.ask(absence(AttendanceStatus.DNA_PENDING, occurred_at=HELD_AT), by="SYSTEM")
    assert story.ask(decide, by="SYSTEM") == ["AbsenceDecided"]


def test_reactions_have_names_of_their_own() -> None:
    """Given all reactions, then no two share a name, since commands are derived from it."""
    names = [reaction.name for reaction in service.reactions]
    assert len(names) == len(set(names))


YJS_MEMBER: Final = derived_uuid("test", "yjs member")


def considered(*abstaining: UUID) -> panel.CaseConsidered:
    """Return what a panel of a police and a YJS member recommends: a youth caution."""
    police = derived_uuid("test", "police member")
    return panel.CaseConsidered(
        disposal_id=DISPOSAL,
        recommended=Recommendation.YC,
        reasons=Sealed("She is sorry."),
        abstaining=abstaining,
        case_id=derived_uuid("test", "case"),
        person_id=LEO,
        starts_at=STARTS_AT,
        present=(
            panel.PresentMember(officer_id=police, kind=MemberKind.POLICE),
            panel.PresentMember(officer_id=YJS_MEMBER, kind=MemberKind.YJS),
        ),
    )


def test_the_recommendation_of_a_sitting_is_recorded_without_those_who_abstain() -> None:
    """Given a case that the panel considered, then the disposal takes it over, though the YJS member abstained (P1 is the sitting's)."""
    (wanted,) = effects(fact(panel.EVENTS, considered(YJS_MEMBER)))
    assert wanted.stream == DISPOSAL
    assert wanted.command == RecordPanelRecommendation(
        occurred_at=HELD_AT, recommended=Recommendation.YC, attendees=(MemberKind.POLICE,)
    )
    case = CaseStory().opened()
    assert case.refused(wanted.command, by="YJS_CASE_MANAGER", at=HELD_AT) == {"P1"}
    assert case.ask(wanted.command, by="SYSTEM", at=HELD_AT) == ["PanelRecommended"]


def test_a_corrected_recommendation_supersedes_the_one_that_waits() -> None:
    """Given a recommendation that is corrected, then the disposal records the right one, and what waits of it is superseded."""
    told_by = derived_uuid("test", "considered")
    event = panel.RecordCorrected(
        corrects=told_by,
        field="recommended",
        value="YCC",
        why=Sealed("Misread."),
        recommendations=(
            panel.CorrectedRecommendation(
                disposal_id=DISPOSAL, recommended=Recommendation.YCC, voting=(MemberKind.YJS,), told_by=(told_by,)
            ),
        ),
    )
    (wanted,) = effects(fact(panel.EVENTS, event))
    assert wanted.command == RecordPanelRecommendation(
        occurred_at=HELD_AT, recommended=Recommendation.YCC, attendees=(MemberKind.YJS,)
    )
    assert reaction_command_id(told_by, "recommendation-of-panel", DISPOSAL) in wanted.supersedes
