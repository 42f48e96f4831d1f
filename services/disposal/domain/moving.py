"""A session as its register has it now, when the case has recorded it differently.

The register is the record of another service: education's of a place, or restorative justice's of a conference. To
restate a session is to withdraw the case's own record of it and to record it anew: the events are a correction of
that record, and the completion that results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from services.disposal.domain.commands import (
    CorrectConditionAttendance,
    MoveConditionAttendance,
    RecordConditionAttendance,
)
from services.disposal.domain.completion import completed_by, condition_completed, disposal_completed
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.monitoring import decide_attendance
from services.disposal.domain.state import UNDER_WAY, ConditionStatus, DisposalState
from services.disposal.events import AbsenceDecided, ConditionCompleted, RecordCorrected, RecordOfSession
from services.trade.vocabulary import AttendanceStatus
from shared.domain.corrections import derived
from shared.domain.dates import local_day
from shared.domain.decider import BrokenHistory
from shared.domain.decisions import EventAt, NewEvents
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import DerivedCorrection, model_from
from shared.domain.rules import Context
from shared.domain.sealing import Sealed

NO_HOURS: Final = Decimal(0)
WHY_MOVED: Final = "The place in the session had been booked for another condition: education has corrected it."
WHY_CORRECTED: Final = "The service that keeps the record of the session has corrected how it ended."

DECIDED: Final[Mapping[AttendanceStatus, bool]] = {
    AttendanceStatus.DNA_ACCEPTABLE: True,
    AttendanceStatus.DNA_UNACCEPTABLE: False,
}
"""The ends of an absence whose reason was decided, with the decision."""


def decide_restatement(
    command: MoveConditionAttendance | CorrectConditionAttendance, state: DisposalState, context: Context
) -> NewEvents:
    """Count the session for the condition that it serves, or correct how it ended; record nothing if it stands so."""
    session = RegisteredSession(command, state, context)
    if session.record is None:
        return _recorded(session)
    if isinstance(command, MoveConditionAttendance):
        return _restated(session, _moves(session, session.record), WHY_MOVED)
    return _restated(session, _differences(session, session.record), WHY_CORRECTED)


def may_be_moved(command: MoveConditionAttendance, state: DisposalState, context: Context) -> bool:
    """Return whether the condition that the session serves can take it, and the one that had it can do without."""
    session = RegisteredSession(command, state, context)
    record = session.record
    if record is not None and record.event.condition_id == command.condition_id:
        return True
    can_be_withdrawn = record is None or session.leaves_complete(record)
    return can_be_withdrawn and (command.condition_id is None or session.can_be_recorded)


def may_be_corrected(command: CorrectConditionAttendance, state: DisposalState, context: Context) -> bool:
    """Return whether the record can be corrected without undoing in silence what was decided or completed by it."""
    session = RegisteredSession(command, state, context)
    record = session.record
    if record is None:
        return session.can_be_recorded
    changes = _differences(session, record)
    if not changes:
        return True
    try:
        CORRECTIONS.applied(state, _correction(changes, WHY_CORRECTED))
    except BrokenHistory:
        return False
    return session.leaves_complete(record)


@dataclass(frozen=True)
class RegisteredSession:
    """A session as its register has it now, beside the record that the case has of it."""

    registered: MoveConditionAttendance | CorrectConditionAttendance
    state: DisposalState
    context: Context

    @cached_property
    def record(self) -> Fact[RecordOfSession] | None:
        """The case's record: the one of that time for a session that was held again, else the last; None if none arrived."""
        session = self.registered.session_id
        records = [fact for fact in self.state.record or () if has_event(fact, RecordOfSession)]
        records = [fact for fact in records if fact.event.session_id == session]
        of_that_time = (fact for fact in records if fact.occurred_at == self.registered.recorded_at)
        return next(of_that_time, records[0] if records else None)

    @property
    def condition_id(self) -> UUID | None:
        """The condition for which it counts; None if for none of this case. An officer may have moved it in this case."""
        moves = isinstance(self.registered, MoveConditionAttendance)
        return self.registered.condition_id if moves or self.record is None else self.record.event.condition_id

    @property
    def can_be_recorded(self) -> bool:
        """Whether its condition is active, in a disposal that is under way."""
        key = self.condition_id
        return key is not None and self.state.stage in UNDER_WAY and self.state.active(key) is not None

    @cached_property
    def completion(self) -> Fact[ConditionCompleted] | None:
        """The completion of a condition that followed from the record; None if it completed nothing."""
        record = self.record
        if record is None:
            return None
        completions = (fact for fact in self.state.record or () if has_event(fact, ConditionCompleted))
        of_the_record = (fact for fact in completions if fact.envelope.command_id == record.envelope.command_id)
        return next((fact for fact in of_the_record if fact.event.condition_id == record.event.condition_id), None)

    @property
    def withdrawn(self) -> DisposalState:
        """The case without its record of the session, and without the completion that followed from it."""
        record, conditions = self.record, dict(self.state.conditions)
        if record is None:
            return self.state
        key = record.event.condition_id
        if self.completion is not None and key in conditions:
            conditions[key] = replace(conditions[key], standing=ConditionStatus.ACTIVE)
        others = (
            attendance
            for attendance in self.state.attendances
            if (attendance.session_id, attendance.at) != (record.event.session_id, record.occurred_at)
        )
        return replace(self.state, conditions=conditions, attendances=tuple(others))

    @property
    def completes_at(self) -> datetime | None:
        """When it completes its condition, if it is recorded anew; None if it completes none."""
        recording = self.recording()
        return None if recording is None else completed_by(recording, self.withdrawn, self.context_of_register())

    def leaves_complete(self, record: Fact[RecordOfSession]) -> bool:
        """Return whether a condition that is complete with the record is so, or another is by it, once it is restated."""
        key = record.event.condition_id
        condition = self.state.conditions.get(key)
        if condition is None or condition.standing is not ConditionStatus.COMPLETED:
            return True
        stays, hours = key == self.condition_id, condition.terms.hours
        if self.completion is not None and (hours is None or not stays):
            return self.completes_at is not None
        credited = self.withdrawn.credited(key) + (self.registered.hours_credited if stays else NO_HOURS)
        return hours is None or credited >= hours

    def recording(self) -> RecordConditionAttendance | None:
        """Return the command that records it anew; None if it counts for no condition of this case."""
        if self.condition_id is None:
            return None
        return model_from(RecordConditionAttendance, self.registered, condition_id=self.condition_id)

    def context_of_register(self) -> Context:
        at: datetime = self.registered.recorded_at
        return replace(self.context, occurred_at=at, policy=self.context.policy_on(local_day(at)))


