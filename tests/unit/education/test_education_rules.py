"""Every rule of education, where it refuses and where it lets through."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.education.domain.commands import BookPlace, CorrectRecord, DeliverSession
from services.education.service import service
from services.trade.vocabulary import AttendanceStatus as Status
from shared.domain.decisions import Refused
from shared.domain.execution import CommandRequest, execute
from shared.domain.sealing import Sealed
from shared.evidence.verification.streams import claims_after
from tests.command_spec import officer
from tests.unit.education.stories import (
    BEFORE,
    BOOKED,
    CASE,
    DELIVERED,
    LATER,
    LEO,
    MIA,
    MOTHER,
    PLANNED,
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
    person,
    plan,
)

ABSENT = (Status.DNA_ACCEPTABLE, Status.DNA_UNACCEPTABLE, Status.DNA_PENDING)


def test_nothing_is_recorded_before_the_start(session: SessionStory) -> None:
    """Given a session at half past nine, a minute earlier it can neither be delivered nor attended; then it can."""
    session.planned().booked()
    assert session.problems(DeliverSession(headcount=1), BEFORE) == {"E1"}
    assert session.problems(attendance(Status.ATTENDED, hours="2"), BEFORE) == {"E1"}
    assert session.does(DeliverSession(headcount=1), START) == ["SessionDelivered"]


def test_an_attendance_before_its_session_is_e1_alone(session: SessionStory) -> None:
    """Given a session that was held, an attendance dated before its start breaks E1 alone, before its planning T1 too."""
    session.planned().booked().delivered()
    assert session.problems(attendance(Status.ATTENDED, hours="2"), BEFORE) == {"E1"}
    assert session.problems(attendance(Status.ATTENDED, hours="2"), "2026-03-01T09:00:00+00:00") == {"E1", "T1"}


def test_a_cancelled_session_is_e2_alone(session: SessionStory) -> None:
    """Given a cancelled session, whatever is said of it is refused E2 and nothing else."""
    session.planned().booked()
    session.does(called_off(), BEFORE)
    assert session.problems(DeliverSession(), DELIVERED) == {"E2"}
    assert session.problems(attendance(Status.DNA_PENDING, hours="9"), REGISTER) == {"E2"}
    assert session.problems(attendance(Status.ATTENDED, hours="9"), BEFORE) == {"E2"}


def test_hours_credited_stay_within_the_schedule(session: SessionStory) -> None:
    """Given two hours, two are credited and a quarter more is not."""
    session.planned().booked().delivered()
    assert session.problems(attendance(Status.ATTENDED, hours="2.25"), REGISTER) == {"E3"}
    assert session.does(attendance(Status.ATTENDED, hours="2"), REGISTER) == ["AttendanceRecorded"]


@pytest.mark.parametrize("status", [*ABSENT, Status.CANCELLED_BY_SERVICE])
def test_no_credit_for_not_being_there(session: SessionStory, status: Status) -> None:
    """Given an absence or a place that the service took back, no hour is credited; without hours it is recorded."""
    session.planned().booked().delivered()
    assert session.problems(attendance(status, hours="0.5"), REGISTER) == {"E4"}
    assert session.problems(attendance(status, hours="3"), REGISTER) == {"E3", "E4"}
    assert session.does(attendance(status), REGISTER) == ["AttendanceRecorded"]


@pytest.mark.parametrize("status", [Status.ATTENDED_LATE, Status.LEFT_EARLY, Status.EXCLUDED_CONDUCT])
def test_a_part_may_be_credited(session: SessionStory, status: Status) -> None:
    """Given somebody who was there for a part, that part may be credited."""
    session.planned().booked().delivered()
    assert session.does(attendance(status, hours="1.5"), REGISTER) == ["AttendanceRecorded"]


def test_attendance_is_recorded_once(session: SessionStory) -> None:
    """Given a recorded attendance, a second one for the same child is refused; another child's is not."""
    session.planned().booked(LEO).booked(MIA).delivered().recorded(Status.ATTENDED, LEO, "2")
    assert session.problems(attendance(Status.ATTENDED, LEO, "2"), REGISTER) == {"E5"}
    assert session.does(attendance(Status.ATTENDED, MIA, "2"), REGISTER) == ["AttendanceRecorded"]


