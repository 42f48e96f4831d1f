"""An attendance follows its place: counted once, at the condition that the place was booked for."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.disposal.domain.commands import (
    CorrectConditionAttendance,
    CorrectRecord,
    DecideAbsence,
    MoveConditionAttendance,
    RecordConditionAttendance,
)
from services.disposal.domain.state import ConditionStatus
from services.disposal.events import Condition
from services.trade.vocabulary import AttendanceStatus, ConditionObject, ConditionType
from shared.domain.decisions import Refused
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import FIRST, LETTER, MEETING, SECOND, WORK, CaseStory, condition, conference

RECORDED_AT = datetime(2026, 3, 18, 18, tzinfo=UTC)
SEEN_AT = datetime(2026, 3, 20, 9, tzinfo=UTC)


def workshop(key: UUID, hours: int = 2) -> Condition:
    """Return a workshop of some hours."""
    return condition(ConditionType.RETAIL_WORKSHOP, key, ConditionObject.REHABILITATION, hours=Decimal(hours))


def recorded(key: UUID, session: UUID = FIRST, hours: int = 2) -> RecordConditionAttendance:
    """Return the register's record, as a reaction brings it."""
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
    """Return the correction of a place, as a reaction brings it."""
    return MoveConditionAttendance(
        occurred_at=SEEN_AT,
        condition_id=key,
        session_id=session,
        status=status,
        hours_credited=Decimal(hours),
        complied=status is AttendanceStatus.ATTENDED,
        recorded_at=RECORDED_AT,
    )


def corrected(
    key: UUID, session: UUID = FIRST, hours: int = 2, status: AttendanceStatus = AttendanceStatus.ATTENDED
) -> CorrectConditionAttendance:
    """Return the correction of a register, as a reaction brings it."""
    return CorrectConditionAttendance(
        occurred_at=SEEN_AT,
        condition_id=key,
        session_id=session,
        status=status,
        hours_credited=Decimal(hours),
        complied=status is AttendanceStatus.ATTENDED,
        recorded_at=RECORDED_AT,
    )


def case(*conditions: Condition) -> CaseStory:
    """Return a conditional caution with these conditions."""
    return CaseStory().issued("YCC", *conditions)


def does(story: CaseStory, command: Command) -> Sequence[str]:
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
    standings = {key: condition_state.standing for key, condition_state in story.state.conditions.items()}
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
    """Given anybody's token, then no role but SYSTEM may move or correct an attendance so."""
    for command in (MoveConditionAttendance, CorrectConditionAttendance):
        assert case(workshop(WORK)).service.roles_for(command) == {"SYSTEM"}


def test_a_corrected_register_corrects_the_record() -> None:
    """Given hours recorded, when the register is corrected, then the record is; where it stands so, nothing is recorded."""
    story = case(workshop(WORK, 4), workshop(LETTER))
    does(story, recorded(WORK))
    assert does(story, corrected(WORK, hours=1)) == ["RecordCorrected"]
    assert story.state.credited(WORK) == 1
    assert does(story, corrected(WORK, hours=1)) == []
    assert does(story, corrected(WORK, hours=4)) == ["RecordCorrected", "ConditionCompleted"]


def test_a_corrected_register_is_recorded_where_it_had_not_arrived() -> None:
    """Given no record of a session, when its register is corrected, then it counts on its own day; of no active condition it waits."""
    story = case(workshop(WORK), workshop(LETTER))
    assert story.refused(corrected(MEETING), by="SYSTEM") == {"S1"}
    assert does(story, corrected(WORK)) == ["ConditionAttended", "ConditionCompleted"]
    assert {fact.occurred_at for fact in story.facts[-2:]} == {RECORDED_AT}


