"""What happens when a command may go ahead: one small function for each, or the command's own event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.commands import (
    AddParticipant,
    ApproveRisk,
    AssessRisk,
    AssignFacilitator,
    CloseConference,
    CompleteTerm,
    ConferenceCommand,
    ConvertToIndirect,
    CorrectRecord,
    FailTerm,
    GiveConsent,
    HoldPreparation,
    InformVictim,
    ProposeConference,
    RecordConferenceHeld,
    RecordDidNotProceed,
    RecordFollowUp,
    RecordNoAgreement,
    RecordResponsibility,
    ScheduleConference,
    SignAgreement,
    WithdrawConsent,
)
from services.rj_conference.domain.corrections import corrected
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import (
    AgreementSigned,
    ConferenceClosed,
    ConferenceDidNotProceed,
    ConferenceEvent,
    ConferenceHeld,
    ConferenceProposed,
    ConferenceScheduled,
    ConsentGiven,
    ConsentWithdrawn,
    ConvertedToIndirect,
    FacilitatorAssigned,
    FollowUpCompleted,
    NoAgreementReached,
    ParticipantAdded,
    PreparationHeld,
    PresentRole,
    ResponsibilityRecorded,
    RiskApproved,
    RiskAssessed,
    TermCompleted,
    TermNotCompleted,
    VictimInformed,
)
from shared.domain.messages import event_from
from shared.domain.rules import Context


def decide(command: ConferenceCommand, conference: Conference | None, context: Context) -> Sequence[ConferenceEvent]:
    """The event of a command that no rule refuses; none where a reaction would close what was held or is closed."""
    if isinstance(command, CloseConference) and conference is not None and comes_too_late(conference, context):
        return ()
    return (_event(command, conference, context),)


def _event(command: ConferenceCommand, conference: Conference | None, context: Context) -> ConferenceEvent:
    match command:
        case ProposeConference():
            return event_from(ConferenceProposed, command)
        case AddParticipant():
            return event_from(ParticipantAdded, command)
        case RecordResponsibility():
            return event_from(ResponsibilityRecorded, command)
        case InformVictim():
            return event_from(VictimInformed, command)
        case GiveConsent():
            return event_from(ConsentGiven, command)
        case WithdrawConsent():
            return event_from(ConsentWithdrawn, command)
        case AssignFacilitator():
            return event_from(FacilitatorAssigned, command)
        case AssessRisk():
            return event_from(RiskAssessed, command)
        case ApproveRisk():
            return event_from(RiskApproved, command)
        case HoldPreparation():
            return event_from(PreparationHeld, command)
        case ScheduleConference():
            return event_from(ConferenceScheduled, command)
        case RecordConferenceHeld():
            return _held(command, conference, context)
        case RecordDidNotProceed():
            return _did_not_proceed(command, conference)
        case ConvertToIndirect():
            return event_from(ConvertedToIndirect, command)
        case SignAgreement():
            return event_from(AgreementSigned, command)
        case CorrectRecord():
            assert conference is not None
            return corrected(command, conference)
        case RecordNoAgreement():
            return event_from(NoAgreementReached, command)
        case CompleteTerm():
            return event_from(TermCompleted, command)
        case FailTerm():
            return event_from(TermNotCompleted, command)
        case RecordFollowUp():
            return event_from(FollowUpCompleted, command)
        case CloseConference():
            return event_from(ConferenceClosed, command)
        case _:
            assert_never(command)


def _held(command: RecordConferenceHeld, conference: Conference | None, context: Context) -> ConferenceHeld:
    assert conference is not None
    assert conference.schedule is not None
    took_part = [one for one in command.present if one.attended]
    harmed = tuple(one.person_id for one in took_part if one.role is PresentRole.HARMED)
    return event_from(
        ConferenceHeld,
        command,
        disposal_id=conference.disposal_id,
        condition_id=conference.condition_id,
        harmer=conference.harmer,
        hours=conference.schedule.hours,
        category=conference.category,
        mode=conference.schedule.mode,
        harmed_took_part=len(harmed),
        harmed_ids=harmed,
        follow_up_due=context.day + timedelta(weeks=context.policy.number("follow_up_weeks")),
    )


def _did_not_proceed(command: RecordDidNotProceed, conference: Conference | None) -> ConferenceDidNotProceed:
    assert conference is not None
    return event_from(
        ConferenceDidNotProceed,
        command,
        disposal_id=conference.disposal_id,
        condition_id=conference.condition_id,
        harmer=conference.harmer,
    )
