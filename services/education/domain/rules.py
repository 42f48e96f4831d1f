"""The rules of education, by id. A rule answers True if it holds."""

from datetime import datetime
from uuid import UUID

from services.education.domain import commands
from services.education.domain.corrections import CORRECTIONS
from services.education.domain.state import Session, Stage
from services.education.domain.state_machine import IN_EVERY_STAGE, PRACTICE, STATE_MACHINE
from services.education.events import AttendanceRecorded
from services.trade.shared_records import has_room
from services.trade.vocabulary import AttendanceStatus
from shared.domain.corrections import OF_A_CORRECTION, facts_of
from shared.domain.dates import BeyondCalendar, add_working_days, local_day
from shared.domain.rules import Context, RuleBook
from shared.domain.state_machine import register

rules: RuleBook[Session] = RuleBook("education", "team practice (attendance register)")


# --- T1: nothing before the fact that it depends on ---------------------------------------------


@rules.forbids("T1", commands.BookPlace, looks_at=("person_id",))
def booked_again_after_giving_back(command: commands.BookPlace, state: Session, context: Context) -> bool:
    """A place is booked again after the earlier one was given back: give the time at which that happened."""
    given_back = state.given_back.get(command.person_id)
    return given_back is None or context.occurred_at >= given_back.at


@rules.forbids("T1", commands.RecordAttendance, looks_at=("person_id", "status"))
def attendance_not_before_delivery(command: commands.RecordAttendance, state: Session, context: Context) -> bool:
    """Attendance is taken once the session was held and the place was booked: give a time after both."""
    place = state.places.get(command.person_id)
    by_service = command.status is AttendanceStatus.CANCELLED_BY_SERVICE
    if _cancelled(state) or place is None or (context.occurred_at < state.starts_at and not by_service):
        return True  # E2, S1 or E1 alone refuses it
    delivered = None if by_service else state.delivered_at
    return context.occurred_at >= place.booked_at and (delivered is None or context.occurred_at >= delivered)


@rules.forbids("T1", commands.CancelPlace, looks_at=("person_id",))
def cancelled_after_booking(command: commands.CancelPlace, state: Session, context: Context) -> bool:
    """A place is given back after it was booked: give the time at which that happened."""
    place = state.places.get(command.person_id)
    return place is None or context.occurred_at >= place.booked_at


@rules.forbids("T1", commands.DecideAbsenceReason, looks_at=("person_id",))
def reason_after_absence(command: commands.DecideAbsenceReason, state: Session, context: Context) -> bool:
    """A reason is decided after the absence was recorded: give the time at which that happened."""
    place = state.places.get(command.person_id)
    return place is None or place.recorded_at is None or context.occurred_at >= place.recorded_at


@rules.forbids("T1", commands.CancelSession)
def called_off_after_bookings(state: Session, context: Context) -> bool:
    """Calling off a session cancels the places booked by then: give a time after the last of them."""
    return all(context.occurred_at >= place.booked_at for place in state.places.values())


@rules.forbids("T1", commands.RecordFeedback)
def feedback_after_delivery(state: Session, context: Context) -> bool:
    """Feedback follows the session: give a time after it was held."""
    return state.delivered_at is None or context.occurred_at >= state.delivered_at


# --- E1 to E6, E8, E9: the register ---------------------------------------------------------------------


@rules.forbids("E1", commands.DeliverSession, commands.RecordAttendance, looks_at=("status",))
def session_has_started(
    command: commands.DeliverSession | commands.RecordAttendance, state: Session, context: Context
) -> bool:
    """The session has not started yet: record it once it has."""
    # A place that the service itself takes back may be recorded before the start.
    by_service = (
        isinstance(command, commands.RecordAttendance) and command.status is AttendanceStatus.CANCELLED_BY_SERVICE
    )
    return _cancelled(state) or by_service or context.occurred_at >= state.starts_at


@rules.forbids("E2", commands.DeliverSession, commands.RecordAttendance)
def session_not_cancelled(state: Session, _context: Context) -> bool:
    """The session was cancelled: plan another one."""
    return not _cancelled(state)


@rules.forbids("E3", commands.RecordAttendance, looks_at=("hours_credited",))
def hours_within_schedule(command: commands.RecordAttendance, state: Session, _context: Context) -> bool:
    """More hours are credited than the session had: credit at most the hours scheduled."""
    return _cancelled(state) or command.hours_credited <= state.hours


@rules.forbids("E4", commands.RecordAttendance, looks_at=("status", "hours_credited"))
def credit_only_for_attending(command: commands.RecordAttendance, state: Session, context: Context) -> bool:
    """Hours are credited for being there, not for an absence or a cancelled place: credit none."""
    uncredited = command.status.value in context.policy.codes("statuses_without_credit")
    return _cancelled(state) or not uncredited or command.hours_credited == 0


