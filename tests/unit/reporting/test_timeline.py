"""The lines of a timeline, from whole histories by both times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.education.events import PlaceBooked
from services.education.summary import SessionSummary
from services.reporting.projection.fold import service_of
from services.reporting.projection.read_models import READ_MODELS
from shared.api.history_view import history_view
from shared.domain.decider import history_at
from shared.domain.envelope import Fact
from shared.domain.messages import Correction
from shared.privacy.disclosure import undisclosed
from tests.in_memory_reporting import play

pytestmark = pytest.mark.slow


@cache
def sessions(story: str) -> Sequence[list[Fact]]:
    """Return the histories of the sessions of a story."""
    return play(story).of("education")


@cache
def corrected_histories() -> list[list[Fact]]:
    """Return the histories of stories in which much is corrected."""
    stories = ("10-audit.yaml", "31-corrections.yaml", "54-put-right.yaml", "80-booked-for-the-wrong-condition.yaml")
    return list(play(*stories).histories.values())


INSTANT = timedelta(microseconds=1)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[Fact], datetime | None, datetime | None]:
    """Return a history, and both times at, before or after some event of it, or neither."""
    history = draw(st.sampled_from(corrected_histories()))
    shift = st.sampled_from([-INSTANT, timedelta(), INSTANT])
    occurred, recorded = (
        draw(st.none() | st.builds(lambda moment, by: moment + by, st.sampled_from(times), shift))
        for times in ([f.occurred_at for f in history], [f.recorded_at for f in history if f.recorded_at is not None])
    )
    return history, occurred, recorded


@given(cuts())
def test_a_timeline_at_two_times_is_the_history_that_the_state_is_folded_from(
    cut: tuple[list[Fact], datetime | None, datetime | None],
) -> None:
    """Given any history and any two times, when its lines are made, then they are the events of the fold, as recorded, with the corrections that were known."""
    history, as_of, known_at = cut
    folded = history_at(history, as_of=as_of, known_at=known_at)
    book = READ_MODELS[service_of(history[0])].events
    lines = history_view(book, undisclosed(book, history), as_of=as_of, known_at=known_at)
    assert [line["event_id"] for line in lines] == [str(fact.event_id) for fact in folded]
    as_recorded = {line["event_id"]: line for line in history_view(book, undisclosed(book, history))}
    event_ids = {str(fact.event_id) for fact in folded}
    for line, fact in zip(lines, folded, strict=True):
        assert line["sentence"] == as_recorded[line["event_id"]]["sentence"]
        assert set(line["corrected_by"]) == {str(by) for by in fact.corrected_by} <= event_ids
        assert isinstance(fact.event, Correction) == ("corrects" in line)
        assert line["corrected_sentence"] is None or line["corrected_by"]


def pairs(history: Sequence[Fact]) -> list[tuple[Fact, Fact]]:
    return list(zip(history, history_at(history), strict=True))


def test_a_shared_session_tells_a_case_only_of_its_own_places() -> None:
    """Given a register with children of several cases, when one case is told, then the others' places are not in it, and what concerns everybody is."""
    history = max(sessions("13-workshop-register.yaml"), key=len)
    cases = {fact.event.case_id for fact in history if isinstance(fact.event, PlaceBooked)} - {None}
    assert len(cases) > 1
    seen_ids: set[UUID] = set()
    for case_id in cases:
        assert case_id is not None
        own = SessionSummary.events_for_case(pairs(history), case_id)
        events = [fact.event for fact in history if fact.event_id in own]
        assert {event.case_id for event in events if isinstance(event, PlaceBooked)} == {case_id}
        assert {"SessionPlanned", "SessionDelivered"} <= {type(event).__name__ for event in events}
        seen_ids |= set(own)
    assert seen_ids == {fact.event_id for fact in history}


def test_a_place_that_was_moved_to_another_case_is_told_in_both() -> None:
    """Given a booking whose case was corrected, when both cases are told, then each knows of the booking and of the correction."""
    history = max(sessions("13-workshop-register.yaml"), key=len)
    booking = next(fact for fact in history if isinstance(fact.event, PlaceBooked))
    assert isinstance(booking.event, PlaceBooked)
    moved_to = UUID(int=9)
    moved = Fact(booking.envelope, booking.event.model_copy(update={"case_id": moved_to}))
    both = [(fact, moved if fact is booking else fact) for fact in history]
    assert booking.event.case_id is not None
    for case_id in (booking.event.case_id, moved_to):
        assert booking.event_id in SessionSummary.events_for_case(both, case_id)


def test_a_session_that_never_had_a_place_of_the_case_is_not_told() -> None:
    """Given a session, when a case without a place in it is told, then nothing of the session is in it."""
    (history, *_) = sessions("13-workshop-register.yaml")
    assert not SessionSummary.events_for_case(pairs(history), UUID(int=1))
