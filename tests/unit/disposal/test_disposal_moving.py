"""An attendance follows its place: counted once, at the condition that the place was booked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.disposal.domain.commands import MoveConditionAttendance, RecordConditionAttendance
from services.disposal.domain.state import ConditionStatus
from services.disposal.events import Condition
from services.vocabulary import AttendanceStatus, ConditionObject, ConditionType
from shared.domain.decisions import Refused
from tests.unit.disposal.stories import FIRST, LETTER, MEETING, SECOND, WORK, CaseStory, condition

RECORDED_AT = datetime(2026, 3, 18, 18, tzinfo=UTC)
SEEN_AT = datetime(2026, 3, 20, 9, tzinfo=UTC)


def workshop(key: UUID, hours: int = 2) -> Condition:
    """A workshop of some hours."""
    return condition(ConditionType.RETAIL_WORKSHOP, key, ConditionObject.REHABILITATION, hours=Decimal(hours))


def recorded(key: UUID, session: UUID = FIRST, hours: int = 2) -> RecordConditionAttendance:
    """The register's record, as a reaction brings it."""
    return RecordConditionAttendance(
        occurred_at=RECORDED_AT,
        condition_id=key,
        session_id=session,
        status=AttendanceStatus.ATTENDED,
        hours_credited=Decimal(hours),
        complied=True,
    )


def moved(
    key: UUID | None, session: UUID = FIRST, hours: int = 2, status: AttendanceStatus = AttendanceStatus.ATTENDED
) -> MoveConditionAttendance:
    """The correction of a place, as a reaction brings it."""
    return MoveConditionAttendance(
        occurred_at=SEEN_AT,
        condition_id=key,
        session_id=session,
        status=status,
        hours_credited=Decimal(hours),
        complied=status is AttendanceStatus.ATTENDED,
        recorded_at=RECORDED_AT,
    )


def case(*conditions: Condition) -> CaseStory:
    """A conditional caution with these conditions."""
    return CaseStory().given("YCC", *conditions)


def does(story: CaseStory, command: RecordConditionAttendance | MoveConditionAttendance) -> Sequence[str]:
    """Ask as a reaction."""
    return story.ask(command, by="SYSTEM")


def test_what_never_arrived_is_recorded_on_its_own_day() -> None:
    """Given no record of a session, when its place is put right, then it counts from when the register was taken."""
    story = case(workshop(WORK), workshop(LETTER))
    assert does(story, moved(WORK)) == ["ConditionAttended", "ConditionCompleted"]
    assert {fact.occurred_at for fact in story.facts[-2:]} == {RECORDED_AT}
    assert does(story, moved(WORK)) == []


def test_what_was_counted_elsewhere_moves_with_its_completion() -> None:
    """Given a session that completed another condition, when it moves, then that one is open again and its own is complete."""
    story = case(workshop(WORK), workshop(LETTER))
    does(story, recorded(LETTER))
    assert story.state.conditions[LETTER].standing is ConditionStatus.COMPLETED
    assert does(story, moved(WORK)) == ["RecordCorrected"]
    standings = {key: held.standing for key, held in story.state.conditions.items()}
    assert standings == {WORK: ConditionStatus.COMPLETED, LETTER: ConditionStatus.ACTIVE}
    assert (story.state.credited(WORK), story.state.credited(LETTER)) == (2, 0)
    assert does(story, recorded(LETTER, SECOND)) == ["ConditionAttended", "ConditionCompleted", "DisposalCompleted"]


def test_hours_that_arrive_may_complete_their_condition() -> None:
    """Given hours counted for a longer condition, when they move to the one that they complete, then it is complete."""
    story = case(workshop(WORK), workshop(LETTER, 6))
    does(story, recorded(LETTER))
    assert does(story, moved(WORK)) == ["RecordCorrected", "ConditionCompleted"]
    last = case(workshop(WORK, 4), workshop(LETTER, 6))
    does(last, recorded(WORK, SECOND))
    does(last, recorded(LETTER))
    does(last, recorded(LETTER, MEETING, 6))
    assert does(last, moved(WORK)) == ["RecordCorrected", "ConditionCompleted", "DisposalCompleted"]


def test_a_completion_is_not_taken_away_in_silence() -> None:
    """Given a condition complete by a session, when its own would not be complete by it, then S1 refuses and a person decides."""
    story = case(workshop(WORK, 4), workshop(LETTER))
    does(story, recorded(LETTER))
    assert story.refused(moved(WORK), by="SYSTEM") == {"S1"}
    assert story.refused(moved(None), by="SYSTEM") == {"S1"}
    assert story.refused(moved(MEETING), by="SYSTEM") == {"S1"}


def test_what_belongs_to_no_condition_here_loses_its_credit_and_gets_it_back() -> None:
    """Given hours counted here by mistake, when the place leaves the case, then they are none; when it returns, they are there."""
    story = case(workshop(WORK, 4), workshop(LETTER))
    assert does(story, moved(None)) == []
    does(story, recorded(WORK))
    assert does(story, moved(None)) == ["RecordCorrected"]
    assert story.view["hours_credited"] == 0
    assert does(story, moved(None)) == []
    assert does(story, moved(LETTER)) == ["RecordCorrected", "ConditionCompleted"]
    assert story.view["hours_credited"] == 2


def test_a_correction_of_a_place_is_sent_by_reactions_alone() -> None:
    """Given anybody's token, then no role but SYSTEM may move an attendance."""
    assert case(workshop(WORK)).service.roles_for(MoveConditionAttendance) == {"SYSTEM"}


steps = st.lists(
    st.builds(recorded, st.sampled_from((WORK, LETTER)), st.sampled_from((FIRST, SECOND)), st.integers(0, 2))
    | st.builds(
        moved,
        st.sampled_from((WORK, LETTER, MEETING, None)),
        st.sampled_from((FIRST, SECOND)),
        st.just(2),
        st.just(AttendanceStatus.ATTENDED),
    )
    | st.builds(
        moved,
        st.sampled_from((WORK, LETTER, None)),
        st.sampled_from((FIRST, SECOND)),
        st.just(0),
        st.sampled_from((AttendanceStatus.DNA_PENDING, AttendanceStatus.CANCELLED_BY_SERVICE)),
    ),
    max_size=8,
)


@given(steps)
def test_a_session_counts_once_whatever_is_put_right(
    asked: list[RecordConditionAttendance | MoveConditionAttendance],
) -> None:
    """Given any records and corrections in any order, then a session is recorded once, and the history folds at any time."""
    story = case(workshop(WORK, 4), workshop(LETTER))
    for command in asked:
        answer = story.answer(command, by="SYSTEM")
        assert not isinstance(answer, Refused) or answer.rules
    sessions = [one.session_id for one in story.state.attendances]
    assert len(sessions) == len(set(sessions))
    assert story.state.hours_credited <= 2 * len(sessions)
    for fact in story.facts:
        story.service.read_model.view_of(story.facts, as_of=fact.occurred_at)
