"""What happens when no rule refuses: one small function for each command that does more than record itself."""

from __future__ import annotations

from typing import assert_never

from services.disposal.domain import breaching, correcting, giving, monitoring
from services.disposal.domain.case import DisposalState
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
    DocumentSigned,
    EffectExplained,
    EvidenceSufficiencyDecided,
    GravityScored,
    PanelRecommended,
    ProsecutorDecisionRecorded,
    WarningIssued,
    YotReferred,
)
from shared.messages import Decided, event_of
from shared.rules import Occasion

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
    | RecordConditionAttendance
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


def decide(command: Command, state: DisposalState | None, occasion: Occasion) -> Decided:
    """The events that an accepted command makes happen, in order."""
    if isinstance(command, OpenDisposalCase):
        return giving.opened(command, occasion)
    assert state is not None
    return _in_case(command, state, occasion)


def _in_case(command: Command, state: DisposalState, occasion: Occasion) -> Decided:
    match command:
        case OpenDisposalCase():
            raise AssertionError
        case RecordAdmission():
            return (event_of(AdmissionRecorded, command),)
        case WithdrawAdmission():
            return (event_of(AdmissionWithdrawn, command),)
        case DecideEvidence():
            return (event_of(EvidenceSufficiencyDecided, command),)
        case ScoreGravity():
            return (event_of(GravityScored, command),)
        case RecordVictimView():
            return giving.victim_asked(command, state)
        case InformVictimOfRestorativeJustice():
            return giving.victim_informed(command, state)
        case RequestAssessment():
            return (event_of(AssessmentRequested, command),)
        case CompleteAssessment():
            return giving.assessed(command, state)
        case RecordPanelRecommendation():
            return (event_of(PanelRecommended, command),)
        case RecordProsecutorDecision():
            return (event_of(ProsecutorDecisionRecorded, command),)
        case DecideDisposal():
            return giving.decided(command, state, occasion)
        case ProposeCondition():
            return (event_of(ConditionProposed, command),)
        case WithdrawCondition():
            return (event_of(ConditionWithdrawn, command),)
        case ConfirmAppropriateAdult():
            return (event_of(AppropriateAdultConfirmed, command),)
        case ExplainEffect():
            return (event_of(EffectExplained, command),)
        case SignDocument():
            return (event_of(DocumentSigned, command),)
        case IssueDisposal():
            return giving.issued(state, occasion)
        case ReferToYot():
            return (event_of(YotReferred, command),)
        case BookConditionSession():
            return (event_of(ConditionSessionBooked, command),)
        case RecordConditionAttendance():
            return monitoring.attended(command, state, occasion)
        case DecideAbsence():
            return monitoring.absence_decided(command, state)
        case RecordContact():
            return (event_of(ContactRecorded, command),)
        case IssueWarning():
            return (event_of(WarningIssued, command),)
        case RecordComplianceMeeting():
            return (event_of(ComplianceMeetingRecorded, command),)
        case CompleteCondition():
            return monitoring.completed(command, state, occasion)
        case ExcuseCondition():
            return monitoring.excused(command, state, occasion)
        case VaryConditions():
            return monitoring.varied_by(command, state, occasion)
        case WithdrawConsent():
            return (event_of(ConsentWithdrawn, command),)
        case RecordNonEngagement():
            return monitoring.not_engaged(command, state, occasion)
        case ReferBreach():
            return (event_of(BreachReferred, command),)
        case DecideBreach():
            return breaching.decided(command, state, occasion)
        case InstituteProceedings():
            return breaching.prosecuted(command, state, occasion)
        case AssignOutcome():
            return breaching.outcome_assigned(command, state, occasion)
        case RecordActivityUndertaken():
            return (event_of(ActivityUndertaken, command),)
        case CorrectRecord():
            return correcting.corrected(command, state, occasion)
        case _:
            assert_never(command)
