"""Corrections of a session: what follows in the register, what they cannot go around, and who is told."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.education.domain.commands import CorrectRecord
from services.education.events import (
    AttendanceOfPlace,
    AttendanceRecorded,
    CorrectedPlace,
    RecordCorrected,
    SessionCancelled,
)
from services.trade.vocabulary import AttendanceStatus as Status
from services.trade.vocabulary import Topic
from shared.domain.decider import history_at
from shared.domain.sealing import Sealed
from tests.unit.education.stories import (
    BEFORE,
    CONDITION,
    DELIVERED,
    DISPOSAL,
    LATER,
    LEO,
    MIA,
    MOTHER,
    OFFICER,
    REFERRAL,
    REGISTER,
    SessionStory,
    called_off,
    decided,
    given_back,
    person,
)

OTHER = person("another condition")


def corrected(story: SessionStory) -> RecordCorrected:
    """Return the latest event, which is a correction."""
    return story.last(RecordCorrected)


def placed(story: SessionStory, event: UUID, field: str, value: Any) -> CorrectedPlace:
    """Correct a field of an event, and return what is told of the place."""
    story.does(CorrectRecord(corrects=event, field=field, value=value, why=Sealed("Typed wrongly.")), LATER)
    return place_told(story)


def place_told(story: SessionStory) -> CorrectedPlace:
    """Return what the latest correction tells of a place."""
    place = corrected(story).place
    assert place is not None
    return place


def ending(place: CorrectedPlace) -> AttendanceOfPlace:
    """Return how a place ended, which is told."""
    assert place.attendance is not None
    return place.attendance


def as_corrected(story: SessionStory, kind: type[Any]) -> Any:
    """Return the latest event of a class, with corrections in place."""
    return next(fact.event for fact in reversed(history_at(story.facts)) if isinstance(fact.event, kind))


@pytest.fixture
def attended() -> SessionStory:
    """Leo has attended for two hours, at a place that serves a condition."""
    story = SessionStory().planned().booked(disposal_id=DISPOSAL, condition_id=CONDITION).delivered()
    return story.recorded(Status.ATTENDED, hours="2")


def test_a_place_put_right_before_the_register_serves_the_right_condition() -> None:
    """Given a place booked for the wrong condition, when it is put right, then the attendance names the right one."""
    story = SessionStory().planned().booked(disposal_id=DISPOSAL, condition_id=OTHER)
    story.does(story.corrects("PlaceBooked", "condition_id", str(CONDITION)), BEFORE)
    place = place_told(story)
    assert (place.before.condition_id, place.after.condition_id, place.attendance) == (OTHER, CONDITION, None)
    story.delivered().recorded(Status.ATTENDED, hours="2")
    recorded = story.last(AttendanceRecorded)
    assert recorded.booking.condition_id == CONDITION


def test_a_place_put_right_after_the_register_says_how_it_ended(attended: SessionStory) -> None:
    """Given an attendance at the wrong condition, when the place is put right, then who reacts learns all that it needs."""
    attended.does(attended.corrects("PlaceBooked", "condition_id", str(OTHER)), LATER)
    place = place_told(attended)
    assert (ending(place).status, ending(place).hours_credited) == (Status.ATTENDED, Decimal(2))
    assert ending(place).occurred_at.isoformat() == REGISTER
    assert place.told_by == (attended.event_id("PlaceBooked"), attended.event_id("AttendanceRecorded"))
    assert as_corrected(attended, AttendanceRecorded).booking.condition_id == OTHER
    first = attended.event_id("RecordCorrected")
    attended.does(attended.corrects("PlaceBooked", "condition_id", None), LATER)
    again = place_told(attended)
    assert (again.before.condition_id, again.after.condition_id) == (OTHER, None)
    assert first in again.told_by


def test_a_decided_absence_and_a_cancellation_follow_their_place() -> None:
    """Given an absence with its reason, or a session called off, when the place is put right, then it is said so."""
    absent = SessionStory().planned().booked(disposal_id=DISPOSAL, condition_id=OTHER).delivered()
    absent.recorded(Status.DNA_PENDING).does(decided(acceptable=True), LATER)
    absent.does(absent.corrects("PlaceBooked", "condition_id", str(CONDITION)), LATER)
    place = place_told(absent)
    assert ending(place).status is Status.DNA_ACCEPTABLE

    off = SessionStory().planned().booked(MIA).booked(disposal_id=DISPOSAL, condition_id=OTHER)
    off.does(called_off(), BEFORE)
    off.does(off.corrects("PlaceBooked", "condition_id", str(CONDITION)), LATER)
    bookings = as_corrected(off, SessionCancelled).bookings
    assert [one.condition_id for one in bookings] == [None, CONDITION]
    place = place_told(off)
    assert ending(place).status is Status.CANCELLED_BY_SERVICE


def test_a_place_given_back_and_booked_again_is_another_place() -> None:
    """Given a place that was given back, when its booking is corrected, then the one booked after it stays as it is."""
    story = SessionStory().planned().booked(disposal_id=DISPOSAL, condition_id=OTHER)
    first = story.event_id("PlaceBooked")
    story.does(given_back(), BEFORE)
    story.booked(at=BEFORE, disposal_id=DISPOSAL, condition_id=CONDITION).delivered().recorded(Status.ATTENDED)
    command = CorrectRecord(corrects=first, field="condition_id", value=None, why=Sealed("Typed wrongly."))
    story.does(command, LATER)
    assert as_corrected(story, AttendanceRecorded).booking.condition_id == CONDITION


def test_each_place_is_told_alone() -> None:
    """Given two children, one of whom gave a first place back, when either is put right, then only its own ending is told."""
    story = SessionStory().planned().booked(LEO, disposal_id=DISPOSAL, condition_id=OTHER)
    first = story.event_id("PlaceBooked")
    story.does(given_back(), BEFORE)
    booked, recorded = dict[UUID, UUID](), dict[UUID, UUID]()
    for who in (LEO, MIA, MOTHER):
        story.booked(who, at=BEFORE, disposal_id=DISPOSAL, condition_id=OTHER)
        booked[who] = story.event_id("PlaceBooked")
    story.does(given_back(MOTHER), BEFORE)
    story.delivered(headcount=2)
    for who, hours in ((LEO, "2"), (MIA, "1")):
        story.recorded(Status.ATTENDED, who, hours)
        recorded[who] = story.event_id("AttendanceRecorded")
    for who, hours in ((LEO, "2"), (MIA, "1")):
        told = (booked[who], recorded[who])
        place = placed(story, booked[who], "condition_id", str(CONDITION))
        assert (place.told_by, place.after.condition_id) == (told, CONDITION)
        assert ending(place).hours_credited == Decimal(hours)
        place = placed(story, recorded[who], "complied", value=False)
        assert place.told_by[:2] == told
        assert place.after.condition_id == CONDITION
    for event, field, value in ((booked[MOTHER], "condition_id", str(CONDITION)), (first, "disposal_id", None)):
        place = placed(story, event, field, value)
        assert (place.told_by, place.attendance) == ((event,), None)


def test_a_place_that_was_called_off_counts_for_nothing() -> None:
    """Given the only place of a session that was called off, when it is put right, then neither hours nor an activity are told."""
    story = SessionStory().planned().booked(disposal_id=DISPOSAL, condition_id=OTHER)
    story.does(called_off(), BEFORE)
    place = placed(story, story.event_id("PlaceBooked"), "condition_id", str(CONDITION))
    assert ending(place).model_dump(exclude={"occurred_at"}) == {
        "status": Status.CANCELLED_BY_SERVICE,
        "hours_credited": Decimal(0),
        "complied": False,
        "activity": False,
    }


@pytest.mark.parametrize(("serves", "told"), [({"referral_id": REFERRAL}, True), ({}, False)])
def test_an_ending_is_told_of_a_place_that_serves_something(serves: dict[str, Any], told: bool) -> None:
    """Given a place that serves a referral alone, or nothing, when its ending is corrected, then only the first is told."""
    story = SessionStory().planned().booked(**serves).delivered().recorded(Status.ATTENDED, hours="2")
    story.does(story.corrects("AttendanceRecorded", "hours_credited", 1), LATER)
    assert (corrected(story).place is not None) == told


def test_a_session_may_have_started_when_it_was_held(attended: SessionStory) -> None:
    """Given a session whose recorded time is that of its end, when its start is corrected to that very time, then E1 allows it."""
    attended.does(attended.corrects("SessionPlanned", "starts_at", DELIVERED), LATER)


def test_what_the_register_took_over_follows(attended: SessionStory) -> None:
    """Given a wrong topic, hours and status, when they are corrected, then the attendance holds them, and is no activity."""
    attended.does(attended.corrects("SessionPlanned", "topic", "DRUGS_WORKSHOP"), LATER)
    attended.does(attended.corrects("SessionPlanned", "hours", 3), LATER)
    attended.does(attended.corrects("AttendanceRecorded", "complied", value=False), LATER)
    recorded = as_corrected(attended, AttendanceRecorded)
    assert (recorded.topic, recorded.hours_scheduled, recorded.activity) == (Topic.DRUGS_WORKSHOP, Decimal(3), False)
    place = place_told(attended)
    assert (place.before, ending(place).complied, ending(place).activity) == (place.after, False, False)


def test_what_nobody_was_told_is_told_nobody(attended: SessionStory) -> None:
    """Given an attendance, when its minutes or a field of the plan are corrected, then no other service is told."""
    attended.does(attended.corrects("AttendanceRecorded", "minutes_late", 5), LATER)
    assert corrected(attended).place is None
    attended.does(attended.corrects("SessionPlanned", "topic", "DRUGS_WORKSHOP"), LATER)
    assert corrected(attended).place is None


@pytest.mark.parametrize(
    ("event", "field", "value", "rules"),
    [
        ("AttendanceRecorded", "hours_credited", 3, {"E3"}),
        ("SessionPlanned", "hours", 1, {"E3"}),
        ("AttendanceRecorded", "status", "DNA_PENDING", {"E4"}),
        ("SessionPlanned", "starts_at", "2026-03-10T12:00:00+00:00", {"E1"}),
        ("SessionPlanned", "starts_at", "2150-03-10T12:00:00+00:00", {"E1"}),
        ("AttendanceRecorded", "person_id", str(MIA), {"S1"}),
        ("AttendanceRecorded", "booking.condition_id", None, {"COR1"}),
        ("AttendanceRecorded", "hours_scheduled", 9, {"COR1"}),
        ("PlaceBooked", "person_id", str(MIA), {"S1"}),
        ("PlaceBooked", "colour", "blue", {"S1"}),
        ("SessionDelivered", "headcount", -1, {"S1"}),
    ],
)
def test_no_correction_goes_around_a_rule(
    attended: SessionStory, event: str, field: str, value: Any, rules: set[str]
) -> None:
    """Given a register, when a correction would break it, or corrects what follows from elsewhere, then it is refused."""
    assert attended.problems(attended.corrects(event, field, value), LATER) == rules


def test_a_session_stays_within_the_calendar() -> None:
    """Given a planned session, when it is corrected to a day beyond the bank holidays that are known, then S1 refuses."""
    story = SessionStory().planned()
    assert story.problems(story.corrects("SessionPlanned", "starts_at", "2150-03-10T12:00:00+00:00"), LATER) == {"S1"}
    story.does(story.corrects("SessionPlanned", "starts_at", "2026-03-11T09:30:00+00:00"), LATER)
    assert story.duties(date(2026, 3, 11))["ATTENDANCE_RECORDED"].opened_on == date(2026, 3, 11)


def test_a_correction_of_many_consequences_can_be_read_again() -> None:
    """Given a session in which places were booked and given back a thousand times, when its hours are corrected, then the event is one that is read."""
    story = SessionStory().planned().booked(LEO)
    story.does(given_back(LEO), BEFORE)
    planned, *pair = story.facts
    story.facts[:] = [planned]
    for number in range(2_400):
        named = {"event_id": person(f"event {number}"), "version": number + 2}
        story.facts.append(replace(pair[number % 2], envelope=pair[number % 2].envelope.model_copy(update=named)))
    story.does(story.corrects("SessionPlanned", "hours", 3), LATER)
    event = corrected(story)
    assert len(event.also) == 1_200
    assert RecordCorrected(**dict(event)).also == event.also


def test_a_place_may_turn_out_to_be_another_childs() -> None:
    """Given a place booked for the wrong child, when that is corrected before the session, then the register names the right one."""
    story = SessionStory().planned().booked(LEO)
    story.does(story.corrects("PlaceBooked", "person_id", str(MIA)), BEFORE)
    assert story.view["register"] == {str(MIA): "BOOKED"}


def test_what_is_personal_stays_sealed_under_its_key(attended: SessionStory) -> None:
    """Given a place to meet and an evidence, when they are corrected, then the values are sealed, each under its owner's key."""
    attended.does(attended.corrects("SessionPlanned", "place", "Weymouth"), LATER)
    assert (corrected(attended).value, corrected(attended).owner) == (None, None)
    attended.does(attended.corrects("AttendanceRecorded", "evidence", "A letter."), LATER)
    assert (corrected(attended).value, corrected(attended).owner) == (None, LEO)
    assert attended.refused(attended.corrects("RecordCorrected", "field", "x"), by=OFFICER, at=LATER) == {"S1"}
