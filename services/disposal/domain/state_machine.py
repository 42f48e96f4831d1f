"""The state machine of a disposal as a table: each command, the stages in which it is allowed, and the text elsewhere.

A row has a function only for what stages cannot say: `standing` of the state, `condition` of command and state, such as
that the condition is active.
"""

from typing import Final

from services.disposal.domain import commands
from services.disposal.domain.activity import activity_id
from services.disposal.domain.moving import may_be_corrected, may_be_moved
from services.disposal.domain.signing import document_to_sign
from services.disposal.domain.state import (
    BEFORE_ISSUE,
    ISSUED_AND_OPEN,
    SETTLED,
    TAKEN_BACK,
    UNDER_WAY,
    DisposalState,
    Stage,
)
from services.disposal.events import Change, ChangeAction
from services.trade.vocabulary import AttendanceStatus, Disposal, Role
from shared.domain.rules import Context
from shared.domain.state_machine import NOTHING_YET, AllowedStages

SOURCE: Final = "the state machine of a disposal"

CARED_FOR: Final = BEFORE_ISSUE | ISSUED_AND_OPEN | {Stage.DEFERRED, Stage.DIVERTED}
"""The stages in which somebody still works with the child and the victim."""

EVERY_STAGE: Final = frozenset(Stage)


# --- what stages cannot say ---------------------------------------------------------------------


def _takes_session(command: commands.OfferSession, state: DisposalState, _context: Context) -> bool:
    if command.session_id in state.bookings:
        return False
    last = state.last_attendance(command.session_id)
    if last is not None:
        # The register recorded the session before the offer came, or the offer is repeated.
        return last.by_reaction and last.condition_id == command.condition_id
    return state.stage in UNDER_WAY and state.active(command.condition_id) is not None


def _fits_its_booking(command: commands.RecordConditionAttendance, state: DisposalState, _context: Context) -> bool:
    booking = state.bookings.get(command.session_id)
    fits = booking is None or booking.condition_id == command.condition_id
    return fits and state.active(command.condition_id) is not None


def _deserves_warning(command: commands.IssueWarning, state: DisposalState, _context: Context) -> bool:
    missed = state.last_attendance(command.session_id)
    if missed is None or missed.warned:
        return False
    return missed.unacceptable_since is not None or missed.status is AttendanceStatus.EXCLUDED_CONDUCT


def _changes_make_sense(command: commands.VaryConditions, state: DisposalState, _context: Context) -> bool:
    ids = [change.condition_id for change in command.changes]
    each_once = bool(ids) and len(ids) == len(set(ids))
    return each_once and all(_makes_sense(change, state) for change in command.changes)


def _makes_sense(change: Change, state: DisposalState) -> bool:
    names_itself = change.condition is None or change.condition.condition_id == change.condition_id
    match change.action:
        case ChangeAction.ADD:
            return change.condition is not None and names_itself and change.condition_id not in state.conditions
        case ChangeAction.MODIFY:
            return change.condition is not None and names_itself and state.active(change.condition_id) is not None
        case ChangeAction.OMIT:
            return change.condition is None and state.active(change.condition_id) is not None


def _step_is_unsettled(command: commands.RecordDeferralStep, state: DisposalState, _context: Context) -> bool:
    step = state.required_deferral.steps.get(command.step_id)
    return step is not None and step.status not in SETTLED


def _can_be_refused(command: commands.RecordRefusal, state: DisposalState, context: Context) -> bool:
    condition = state.active(command.condition_id)
    return condition is not None and condition.refused_at is None and context.day <= condition.terms.due


def _was_given(state: DisposalState) -> bool:
    return state.issue is not None


def _names_its_source(command: commands.RecordActivityUndertaken, _state: DisposalState, context: Context) -> bool:
    by_reaction = context.actor.role == Role.SYSTEM
    return (command.session_id is not None, command.provider is None) == (by_reaction, by_reaction)


def _consent_stands(state: DisposalState) -> bool:
    if state.deferral is not None:
        return False
    if state.stage is Stage.DECIDED:
        return state.signed_at is not None
    return state.stage is Stage.ACTIVE or state.consent_withdrawn_at is None


