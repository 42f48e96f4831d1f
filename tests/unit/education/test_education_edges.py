"""Where a rule of education turns: the same moment, the moment before, and the last day of the calendar."""

from datetime import UTC, date, datetime, timedelta

from services.education.read_model import READ_MODEL
from services.trade.vocabulary import AttendanceStatus as Status
from shared.domain.dates import bank_holidays
from tests.policy_books import with_entry
from tests.unit.education.stories import (
    BOOKED,
    DELIVERED,
    LEO,
    MIA,
    PLANNED,
    START,
    SessionStory,
    attendance,
    called_off,
    feedback,
    plan,
)


def test_attendance_may_be_taken_as_the_session_is_recorded(session: SessionStory) -> None:
    """Given a session that was held, attendance fits the very moment of its record, and none between start and record."""
    session.planned().booked().delivered()
    assert session.problems(attendance(Status.ATTENDED, hours="2"), "2026-03-10T11:34:00+00:00") == {"T1"}
    assert session.problems(attendance(Status.ATTENDED, hours="2"), START) == {"T1"}
    assert session.does(attendance(Status.ATTENDED, hours="2"), DELIVERED) == ["AttendanceRecorded"]


def test_a_session_may_be_called_off_as_the_last_place_is_booked(session: SessionStory) -> None:
    """Given two places, the session is called off in the moment of the later booking, not between the two."""
    session.planned().booked(LEO).booked(MIA, at="2026-03-02T09:10:00+00:00")
    assert session.problems(called_off(), BOOKED) == {"T1"}
    assert session.does(called_off(), "2026-03-02T09:10:00+00:00") == ["SessionCancelled"]


def test_feedback_fits_the_moment_of_the_record(session: SessionStory) -> None:
    """Given a session that was held, feedback is kept from the moment of its record on."""
    session.planned().delivered()
    assert session.problems(feedback(), "2026-03-10T11:34:59+00:00") == {"T1"}
    assert session.does(feedback(), DELIVERED) == ["FeedbackRecorded"]


def test_the_calendar_must_reach_the_due_date() -> None:
    """Given the last days that have bank holidays, a session is planned as long as its register's due date is known."""
    last = _last_working_days()
    for days, start, accepted in ((1, last[-2], True), (1, last[-1], False), (2, last[-3], True), (2, last[-2], False)):
        session = SessionStory(
            with_entry(READ_MODEL.policy, "attendance_recorded_working_days", date(2026, 3, 1), days)
        )
        wanted = plan(starts_at=datetime(start.year, start.month, start.day, 10, tzinfo=UTC))
        if accepted:
            assert session.does(wanted, PLANNED) == ["SessionPlanned"]
            assert session.duties(start)["ATTENDANCE_RECORDED"].due == last[last.index(start) + days]
        else:
            assert session.problems(wanted, PLANNED) == {"S1"}


def _last_working_days() -> list[date]:
    end = date(max(bank_holidays()).year, 12, 31)
    days = (end - timedelta(days=n) for n in range(12, -1, -1))
    return [day for day in days if day.weekday() < 5 and day not in bank_holidays()]
