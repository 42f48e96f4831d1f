"""Decides what a command makes happen: one function for each command that does more than record itself."""

from __future__ import annotations

from typing import Final

from services.disposal.domain import (
    breach,
    correcting,
    issuing,
    monitoring,
    moving,
    opening,
    preparation,
)
from services.disposal.domain.commands import (
    AssignOutcome,
    CompleteAssessment,
    CompleteCondition,
    CorrectConditionAttendance,
    CorrectRecord,
    DecideAbsence,
    DecideBreach,
    DecideDisposal,
    DisposalCommand,
    ExcuseCondition,
    InformVictimOfRestorativeJustice,
    InstituteProceedings,
    IssueDisposal,
    MoveConditionAttendance,
    OfferSession,
    OpenDisposalCase,
    RecordConditionAttendance,
    RecordNonEngagement,
    RecordVictimView,
    SignDocument,
    VaryConditions,
)
from services.disposal.domain.evolve import evolve
from services.disposal.domain.rules import rules
from services.disposal.domain.state import DisposalState
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_that_it_records
from shared.domain.rules import Context


def decide(command: DisposalCommand, state: DisposalState | None, context: Context) -> NewEvents:
    """Return the events that an accepted command makes happen, in order."""
    if isinstance(command, OpenDisposalCase):
        return opening.decide_opening(command, context)
    if state is None:
        raise TypeError(f"{command.type} opens no case: open it first")
    match command:
        case RecordVictimView():
            return preparation.decide_victim_view(command, state)
        case InformVictimOfRestorativeJustice():
            return preparation.decide_victim_information(command, state)
        case CompleteAssessment():
            return preparation.decide_assessment(command, state)
        case DecideDisposal():
            return preparation.decide_decision(command, state, context)
        case SignDocument():
            return issuing.decide_signature(command, state, context)
        case IssueDisposal():
            return issuing.decide_issue(state, context)
        case OfferSession():
            return ()  # it has its place: its register will say how it ended
        case RecordConditionAttendance():
            return monitoring.decide_attendance(command, state, context)
        case MoveConditionAttendance():
            return moving.decide_move(command, state, context)
        case CorrectConditionAttendance():
            return moving.decide_attendance_correction(command, state, context)
        case DecideAbsence():
            return monitoring.decide_absence(command, state)
        case CompleteCondition():
            return monitoring.decide_completion(command, state, context)
        case ExcuseCondition():
            return monitoring.decide_excuse(command, state, context)
        case VaryConditions():
            return monitoring.decide_variation(command, state, context)
        case RecordNonEngagement():
            return monitoring.decide_non_engagement(command, state, context)
        case DecideBreach():
            return breach.decide_breach(command, state, context)
        case InstituteProceedings():
            return breach.decide_proceedings(command, state, context)
        case AssignOutcome():
            return breach.decide_outcome(command, state, context)
        case CorrectRecord():
            return correcting.decide_correction(command, state, context)
        case _:
            return (event_that_it_records(command),)


decider: Final[Decider[DisposalState]] = Decider(rules, decide, evolve)
