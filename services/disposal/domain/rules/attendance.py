"""Sessions: what may be recorded of them, and when a condition is complete."""

from services.disposal.domain.commands import (
    BookConditionSession,
    CompleteCondition,
    CorrectRecord,
    DecideAbsence,
    RecordConditionAttendance,
)
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import ABSENT, Attendance, DisposalState
from services.disposal.events import ConditionSessionBooked
from services.trade.vocabulary import AttendanceStatus, Role
from shared.domain.rules import Context


def _booking(command: RecordConditionAttendance, state: DisposalState) -> ConditionSessionBooked | None:
    """Return the booking of the session for the condition, which says when it is and how long."""
    booking = state.bookings.get(command.session_id)
    return booking if booking is not None and booking.condition_id == command.condition_id else None


@rules.forbids(
    "E7", RecordConditionAttendance, looks_at=("condition_id", "session_id"), lifted_by=(BookConditionSession,)
)
def session_was_booked_for_the_condition(
    command: RecordConditionAttendance, state: DisposalState, context: Context
) -> bool:
    """No session is booked here for this condition: book it first. One that is booked in education is recorded in its register.

    Source: local policy on registers
    """
    return context.actor.role == Role.SYSTEM or _booking(command, state) is not None


@rules.forbids("E1", RecordConditionAttendance, looks_at=("condition_id", "session_id", "status"))
def session_has_started(command: RecordConditionAttendance, state: DisposalState, context: Context) -> bool:
    """The session has not started yet: record it when it has.

    Source: local policy on registers
    """
    booking = _booking(command, state)
    if booking is None or command.status is AttendanceStatus.CANCELLED_BY_SERVICE:
        return True
    return context.occurred_at >= booking.starts_at


@rules.forbids("E3", RecordConditionAttendance, looks_at=("condition_id", "session_id", "hours_credited"))
def credit_is_no_more_than_scheduled(
    command: RecordConditionAttendance, state: DisposalState, _context: Context
) -> bool:
    """More hours are credited than the session had: check the hours.

    Source: local policy on registers
    """
    booking = _booking(command, state)
    return booking is None or command.hours_credited <= booking.hours


@rules.forbids("E4", RecordConditionAttendance, looks_at=("status", "hours_credited"))
def credit_is_for_attending(command: RecordConditionAttendance, _state: DisposalState, _context: Context) -> bool:
    """There is no credit for not attending, nor for a session that the service cancelled: credit no hours.

    Source: local policy on registers
    """
    no_credit = command.status in ABSENT or command.status is AttendanceStatus.CANCELLED_BY_SERVICE
    return not no_credit or command.hours_credited == 0


def _may_meet_again(last: Attendance, command: RecordConditionAttendance, state: DisposalState, when: Context) -> bool:
    """Return whether a conference that did not proceed may be held later under the same id; any other session ends once."""
    condition = state.conditions.get(command.condition_id)
    held_again = condition is not None and DEFINITIONS[condition.terms.type].held_again
    did_not_proceed = last.status in ABSENT or last.status is AttendanceStatus.CANCELLED_BY_SERVICE
    return held_again and did_not_proceed and when.occurred_at > last.at


@rules.forbids("E5", RecordConditionAttendance, looks_at=("condition_id", "session_id"), lifted_by=(CorrectRecord,))
def recorded_once(command: RecordConditionAttendance, state: DisposalState, context: Context) -> bool:
    """This session is recorded already: correct that record, do not record it twice.

    Source: local policy on registers; DPA 2018 s46
    """
    last = state.last_attendance(command.session_id)
    return last is None or _may_meet_again(last, command, state, context)


@rules.forbids("E6", DecideAbsence, looks_at=("session_id",))
def an_absence_waits_for_a_reason(command: DecideAbsence, state: DisposalState, _context: Context) -> bool:
    """No absence from this session waits for a reason.

    Source: local policy on registers
    """
    return state.pending_absence(command.session_id) is not None


@rules.forbids("D1", CompleteCondition, looks_at=("condition_id", "quality_checked"))
def letter_was_checked(command: CompleteCondition, state: DisposalState, _context: Context) -> bool:
    """A letter of apology is complete once its quality is checked: read it with the child first.

    Source: local policy on letters of apology
    """
    condition = state.active(command.condition_id)
    if condition is None or not DEFINITIONS[condition.terms.type].quality_checked:
        return True
    return command.quality_checked is True


@rules.forbids("D1", CompleteCondition, looks_at=("condition_id",), lifted_by=(RecordConditionAttendance,))
def hours_were_credited(command: CompleteCondition, state: DisposalState, _context: Context) -> bool:
    """The hours of this condition are not all credited: record the sessions.

    Source: local policy on registers
    """
    condition = state.active(command.condition_id)
    if condition is None or condition.terms.hours is None:
        return True
    if not DEFINITIONS[condition.terms.type].attendance:
        return True
    return state.credited(command.condition_id) >= condition.terms.hours
