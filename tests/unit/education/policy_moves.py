"""What each value of policy of education moves: see tests/unit/policy/test_policy_moves.py."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from services.education.domain.commands import BookPlace
from services.trade.vocabulary import AttendanceStatus
from shared.domain.service import Service
from tests.unit.education import stories as education
from tests.unit.policy.moves import Moved, answer, due, under


def missed(duty: str) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story: education.SessionStory = under(education.SessionStory(), service)
        story.planned().booked()
        if duty != "ATTENDANCE_RECORDED":
            story.delivered().recorded(AttendanceStatus.DNA_PENDING)
        return due(story, duty, date(2026, 3, 10))

    return observe


def comes(status: AttendanceStatus, hours: str) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story: education.SessionStory = under(education.SessionStory(), service)
        story.planned().booked().delivered()
        recorded = answer(story, education.attendance(status, hours=hours), education.OFFICER, education.REGISTER)
        return recorded, getattr(story.facts[-1].event, "activity", None)

    return observe


def second_place(service: Service[Any]) -> Any:
    story: education.SessionStory = under(education.SessionStory(), service)
    story.planned().booked()
    return answer(story, BookPlace(person_id=education.MIA), education.OFFICER, education.BOOKED)


def second_session(service: Service[Any]) -> Any:
    story: education.SessionStory = under(education.SessionStory(), service)
    story.linked_marks = {education.CASE: frozenset({f"{education.CASE}:DORSET:{education.REFERRAL}"})}
    booking = BookPlace(person_id=education.MIA, case_id=education.CASE)
    return answer(story.planned(), booking, education.OFFICER, education.BOOKED)


MOVES: Final[Mapping[str, Moved]] = {
    "attendance_recorded_working_days": Moved(2, missed("ATTENDANCE_RECORDED")),
    "missed_contact_working_days": Moved(2, missed("MISSED_CONTACT")),
    "absence_reason_working_days": Moved(6, missed("ABSENCE_REASON")),
    "statuses_of_an_activity": Moved([], comes(AttendanceStatus.ATTENDED, "2")),
    "statuses_without_credit": Moved([], comes(AttendanceStatus.DNA_UNACCEPTABLE, "1")),
    "places_of_a_session": Moved(1, second_place),
    "sessions_of_a_case": Moved(1, second_session),
}
