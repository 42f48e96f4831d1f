"""What happens where a session had been counted for another condition than the one that its place was booked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.disposal.domain.commands import MoveConditionAttendance, RecordConditionAttendance
from services.disposal.domain.completion import completed_by, disposal_completed
from services.disposal.domain.monitoring import decide_attendance
from services.disposal.domain.state import (
    UNDER_WAY,
    Attendance,
    ConditionStatus,
    DisposalState,
)
from services.disposal.events import (
    ConditionAttended,
    ConditionCompleted,
    ConditionMissed,
    ConditionSessionCancelled,
    RecordCorrected,
)
from shared.domain.dates import local_day
from shared.domain.decisions import EventAt, NewEvents
from shared.domain.envelope import Fact
from shared.domain.messages import DerivedCorrection, Event
from shared.domain.rules import Context
from shared.privacy.sealing import Sealed

NONE: Final = Decimal(0)
WHY: Final = "The place in the session had been booked for another condition: education has corrected it."


def decide_move(command: MoveConditionAttendance, state: DisposalState, context: Context) -> NewEvents:
    """Move the attendance to its condition; record nothing where it stands there, or is of no condition of this case."""
    fact = _record_of_session(command, state)
    if fact is None:
        return _recorded(command, state, context)
    if command.condition_id is None:
        return _taken_away(fact)
    right = _as_it_belongs(fact, command)
    if not right:
        return ()
    completion = _completion_by(fact, state)
    also = () if completion is None else (_consequence(completion, "condition_id", str(command.condition_id)),)
    correction = _correction(fact, right, also)
    when = _completes(command, state, context)
    if completion is not None or when is None:
        return (correction,)
    completed = ConditionCompleted(
        person_id=state.opened.person_id, condition_id=command.condition_id, completed_on=local_day(when)
    )
    return (correction, EventAt(completed, when), *disposal_completed(state, {command.condition_id: when}, context))


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


def _is_of(attendance: Attendance, command: MoveConditionAttendance) -> bool:
    return attendance.session_id == command.session_id


def _record_of_session(command: MoveConditionAttendance, state: DisposalState) -> Fact | None:
    """Return the last record of the session; None: there is none."""
    kinds = ConditionAttended | ConditionMissed | ConditionSessionCancelled
    record = state.record or ()
    return next((f for f in record if isinstance(f.event, kinds) and f.event.session_id == command.session_id), None)


def _condition_of(fact: Fact) -> UUID:
    assert isinstance(fact.event, ConditionAttended | ConditionMissed | ConditionSessionCancelled)
    return fact.event.condition_id


def _recorded(command: MoveConditionAttendance, state: DisposalState, context: Context) -> NewEvents:
    """Record the attendance that had not reached this case, at the time of its record in the register."""
    record = _as_recorded(command)
    if record is None:
        return ()
    then = _then(command, context)
    return tuple(
        one if isinstance(one, EventAt) else EventAt(one, then.occurred_at)
        for one in decide_attendance(record, state, then)
    )


def _as_recorded(command: MoveConditionAttendance) -> RecordConditionAttendance | None:
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


def _then(command: MoveConditionAttendance, context: Context) -> Context:
    """Return the context of the register's own record."""
    at: datetime = command.recorded_at
    return replace(context, occurred_at=at, policy=context.policy_on(local_day(at)))


def _completes(command: MoveConditionAttendance, state: DisposalState, context: Context) -> datetime | None:
    """When the session completes the condition that it belongs to; None where it does not."""
    record = _as_recorded(command)
    others = tuple(one for one in state.attendances if not _is_of(one, command))
    return None if record is None else completed_by(record, replace(state, attendances=others), _then(command, context))


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
    assert isinstance(fact.event, ConditionAttended | ConditionMissed | ConditionSessionCancelled)
    right: dict[str, str] = {}
    if fact.event.condition_id != command.condition_id:
        right["condition_id"] = str(command.condition_id)
    if fact.event.hours_credited == NONE and command.hours_credited != NONE:
        right["hours_credited"] = str(command.hours_credited)
    return right


def _taken_away(fact: Fact) -> NewEvents:
    """Take the credit of the attendance away, since it served nothing in this case."""
    assert isinstance(fact.event, ConditionAttended | ConditionMissed | ConditionSessionCancelled)
    return () if fact.event.hours_credited == NONE else (_correction(fact, {"hours_credited": "0"}),)


def _correction(fact: Fact, right: Mapping[str, str], also: tuple[DerivedCorrection, ...] = ()) -> Event:
    """Correct the first field, and the others with it."""
    (field, value), *others = right.items()
    more = tuple(_consequence(fact, name, held) for name, held in others)
    return RecordCorrected(corrects=fact.event_id, field=field, value=value, also=(*more, *also), why=Sealed(WHY))


def _consequence(fact: Fact, field: str, value: str) -> DerivedCorrection:
    return DerivedCorrection(corrects=fact.event_id, field=field, value=value)
