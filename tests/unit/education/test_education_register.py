"""Stories of sessions: the register, what others learn from it, and what is due."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from services.education.domain.commands import BookPlace, DeliverSession
from services.education.events import (
    EVENTS,
    AbsenceReasonDecided,
    AttendanceRecorded,
    Booking,
    FeedbackRecorded,
    PlaceBooked,
    SessionCancelled,
)
from services.trade.vocabulary import AttendanceStatus as Status
from services.trade.vocabulary import SessionKind, Topic
from shared.domain.duties_by_day import duties_on
from tests.unit.education.stories import (
    BEFORE,
    BOOKED,
    CASE,
    CONDITION,
    DELIVERED,
    DISPOSAL,
    LATER,
    LEO,
    MIA,
    MOTHER,
    REFERRAL,
    REGISTER,
    START,
    SessionStory,
    attendance,
    called_off,
    contact,
    decided,
    feedback,
    given_back,
)

START_DAY, NEXT_DAY = date(2026, 3, 10), date(2026, 3, 11)
FOR_A_CONDITION: Final[dict[str, Any]] = {"case_id": CASE, "disposal_id": DISPOSAL, "condition_id": CONDITION}


def test_a_register_from_booking_to_reason(session: SessionStory) -> None:
    """Given two places, one child comes and one does not; the reason heard later changes the register."""
    session.planned().booked(LEO).booked(MIA)
    assert session.view == {
        "state": "PLANNED",
        "topic": "RETAIL",
        "kind": "WORKSHOP",
        "starts_at": "2026-03-10T09:30:00+00:00",
        "headcount": None,
        "register": {str(LEO): "BOOKED", str(MIA): "BOOKED"},
        "hours": 2,
        "delivered_at": None,
        "booked_for": {str(LEO): None, str(MIA): None},
        "serves": {str(LEO): None, str(MIA): None},
    }
    session.delivered(headcount=1).recorded(Status.ATTENDED, LEO, "2").recorded(Status.DNA_PENDING, MIA)
    session.does(decided(MIA, acceptable=True), LATER)
    assert session.view["state"] == "DELIVERED"
    assert session.view["headcount"] == 1
    assert session.view["register"] == {str(LEO): "ATTENDED", str(MIA): "DNA_ACCEPTABLE"}


def test_heads_are_never_inferred(session: SessionStory) -> None:
    """Given parents counted and no pupils, the headcount stays empty."""
    session.planned(SessionKind.PARENT)
    session.does(DeliverSession(parents=14), DELIVERED)
    assert session.view["headcount"] is None


def test_a_place_carries_when_the_session_is(session: SessionStory) -> None:
    """Given a place for a condition, the booking says when the session starts and how long it is."""
    session.planned().booked(LEO, **FOR_A_CONDITION)
    event = session.last(PlaceBooked)
    assert (event.starts_at, event.hours) == (datetime.fromisoformat(START), Decimal(2))


def test_attendance_carries_what_others_need(session: SessionStory) -> None:
    """Given a place for a condition, the attendance carries booking, kind, topic, hours and whether it counts."""
    session.planned().booked(LEO, **FOR_A_CONDITION).delivered().recorded(Status.ATTENDED, LEO, "2")
    event = session.last(AttendanceRecorded)
    assert event.booking == Booking(person_id=LEO, **FOR_A_CONDITION)
    assert (event.kind, event.topic, event.hours_scheduled) == (SessionKind.WORKSHOP, Topic.RETAIL, Decimal(2))
    assert event.activity


@pytest.mark.parametrize(
    ("status", "complied", "activity"),
    [
        (Status.ATTENDED, True, True),
        (Status.ATTENDED_LATE, True, True),
        (Status.LEFT_EARLY, True, True),
        (Status.ATTENDED, False, False),
        (Status.EXCLUDED_CONDUCT, True, False),
        (Status.DNA_ACCEPTABLE, True, False),
        (Status.CANCELLED_BY_SERVICE, True, False),
    ],
)
def test_an_activity_is_to_be_there_and_comply(
    session: SessionStory, status: Status, complied: bool, activity: bool
) -> None:
    """Given an attendance, it counts as an activity only if the child was there and complied."""
    session.planned().booked().delivered()
    session.does(attendance(status, complied=complied), REGISTER)
    event = session.last(AttendanceRecorded)
    assert event.activity is activity


def test_the_decided_reason_carries_the_booking(session: SessionStory) -> None:
    """Given a missed place for a condition, the decision says which."""
    session.planned().booked(LEO, **FOR_A_CONDITION).delivered().recorded(Status.DNA_PENDING)
    session.does(decided(acceptable=False), LATER)
    event = session.last(AbsenceReasonDecided)
    assert event.booking.condition_id == CONDITION


def test_cancelling_the_session_names_every_open_booking(session: SessionStory) -> None:
    """Given three places of which one was given back and one taken back, the cancellation names the one still open."""
    session.planned().booked(LEO).booked(MIA, referral_id=REFERRAL).booked(MOTHER)
    session.does(given_back(LEO), BOOKED)
    session.does(attendance(Status.CANCELLED_BY_SERVICE, MOTHER), BOOKED)
    session.does(called_off("SCHOOL"), BEFORE)
    event = session.last(SessionCancelled)
    assert event.bookings == (Booking(person_id=MIA, referral_id=REFERRAL),)
    assert session.view["state"] == "CANCELLED"
    assert session.view["register"] == {str(MIA): "CANCELLED_BY_SERVICE", str(MOTHER): "CANCELLED_BY_SERVICE"}


def test_attendance_is_due_one_working_day_after_the_session(session: SessionStory) -> None:
    """Given a booked place, attendance is due the day after; it is met late on the twelfth."""
    session.planned().booked()
    assert "ATTENDANCE_RECORDED" not in session.duties(date(2026, 3, 9))
    assert session.duties(START_DAY)["ATTENDANCE_RECORDED"].due == NEXT_DAY
    assert session.duties(date(2026, 3, 12))["ATTENDANCE_RECORDED"].overdue(date(2026, 3, 12))
    session.delivered().recorded(Status.ATTENDED, hours="2", at=LATER)
    duty = session.duties(date(2026, 3, 12))["ATTENDANCE_RECORDED"]
    assert (duty.met_on, duty.late, duty.overdue(date(2026, 3, 12))) == (date(2026, 3, 12), True, False)


def test_a_session_without_places_is_met_by_its_delivery(session: SessionStory) -> None:
    """Given a year group without a register, delivering it meets the duty."""
    session.planned(SessionKind.GROUP)
    assert session.duties(START_DAY)["ATTENDANCE_RECORDED"].met_on is None
    session.delivered(28)
    assert session.duties(START_DAY)["ATTENDANCE_RECORDED"].met_on == START_DAY


def test_the_register_lapses_with_the_session(session: SessionStory) -> None:
    """Given a session cancelled on its day, then its register lapses that day."""
    session.planned().booked()
    session.does(called_off(), BEFORE)
    assert session.duties(START_DAY)["ATTENDANCE_RECORDED"].lapsed_on == START_DAY


def test_no_register_is_due_of_a_session_cancelled_before_its_day(session: SessionStory) -> None:
    """Given a session cancelled on an earlier day, then the duty of its register never opens."""
    session.planned().booked()
    session.does(called_off(), "2026-03-09T09:00:00+00:00")
    assert session.duties(START_DAY) == {}


def test_an_absence_is_followed_up(session: SessionStory) -> None:
    """Given an absence without a known reason, a contact is due next day and the reason within five working days."""
    session.planned().booked().delivered().recorded(Status.DNA_PENDING)
    duties = session.duties(START_DAY)
    assert duties["MISSED_CONTACT"].due == NEXT_DAY
    assert duties["ABSENCE_REASON"].due == date(2026, 3, 17)
    session.does(contact(reached=False), "2026-03-11T10:00:00+00:00")
    session.does(decided(acceptable=False), LATER)
    duties = session.duties(date(2026, 3, 12))
    assert duties["MISSED_CONTACT"].met_on == NEXT_DAY
    assert duties["ABSENCE_REASON"].met_on == date(2026, 3, 12)


def test_an_absence_known_to_be_unacceptable_needs_a_contact_only(session: SessionStory) -> None:
    """Given an absence that has no acceptable reason from the start, only the contact is due."""
    session.planned().booked().delivered().recorded(Status.DNA_UNACCEPTABLE)
    assert {"MISSED_CONTACT"} == set(session.duties(START_DAY)) - {"ATTENDANCE_RECORDED"}


def test_an_acceptable_absence_needs_nothing(session: SessionStory) -> None:
    """Given an acceptable absence, nothing is due but the register."""
    session.planned().booked().delivered().recorded(Status.DNA_ACCEPTABLE)
    assert set(session.duties(START_DAY)) == {"ATTENDANCE_RECORDED"}


def test_the_disposal_holds_the_duties_of_its_condition(session: SessionStory) -> None:
    """Given an absence from a place that serves a condition, education holds no duty for it."""
    session.planned().booked(LEO, **FOR_A_CONDITION).delivered().recorded(Status.DNA_PENDING)
    assert set(session.duties(START_DAY)) == {"ATTENDANCE_RECORDED"}


def test_a_call_to_the_mother_counts_for_the_only_absent_child(session: SessionStory) -> None:
    """Given one absent child, a call to somebody off the register counts; given two, it names neither."""
    session.planned().booked(LEO).booked(MIA).delivered().recorded(Status.DNA_PENDING, LEO)
    session.does(contact(MOTHER), REGISTER)
    assert session.duties(START_DAY)["MISSED_CONTACT"].met_on == START_DAY
    session.recorded(Status.DNA_PENDING, MIA)
    sheet = duties_on(session.service.read_model, session.facts, START_DAY)
    assert [duty.met_on for duty in sheet if duty.duty == "MISSED_CONTACT"] == [None, None]


def test_the_past_shows_what_had_happened_by_then(session: SessionStory) -> None:
    """Given a delivered session, the day before shows it as planned and booked."""
    session.planned().booked().delivered().recorded(Status.ATTENDED, hours="2")
    view = session.service.read_model.view_of(session.facts, as_of=datetime.fromisoformat(BEFORE))
    assert view is not None
    assert (view["state"], view["register"]) == ("PLANNED", {str(LEO): "BOOKED"})


def test_feedback_keeps_the_catalogues_name(session: SessionStory) -> None:
    """Given feedback, its bytes say `from`, and are read back."""
    session.planned().delivered()
    session.does(feedback(), LATER)
    event = session.last(FeedbackRecorded)
    bare = event.model_copy(update={"comment": None})
    assert '"from":"PUPIL"' in bare.model_dump_json()
    assert FeedbackRecorded.model_validate_json(bare.model_dump_json()) == bare


def test_every_event_has_a_regime() -> None:
    """Each event of education says under which law it is processed."""
    assert {EVENTS.labels(event)["regime"] for event in EVENTS.events} == {"UK_GDPR", "LE_PART3"}


def test_a_session_is_its_own_home(session: SessionStory) -> None:
    """Given a place for a case, the session still belongs to itself."""
    session.planned()
    session.does(BookPlace(person_id=LEO, case_id=CASE), BOOKED)
    assert {fact.envelope.home for fact in session.facts} == {session.stream}
