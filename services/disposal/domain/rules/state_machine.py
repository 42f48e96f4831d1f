"""S1, the state machine: in which stage each command has a place. Asked only when no other rule refuses."""

from __future__ import annotations

from typing import Final

from services.disposal.domain.commands import (
    BookConditionSession,
    CompleteAssessment,
    CompleteCondition,
    ConfirmAppropriateAdult,
    CorrectRecord,
    DecideAbsence,
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
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.moving import may_be_moved
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import (
    BEFORE_ISSUE,
    ISSUED_AND_OPEN,
    UNDER_WAY,
    DisposalState,
    Stage,
)
from services.disposal.events import Change, ChangeAction
from services.vocabulary import AttendanceStatus, Disposal
from shared.domain.messages import Command
from shared.domain.rules import Context

CARED_FOR: Final = BEFORE_ISSUE | ISSUED_AND_OPEN | {Stage.DIVERTED}
"""The stages in which somebody still works with the child and the victim."""


@rules.allowed_in(OpenDisposalCase)
def not_opened_yet(_command: OpenDisposalCase, state: DisposalState | None, _occasion: Context) -> bool:
    """This case is open already.

    Source: the state machine of a disposal
    """
    return state is None


@rules.allowed_in(RecordAdmission, DecideEvidence, ScoreGravity, RecordPanelRecommendation, DecideDisposal)
def not_given_yet(_command: Command, state: DisposalState, _occasion: Context) -> bool:
    """This belongs before the disposal is given, and the case is past that.

    Source: the state machine of a disposal
    """
    return state.stage in BEFORE_ISSUE


@rules.allowed_in(WithdrawAdmission)
def there_is_an_admission(_command: WithdrawAdmission, state: DisposalState, _occasion: Context) -> bool:
    """There is no admission that could be taken back, or the disposal is given already.

    Source: the state machine of a disposal
    """
    return state.stage in BEFORE_ISSUE and state.admission is not None and state.admission.facts_accepted


@rules.allowed_in(RecordProsecutorDecision)
def prosecutor_has_a_say(_command: RecordProsecutorDecision, state: DisposalState, _occasion: Context) -> bool:
    """The prosecutor decides before the disposal is given, or on a breach under review.

    Source: the state machine of a disposal
    """
    return state.stage in BEFORE_ISSUE | {Stage.BREACH_REVIEW}


@rules.allowed_in(RecordVictimView, InformVictimOfRestorativeJustice, RecordContact)
def case_is_worked_on(_command: Command, state: DisposalState, _occasion: Context) -> bool:
    """The case has ended: only a correction or an outcome may be recorded.

    Source: the state machine of a disposal
    """
    return state.stage in CARED_FOR


@rules.allowed_in(RequestAssessment, CompleteAssessment)
def child_may_be_assessed(_command: Command, state: DisposalState, _occasion: Context) -> bool:
    """The case has ended: nobody is assessed for it any more.

    Source: the state machine of a disposal
    """
    return state.stage in CARED_FOR | {Stage.RECORDED}


@rules.allowed_in(ProposeCondition)
def condition_may_be_proposed(command: ProposeCondition, state: DisposalState, _occasion: Context) -> bool:
    """Conditions are proposed, each under an id of its own, after a decision for a restorative disposal or a conditional caution and before it is given.

    Source: the state machine of a disposal
    """
    takes_conditions = state.to_be_issued in {Disposal.YRD, Disposal.YCC}
    return takes_conditions and command.condition.condition_id not in state.conditions


@rules.allowed_in(WithdrawCondition)
def condition_is_proposed(command: WithdrawCondition, state: DisposalState, _occasion: Context) -> bool:
    """Only a condition that is proposed and not yet given can be taken back.

    Source: the state machine of a disposal
    """
    return state.stage is Stage.DECIDED and command.condition_id in state.conditions


@rules.allowed_in(ConfirmAppropriateAdult, ExplainEffect, SignDocument, IssueDisposal)
def decided_and_not_yet_given(_command: Command, state: DisposalState, _occasion: Context) -> bool:
    """This belongs after the decision for a disposal and before it is given.

    Source: the state machine of a disposal
    """
    return state.stage is Stage.DECIDED


@rules.allowed_in(ReferToYot)
def caution_awaits_its_referral(_command: ReferToYot, state: DisposalState, _occasion: Context) -> bool:
    """A child is referred to the youth offending team once, after a caution is given.

    Source: the state machine of a disposal; CDA 1998 ss66A(6A), 66ZB(1)
    """
    return state.stage in {Stage.RECORDED, Stage.ACTIVE, Stage.BREACH_REVIEW} and state.yot_referred_at is None


@rules.allowed_in(BookConditionSession)
def session_may_be_booked(command: BookConditionSession, state: DisposalState, _occasion: Context) -> bool:
    """A session is booked once, for an active condition.

    Source: the state machine of a disposal
    """
    is_active = state.stage in UNDER_WAY and state.active(command.condition_id) is not None
    return is_active and command.session_id not in state.bookings


@rules.allowed_in(OfferSession)
def condition_can_take_the_session(command: OfferSession, state: DisposalState, _occasion: Context) -> bool:
    """The session cannot count for this condition: the condition is not active in this disposal, or the session is booked or recorded here already.

    Source: the state machine of a disposal
    """
    if command.session_id in state.bookings:
        return False
    last = state.last_attendance(command.session_id)
    if last is not None:
        # Its own register was faster, or the offer is repeated: it has had its place.
        return last.by_reaction and last.condition_id == command.condition_id
    return state.stage in UNDER_WAY and state.active(command.condition_id) is not None


@rules.allowed_in(RecordConditionAttendance)
def attendance_may_be_recorded(command: RecordConditionAttendance, state: DisposalState, _occasion: Context) -> bool:
    """Attendance is recorded for an active condition, and for the one that the session was booked for.

    Source: the state machine of a disposal
    """
    booking = state.bookings.get(command.session_id)
    fits = booking is None or booking.condition_id == command.condition_id
    return fits and state.stage in UNDER_WAY and state.active(command.condition_id) is not None


@rules.allowed_in(MoveConditionAttendance)
def attendance_may_be_moved(command: MoveConditionAttendance, state: DisposalState, context: Context) -> bool:
    """The session cannot be counted where education has it now: the condition is not active, or another was completed by it.

    Source: the state machine of a disposal
    """
    return may_be_moved(command, state, context)


@rules.allowed_in(DecideAbsence)
def absence_may_be_decided(_command: DecideAbsence, state: DisposalState, _occasion: Context) -> bool:
    """The case has ended: absences are no longer decided.

    Source: the state machine of a disposal
    """
    return state.stage in ISSUED_AND_OPEN


@rules.allowed_in(IssueWarning)
def absence_was_unacceptable(command: IssueWarning, state: DisposalState, _occasion: Context) -> bool:
    """A warning is given once, for an absence found unacceptable or for exclusion, on an active conditional caution.

    Source: the state machine of a disposal
    """
    missed = state.last_attendance(command.session_id)
    if missed is None or missed.warned or state.stage is not Stage.ACTIVE:
        return False
    return missed.unacceptable_since is not None or missed.status is AttendanceStatus.EXCLUDED_CONDUCT


@rules.allowed_in(RecordComplianceMeeting)
def caution_is_monitored(_command: RecordComplianceMeeting, state: DisposalState, _occasion: Context) -> bool:
    """A compliance meeting belongs to a conditional caution that is active or under review.

    Source: the state machine of a disposal
    """
    return state.stage in {Stage.ACTIVE, Stage.BREACH_REVIEW}


@rules.allowed_in(CompleteCondition, ExcuseCondition)
def condition_is_active(command: CompleteCondition | ExcuseCondition, state: DisposalState, _occasion: Context) -> bool:
    """The condition is not active.

    Source: the state machine of a disposal
    """
    return state.stage in UNDER_WAY and state.active(command.condition_id) is not None


def _makes_sense(change: Change, state: DisposalState) -> bool:
    names_itself = change.condition is None or change.condition.condition_id == change.condition_id
    match change.action:
        case ChangeAction.ADD:
            return change.condition is not None and names_itself and change.condition_id not in state.conditions
        case ChangeAction.MODIFY:
            return change.condition is not None and names_itself and state.active(change.condition_id) is not None
        case ChangeAction.OMIT:
            return change.condition is None and state.active(change.condition_id) is not None


@rules.allowed_in(VaryConditions)
def changes_make_sense(command: VaryConditions, state: DisposalState, _occasion: Context) -> bool:
    """A variation adds new conditions, or modifies or omits active ones, each once and under its own id, on a disposal that is under way.

    Source: the state machine of a disposal
    """
    ids = [change.condition_id for change in command.changes]
    each_once = bool(ids) and len(ids) == len(set(ids))
    return state.stage in UNDER_WAY and each_once and all(_makes_sense(change, state) for change in command.changes)


@rules.allowed_in(WithdrawConsent)
def consent_may_be_withdrawn(_command: WithdrawConsent, state: DisposalState, _occasion: Context) -> bool:
    """There is no consent to a conditional caution that could be withdrawn.

    Source: the state machine of a disposal
    """
    if state.stage is Stage.DECIDED:
        return state.signed_at is not None
    under_review = state.stage is Stage.BREACH_REVIEW and state.consent_withdrawn_at is None
    return state.stage is Stage.ACTIVE or under_review


@rules.allowed_in(RecordNonEngagement)
def disposal_is_voluntary(_command: RecordNonEngagement, state: DisposalState, _occasion: Context) -> bool:
    """Non-engagement is recorded of a restorative disposal or a voluntary programme; a conditional caution is breached or varied.

    Source: the state machine of a disposal; NPCC community resolution guidance
    """
    return state.stage in {Stage.AGREED, Stage.RECORDED, Stage.DIVERTED}


@rules.allowed_in(ReferBreach)
def caution_is_active(_command: ReferBreach, state: DisposalState, _occasion: Context) -> bool:
    """Only an active conditional caution can be breached.

    Source: the state machine of a disposal
    """
    return state.stage is Stage.ACTIVE


@rules.allowed_in(InstituteProceedings)
def breach_was_decided(_command: InstituteProceedings, state: DisposalState, _occasion: Context) -> bool:
    """Proceedings follow a breach under review.

    Source: the state machine of a disposal
    """
    return state.stage is Stage.BREACH_REVIEW


@rules.allowed_in(RecordActivityUndertaken)
def activity_has_a_place(command: RecordActivityUndertaken, state: DisposalState, _occasion: Context) -> bool:
    """An activity is recorded once for each session, of a child who is diverted or has a youth caution.

    Source: the state machine of a disposal
    """
    return state.stage in {Stage.DIVERTED, Stage.RECORDED} and command.session_id not in state.activities


CORRECTIONS.guard(rules, CorrectRecord)
