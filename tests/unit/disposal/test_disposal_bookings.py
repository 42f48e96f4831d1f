"""E7 and what education offers: a session counts for a condition only where it is booked for it."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import pytest

from services.disposal.domain.commands import OfferSession
from services.trade.vocabulary import AttendanceStatus
from shared.domain.dates import BeyondCalendar
from shared.domain.policy import NoPolicy
from tests.unit.disposal.stories import (
    AFTER,
    FIRST,
    ISSUED_AT,
    LETTER,
    OPENED_AT,
    SECOND,
    SUPERVISOR,
    WORK,
    WORKSHOP,
    YJS,
    CaseStory,
    absence,
    attendance,
    booking,
    condition,
)

BEFORE: Final = "2026-03-18T15:00:00+00:00"
SESSION: Final = "2026-03-18T18:00:00+00:00"


def offer(session: UUID = FIRST, key: UUID = WORK) -> OfferSession:
    """Return a place in a session of two hours, booked in education."""
    starts_at = datetime.fromisoformat("2026-03-18T16:00:00+00:00")
    return OfferSession(condition_id=key, session_id=session, starts_at=starts_at, hours=Decimal(2))


@pytest.mark.parametrize("by", [YJS, SUPERVISOR, "SAFE_SCHOOLS_OFFICER"])
@pytest.mark.parametrize("status", AttendanceStatus)
def test_a_person_records_a_booked_session_only(by: str, status: AttendanceStatus) -> None:
    """Given no booking, when a person records how a session ended, then E7 refuses; a reaction needs none."""
    story = CaseStory().issued()
    assert story.refused(absence(status), by=by, at=SESSION) == {"E7"}
    story.ask(absence(status), by="SYSTEM", at=SESSION)


@pytest.mark.parametrize("starts_at", ["1926-03-18T16:00:00+00:00", "2126-03-18T16:00:00+00:00"])
def test_no_session_is_booked_in_a_year_for_which_no_duty_can_be_told(starts_at: str) -> None:
    """Given a year before all policy or beyond the bank holidays, when a session is booked for it, then nothing is recorded, since nobody could read the case."""
    story = CaseStory().issued()
    with pytest.raises((NoPolicy, BeyondCalendar)):
        story.ask(booking(starts_at=starts_at), by=YJS, at=AFTER)


def test_without_a_booking_neither_start_nor_length_is_asked() -> None:
    """Given a session booked for another condition, when it is recorded too early and too long, then E7 is named, E1 and E3 are not."""
    story = CaseStory().issued("YCC", condition(), condition(key=LETTER))
    story.ask(booking(), by=YJS, at=AFTER)
    assert story.refused(attendance(hours="3"), by=YJS, at=BEFORE) == {"E1", "E3"}
    assert story.refused(attendance(hours="3", key=LETTER), by=YJS, at=BEFORE) == {"E7"}


def test_other_rules_of_the_register_are_named_beside_e7() -> None:
    """Given a session that a reaction recorded, when a person credits hours for missing it, then E4, E5 and E7 refuse."""
    story = CaseStory().issued()
    story.ask(attendance(hours="1"), by="SYSTEM", at=SESSION)
    credited = attendance(AttendanceStatus.DNA_UNACCEPTABLE, "1", complied=False)
    assert story.refused(credited, by=YJS, at=SESSION) == {"E4", "E5", "E7"}


def test_an_offer_that_the_condition_can_take_records_nothing() -> None:
    """Given an active condition, when a session is offered, however often, then nothing is recorded."""
    story = CaseStory().issued()
    for _ in range(2):
        assert story.ask(offer(), by="SYSTEM", at=AFTER) == []
    assert story.facts[-1].name == "DisposalIssued"


def test_an_offer_waits_for_the_condition() -> None:
    """Given a case that is opened, decided, then given, when a session is offered, then S1 refuses until the condition is active, whenever the place was booked."""
    story = CaseStory().prepared("YCC", condition())
    assert story.refused(offer(), by="SYSTEM", at=AFTER) == {"S1"}
    assert story.refused(offer(), by="SYSTEM", at="2026-03-01T09:00:00+00:00") == {"S1"}
    story = CaseStory().issued()
    assert story.ask(offer(), by="SYSTEM", at=OPENED_AT) == []
    assert story.ask(offer(), by="SYSTEM", at="2026-03-01T09:00:00+00:00") == []


@pytest.mark.parametrize("key", [WORKSHOP, LETTER])
def test_an_offer_to_no_active_condition_is_refused(key: UUID) -> None:
    """Given an unknown condition, or one that is completed, when a session is offered for it, then S1 refuses."""
    story = CaseStory().issued("YCC", condition(), condition(key=LETTER))
    story.ask(attendance(hours="4", key=LETTER), by="SYSTEM", at=SESSION)
    assert story.view["conditions"][str(LETTER)] == "COMPLETED"
    assert story.refused(offer(SECOND, key), by="SYSTEM", at=SESSION) == {"S1"}


def test_an_offer_of_a_session_that_has_its_place_here_is_refused() -> None:
    """Given a session booked here, then recorded, when education offers it as well, then S1 refuses; another is taken."""
    story = CaseStory().issued()
    story.ask(booking(), by=YJS, at=AFTER)
    assert story.refused(offer(), by="SYSTEM", at=AFTER) == {"S1"}
    story.ask(attendance(), by=YJS, at=SESSION)
    assert story.refused(offer(), by="SYSTEM", at=SESSION) == {"S1"}
    assert story.ask(offer(SECOND), by="SYSTEM", at=SESSION) == []


def test_an_offer_repeated_after_its_register_records_nothing() -> None:
    """Given an attendance that education recorded and that completed the disposal, when its offer comes again, then nothing waits."""
    story = CaseStory().issued()
    story.ask(attendance(hours="4"), by="SYSTEM", at=SESSION)
    assert story.view["state"] == "COMPLETED"
    assert story.ask(offer(), by="SYSTEM", at=ISSUED_AT) == []
    assert story.refused(offer(key=LETTER), by="SYSTEM", at=ISSUED_AT) == {"S1"}
