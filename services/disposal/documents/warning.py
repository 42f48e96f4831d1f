"""The letter to a child who did not come, after a warning was recorded."""

from collections.abc import Sequence

from services.disposal.documents.words import child, condition
from services.disposal.domain.state import DisposalState
from services.disposal.events import WarningIssued
from services.trade.vocabulary import AttendanceStatus
from shared.domain.documents import DocumentData, NotAvailable, clock_of, day_of
from shared.domain.envelope import Fact, has_event


def warning_letter(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the last written warning: the session missed, what to do, what may follow."""
    warnings = [fact for fact in facts if has_event(fact, WarningIssued)]
    if not warnings:
        return NotAvailable("No warning is recorded in this case: record one for the missed session before printing.")
    last = warnings[-1]
    missed = state.last_attendance(last.event.session_id)
    assert missed is not None
    booking = state.bookings.get(last.event.session_id)
    condition_state = state.conditions.get(missed.condition_id)
    values = {
        "child": child(state),
        "reference": state.opened.crime_number,
        "missed_on": day_of(missed.at if booking is None else booking.starts_at),
        "missed_at": None if booking is None else clock_of(booking.starts_at),
        "condition": None if condition_state is None else condition(condition_state.terms),
        "excluded": missed.status is AttendanceStatus.EXCLUDED_CONDUCT,
        "number": len(warnings),
    }
    return DocumentData(values, last.occurred_at)
