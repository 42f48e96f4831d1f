"""Whatever is asked in whatever order, and however late: a session folds, cuts, seals and forgets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from services.education.domain.commands import BookPlace, CorrectRecord, DeliverSession
from services.education.events import EVENTS, AttendanceRecorded
from services.education.service import service
from services.trade.vocabulary import AttendanceStatus as Status
from shared.domain.decider import history_at
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import encode_event
from shared.domain.messages import Command
from shared.domain.sealing import (
    DataKey,
    Sealed,
)
from tests.any_sequence import Step, play_with_corrections, read_back, sealed_bytes
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
CORRECTIONS: Final = (
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

steps = st.lists(
    st.tuples(
        st.sampled_from(COMMANDS) | st.sampled_from(CORRECTIONS),
        st.integers(min_value=-12, max_value=12).map(lambda quarters: timedelta(minutes=15 * quarters)),
    ),
    max_size=25,
)


def command_of(step: Step, session: SessionStory) -> Command:
    """Return the command of a step: a correction of the latest event of its name, or of none."""
    if isinstance(step, Command):
        return step
    name, field, value = step
    corrects = next((fact.event_id for fact in reversed(session.facts) if fact.name == name), LEO)
    return CorrectRecord(corrects=corrects, field=field, value=value, why=Sealed("Misread."))


def play(step_list: list[tuple[Step, timedelta]]) -> SessionStory:
    """Return a booked session after some commands around its start, some recorded late."""
    session = SessionStory().planned().booked(LEO).booked(MIA)
    return play_with_corrections(
        session,
        ((step, OFFICER, later) for step, later in step_list),
        lambda step: command_of(step, session),
        start=datetime.fromisoformat(START),
    )


@given(steps)
def test_any_sequence_folds_at_any_time(step_list: list[tuple[Step, timedelta]]) -> None:
    """Given any commands in any order, every state by either time can be folded, and no credit exceeds the schedule."""
    session = play(step_list)
    for fact in history_at(session.facts):
        session.service.read_model.view_of(session.facts, as_of=fact.occurred_at)
        duties_on(session.service.read_model, session.facts, fact.day)
        if isinstance(fact.event, AttendanceRecorded):
            assert fact.event.hours_credited <= fact.event.hours_scheduled
    for length in range(1, len(session.facts) + 1):
        assert session.service.decider.state_at(session.facts[:length]) is not None


@given(steps)
def test_any_event_survives_its_bytes_and_forgetting(step_list: list[tuple[Step, timedelta]]) -> None:
    """Given any accepted events, their bytes read back the same, and fold to the same view closed or forgotten."""
    session = play(step_list)
    keys: dict[str, DataKey] = {}
    closed, forgotten = [], []
    for fact in session.facts:
        body = sealed_bytes(fact, keys)
        assert encode_event(EVENTS.read(body).envelope, EVENTS.read(body).event) == body
        closed.append(read_back(EVENTS, body, None))
        forgotten.append(read_back(EVENTS, body, {}))
    for history in (closed, forgotten):
        state = service.decider.fold(history_at(history))
        assert state is not None
        assert service.read_model.view(state) == session.view
