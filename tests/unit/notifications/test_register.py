"""A session's facts by case: each case is planned by its own alone, and hears of what concerns it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from services.education.events import (
    Booking,
    CorrectedPlace,
    PlaceBooked,
    PlaceCancelled,
    RecordCorrected,
    SessionCancelled,
)
from services.notifications.plan import _of_session, plan
from services.notifications.register import Register
from services.trade.vocabulary import AttendanceStatus
from shared.domain.envelope import Fact
from shared.domain.ids import derived_uuid
from shared.domain.sealing import Sealed
from tests.unit.notifications.case_events import CASE, CHILD, STARTS_AT, CaseEvents, attendance, family

OTHER, FRIEND, STRANGER = (derived_uuid("register", name) for name in ("case", "friend", "stranger"))


def of_education(case: CaseEvents) -> Register:
    return Register.of(fact for fact in case.facts if fact.envelope.stream.startswith("education/"))


def versions(register: Register, case_id: UUID) -> list[int]:
    return [fact.version for fact in register.of_case(case_id)]


def test_a_case_reads_the_plan_and_its_own_places_alone() -> None:
    """Given places of two cases and of none, then each case has the plan, its own places and the end, as the whole register plans it."""
    case = family()
    case.session()
    case.booked()
    case.add("education", PlaceBooked(person_id=FRIEND, case_id=OTHER))
    case.add("education", PlaceBooked(person_id=STRANGER))
    case.add("education", PlaceCancelled(person_id=FRIEND, why="OTHER"))
    case.add("education", attendance(CHILD, CASE, AttendanceStatus.DNA_PENDING))
    case.add("education", SessionCancelled(by="SERVICE", why=Sealed("A flood."), bookings=()))
    register = of_education(case)
    assert (versions(register, CASE), versions(register, OTHER)) == ([1, 2, 6, 7], [1, 3, 5, 7])
    own = [fact for fact in case.facts if fact not in register.of_case(OTHER) or fact in register.of_case(CASE)]
    assert plan(CASE, own) == plan(CASE, case.facts)


def test_a_new_fact_moves_those_whom_it_concerns() -> None:
    """Given a place, its attendance or the end of a session, then the case of the place is moved, or every one."""
    case = family()
    case.session()
    case.booked()
    case.add("education", PlaceBooked(person_id=FRIEND, case_id=OTHER))
    case.add("education", attendance(FRIEND, OTHER, AttendanceStatus.DNA_PENDING))
    case.add("education", SessionCancelled(by="SERVICE", why=Sealed("A flood."), bookings=()))
    register = of_education(case)
    moved = {number: register.moved_by({number}) for number in range(1, 6)}
    assert moved == {1: {CASE, OTHER}, 2: {CASE}, 3: {OTHER}, 4: {OTHER}, 5: {CASE, OTHER}}


def test_a_place_that_is_corrected_to_another_case_concerns_both() -> None:
    """Given a booking whose case was wrong, then the case that it leaves and the one that it comes to read what becomes of it."""
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
    case.add("education", RecordCorrected(corrects=derived_uuid("feedback"), field="score", value=3, why=why))
    register = of_education(case)
    assert versions(register, CASE) == versions(register, OTHER) == [1, 2, 3, 4]
    assert register.moved_by({3}) == register.moved_by({4}) == {CASE, OTHER}
    assert register.moved_by({5}) == set()


def test_a_session_is_read_as_often_for_one_place_as_for_many() -> None:
    """Given a case with one place in a session, and one with fifty, then the plan goes through the session as often."""

    class Counted(list[Fact]):
        read = 0

        def __iter__(self) -> Iterator[Fact]:
            self.read += 1
            return super().__iter__()

    def readings(places: int) -> int:
        case = family()
        case.session()
        for number in range(places):
            person = derived_uuid("register", number)
            case.add("education", PlaceBooked(person_id=person, case_id=CASE))
            case.add("education", attendance(person, CASE, AttendanceStatus.DNA_PENDING))
        session = Counted(fact for fact in case.facts if fact.envelope.stream.startswith("education/"))
        assert len(list(_of_session(CASE, session, []))) == places
        return session.read

    assert readings(50) == readings(1)