def test_a_decided_absence_is_corrected_by_its_decision_alone() -> None:
    """Given an absence found acceptable, when the register finds it not so, then the decision is corrected; that the child was there would undo it, and is refused."""
    story = case(workshop(WORK, 4), workshop(LETTER))
    does(story, moved(WORK, hours=0, status=AttendanceStatus.DNA_PENDING))
    pending = corrected(WORK, hours=0, status=AttendanceStatus.DNA_PENDING)
    assert does(story, DecideAbsence(occurred_at=SEEN_AT, session_id=FIRST, acceptable=True)) == ["AbsenceDecided"]
    assert does(story, pending) == []
    assert does(story, corrected(WORK, hours=0, status=AttendanceStatus.DNA_ACCEPTABLE)) == []
    assert does(story, corrected(WORK, hours=0, status=AttendanceStatus.DNA_UNACCEPTABLE)) == ["RecordCorrected"]
    (attendance,) = story.state.attendances
    assert (attendance.acceptable, attendance.status) == (False, AttendanceStatus.DNA_PENDING)
    assert story.refused(corrected(WORK), by="SYSTEM") == {"S1"}


def test_what_a_register_completed_is_not_taken_away_in_silence() -> None:
    """Given a condition complete by a session, when the register takes its hours or the attendance away, then S1 refuses."""
    story = case(workshop(WORK), workshop(LETTER, 4))
    does(story, recorded(WORK))
    assert story.refused(corrected(WORK, hours=1), by="SYSTEM") == {"S1"}
    absent = corrected(WORK, hours=0, status=AttendanceStatus.DNA_PENDING)
    assert story.refused(absent, by="SYSTEM") == {"S1"}
    assert does(story, corrected(WORK, hours=2)) == []


def test_an_end_before_a_conference_was_held_is_corrected_by_itself() -> None:
    """Given a conference that was missed and then held, when why it was missed is corrected, then that record is, and the condition stays complete."""
    story = case(workshop(WORK), conference())
    missed = {"status": AttendanceStatus.DNA_PENDING, "hours_credited": Decimal(0), "complied": False}
    does(story, recorded(MEETING).model_copy(update=missed))
    details = {"hours_credited": Decimal("1.5"), "occurred_at": SEEN_AT}
    assert does(story, recorded(MEETING).model_copy(update=details)) == ["ConditionAttended", "ConditionCompleted"]
    lost = corrected(MEETING, hours=0, status=AttendanceStatus.CANCELLED_BY_SERVICE)
    assert does(story, lost) == ["RecordCorrected"]
    first, second = story.state.attendances
    assert (first.status, second.status) == (AttendanceStatus.CANCELLED_BY_SERVICE, AttendanceStatus.ATTENDED)
    assert story.state.conditions[MEETING].standing is ConditionStatus.COMPLETED


def test_a_record_that_was_moved_here_is_corrected_where_it_counts() -> None:
    """Given a session that an officer counted for another condition, when the register is corrected, then it completes that one."""
    story = case(workshop(WORK), workshop(LETTER))
    does(story, recorded(WORK, hours=1))
    attended = next(fact for fact in story.facts if fact.name == "ConditionAttended")
    move = CorrectRecord(
        occurred_at=SEEN_AT,
        corrects=attended.event_id,
        field="condition_id",
        value=str(LETTER),
        why=Sealed("It was the other one."),
    )
    story.ask(move, by="SUPERVISOR")
    assert does(story, corrected(WORK)) == ["RecordCorrected", "ConditionCompleted"]
    assert story.state.conditions[LETTER].standing is ConditionStatus.COMPLETED


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
    )
    | st.builds(
        corrected,
        st.sampled_from((WORK, LETTER, MEETING)),
        st.sampled_from((FIRST, SECOND)),
        st.integers(0, 2),
        st.sampled_from((AttendanceStatus.ATTENDED, AttendanceStatus.DNA_PENDING)),
    ),
    max_size=8,
)


@given(steps)
def test_a_session_counts_once_whatever_is_put_right(commands: list[Command]) -> None:
    """Given any records and corrections in any order, then a session is recorded once, and the history folds at any time."""
    story = case(workshop(WORK, 4), workshop(LETTER))
    for command in commands:
        answer = story.answer(command, by="SYSTEM")
        assert not isinstance(answer, Refused) or answer.rules
    sessions = [one.session_id for one in story.state.attendances]
    assert len(sessions) == len(set(sessions))
    assert story.state.hours_credited <= 2 * len(sessions)
    for fact in story.facts:
        story.service.read_model.view_of(story.facts, as_of=fact.occurred_at)