def test_only_a_pending_absence_waits_for_a_reason(session: SessionStory) -> None:
    """Given no pending absence, there is nothing to decide; given one, it is decided once."""
    session.planned().booked()
    assert session.problems(decided(acceptable=True), LATER) == {"E6"}
    assert session.problems(decided(MIA, acceptable=True), LATER) == {"E6"}
    session.delivered().recorded(Status.DNA_PENDING)
    assert session.does(decided(acceptable=False), LATER) == ["AbsenceReasonDecided"]
    assert session.problems(decided(acceptable=True), LATER) == {"E6"}
    assert session.view["register"] == {str(LEO): "DNA_UNACCEPTABLE"}


def test_a_full_session_takes_a_place_once_another_is_given_back(session: SessionStory) -> None:
    """Given a session with as many places as one may have, then a further one is refused E8, until one is given back."""
    session.planned()
    for number in range(200):
        session.booked(person(f"pupil {number}"))
    assert session.problems(BookPlace(person_id=MIA), BOOKED) == {"E8"}
    session.does(given_back(person("pupil 7")), BEFORE)
    assert session.does(BookPlace(person_id=MIA), BEFORE) == ["PlaceBooked"]


def test_a_case_is_in_so_many_sessions(session: SessionStory) -> None:
    """Given as many sessions of an area as a case may have, then a further one is refused E9, booked or by correction."""
    session.planned()
    elsewhere = frozenset(f"{CASE}:POOLE:{person(f'session {number}')}" for number in range(200))
    earlier = [f"{CASE}:DORSET:{person(f'session {number}')}" for number in range(200)]
    session.booked(LEO)
    session.linked_marks = {CASE: frozenset(earlier)}
    for_case = BookPlace(person_id=MOTHER, case_id=CASE)
    assert session.problems(for_case, BOOKED) == {"E9"}
    corrected = CorrectRecord(
        corrects=session.facts[1].event_id, field="case_id", value=str(CASE), why=Sealed("Left out.")
    )
    assert session.problems(corrected, BOOKED) == {"E9"}
    assert session.does(BookPlace(person_id=MOTHER, case_id=REFERRAL), BOOKED) == ["PlaceBooked"]
    session.linked_marks = {CASE: frozenset([*earlier, f"{CASE}:DORSET:{session.stream}"])}
    assert session.does(for_case.model_copy(update={"person_id": MIA}), BOOKED) == ["PlaceBooked"]
    other = SessionStory().planned()
    other.linked_marks = {CASE: elsewhere.union(earlier[1:])}
    assert other.does(for_case, BOOKED) == ["PlaceBooked"]


def test_a_session_counts_for_the_cases_that_had_a_place_in_it(session: SessionStory) -> None:
    """Given places for a case, booked and corrected, then each claims the session for its case; an older event claims none."""
    session.planned().booked(LEO, case_id=CASE).booked(MIA)
    session.does(
        CorrectRecord(
            corrects=session.facts[2].event_id, field="case_id", value=str(REFERRAL), why=Sealed("Left out.")
        ),
        BOOKED,
    )
    session.does(given_back(), BEFORE)
    assert claims_after(service, session.facts) == {f"{case}:DORSET:{session.stream}" for case in (CASE, REFERRAL)}
    old = replace(session.facts[1], envelope=session.facts[1].envelope.model_copy(update={"rules": ("E8",)}))
    assert claims_after(service, [session.facts[0], old]) == set()


def test_nothing_before_it_was_planned(session: SessionStory) -> None:
    """Given a planned session, a place cannot have been booked before; at that moment it can."""
    session.planned()
    assert session.problems(BookPlace(person_id=LEO), "2026-03-02T08:59:00+00:00") == {"T1"}
    assert session.problems(contact(), "2026-03-02T08:59:00+00:00") == {"T1"}
    assert session.does(BookPlace(person_id=LEO), PLANNED) == ["PlaceBooked"]