def _recorded(session: RegisteredSession) -> NewEvents:
    recording, context = session.recording(), session.context_of_register()
    if recording is None:
        return ()
    events = decide_attendance(recording, session.state, context)
    return tuple(event if isinstance(event, EventAt) else EventAt(event, context.occurred_at) for event in events)


def _restated(session: RegisteredSession, changes: Sequence[DerivedCorrection], why: str) -> NewEvents:
    """Correct the record, and complete what it completes now; nothing if no field changes."""
    if not changes:
        return ()
    correction, key, when = _correction(changes, why), session.condition_id, session.completes_at
    if key is None or when is None or session.completion is not None:
        return (correction,)
    state = session.state
    return (correction, condition_completed(state, key, when), *disposal_completed(state, {key: when}, session.context))


def _moves(session: RegisteredSession, record: Fact[RecordOfSession]) -> list[DerivedCorrection]:
    """Return the fields that a move changes: the condition, that of the completion, and the credit."""
    key, credited = session.condition_id, record.event.hours_credited
    if key is None:  # what serves nothing in this case has no credit here
        return [] if credited == NO_HOURS else [derived(record, "hours_credited", "0")]
    changes: list[DerivedCorrection] = []
    if record.event.condition_id != key:
        changes.append(derived(record, "condition_id", str(key)))
    if credited == NO_HOURS and session.registered.hours_credited != NO_HOURS:  # it was taken away before
        changes.append(derived(record, "hours_credited", str(session.registered.hours_credited)))
    if changes and session.completion is not None:
        changes.append(derived(session.completion, "condition_id", str(key)))
    return changes


def _differences(session: RegisteredSession, record: Fact[RecordOfSession]) -> list[DerivedCorrection]:
    """Return the fields of the record that its register has otherwise, and the decision on an absence if it has."""
    changes: list[DerivedCorrection] = []
    fields: dict[str, Any] = {
        name: getattr(session.registered, name) for name in ("status", "hours_credited", "complied", "because")
    }
    decision = _decision_on(record, session.state)
    if decision is not None and fields["status"] in {*DECIDED, AttendanceStatus.DNA_PENDING}:
        # The record stays one of an absence that waited for its reason.
        acceptable = DECIDED.get(fields.pop("status"), decision.event.acceptable)
        if acceptable != decision.event.acceptable:
            changes.append(derived(decision, "acceptable", acceptable))
    for name, value in fields.items():
        if value != getattr(record.event, name):
            changes.append(derived(record, name, str(value) if isinstance(value, Decimal) else value))
    return changes


def _decision_on(record: Fact[RecordOfSession], state: DisposalState) -> Fact[AbsenceDecided] | None:
    """Return the decision on the absence that a record holds; None if it holds none, or nobody decided."""
    if record.event.status is not AttendanceStatus.DNA_PENDING:
        return None
    decisions = (fact for fact in state.record or () if has_event(fact, AbsenceDecided))
    later = (fact for fact in decisions if fact.version > record.version)
    return next((fact for fact in later if fact.event.session_id == record.event.session_id), None)


def _correction(changes: Sequence[DerivedCorrection], why: str) -> RecordCorrected:
    first, *also = changes
    return RecordCorrected(
        corrects=first.corrects, field=first.field, value=first.value, also=tuple(also), why=Sealed(why)
    )