# --- the table ----------------------------------------------------------------------------------

STATE_MACHINE: Final[tuple[AllowedStages[DisposalState], ...]] = (
    AllowedStages("not_opened_yet", (commands.OpenDisposalCase,), NOTHING_YET, "This case is open already."),
    AllowedStages(
        "not_given_yet",
        (
            commands.RecordAdmission,
            commands.DecideEvidence,
            commands.ScoreGravity,
            commands.RecordPanelRecommendation,
            commands.DecideDisposal,
        ),
        BEFORE_ISSUE,
        "This belongs before the disposal is given, and the case is past that.",
    ),
    AllowedStages(
        "there_is_an_admission",
        (commands.WithdrawAdmission,),
        BEFORE_ISSUE,
        "There is no admission that could be taken back, or the disposal is given already.",
        standing=lambda state: state.admitted_at is not None,
    ),
    AllowedStages(
        "prosecutor_has_a_say",
        (commands.RecordProsecutorDecision,),
        BEFORE_ISSUE | {Stage.BREACH_REVIEW},
        "The prosecutor decides before the disposal is given, or on a breach under review.",
    ),
    AllowedStages(
        "people_are_reached",
        (commands.RecordContact,),
        CARED_FOR | {Stage.ANNULLED},
        "The case has ended: only a correction or an outcome may be recorded.",
    ),
    AllowedStages(
        "child_may_be_assessed",
        (commands.RequestAssessment, commands.CompleteAssessment),
        CARED_FOR | {Stage.RECORDED},
        "The case has ended: nobody is assessed for it any more.",
    ),
    AllowedStages(
        "there_is_work_to_hand_over",
        (commands.HandOverCase, commands.HandOnCase, commands.TransferCase),
        CARED_FOR | {Stage.RECORDED},
        "The case has ended: there is no work that another officer could take.",
    ),
    AllowedStages(
        "another_area_holds_it",
        (commands.EndTransfer,),
        EVERY_STAGE,
        "No other area holds the case.",
        standing=lambda state: state.transfer is not None,
    ),
    AllowedStages(
        "condition_may_be_proposed",
        (commands.ProposeCondition,),
        frozenset({Stage.DECIDED}),
        "Conditions are proposed, each under an id of its own, after a decision for a restorative disposal or a"
        " conditional caution and before it is given.",
        standing=lambda state: state.to_be_issued in {Disposal.YRD, Disposal.YCC},
        condition=lambda command, state, _: command.condition.condition_id not in state.conditions,
        looks_at=("condition",),
    ),
    AllowedStages(
        "condition_is_proposed",
        (commands.WithdrawCondition,),
        frozenset({Stage.DECIDED}),
        "Only a condition that is proposed and not yet given can be taken back.",
        condition=lambda command, state, _: command.condition_id in state.conditions,
        looks_at=("condition_id",),
    ),
    AllowedStages(
        "decided_and_not_yet_given",
        (commands.ConfirmAppropriateAdult, commands.ExplainEffect, commands.IssueDisposal),
        frozenset({Stage.DECIDED}),
        "This belongs after the decision for a disposal and before it is given.",
        standing=lambda state: state.to_be_issued is not None,
    ),
    AllowedStages(
        "there_is_a_document_to_sign",
        (commands.SignDocument,),
        frozenset({Stage.DECIDED, Stage.DEFERRED}),
        "A document is signed after the decision for a disposal and before it is given, or once a plan is agreed.",
        standing=lambda state: document_to_sign(state.stage, state.to_be_issued) is not None,
    ),
    AllowedStages(
        "deferral_is_decided",
        (commands.AgreeDeferral,),
        frozenset({Stage.DECIDED}),
        "A plan is agreed once, after the decision to defer the prosecution, each step under an id of its own.",
        standing=lambda state: state.awaits_plan,
        condition=lambda command, _state, _: len({step.step_id for step in command.plan}) == len(command.plan),
        looks_at=("plan",),
    ),
    AllowedStages(
        "step_is_to_be_done",
        (commands.RecordDeferralStep,),
        frozenset({Stage.DEFERRED}),
        "Only a step of an agreed plan is recorded, and one that is done or excused is not recorded again: correct it.",
        condition=_step_is_unsettled,
        looks_at=("step_id",),
    ),
    AllowedStages(
        "prosecution_is_deferred",
        (commands.CompleteDeferral, commands.RecordDeferralReview),
        frozenset({Stage.DEFERRED}),
        "No prosecution is deferred.",
    ),
    AllowedStages(
        "deferral_can_be_ended",
        (commands.EndDeferral,),
        frozenset({Stage.DEFERRED, Stage.BREACH_REVIEW}),
        "No prosecution is deferred, nor waits for proceedings after a deferral.",
        standing=lambda state: state.deferral is not None,
    ),
    AllowedStages(
        "caution_awaits_its_referral",
        (commands.ReferToYot,),
        frozenset({Stage.RECORDED, Stage.ACTIVE, Stage.BREACH_REVIEW, Stage.ANNULLED}),
        "A child is referred to the youth offending team once, after a caution is given.",
        f"{SOURCE}; CDA 1998 ss66A(6A), 66ZB(1)",
        standing=lambda state: _was_given(state) and state.yot_referred_at is None,
    ),
    AllowedStages(
        "session_is_booked_once",
        (commands.BookConditionSession,),
        EVERY_STAGE,
        "This session is booked already: a session is booked once.",
        condition=lambda command, state, _: command.session_id not in state.bookings,
        looks_at=("session_id",),
    ),
    AllowedStages(
        "condition_can_take_the_session",
        (commands.OfferSession,),
        EVERY_STAGE,
        "The session cannot count for this condition: the condition is not active in this disposal, or the session is"
        " booked or recorded here already.",
        condition=_takes_session,
        looks_at=("condition_id", "session_id"),
    ),
    AllowedStages(
        "attendance_may_be_recorded",
        (commands.RecordConditionAttendance,),
        UNDER_WAY,
        "Attendance is recorded for an active condition, and for the one that the session was booked for.",
        condition=_fits_its_booking,
        looks_at=("condition_id", "session_id"),
    ),
    AllowedStages(
        "attendance_may_be_moved",
        (commands.MoveConditionAttendance,),
        EVERY_STAGE,
        "The session cannot be counted where education has it now: the condition is not active, or another was"
        " completed by it.",
        condition=may_be_moved,
        looks_at=("condition_id", "session_id", "recorded_at", "status", "hours_credited", "complied", "because"),
    ),
    AllowedStages(
        "attendance_may_be_corrected",
        (commands.CorrectConditionAttendance,),
        EVERY_STAGE,
        "The session cannot be counted as its own record has it now: the condition is not active, was completed by it,"
        " or something was decided on it.",
        condition=may_be_corrected,
        looks_at=("condition_id", "session_id", "recorded_at", "status", "hours_credited", "complied", "because"),
    ),
    AllowedStages(
        "absence_may_be_decided",
        (commands.DecideAbsence,),
        ISSUED_AND_OPEN,
        "The case has ended: absences are no longer decided.",
    ),
    AllowedStages(
        "absence_was_unacceptable",
        (commands.IssueWarning,),
        frozenset({Stage.ACTIVE}),
        "A warning is given once, for an absence found unacceptable or for exclusion, on an active conditional"
        " caution.",
        condition=_deserves_warning,
        looks_at=("session_id",),
    ),
    AllowedStages(
        "caution_is_monitored",
        (commands.RecordComplianceMeeting,),
        frozenset({Stage.ACTIVE, Stage.BREACH_REVIEW}),
        "A compliance meeting belongs to a conditional caution that is active or under review.",
        standing=_was_given,
    ),
    AllowedStages(
        "condition_is_active",
        (commands.BookConditionSession, commands.CompleteCondition, commands.ExcuseCondition),
        UNDER_WAY,
        "The condition is not active.",
        condition=lambda command, state, _: state.active(command.condition_id) is not None,
        looks_at=("condition_id",),
    ),
    AllowedStages(
        "condition_can_be_refused",
        (commands.RecordRefusal,),
        frozenset({Stage.ACTIVE}),
        "A refusal is recorded once, of an active condition of a conditional caution, by its day.",
        condition=_can_be_refused,
        looks_at=("condition_id",),
    ),
    AllowedStages(
        "changes_make_sense",
        (commands.VaryConditions,),
        UNDER_WAY,
        "A variation adds new conditions, or modifies or omits active ones, each once and under its own id, on a"
        " disposal that is under way.",
        condition=_changes_make_sense,
        looks_at=("changes",),
    ),
    AllowedStages(
        "consent_may_be_withdrawn",
        (commands.WithdrawConsent,),
        frozenset({Stage.DECIDED, Stage.ACTIVE, Stage.BREACH_REVIEW}),
        "There is no consent to a conditional caution that could be withdrawn.",
        standing=_consent_stands,
    ),
    AllowedStages(
        "disposal_is_voluntary",
        (commands.RecordNonEngagement,),
        frozenset({Stage.AGREED, Stage.RECORDED, Stage.DIVERTED}),
        "Non-engagement is recorded of a restorative disposal or a voluntary programme; a conditional caution is"
        " breached or varied.",
        f"{SOURCE}; NPCC community resolution guidance",
    ),
    AllowedStages(
        "caution_is_active",
        (commands.ReferBreach,),
        frozenset({Stage.ACTIVE}),
        "Only an active conditional caution can be breached.",
    ),
    AllowedStages(
        "breach_was_decided",
        (commands.InstituteProceedings,),
        frozenset({Stage.BREACH_REVIEW}),
        "Proceedings follow a breach under review, or a deferral that failed.",
    ),
    AllowedStages(
        "something_was_given",
        (commands.AnnulDisposal,),
        EVERY_STAGE - TAKEN_BACK,
        "There is nothing to annul: nothing was given, or it is annulled already.",
        standing=_was_given,
    ),
    AllowedStages(
        "offence_may_be_another",
        (commands.ReclassifyOffence,),
        BEFORE_ISSUE,
        "An offence is re-classified before anything is given for it: annul what was given, or have it admitted anew.",
    ),
    AllowedStages(
        "child_is_diverted",
        (commands.EndDiversion,),
        frozenset({Stage.DIVERTED}),
        "There is no diversion, or its outcome is assigned.",
        standing=lambda state: state.outcome is None,
    ),
    AllowedStages(
        "nothing_was_given",
        (commands.WithdrawCase,),
        BEFORE_ISSUE | {Stage.DEFERRED, Stage.DIVERTED},
        "A case is withdrawn before anything is given and before it ends: annul what was given.",
        standing=lambda state: state.outcome is None,
    ),
    AllowedStages(
        "activity_has_a_place",
        (commands.RecordActivityUndertaken,),
        EVERY_STAGE - BEFORE_ISSUE,
        "An activity is recorded once, after the child is diverted, something is given, or the case is decided otherwise.",
        condition=lambda command, state, context: activity_id(command, context) not in state.activities,
        looks_at=("session_id",),
    ),
    AllowedStages(
        "programme_follows_a_decision",
        (commands.RecordProgramme,),
        EVERY_STAGE,
        "Nothing is decided yet: a programme follows from the decision.",
        standing=lambda state: state.decision is not None,
    ),
    AllowedStages(
        "activity_by_hand_is_another_agencys",
        (commands.RecordActivityUndertaken,),
        EVERY_STAGE,
        "A session or a conference counts by its own record: by hand, name only the agency that worked with the child.",
        condition=_names_its_source,
        looks_at=("session_id", "provider"),
    ),
)

IN_EVERY_STAGE: Final = (
    commands.DecideBreach,
    commands.AssignOutcome,
    commands.InformVictimOfRestorativeJustice,
    commands.RecordVictimView,
    commands.TellVictim,
    commands.CorrectRecord,
)
"""R23, O3 and O4 say when a breach is decided and an outcome assigned. A victim is told above all when the case has ended."""
