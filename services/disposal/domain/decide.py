"""What happens when no rule refuses: one small function for each command that does more than record itself."""

from __future__ import annotations

from typing import assert_never

from services.disposal.domain import (
    breach,
    correcting,
    issuing,
    monitoring,
    moving,
)
from services.disposal.domain.commands import (
    AssignOutcome,
    BookConditionSession,
    CompleteAssessment,
    CompleteCondition,
    ConfirmAppropriateAdult,
    CorrectRecord,
    DecideAbsence,
    DecideBreach,
    DecideDisposal,
    DecideEvidence,
    ExcuseCondition,
    ExplainEffect,
    InformVictimOfRestorativeJustice,
    InstituteProceedings,
    IssueDisposal,
    IssueWarning,
    MoveConditionAttendance,
    OfferSession,
    OpenDisposalCase,
    ProposeCondition,
    RecordActivityUndertaken,
    RecordAdmission,
    RecordComplianceMeeting,
    RecordConditionAttendance,
    RecordContact,
    RecordNonEngagement,
    RecordPanelRecommendation,
    RecordProsecutorDecision,
    RecordVictimView,
    ReferBreach,
    ReferToYot,
    RequestAssessment,
    ScoreGravity,
    SignDocument,
    VaryConditions,
    WithdrawAdmission,
    WithdrawCondition,
    WithdrawConsent,
)
from services.disposal.domain.state import DisposalState
from services.disposal.events import (
    ActivityUndertaken,
    AdmissionRecorded,
    AdmissionWithdrawn,
    AppropriateAdultConfirmed,
    AssessmentRequested,
    BreachReferred,
    ComplianceMeetingRecorded,
    ConditionProposed,
    ConditionSessionBooked,
    ConditionWithdrawn,
    ConsentWithdrawn,
    ContactRecorded,
    EffectExplained,
    EvidenceSufficiencyDecided,
    GravityScored,
    PanelRecommended,
    ProsecutorDecisionRecorded,
    WarningIssued,
    YotReferred,
)
from shared.domain.messages import NewEvents, event_from
from shared.domain.rules import Context

Command = (
    OpenDisposalCase
    | RecordAdmission
    | WithdrawAdmission
    | DecideEvidence
    | ScoreGravity
    | RecordVictimView
    | InformVictimOfRestorativeJustice
    | RequestAssessment
    | CompleteAssessment
    | RecordPanelRecommendation
    | RecordProsecutorDecision
    | DecideDisposal
    | ProposeCondition
    | WithdrawCondition
    | ConfirmAppropriateAdult
    | ExplainEffect
    | SignDocument
    | IssueDisposal
    | ReferToYot
    | BookConditionSession
    | OfferSession
    | RecordConditionAttendance
    | MoveConditionAttendance
    | DecideAbsence
    | RecordContact
    | IssueWarning
    | RecordComplianceMeeting
    | CompleteCondition
    | ExcuseCondition
    | VaryConditions
    | WithdrawConsent
    | RecordNonEngagement
    | ReferBreach
    | DecideBreach
    | InstituteProceedings
    | AssignOutcome
    | RecordActivityUndertaken
    | CorrectRecord
)


def decide(command: Command, state: DisposalState | None, context: Context) -> NewEvents:
    """The events that an accepted command makes happen, in order."""
    if isinstance(command, OpenDisposalCase):
        return issuing.decide_opening(command, context)
    assert state is not None
    return _in_case(command, state, context)


def _in_case(command: Command, state: DisposalState, context: Context) -> NewEvents:
    match command:
        case OpenDisposalCase():
            raise AssertionError
        case RecordAdmission():
            return (event_from(AdmissionRecorded, command),)
        case WithdrawAdmission():
            return (event_from(AdmissionWithdrawn, command),)
        case DecideEvidence():
            return (event_from(EvidenceSufficiencyDecided, command),)
        case ScoreGravity():
            return (event_from(GravityScored, command),)
        case RecordVictimView():
            return issuing.decide_victim_view(command, state)
        case InformVictimOfRestorativeJustice():
            return issuing.decide_victim_information(command, state)
        case RequestAssessment():
            return (event_from(AssessmentRequested, command),)
        case CompleteAssessment():
            return issuing.decide_assessment(command, state)
        case RecordPanelRecommendation():
            return (event_from(PanelRecommended, command),)
        case RecordProsecutorDecision():
            return (event_from(ProsecutorDecisionRecorded, command),)
        case DecideDisposal():
            return issuing.decide_decision(command, state, context)
        case ProposeCondition():
            return (event_from(ConditionProposed, command),)
        case WithdrawCondition():
            return (event_from(ConditionWithdrawn, command),)
        case ConfirmAppropriateAdult():
            return (event_from(AppropriateAdultConfirmed, command),)
        case ExplainEffect():
            return (event_from(EffectExplained, command),)
        case SignDocument():
            return issuing.signed(command, state, context)
        case IssueDisposal():
            return issuing.decide_issue(state, context)
        case ReferToYot():
            return (event_from(YotReferred, command),)
        case BookConditionSession():
            return (event_from(ConditionSessionBooked, command),)
        case OfferSession():
            return ()  # it has its place: its register will say how it ended
        case RecordConditionAttendance():
            return monitoring.decide_attendance(command, state, context)
        case MoveConditionAttendance():
            return moving.moved(command, state, context)
        case DecideAbsence():
            return monitoring.decide_absence(command, state)
        case RecordContact():
            return (event_from(ContactRecorded, command),)
        case IssueWarning():
            return (event_from(WarningIssued, command),)
        case RecordComplianceMeeting():
            return (event_from(ComplianceMeetingRecorded, command),)
        case CompleteCondition():
            return monitoring.decide_completion(command, state, context)
        case ExcuseCondition():
            return monitoring.decide_excuse(command, state, context)
        case VaryConditions():
            return monitoring.decide_variation(command, state, context)
        case WithdrawConsent():
            return (event_from(ConsentWithdrawn, command),)
        case RecordNonEngagement():
            return monitoring.decide_non_engagement(command, state, context)
        case ReferBreach():
            return (event_from(BreachReferred, command),)
        case DecideBreach():
            return breach.decide_breach(command, state, context)
        case InstituteProceedings():
            return breach.decide_proceedings(command, state, context)
        case AssignOutcome():
            return breach.decide_outcome(command, state, context)
        case RecordActivityUndertaken():
            return (event_from(ActivityUndertaken, command),)
        case CorrectRecord():
            return correcting.decide_correction(command, state, context)
        case _:
            assert_never(command)