@rules.forbids("E5", commands.RecordAttendance, looks_at=("person_id",), lifted_by=(commands.CorrectRecord,))
def recorded_once(command: commands.RecordAttendance, state: Session, _context: Context) -> bool:
    """Attendance is already recorded for this person: do not record it twice."""
    place = state.places.get(command.person_id)
    return _cancelled(state) or place is None or place.open


@rules.forbids("E6", commands.DecideAbsenceReason, looks_at=("person_id",))
def absence_waits(command: commands.DecideAbsenceReason, state: Session, _context: Context) -> bool:
    """No absence of this person waits for a reason."""
    place = state.places.get(command.person_id)
    return place is not None and place.waits_for_reason


@rules.forbids("E8", commands.BookPlace, lifted_by=(commands.CancelPlace,))
def has_a_place_left(state: Session, context: Context) -> bool:
    """The session has as many places as one may have: book this one in another session."""
    return len(state.places) < context.policy.number("places_of_a_session")


def _has_room(case_id: UUID | None, state: Session, context: Context) -> bool:
    most = context.policy.number("sessions_of_a_case")
    return case_id is None or has_room(case_id, facts_of(state)[0], context, most)


@rules.forbids("E9", commands.BookPlace, looks_at=("case_id",))
def the_case_has_a_session_left(command: commands.BookPlace, state: Session, context: Context) -> bool:
    """The case has had places in as many sessions as one may: book this one without the case, for its referral or disposal."""
    return _has_room(command.case_id, state, context)


# --- S1: the state machine's table, and the calendar --------------------------------------------

register(rules, STATE_MACHINE, PRACTICE, commands.COMMANDS, IN_EVERY_STAGE)


@rules.allowed_in(commands.PlanSession, looks_at=("starts_at",))
def within_the_calendar(command: commands.PlanSession, _state: Session | None, context: Context) -> bool:
    """The date of the session lies outside the years whose bank holidays are known: check the date.

    Source: gov.uk/bank-holidays (England and Wales), as vendored
    """
    return _has_a_due_date(command.starts_at, context)


# --- corrections: what they may not go around -----------------------------------------------------

CORRECTIONS.guard(rules, commands.CorrectRecord)


def _attendances(session: Session | None) -> list[AttendanceRecorded]:
    return [fact.event for fact in facts_of(session) if isinstance(fact.event, AttendanceRecorded)]


@rules.forbids("E1", commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_delivered_after_its_start(command: commands.CorrectRecord, state: Session, _context: Context) -> bool:
    """The session was held at a time that is recorded: it cannot have been planned to start after that."""
    after = CORRECTIONS.as_corrected(command, state)
    return after is None or after.delivered_at is None or after.delivered_at >= after.starts_at


@rules.forbids("E3", commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_within_schedule(command: commands.CorrectRecord, state: Session, _context: Context) -> bool:
    """More hours would be credited than the session had: correct the one or the other to fit."""
    after = CORRECTIONS.as_corrected(command, state)
    return after is None or all(event.hours_credited <= after.hours for event in _attendances(after))


@rules.forbids("E4", commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_without_credit_for_absence(command: commands.CorrectRecord, state: Session, context: Context) -> bool:
    """Hours would be credited for an absence or a cancelled place: correct the hours first."""
    uncredited = context.policy.codes("statuses_without_credit")
    attendances = _attendances(CORRECTIONS.as_corrected(command, state))
    return all(event.hours_credited == 0 for event in attendances if event.status.value in uncredited)


@rules.forbids("E9", commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_within_the_sessions_of_the_case(command: commands.CorrectRecord, state: Session, context: Context) -> bool:
    """The case has had places in as many sessions as one may: leave the place without it."""
    after = CORRECTIONS.as_corrected(command, state)
    cases = set() if after is None else _cases(after) - _cases(state)
    return all(_has_room(case_id, state, context) for case_id in cases)


def _cases(session: Session) -> set[UUID | None]:
    return {place.booking.case_id for place in session.places.values()}


@rules.allowed_in(commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_within_the_calendar(command: commands.CorrectRecord, state: Session, context: Context) -> bool:
    """The date of the session would lie outside the years whose bank holidays are known: check the date.

    Source: gov.uk/bank-holidays (England and Wales), as vendored
    """
    after = CORRECTIONS.as_corrected(command, state)
    return after is None or _has_a_due_date(after.starts_at, context)


def _has_a_due_date(starts_at: datetime, context: Context) -> bool:
    try:
        add_working_days(local_day(starts_at), context.policy.number("attendance_recorded_working_days"))
    except BeyondCalendar:
        return False
    return True


def _cancelled(state: Session) -> bool:
    # Of a cancelled session E2 alone refuses.
    return state.stage is Stage.CANCELLED
