"""What happens where a session had been counted for another condition, or otherwise, than its own record has it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.disposal.domain.commands import (
    CorrectConditionAttendance,
    MoveConditionAttendance,
    RecordConditionAttendance,
)
from services.disposal.domain.completion import completed_by, disposal_completed
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.monitoring import decide_attendance
from services.disposal.domain.state import (
    UNDER_WAY,
    Attendance,
    ConditionStatus,
    DisposalState,
)
from services.disposal.events import (
    AbsenceDecided,
    ConditionAttended,
    ConditionCompleted,
    ConditionMissed,
    ConditionSessionCancelled,
    RecordCorrected,
)
from services.vocabulary import AttendanceStatus
from shared.domain.dates import local_day
from shared.domain.decider import BrokenHistory
from shared.domain.decisions import EventAt, NewEvents
from shared.domain.envelope import Fact
from shared.domain.messages import DerivedCorrection, Event
from shared.domain.rules import Context
from shared.privacy.sealing import Sealed

NONE: Final = Decimal(0)
WHY: Final = "The place in the session had been booked for another condition: education has corrected it."
WHY_OTHERWISE: Final = "The service that keeps the record of the session has corrected how it ended."

DECIDED: Final[Mapping[AttendanceStatus, bool]] = {
    AttendanceStatus.DNA_ACCEPTABLE: True,
    AttendanceStatus.DNA_UNACCEPTABLE: False,
}
"""The ends of an absence whose reason was decided, with the decision."""

RecordOfSession = ConditionAttended | ConditionMissed | ConditionSessionCancelled
Restated = MoveConditionAttendance | CorrectConditionAttendance
"""The commands that say anew what a session was to the child."""


def decide_move(command: MoveConditionAttendance, state: DisposalState, context: Context) -> NewEvents:
    """Move the attendance to its condition; record nothing where it stands there, or is of no condition of this case."""
    fact = _record_of_session(command, state)
    if fact is None:
        return _recorded(command, state, context)
    if command.condition_id is None:
        return _without_credit(fact)
    right = _as_it_belongs(fact, command)
    if not right:
        return ()
    completion = _completion_by(fact, state)
    also = () if completion is None else (_consequence(completion, "condition_id", str(command.condition_id)),)
    correction = _correction(fact, right, also)
    when = _completes(command, state, context)
    if completion is not None or when is None:
        return (correction,)
    return (correction, *_completed(command.condition_id, when, state, context))


def decide_attendance_correction(
    command: CorrectConditionAttendance, state: DisposalState, context: Context
) -> NewEvents:
    """Correct the record of a session; record it where it had not arrived, and nothing where it stands so."""
    fact = _record_of_session(command, state)
    if fact is None:
        return _recorded(command, state, context)
    command = _where_it_counts(command, fact)
    changes = _changes(fact, command, state)
    if not changes:
        return ()
    correction = _correction_of(changes, WHY_OTHERWISE)
    when = _completes(command, state, context)
    if when is None:
        return (correction,)
    return (correction, *_completed(_condition_of(fact), when, state, context))


def may_be_corrected(command: CorrectConditionAttendance, state: DisposalState, context: Context) -> bool:
    """Return whether the record can be put right without undoing in silence what was decided or completed by it."""
    fact = _record_of_session(command, state)
    if fact is None:
        return state.stage in UNDER_WAY and state.active(command.condition_id) is not None
    command = _where_it_counts(command, fact)
    changes = _changes(fact, command, state)
    if not changes:
        return True
    try:
        CORRECTIONS.applied(state, [_correction_of(changes, WHY_OTHERWISE)])
    except BrokenHistory:
        return False
    return _stays_complete(fact, command, state, context)


def _where_it_counts(command: CorrectConditionAttendance, fact: Fact) -> CorrectConditionAttendance:
    """Return the command for the condition that has the record: an officer may have corrected that here."""
    return command.model_copy(update={"condition_id": _condition_of(fact)})


def _stays_complete(fact: Fact, command: CorrectConditionAttendance, state: DisposalState, context: Context) -> bool:
    """Return whether a condition that is complete would be so with the corrected record too."""
    key = _condition_of(fact)
    condition = state.conditions.get(key)
    if condition is None or condition.standing is not ConditionStatus.COMPLETED:
        return True
    others = tuple(one for one in state.attendances if not (_is_of(one, command) and one.at == fact.occurred_at))
    if condition.terms.hours is not None:
        credited = sum((one.hours for one in others if one.condition_id == key), NONE)
        return credited + command.hours_credited >= condition.terms.hours
    if _completion_by(fact, state) is None:
        return True
    conditions = {**state.conditions, key: replace(condition, standing=ConditionStatus.ACTIVE)}
    before = replace(state, conditions=conditions, attendances=others)
    record = _as_recorded(command)
    return record is not None and completed_by(record, before, _context_of_register(command, context)) is not None


def _changes(fact: Fact, command: CorrectConditionAttendance, state: DisposalState) -> list[DerivedCorrection]:
    """Return the fields of the record that are otherwise now, and the decision on its absence where that is."""
    assert isinstance(fact.event, RecordOfSession)
    right: dict[str, Any] = {
        "status": command.status,
        "hours_credited": command.hours_credited,
        "complied": command.complied,
        "because": command.because,
    }
    decision = _decision_on(fact, state)
    found: list[DerivedCorrection] = []
    if decision is not None and command.status in {*DECIDED, AttendanceStatus.DNA_PENDING}:
        # The record stays one of an absence that waited for its reason.
        del right["status"]
        acceptable = DECIDED.get(command.status)
        if acceptable is not None and acceptable != _is_acceptable(decision):
            found.append(DerivedCorrection(corrects=decision.event_id, field="acceptable", value=acceptable))
    for name, value in right.items():
        if value != getattr(fact.event, name):
            found.append(_consequence(fact, name, str(value) if isinstance(value, Decimal) else value))
    return found


def _decision_on(fact: Fact, state: DisposalState) -> Fact | None:
    """Return the decision on the absence that a record holds; None where it holds none or nobody decided."""
    assert isinstance(fact.event, RecordOfSession)
    if fact.event.status is not AttendanceStatus.DNA_PENDING:
        return None
    session = fact.event.session_id
    later = (one for one in state.record or () if one.version > fact.version)
    return next(
        (one for one in later if isinstance(one.event, AbsenceDecided) and one.event.session_id == session), None
    )


def _is_acceptable(decision: Fact) -> bool:
    assert isinstance(decision.event, AbsenceDecided)
    return decision.event.acceptable


def _completed(key: UUID, when: datetime, state: DisposalState, context: Context) -> NewEvents:
    """Return the completion of a condition, and perhaps of the disposal."""
    completed = ConditionCompleted(person_id=state.opened.person_id, condition_id=key, completed_on=local_day(when))
    return (EventAt(completed, when), *disposal_completed(state, {key: when}, context))


def may_be_moved(command: MoveConditionAttendance, state: DisposalState, context: Context) -> bool:
    """Return whether the right condition can take the attendance, and the wrong one can do without it."""
    fact = _record_of_session(command, state)
    had_it = None if fact is None else _condition_of(fact)
    if had_it == command.condition_id:
        return True
    if fact is not None and not _can_do_without(fact, command, state, context):
        return False
    return command.condition_id is None or (state.stage in UNDER_WAY and state.active(command.condition_id) is not None)


def _can_do_without(fact: Fact, command: MoveConditionAttendance, state: DisposalState, context: Context) -> bool:
    """Return whether the wrong condition is complete without it, or the right one is completed by it."""
    key = _condition_of(fact)
    had_it = state.conditions.get(key)
    if had_it is None or had_it.standing is not ConditionStatus.COMPLETED:
        return True
    if _completion_by(fact, state) is not None:
        return _completes(command, state, context) is not None
    credited = sum((a.hours for a in state.attendances if a.condition_id == key and not _is_of(a, command)), NONE)
    return had_it.terms.hours is None or credited >= had_it.terms.hours


def _is_of(attendance: Attendance, command: Restated) -> bool:
    return attendance.session_id == command.session_id


def _record_of_session(command: Restated, state: DisposalState) -> Fact | None:
    """Return the record of the session at that time, for one that was held again, or else its last; None: there is none."""
    record = state.record or ()
    session = command.session_id
    found = [fact for fact in record if isinstance(fact.event, RecordOfSession) and fact.event.session_id == session]
    return next((fact for fact in found if fact.occurred_at == command.recorded_at), next(iter(found), None))


def _condition_of(fact: Fact) -> UUID:
    assert isinstance(fact.event, RecordOfSession)
    return fact.event.condition_id


def _recorded(command: Restated, state: DisposalState, context: Context) -> NewEvents:
    """Record the attendance that had not reached this case, at the time of its record in the register."""
    record = _as_recorded(command)
    if record is None:
        return ()
    then = _context_of_register(command, context)
    return tuple(
        one if isinstance(one, EventAt) else EventAt(one, then.occurred_at)
        for one in decide_attendance(record, state, then)
    )


def _as_recorded(command: Restated) -> RecordConditionAttendance | None:
    if command.condition_id is None:
        return None
    return RecordConditionAttendance(
        condition_id=command.condition_id,
        session_id=command.session_id,
        status=command.status,
        hours_credited=command.hours_credited,
        complied=command.complied,
        because=command.because,
    )


def _context_of_register(command: Restated, context: Context) -> Context:
    """Return the context of the register's own record."""
    at: datetime = command.recorded_at
    return replace(context, occurred_at=at, policy=context.policy_on(local_day(at)))