def test_each_step_follows_the_one_before(session: SessionStory) -> None:
    """Given facts in order, what depends on them cannot be dated before them."""
    session.planned().booked()
    assert session.problems(given_back(), PLANNED) == {"T1"}
    assert session.problems(called_off(), PLANNED) == {"T1"}
    session.does(given_back(), "2026-03-03T09:00:00+00:00")
    assert session.problems(BookPlace(person_id=LEO), BOOKED) == {"T1"}
    session.booked(at="2026-03-04T09:00:00+00:00").delivered()
    assert session.problems(attendance(Status.ATTENDED, hours="2"), START) == {"T1"}
    assert session.problems(feedback(), START) == {"T1"}
    session.recorded(Status.DNA_PENDING)
    assert session.problems(decided(acceptable=True), DELIVERED) == {"T1"}
    assert session.does(decided(acceptable=True), REGISTER) == ["AbsenceReasonDecided"]
    assert session.does(feedback(), DELIVERED) == ["FeedbackRecorded"]


def test_a_place_taken_back_by_the_service_may_come_first(session: SessionStory) -> None:
    """Given a session to come, the service may take a place back before it starts, though not before it was booked."""
    session.planned().booked()
    assert session.problems(attendance(Status.CANCELLED_BY_SERVICE), PLANNED) == {"T1"}
    assert session.does(attendance(Status.CANCELLED_BY_SERVICE), BEFORE) == ["AttendanceRecorded"]
    assert session.view["register"] == {str(LEO): "CANCELLED_BY_SERVICE"}


def test_nothing_in_the_future(session: SessionStory) -> None:
    """Given a clock that says 2 March, a session cannot have been planned on 3 March."""
    plan_command = plan(occurred_at=datetime(2026, 3, 3, tzinfo=UTC))
    received = datetime(2026, 3, 2, tzinfo=UTC)
    answer = execute(
        session.service,
        CommandRequest(plan_command, session.stream, LEO, officer("SUPERVISOR"), received, correlation_id=LEO),
        [],
    )
    assert isinstance(answer, Refused)
    assert answer.ids == ("T1",)


def test_a_session_is_delivered_or_cancelled_once(session: SessionStory) -> None:
    """Given a delivered session, it is neither delivered again, nor cancelled, nor planned, nor booked."""
    session.planned().booked().delivered()
    for command in (DeliverSession(), called_off(), plan(), BookPlace(person_id=MIA), given_back()):
        assert session.problems(command, LATER) == {"S1"}, command


def test_a_place_is_for_one_person_once(session: SessionStory) -> None:
    """Given a booked place, it is not booked twice, and nobody gives back a place that they do not have."""
    session.planned().booked()
    assert session.problems(BookPlace(person_id=LEO), BOOKED) == {"S1"}
    assert session.problems(given_back(MIA), BOOKED) == {"S1"}
    assert session.does(given_back(), BOOKED) == ["PlaceCancelled"]
    assert session.does(BookPlace(person_id=LEO), BOOKED) == ["PlaceBooked"]


def test_no_attendance_before_delivery_or_without_a_place(session: SessionStory) -> None:
    """Given a session that has begun, attendance waits for its delivery, and for a place."""
    session.planned().booked()
    assert session.problems(attendance(Status.ATTENDED, hours="2"), REGISTER) == {"S1"}
    assert session.problems(feedback(), REGISTER) == {"S1"}
    session.delivered()
    assert session.problems(attendance(Status.ATTENDED, MIA, "2"), REGISTER) == {"S1"}


def test_a_date_without_known_bank_holidays_is_refused(session: SessionStory) -> None:
    """Given a start in another century, the session is not planned, since no due date could be counted."""
    assert session.problems(plan(starts_at=datetime(2126, 3, 10, 9, 30, tzinfo=UTC)), PLANNED) == {"S1"}
