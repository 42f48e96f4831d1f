"""The fold of a disposal case: `evolve` says what each fact changes. It applies no rules.

A history cut by time is still a history: facts depend on others only as T1 makes sure of, so that only a broken
reference is impossible here, never an unusual order.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, assert_never
from uuid import UUID

from services.disposal import events
from services.disposal.domain.commands import DecideDisposal
from services.disposal.domain.history import CLOSING
from services.disposal.domain.state import (
    Annulment,
    Assessment,
    AssessmentRequest,
    Attendance,
    Breach,
    ConditionState,
    ConditionStatus,
    Contact,
    Decision,
    Deferral,
    DisposalState,
    Evidence,
    FailedDiversion,
    Informed,
    Issue,
    ProgrammeEnd,
    Review,
    Stage,
    StepState,
    StepStatus,
    Transfer,
    VictimView,
)
from services.trade.victims import log_after, told_persons
from services.trade.vocabulary import AppropriateAdultKind, BreachDecision, Disposal, Recommendation, Role
from shared.domain.corrections import PastFacts
from shared.domain.dates import local_day
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.messages import Event
from shared.domain.states import replace

EXITS: Final = {
    Recommendation.OUTCOME_22: Stage.DIVERTED,
    Recommendation.CHARGE: Stage.CHARGED,
    **dict.fromkeys(CLOSING, Stage.CLOSED),
}
TOLD_OF: Final = (
    events.DisposalIssued,
    events.ProsecutionDeferred,
    events.DisposalCompleted,
    events.BreachDecided,
    events.DisposalAnnulled,
)
ISSUED: Final = {Disposal.YRD: Stage.AGREED, Disposal.YC: Stage.RECORDED, Disposal.YCC: Stage.ACTIVE}


def evolve(state: DisposalState | None, fact: Fact[events.DisposalEvent]) -> DisposalState:
    """Return the state after one more fact; raise `BrokenHistory` if the facts contradict one another."""
    if state is None:
        if not isinstance(fact.event, events.DisposalCaseOpened):
            raise BrokenHistory(fact, "the case was never opened")
        after = DisposalState(
            opened=fact.event,
            opened_at=fact.occurred_at,
            ethnicity_in=fact.event_id,
            officer_id=None if fact.actor.role == Role.SYSTEM else fact.actor.id,
            area=fact.envelope.labels.get("area"),
        )
        return replace(after, record=PastFacts(fact))
    after = _state_after(state, fact)
    decided_at = (*state.decided_at, fact.occurred_at) if _is_to_be_told(fact.event) else state.decided_at
    return replace(after, decided_at=decided_at, log=log_after(state.log, fact), record=PastFacts(fact, state.record))


def _is_to_be_told(event: Event) -> bool:
    """Whether a victim is told of what an event says (Victims' Code, right 6)."""
    match event:
        case events.DisposalDecided(decision=decision):
            return decision in EXITS
        case events.DiversionEnded(then=then):
            return then is events.AfterDiversion.NO_FURTHER_ACTION
        case _:
            return isinstance(event, TOLD_OF)


def _state_after(state: DisposalState, fact: Fact[events.DisposalEvent]) -> DisposalState:  # noqa: PLR0915 - one match over all events
    at = fact.occurred_at
    event = fact.event
    match event:
        case events.DisposalCaseOpened():
            raise BrokenHistory(fact, "the case is open already")
        case events.AdmissionRecorded():
            if _is_before(at, state.asked_at):
                return state
            return replace(state, admission=event, admission_version=fact.version, asked_at=at)
        case events.AdmissionWithdrawn():
            return replace(state, admission=None, asked_at=at)
        case events.EvidenceSufficiencyDecided():
            evidence = Evidence(event.sufficient, event.standard, at)
            return state if evidence.leaves(state.evidence) else replace(state, evidence=evidence)
        case events.GravityScored():
            score, yjb_score = event.final_score, event.yjb_seriousness_score
            scored = replace(state, gravity=score, gravity_on=fact.day, yjb_seriousness=yjb_score)
            return replace(scored, gravity_version=fact.version)
        case events.VictimViewSought():
            return _view_sought(state, fact, event)
        case events.ComplianceMeetingRecorded() | events.VictimTold():
            return state
        case events.CaseHandedOver():
            if _is_before(at, state.handed_over_at):
                return state
            return replace(state, officer_id=event.to, handed_over_at=at)
        case events.VictimInformedOfRestorativeJustice():
            return _victim_informed(state, fact, event)
        case events.AssessmentRequested():
            return replace(state, requests=(*state.requests, AssessmentRequest(event.tool, at)))
        case events.AssessmentCompleted():
            return _assessed(state, fact, event)
        case events.PanelRecommended():
            stage = state.stage if state.decision is not None else Stage.RECOMMENDED
            return replace(state, panel=event.recommended, stage=stage)
        case events.ProsecutorDecisionRecorded():
            if _is_before(at, state.prosecutor_at):
                return state
            return replace(state, prosecutor=event.decision, prosecutor_at=at)
        case events.DisposalDecided():
            return _decided(state, fact, event)
        case events.ConditionProposed():
            condition = ConditionState(event.condition, ConditionStatus.PROPOSED, at, version=fact.version)
            conditions = {**state.conditions, event.condition.condition_id: condition}
            return _conditions_changed(state, fact, conditions)
        case events.ConditionWithdrawn():
            _require_condition(state, fact, event.condition_id)
            conditions = {key: other for key, other in state.conditions.items() if key != event.condition_id}
            return _conditions_changed(state, fact, conditions)
        case events.AppropriateAdultConfirmed():
            if event.kind is AppropriateAdultKind.PARENT_GUARDIAN:
                state = replace(state, parents=state.parents | {event.person_id})
            return replace(state, adults_at=(*state.adults_at, at)) if _may_act(event) else state
        case events.EffectExplained():
            return replace(state, explanations=(*state.explanations, (at, event)))
        case events.DocumentSigned():
            return _signed(state, fact, event)
        case events.DisposalIssued():
            return _issued(state, fact, event)
        case events.YotReferred():
            return replace(state, yot_referred_at=at)
        case events.ProsecutionDeferred():
            steps = {step.step_id: StepState(step) for step in event.plan}
            deferral = Deferral(at, fact.day, event.age, event.review_on, steps)
            return replace(state, stage=Stage.DEFERRED, deferral=deferral)
        case events.DeferralStepRecorded():
            return _step_recorded(state, fact, event)
        case events.DeferralReviewed():
            deferral = _require_deferral(state, fact)
            return replace(state, deferral=replace(deferral, reviewed_at=(*deferral.reviewed_at, at)))
        case events.DeferralCompleted():
            deferral = replace(_require_deferral(state, fact), ended_at=at)
            state = _with_end(state, event.completed_on, completed=True)
            return replace(
                state, stage=Stage.COMPLETED, deferral=deferral, completed_on=event.completed_on, ended_at=at
            )
        case events.DeferralEnded():
            return _deferral_ended(state, fact, event)
        case events.ConditionSessionBooked():
            return replace(state, bookings={**state.bookings, event.session_id: event})
        case events.ConditionAttended() | events.ConditionMissed() | events.ConditionSessionCancelled():
            return _attended(state, fact, event)
        case events.AbsenceDecided():
            return _absence_decided(state, fact, event)
        case events.ContactRecorded():
            return replace(state, contacts=(*state.contacts, Contact(event.person_id, at)))
        case events.WarningIssued():
            return _warned(state, fact, event)
        case events.ConditionCompleted():
            return _with_condition_status(state, fact, event.condition_id, ConditionStatus.COMPLETED)
        case events.ConditionRefused():
            refused = replace(_require_condition(state, fact, event.condition_id), refused_at=at)
            return replace(state, conditions={**state.conditions, event.condition_id: refused})
        case events.ConditionExcused():
            return _with_condition_status(state, fact, event.condition_id, ConditionStatus.EXCUSED)
        case events.ConditionFailed():
            return _with_condition_status(state, fact, event.condition_id, ConditionStatus.FAILED)
        case events.ConditionsVaried():
            return _varied(state, fact, event)
        case events.ConsentWithdrawn():
            return _consent_withdrawn(state, fact)
        case events.DisposalCompleted():
            state = _with_end(state, event.completed_on, completed=True)
            return replace(state, stage=Stage.COMPLETED, completed_on=event.completed_on, ended_at=at)
        case events.DisposalNotCompleted():
            state = _with_end(state, event.ended_on, completed=False)
            # A voluntary programme beside a caution or a diversion is counted, without consequence.
            return replace(state, stage=Stage.NOT_COMPLETED, ended_at=at) if state.stage is Stage.AGREED else state
        case events.BreachReferred():
            if state.disposal is not Disposal.YCC:
                raise BrokenHistory(fact, "only a conditional caution is breached")
            breach = Breach(event.condition_ids, at)
            return replace(_by_monitor(state, fact), stage=Stage.BREACH_REVIEW, breach=breach)
        case events.BreachDecided():
            return _breach_decided(state, fact, event)
        case events.DisposalClosedWithoutProceedings():
            state = _with_end(state, event.ended_on, completed=False)
            return replace(state, stage=Stage.CLOSED_NO_PROCEEDINGS, ended_at=at)
        case events.ProceedingsInstituted():
            return replace(state, proceedings_at=at)
        case events.DisposalCeased():
            ceased = replace(_with_end(state, event.ceased_on, completed=False), stage=Stage.CEASED, ended_at=at)
            if state.deferral is not None:
                return ceased
            issue = _require_issue(state, fact)
            by_statute = None if issue.spent_by_statute is None else min(issue.spent_by_statute, event.ceased_on)
            return replace(ceased, issue=replace(issue, spent_on=event.spent_on, spent_by_statute=by_statute))
        case events.OutcomeAssigned():
            return replace(state, outcome=event.code, outcome_at=at, outcome_age=event.age)
        case events.DisposalAnnulled():
            _require_issue(state, fact)
            annulment = Annulment(at, event.reference)
            without = replace(state, outcome=None, outcome_at=None, outcome_age=None)
            return replace(without, stage=Stage.ANNULLED, annulment=annulment, ended_at=state.ended_at or at)
        case events.OffenceReclassified():
            changes = {name: getattr(event, name) for name in ("offence", "age_at_offence", "prosecution_time_limit")}
            void = replace(_unprepared(state), admission=None, asked_at=at, panel=None, prosecutor=None, decision=None)
            return replace(void, opened=state.opened.model_copy(update=changes), stage=_undecided(void))
        case events.DiversionEnded():
            return _diversion_ended(state, fact, event)
        case events.CaseWithdrawn():
            return replace(state, stage=Stage.WITHDRAWN, ended_at=at)
        case events.CaseTransferred():
            transfer = Transfer(fact.event_id, event.to_area, event.kind, at, event.review_on)
            return replace(state, transfers=(*_transfers_ended(state, at), transfer))
        case events.TransferEnded():
            return replace(state, transfers=_transfers_ended(state, at))
        case events.ActivityUndertaken():
            return replace(state, activities={**state.activities, event.session_id: at})
        case events.ProgrammeRecorded():
            records = sorted((*state.programme_records, (at, event)), key=lambda record: record[0])
            return replace(state, programme_records=tuple(records))
        case events.RecordCorrected():  # the corrected value already stands in its place
            if state.stage is Stage.DECIDED and event.field.partition(".")[0] == "condition":
                state = _conditions_changed(state, fact, state.conditions)
            if event.field == "details.ethnicity" and event.sealed is not None:
                state = replace(state, ethnicity_in=fact.event_id)
            return (
                state if event.unlawful_by is None else replace(state, reviews=_reviewed(state, event.unlawful_by, at))
            )
        case _:
            assert_never(event)


def _transfers_ended(state: DisposalState, at: datetime) -> tuple[Transfer, ...]:
    if state.transfer is None:
        return state.transfers
    return (*state.transfers[:-1], replace(state.transfer, ended_at=at))


def _is_before(at: datetime, last: datetime | None) -> bool:
    """Tell whether a fact that is recorded late was overtaken before it was recorded."""
    return last is not None and at < last


def _may_act(adult: events.AppropriateAdultConfirmed) -> bool:
    """Tell whether an appropriate adult, maybe as corrected since, is one that rule R7 lets act."""
    comes_last = adult.kind is not AppropriateAdultKind.RESPONSIBLE_ADULT or adult.others_unavailable is not False
    return (
        adult.adult
        and not (adult.police_employee or adult.involved_in_case or adult.received_admission or adult.child_objects)
        and comes_last
    )


def _reviewed(state: DisposalState, unlawful_by: tuple[str, ...], at: datetime) -> tuple[Review, ...]:
    """Return the reviews after a correction: its finding ends the open review, and opens one if a rule is broken."""
    if state.reviews and state.reviews[-1].met_at is None:
        if state.reviews[-1].unlawful_by == unlawful_by:
            return state.reviews
        state = replace(state, reviews=(*state.reviews[:-1], replace(state.reviews[-1], met_at=at)))
    return (*state.reviews, Review(unlawful_by, at)) if unlawful_by else state.reviews


def _require_condition(state: DisposalState, fact: Fact, condition_id: UUID) -> ConditionState:
    if condition_id not in state.conditions:
        raise BrokenHistory(fact, f"there is no condition {condition_id}")
    return state.conditions[condition_id]


def _require_issue(state: DisposalState, fact: Fact) -> Issue:
    if state.issue is None:
        raise BrokenHistory(fact, "no disposal was issued")
    return state.issue


def _require_deferral(state: DisposalState, fact: Fact) -> Deferral:
    if state.deferral is None:
        raise BrokenHistory(fact, "no prosecution was deferred")
    return state.deferral


def _step_recorded(state: DisposalState, fact: Fact, event: events.DeferralStepRecorded) -> DisposalState:
    deferral = _require_deferral(state, fact)
    step = deferral.steps.get(event.step_id)
    if step is None:
        raise BrokenHistory(fact, f"the plan has no step {event.step_id}")
    recorded = replace(step, status=StepStatus(event.result), recorded_at=fact.occurred_at)
    steps = {**deferral.steps, event.step_id: recorded}
    missed = (fact.occurred_at,) if event.result is events.StepResult.MISSED else ()
    return replace(state, deferral=replace(deferral, steps=steps, missed_at=(*deferral.missed_at, *missed)))


def _deferral_ended(state: DisposalState, fact: Fact, event: events.DeferralEnded) -> DisposalState:
    """Put the failed deferral under review, as a breach of which the decision is taken; closing is an event of its own."""
    deferral = _require_deferral(state, fact)
    state = _with_end(state, event.ended_on, completed=False)
    ended = replace(deferral, ended_at=deferral.ended_at or fact.occurred_at)
    breach = Breach((), fact.occurred_at, BreachDecision(event.then), fact.occurred_at)
    return replace(state, stage=Stage.BREACH_REVIEW, deferral=ended, breach=breach)


def _with_end(state: DisposalState, day: date, *, completed: bool) -> DisposalState:
    """Note an end. A deferral ends once: neither what follows nor a decision anew moves that day."""
    if state.deferral is not None and state.end is not None:
        return state
    return replace(state, end=ProgrammeEnd(day, completed))


def _by_monitor(state: DisposalState, fact: Fact) -> DisposalState:
    """Add the officer to those who monitored the conditions (D3); a reaction is no officer."""
    if fact.actor.role == Role.SYSTEM:
        return state
    return replace(state, monitors=state.monitors | {fact.actor.id})


def _view_sought(state: DisposalState, fact: Fact, event: events.VictimViewSought) -> DisposalState:
    """Note what a victim said, in order of time; what they leave open stands as they said it before."""
    said = VictimView(event.wants_rj, event.consents_to_contact, fact.occurred_at, fact.version)
    before = state.views.get(event.person_id, VictimView())
    first, last = (said, before) if _is_before(fact.occurred_at, before.at) else (before, said)
    view = VictimView(
        first.wants_rj if last.wants_rj is None else last.wants_rj,
        first.consents_to_contact if last.consents_to_contact is None else last.consents_to_contact,
        last.at,
        last.version,
        before.sought_before_decision or (event.sought and event.before_decision),
    )
    return replace(state, views={**state.views, event.person_id: view})


def _victim_informed(
    state: DisposalState, fact: Fact, event: events.VictimInformedOfRestorativeJustice
) -> DisposalState:
    told = dict(state.informed)
    for victim in told_persons(event):
        before = told.get(victim)
        at = fact.occurred_at if before is None else min(before.at, fact.occurred_at)
        told[victim] = Informed(at, event.enhanced_rights or (before is not None and before.enhanced_rights))
    return replace(state, informed=told)


def _assessed(state: DisposalState, fact: Fact, event: events.AssessmentCompleted) -> DisposalState:
    at = fact.occurred_at
    requests = tuple(
        replace(request, completed_at=at) if request.completed_at is None and request.at <= at else request
        for request in state.requests
    )
    plan = event.programme_plan
    programme = plan or event.programme_inappropriate_reason is not None
    return replace(
        state,
        requests=requests,
        assessments=(*state.assessments, Assessment(at, plan, programme, event.tool, fact.version)),
        stage=Stage.ASSESSED if state.stage is Stage.OPENED else state.stage,
    )


def speaks_of_section_45(decision: DecideDisposal | events.DisposalDecided) -> bool:
    """Tell whether the reasons of a decision name section 45 of the Modern Slavery Act 2015 (the defence of a victim)."""
    reasons = (decision.rationale_text.or_else(""), decision.public_interest.or_else(""))
    return any(re.search(r"\b(s|section)\.? ?45\b", text, re.IGNORECASE) for text in reasons)


def _decided(state: DisposalState, fact: Fact, event: events.DisposalDecided) -> DisposalState:
    """Decide; void what was prepared under an earlier decision, since it was prepared for another disposal."""
    stage = EXITS.get(event.decision, Stage.DECIDED)
    return replace(
        _unprepared(state),
        stage=stage,
        decision=Decision(
            event.decision,
            fact.actor.id,
            fact.actor.role != Role.SYSTEM,
            fact.occurred_at,
            fact.version,
            event.age,
            speaks_of_section_45(event),
            event.prosecution_inappropriate is True and event.ycc_inappropriate is True,
        ),
        ended_at=fact.occurred_at if stage in {Stage.CHARGED, Stage.CLOSED} else None,
    )


def _unprepared(state: DisposalState) -> DisposalState:
    return replace(
        state,
        conditions={},
        adults_at=(),
        explanations=(),
        signed_at=None,
        conditions_changed_at=None,
        changed_since_signing=False,
        document_printed_here=None,
        consent_withdrawn_at=None,
    )


def _undecided(state: DisposalState) -> Stage:
    if state.panel is not None:
        return Stage.RECOMMENDED
    return Stage.ASSESSED if state.assessments else Stage.OPENED


def _diversion_ended(state: DisposalState, fact: Fact, event: events.DiversionEnded) -> DisposalState:
    """End the diversion, unless the child left it before; decided anew, that end stays apart from the one of what is given."""
    end = state.end or ProgrammeEnd(event.ended_on, completed=False)
    if event.then is events.AfterDiversion.NO_FURTHER_ACTION:
        return replace(state, stage=Stage.CLOSED, end=end, ended_at=fact.occurred_at)
    decision = state.decision
    began_on = None if decision is None else local_day(decision.at)
    failed = FailedDiversion(end.on, None if decision is None else decision.age, began_on)
    stage = _undecided(state)
    return replace(state, stage=stage, decision=None, end=None, failed_diversion=failed, programme_records=())


def _conditions_changed(state: DisposalState, fact: Fact, conditions: Mapping[UUID, ConditionState]) -> DisposalState:
    """Replace the conditions that were signed; note when they changed last, since a signature may be recorded late."""
    at = fact.occurred_at if state.conditions_changed_at is None else max(state.conditions_changed_at, fact.occurred_at)
    return replace(state, conditions=conditions, conditions_changed_at=at, changed_since_signing=True)


def _signed(state: DisposalState, fact: Fact, event: events.DocumentSigned) -> DisposalState:
    """Note a signature, which binds the conditions as they were by then."""
    at, changed_at = fact.occurred_at, state.conditions_changed_at
    withdrawn_at = state.consent_withdrawn_at
    if _is_before(at, withdrawn_at):
        return state
    consents = event.consent and event.signed_by_child
    return replace(
        state,
        signed_at=at if consents else None,
        consent_withdrawn_at=None if consents else withdrawn_at,
        changed_since_signing=changed_at is not None and changed_at > at,
        document_printed_here=event.printed_here,
    )


def _issued(state: DisposalState, fact: Fact, event: events.DisposalIssued) -> DisposalState:
    if state.decision is None:
        raise BrokenHistory(fact, "nothing was decided")
    conditions = {
        key: replace(
            condition,
            standing=ConditionStatus.ACTIVE,
            since=fact.occurred_at,
            given_on=event.issued_on,
            due_set_by=fact.version,
        )
        for key, condition in state.conditions.items()
        if event.disposal is not Disposal.YC
    }
    if missing := {terms.condition_id for terms in event.conditions} - conditions.keys():
        raise BrokenHistory(fact, f"conditions {sorted(map(str, missing))} were never proposed")
    issue = Issue(
        event.disposal,
        fact.occurred_at,
        event.issued_on,
        event.age_at_issue,
        event.ends_on,
        event.spent_on,
        event.spent_by_statute,
    )
    issued = replace(state, issue=issue, stage=ISSUED[event.disposal], conditions=conditions, consent_withdrawn_at=None)
    if event.disposal is Disposal.YRD and not conditions:
        # Nothing was agreed that is still to be done: given is completed.
        issued = _with_end(issued, event.issued_on, completed=True)
        return replace(issued, stage=Stage.COMPLETED, completed_on=event.issued_on, ended_at=fact.occurred_at)
    return issued


def _attended(state: DisposalState, fact: Fact, event: events.RecordOfSession) -> DisposalState:
    attendance = Attendance(
        event.condition_id,
        event.session_id,
        event.status,
        event.hours_credited,
        event.complied,
        event.because,
        fact.occurred_at,
        by_reaction=fact.actor.role == Role.SYSTEM,
    )
    return replace(_by_monitor(state, fact), attendances=(*state.attendances, attendance))


def _absence_decided(state: DisposalState, fact: Fact, event: events.AbsenceDecided) -> DisposalState:
    pending = state.pending_absence(event.session_id)
    if pending is None:
        raise BrokenHistory(fact, "no absence waited for a reason")
    decided = replace(pending, acceptable=event.acceptable, decided_at=fact.occurred_at)
    attendances = tuple(decided if attendance is pending else attendance for attendance in state.attendances)
    return replace(_by_monitor(state, fact), attendances=attendances)


def _warned(state: DisposalState, fact: Fact, event: events.WarningIssued) -> DisposalState:
    missed = state.last_attendance(event.session_id)
    if missed is None:
        raise BrokenHistory(fact, "there is no record of that session")
    attendances = tuple(
        replace(attendance, warned=True) if attendance is missed else attendance for attendance in state.attendances
    )
    return replace(_by_monitor(state, fact), attendances=attendances)


def _with_condition_status(
    state: DisposalState, fact: Fact, condition_id: UUID, standing: ConditionStatus
) -> DisposalState:
    condition = _require_condition(state, fact, condition_id)
    done_at = None if standing is ConditionStatus.FAILED else fact.occurred_at
    changed = replace(condition, standing=standing, done_at=done_at)
    return replace(state, conditions={**state.conditions, condition_id: changed})


def _varied(state: DisposalState, fact: Fact, event: events.ConditionsVaried) -> DisposalState:
    conditions = dict(state.conditions)
    for place, change in enumerate(event.changes):
        field = f"changes.{place}.condition"
        if change.action is events.ChangeAction.OMIT:
            condition = _require_condition(state, fact, change.condition_id)
            conditions[change.condition_id] = replace(
                condition, standing=ConditionStatus.OMITTED, done_at=fact.occurred_at
            )
        elif change.condition is None:
            raise BrokenHistory(fact, "a condition was added or modified without its terms")
        elif change.action is events.ChangeAction.MODIFY:
            condition = _require_condition(state, fact, change.condition_id)
            is_moved = change.condition.due != condition.terms.due
            conditions[change.condition_id] = replace(
                condition,
                terms=change.condition,
                version=fact.version,
                field=field,
                due_set_by=fact.version if is_moved else condition.due_set_by,
                refused_at=None,
            )
        else:
            conditions[change.condition_id] = ConditionState(
                change.condition,
                ConditionStatus.ACTIVE,
                fact.occurred_at,
                fact.day,
                version=fact.version,
                field=field,
                due_set_by=fact.version,
            )
    issue = replace(_require_issue(state, fact), ends_on=event.ends_on, spent_on=event.spent_on)
    # Consent to the variation is consent to the caution as it then stands.
    withdrawn = state.consent_withdrawn_at
    if event.consent and not _is_before(fact.occurred_at, withdrawn):
        withdrawn = None
    breach = None if state.breach is None else replace(state.breach, varied=True)
    return replace(state, conditions=conditions, issue=issue, consent_withdrawn_at=withdrawn, breach=breach)


def _consent_withdrawn(state: DisposalState, fact: Fact) -> DisposalState:
    if state.issue is None:
        return replace(state, signed_at=None, document_printed_here=None, consent_withdrawn_at=fact.occurred_at)
    without = replace(state, stage=Stage.BREACH_REVIEW, consent_withdrawn_at=fact.occurred_at)
    if state.stage is Stage.BREACH_REVIEW:
        return without  # a breach that was referred stays as it was, and so does what was decided on it
    # Nothing was referred, so that no condition is named as broken.
    return replace(without, breach=Breach((), fact.occurred_at))


def _breach_decided(state: DisposalState, fact: Fact, event: events.BreachDecided) -> DisposalState:
    if state.breach is None:
        raise BrokenHistory(fact, "no breach was under review")
    breach = replace(state.breach, decision=event.decision, decided_at=fact.occurred_at, varied=False)
    goes_on = event.decision in {BreachDecision.EXCUSED, BreachDecision.VARY, BreachDecision.EXTEND}
    return replace(state, breach=breach, stage=Stage.ACTIVE if goes_on else state.stage)