def _completes(command: Restated, state: DisposalState, context: Context) -> datetime | None:
    """When the session completes the condition that it belongs to; None where it does not."""
    record = _as_recorded(command)
    others = tuple(one for one in state.attendances if not _is_of(one, command))
    return (
        None
        if record is None
        else completed_by(record, replace(state, attendances=others), _context_of_register(command, context))
    )


def _completion_by(fact: Fact, state: DisposalState) -> Fact | None:
    """Return the completion that followed from an attendance; None: it completed nothing."""
    return next(
        (
            other
            for other in state.record or ()
            if isinstance(other.event, ConditionCompleted)
            and other.envelope.command_id == fact.envelope.command_id
            and other.event.condition_id == _condition_of(fact)
        ),
        None,
    )


def _as_it_belongs(fact: Fact, command: MoveConditionAttendance) -> dict[str, str]:
    """Return the right values of the fields that a move changes: the condition, and a credit taken away before."""
    assert isinstance(fact.event, RecordOfSession)
    right: dict[str, str] = {}
    if fact.event.condition_id != command.condition_id:
        right["condition_id"] = str(command.condition_id)
    if fact.event.hours_credited == NONE and command.hours_credited != NONE:
        right["hours_credited"] = str(command.hours_credited)
    return right


def _without_credit(fact: Fact) -> NewEvents:
    """Take the credit of the attendance away, since it served nothing in this case."""
    assert isinstance(fact.event, RecordOfSession)
    return () if fact.event.hours_credited == NONE else (_correction(fact, {"hours_credited": "0"}),)


def _correction(fact: Fact, right: Mapping[str, str], also: tuple[DerivedCorrection, ...] = ()) -> Event:
    """Correct the first field, and the others with it."""
    return _correction_of([*(_consequence(fact, name, value) for name, value in right.items()), *also], WHY)


def _correction_of(changes: Sequence[DerivedCorrection], why: str) -> RecordCorrected:
    """Correct the first field, and the others with it."""
    first, *also = changes
    return RecordCorrected(
        corrects=first.corrects, field=first.field, value=first.value, also=tuple(also), why=Sealed(why)
    )


def _consequence(fact: Fact, field: str, value: Any) -> DerivedCorrection:
    return DerivedCorrection(corrects=fact.event_id, field=field, value=value)
