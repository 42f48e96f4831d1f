"""The news of a record by case: a case hears of what concerns it, and of nothing else."""

import itertools
from uuid import UUID

from services.education.events import (
    Booking,
    CorrectedPlace,
    FeedbackRecorded,
    PlaceBooked,
    RecordCorrected,
    SessionCancelled,
)
from services.notifications.news import Record, cases_moved
from services.trade.vocabulary import AttendanceStatus
from shared.domain.ids import derived_uuid
from shared.domain.sealing import Sealed
from tests.unit.notifications.case_events import CASE, CHILD, STARTS_AT, CaseEvents, attendance, family

OTHER, FRIEND, STRANGER = (derived_uuid("register", name) for name in ("case", "friend", "stranger"))


def moved(case: CaseEvents) -> list[set[UUID]]:
    """Return the cases that each fact of the session moves, the first ones first."""
    session = [fact for fact in case.facts if fact.envelope.stream.startswith("education/")]
    records = [None, *(Record.of(session[:count]) for count in range(1, len(session) + 1))]
    steps = itertools.pairwise(records)
    return [cases_moved([before] if before else [], [now] if now else []) for before, now in steps]


def test_a_new_fact_moves_those_whom_it_concerns() -> None:
    """Given a place, its attendance or the end of a session, then the cases of the places that it changes are moved."""
    case = family()
    case.session()
    case.booked()
    case.add("education", PlaceBooked(person_id=FRIEND, case_id=OTHER))
    case.add("education", PlaceBooked(person_id=STRANGER))
    case.add("education", attendance(FRIEND, OTHER, AttendanceStatus.DNA_PENDING))
    case.add("education", SessionCancelled(by="SERVICE", why=Sealed("A flood."), bookings=()))
    assert moved(case) == [set(), {CASE}, {OTHER}, set(), {OTHER}, {CASE}]


def test_a_place_that_is_corrected_to_another_case_concerns_both() -> None:
    """Given a booking whose case was wrong, then the case that it leaves is moved, and from then on the one that it comes to."""
    case = family()
    planned = case.session()
    booked = case.booked()
    before, after = Booking(person_id=CHILD, case_id=CASE), Booking(person_id=CHILD, case_id=OTHER)
    why = Sealed("The other case.")
    place = CorrectedPlace(before=before, after=after)
    case.add(
        "education", RecordCorrected(corrects=booked.event_id, field="case_id", value=str(OTHER), why=why, place=place)
    )
    later = STARTS_AT.replace(hour=16).isoformat()
    case.add("education", RecordCorrected(corrects=planned.event_id, field="starts_at", value=later, why=why))
    feedback = case.add("education", FeedbackRecorded(score=4, giver="PUPIL"))
    case.add("education", RecordCorrected(corrects=feedback.event_id, field="score", value=3, why=why))
    assert moved(case) == [set(), {CASE}, {CASE, OTHER}, {OTHER}, set(), set()]
