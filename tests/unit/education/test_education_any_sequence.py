"""Whatever is asked in whatever order, and however late: a session folds, cuts, seals and forgets."""

from datetime import timedelta
from typing import Final

from hypothesis import given

from services.education.domain.commands import BookPlace, DeliverSession
from services.education.events import AttendanceRecorded
from services.trade.vocabulary import AttendanceStatus as Status
from shared.domain.decider import history_at
from shared.domain.messages import Command
from tests.any_sequence import Correction, Steps, folds_at_any_time, play, sequences, survives_its_bytes
from tests.unit.education.stories import (
    CONDITION,
    DISPOSAL,
    LEO,
    MIA,
    OFFICER,
    START,
    SessionStory,
    attendance,
    called_off,
    contact,
    decided,
    feedback,
    given_back,
    plan,
)

COMMANDS: Final[tuple[Command, ...]] = (
    plan(),
    BookPlace(person_id=LEO),
    BookPlace(person_id=MIA, condition_id=CONDITION),
    given_back(LEO),
    given_back(MIA),
    DeliverSession(headcount=2),
    *(attendance(status, who, hours) for status in Status for who in (LEO, MIA) for hours in ("0", "2", "3")),
    *(decided(who, acceptable=acceptable) for who in (LEO, MIA) for acceptable in (True, False)),
    called_off(),
    contact(),
    feedback(),
)
CORRECTIONS: Final[tuple[Correction, ...]] = (
    ("SessionPlanned", "hours", 3),
    ("SessionPlanned", "topic", "WEAPONS"),
    ("SessionPlanned", "starts_at", "2026-03-10T08:00:00+00:00"),
    ("SessionPlanned", "place", "The other hall"),
    ("PlaceBooked", "person_id", str(MIA)),
    ("PlaceBooked", "condition_id", None),
    ("PlaceBooked", "disposal_id", str(DISPOSAL)),
    ("SessionDelivered", "headcount", 7),
    ("AttendanceRecorded", "status", "ATTENDED"),
    ("AttendanceRecorded", "hours_credited", 1),
    ("AttendanceRecorded", "evidence", "A letter."),
    ("AbsenceReasonDecided", "acceptable", False),
    ("FeedbackRecorded", "comment", None),
)
"""What is corrected of the latest event of a name, where there is one."""

steps = sequences(COMMANDS, CORRECTIONS, [OFFICER], apart=(-12, 12), unit=timedelta(minutes=15))


def session_after(step_list: Steps) -> SessionStory:
    """Return a booked session after some commands around its start, some recorded late."""
    return play(SessionStory().planned().booked(LEO).booked(MIA), step_list, start=START)


@given(steps)
def test_any_sequence_folds_at_any_time_and_survives_its_bytes(step_list: Steps) -> None:
    """Given any commands in any order, the history folds at any time and reads back from its bytes, and no credit exceeds the schedule."""
    session = session_after(step_list)
    folds_at_any_time(session)
    survives_its_bytes(session)
    for fact in history_at(session.facts):
        if isinstance(fact.event, AttendanceRecorded):
            assert fact.event.hours_credited <= fact.event.hours_scheduled
