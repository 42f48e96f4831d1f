"""What is due when in education: the register, and what follows an absence that no disposal follows up."""

from collections.abc import Iterator, Sequence
from datetime import date
from uuid import UUID

from services.education.domain.state import Absence, Session
from shared.domain.dates import add_working_days, local_day
from shared.domain.duties import Duty, due_after
from shared.domain.policy import PolicyOn


def duties(state: Session, policy_on: PolicyOn) -> Sequence[Duty]:
    """List every duty that the session has opened.

    Duties:
        ATTENDANCE_RECORDED: the day of the session, for each place (for the session itself if nobody has a place); `attendance_recorded_working_days`; the attendance is recorded (the session is recorded as delivered); the session is cancelled.
        MISSED_CONTACT: an absence is recorded that serves no condition of a disposal; `missed_contact_working_days`; somebody tries to reach the child, or the parent of the only child who was missed.
        ABSENCE_REASON: an absence is recorded whose reason is not known and that serves no condition of a disposal; `absence_reason_working_days`; the reason is decided.
    """
    cancelled_on = None if state.cancelled_at is None else local_day(state.cancelled_at)
    return tuple(duty.lapsing(cancelled_on) for duty in (*_register(state, policy_on), *_absences(state, policy_on)))


def _register(state: Session, policy_on: PolicyOn) -> Iterator[Duty]:
    """One for each place; for a session without places one, which its delivery meets."""
    opened = state.starts_on
    due = due_after(opened, policy_on, "attendance_recorded_working_days")

    def duty(met_on: date | None, item: str) -> Duty:
        return Duty("ATTENDANCE_RECORDED", opened, due, met_on, item)

    if not state.places:
        yield duty(None if state.delivered_at is None else local_day(state.delivered_at), "")
    for person, place in state.places.items():
        yield duty(None if place.recorded_at is None else local_day(place.recorded_at), str(person))


def _absences(state: Session, policy_on: PolicyOn) -> Iterator[Duty]:
    for person, place in state.places.items():
        # If a condition is served, the disposal holds these duties.
        if place.absence is None or place.booking.condition_id is not None:
            continue
        absence, policy, item = place.absence, policy_on(place.absence.recorded_on), str(person)
        contact_due = add_working_days(absence.recorded_on, policy.number("missed_contact_working_days"))
        yield Duty("MISSED_CONTACT", absence.recorded_on, contact_due, _contact_after(state, person, absence), item)
        if absence.pending:
            reason_due = add_working_days(absence.recorded_on, policy.number("absence_reason_working_days"))
            yield Duty("ABSENCE_REASON", absence.recorded_on, reason_due, absence.decided_on, item)


def _contact_after(state: Session, person: UUID, absence: Absence) -> date | None:
    """Return the first day on which somebody tried to reach the child, or the parent of the only child who was missed."""
    missed = [other for other, place in state.places.items() if place.absence is not None]

    def about(contacted: UUID) -> bool:
        return contacted == person or (missed == [person] and contacted not in state.places)

    days = [c.day for c in state.contacts if c.day >= absence.recorded_on and about(c.person_id)]
    return min(days, default=None)
