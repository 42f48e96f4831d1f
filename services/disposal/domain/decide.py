"""Decides the events of a command, with a function for each decision that takes more than one event or value."""

from dataclasses import replace
from typing import Final

from services.disposal import events
from services.disposal.domain import (
    breach,
    commands,
    correcting,
    deferral,
    derived,
    issuing,
    monitoring,
    moving,
    opening,
)
from services.disposal.domain.activity import activity_id
from services.disposal.domain.completion import of_child
from services.disposal.domain.evolve import evolve
from services.disposal.domain.history import earlier_of, later_cases
from services.disposal.domain.rules import rules
from services.disposal.domain.state import DisposalState
from services.trade.victims.informed import told_elsewhere
from shared.domain.corrections import required
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import Command, event_that_it_records, model_from
from shared.domain.persons import Known
from shared.domain.rules import Context


def decide(command: Command, state: DisposalState | None, context: Context) -> NewEvents:
    """Return the events that an accepted command makes happen, in order."""
    if isinstance(command, commands.OpenDisposalCase):
        command = opening.completed(command, context)
        under_age = opening.victims_under_age(command, context)
        follows = derived.of_opening(command, context.policy)
        return (model_from(events.DisposalCaseOpened, command, **follows, victims_under_age=under_age),)
    if state is None:
        raise TypeError(f"{command.type} opens no case: open it first")
    opened = state.opened
    match command:
        case commands.RecordVictimView():
            return (model_from(events.VictimViewSought, command, child_id=opened.person_id, case_id=opened.case_id),)
        case commands.InformVictimOfRestorativeJustice():
            follows = {"case_id": opened.case_id, "in_place_of": opening.told_for(command.person_id, state, context)}
            return (model_from(events.VictimInformedOfRestorativeJustice, command, **follows),)
        case commands.TellVictim(person_id=person):
            return (model_from(events.VictimTold, command, in_place_of=opening.told_for(person, state, context)),)
        case commands.RecordContact(person_id=person):
            return (model_from(events.ContactRecorded, command, with_victim=person in state.everyone_harmed or None),)
        case commands.CompleteAssessment():
            return (model_from(events.AssessmentCompleted, command, person_id=opened.person_id),)
        case commands.DecideDisposal():
            return (model_from(events.DisposalDecided, command, **derived.of_decision(state, context.day)),)
        case commands.SignDocument():
            return issuing.decide_signature(command, state, context)
        case commands.IssueDisposal():
            return issuing.decide_issue(command, state, context)
        case commands.AgreeDeferral():
            return deferral.decide_agreement(command, state, context)
        case commands.RecordDeferralStep():
            return (model_from(events.DeferralStepRecorded, command, person_id=opened.person_id),)
        case commands.RecordDeferralReview():
            return (model_from(events.DeferralReviewed, command, person_id=opened.person_id),)
        case commands.CompleteDeferral():
            return deferral.decide_completion(command, state, context)
        case commands.EndDeferral():
            return deferral.decide_end(command, state, context)
        case commands.OfferSession():
            return ()  # it has its place: its register will say how it ended
        case commands.RecordConditionAttendance():
            return monitoring.decide_attendance(command, state, context)
        case commands.MoveConditionAttendance() | commands.CorrectConditionAttendance():
            return moving.decide_restatement(command, state, context)
        case commands.DecideAbsence():
            return (model_from(events.AbsenceDecided, command, person_id=opened.person_id),)
        case commands.CompleteCondition():
            return monitoring.decide_completion(command, state, context)
        case commands.RecordRefusal():
            return (model_from(events.ConditionRefused, command, person_id=opened.person_id),)
        case commands.ExcuseCondition():
            return monitoring.decide_excuse(command, state, context)
        case commands.VaryConditions():
            return monitoring.decide_variation(command, state, context)
        case commands.RecordNonEngagement():
            return monitoring.decide_non_engagement(command, state, context)
        case commands.DecideBreach():
            return breach.decide_breach(command, state, context)
        case commands.InstituteProceedings():
            return breach.decide_proceedings(command, state, context)
        case commands.AssignOutcome():
            return (model_from(events.OutcomeAssigned, command, **derived.of_outcome(state, context)),)
        case commands.ReclassifyOffence(offence=offence):
            required(state.age_on(offence.date), state, "the date of birth is forgotten")
            follows = derived.of_reclassification(offence, state, context.policy)
            return (model_from(events.OffenceReclassified, command, **follows),)
        case commands.EndDiversion():
            return (model_from(events.DiversionEnded, command, **of_child(state), ended_on=context.day),)
        case commands.AnnulDisposal():
            return (model_from(events.DisposalAnnulled, command, **derived.of_annulment(state)),)
        case commands.WithdrawCase():
            return (model_from(events.CaseWithdrawn, command, **of_child(state)),)
        case commands.TransferCase():
            ends = None if state.transfer is None else state.transfer.event_id
            return (model_from(events.CaseTransferred, command, ends=ends),)
        case commands.EndTransfer():
            assert state.transfer is not None
            return (model_from(events.TransferEnded, command, ends=state.transfer.event_id),)
        case commands.RecordActivityUndertaken():
            return (model_from(events.ActivityUndertaken, command, session_id=activity_id(command, context)),)
        case commands.RecordProgramme():
            return (model_from(events.ProgrammeRecorded, command, **derived.of_programme(command, state)),)
        case commands.CorrectRecord():
            return correcting.decide_correction(command, state, context)
        case _:
            return (event_that_it_records(command),)


def completed(state: DisposalState, known: Known) -> DisposalState:
    """Return the state with what other records say of the child and the victims."""
    assert state.record is not None
    child, own = state.opened.person_id, state.record.latest.stream_id
    issue = None if state.issue is None else (state.issue.at, own)
    later = () if state.deferral is None else later_cases(child, state.opened.offence.date, known)
    return replace(
        state,
        earlier=earlier_of(child, own, issue, known),
        later=later,
        person=known.ids_of(child)[0],
        elsewhere=told_elsewhere(known, state.opened.case_id),
    )


decider: Final[Decider[DisposalState]] = Decider(rules, decide, evolve, completed)
