"""The journeys of a disposal case: to the panel, the decision, giving it, following it, breach, and its end."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Final
from uuid import UUID

from services.disposal.domain import commands
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.duties import must_be_assessed
from services.disposal.domain.rules.issuing import explains
from services.disposal.domain.rules.outcomes import lacks_outcome
from services.disposal.domain.state import BEFORE_ISSUE, UNDER_WAY, ConditionStatus, DisposalState, Stage
from services.disposal.domain.state_machine import CARED_FOR
from services.trade.victims import told_victim
from services.trade.vocabulary import BreachDecision, ConditionType, Disposal, Role, TrialMode
from shared.domain.dates import local_day
from shared.domain.journeys import Journey, Purposes, Step, Task, each, item_as, once

CASE_MANAGER: Final = frozenset({Role.YJS_CASE_MANAGER.value})
LEADS: Final = CASE_MANAGER | {Role.SAFE_SCHOOLS_OFFICER.value}
POLICE: Final = frozenset({Role.POLICE_DECISION_MAKER.value})
VICTIM_WORKER: Final = frozenset({Role.VICTIM_WORKER.value})

CAUTIONS: Final = frozenset({Disposal.YC, Disposal.YCC})
TO_DECIDE: Final = BEFORE_ISSUE - {Stage.DECIDED}
AFTER_GIVING: Final = UNDER_WAY | {Stage.RECORDED}
DECIDED_AND_OPEN: Final = CARED_FOR - TO_DECIDE
FOR_THE_OUTCOME: Final = frozenset({Stage.COMPLETED, Stage.NOT_COMPLETED, Stage.RECORDED, Stage.DIVERTED})


def _gives(*disposals: Disposal) -> Callable[[DisposalState], bool]:
    return lambda state: state.to_be_issued in disposals


def _adult_today(state: DisposalState, day: date) -> Iterator[Task]:
    if state.to_be_issued in CAUTIONS:
        yield Task(any(local_day(at) == day for at in state.adults_at))


def _conditions(state: DisposalState, *, by_attendance: bool) -> Iterator[UUID]:
    """Yield the conditions that the child has to do; a conference reports its own, and is neither booked nor ticked off here."""
    for id_, condition in state.conditions.items():
        type_ = condition.terms.type
        asked = condition.standing in {ConditionStatus.ACTIVE, ConditionStatus.COMPLETED}
        if asked and type_ is not ConditionType.RJ_CONFERENCE and DEFINITIONS[type_].attendance is by_attendance:
            yield id_


def _is_done(state: DisposalState, condition_id: UUID) -> bool:
    return state.conditions[condition_id].standing is ConditionStatus.COMPLETED


def _sessions_to_book(state: DisposalState, _day: date) -> Iterator[Task]:
    recorded = state.last_attendances
    awaited = {booking.condition_id for booking in state.bookings.values() if booking.session_id not in recorded}
    for id_ in _conditions(state, by_attendance=True):
        yield Task(_is_done(state, id_) or id_ in awaited, about={"condition_id": id_})


def _of_session(state: DisposalState, item: str) -> dict[str, UUID]:
    session = UUID(item)
    return {"condition_id": state.bookings[session].condition_id, "session_id": session}


def _warnings(state: DisposalState, _day: date) -> Iterator[Task]:
    for missed in state.attendances:
        if missed.unacceptable_since is not None and state.disposal is Disposal.YCC:
            yield Task(missed.warned, about={"session_id": missed.session_id})


def _victims(state: DisposalState) -> Iterable[UUID]:
    return state.named_victims if state.stage in CARED_FOR else ()


INFORM_VICTIM: Final[Step[DisposalState]] = Step(
    "Tell the victim of restorative justice",
    (commands.InformVictimOfRestorativeJustice,),
    VICTIM_WORKER,
    each("person_id", _victims, lambda state, person: state.informed_at(person) is not None),
    duty="VICTIM_RJ_INFORMATION",
)

JOURNEYS: Final[tuple[Journey[DisposalState], ...]] = (
    Journey(
        "To the panel",
        lambda state: state.stage in TO_DECIDE,
        (
            Step(
                "Ask the child what happened, with an adult",
                (commands.RecordAdmission,),
                LEADS,
                once(lambda state: state.admission is not None),
            ),
            Step(
                "Decide whether the evidence is enough",
                (commands.DecideEvidence,),
                POLICE,
                once(lambda state: state.evidence is not None),
            ),
            Step("Score the gravity", (commands.ScoreGravity,), POLICE, once(lambda state: state.gravity is not None)),
            Step(
                "Assess the child",
                (commands.RequestAssessment, commands.CompleteAssessment),
                CASE_MANAGER,
                once(lambda state: bool(state.assessments), begun=lambda state: bool(state.requests)),
                duty="ASSESSMENT",
            ),
            INFORM_VICTIM,
            Step(
                "Ask for the victim's view",
                (commands.RecordVictimView,),
                VICTIM_WORKER,
                each("person_id", _victims, lambda state, person: person in state.views),
            ),
            Step(
                "Record what the panel recommends",
                (commands.RecordPanelRecommendation,),
                CASE_MANAGER,
                once(lambda state: state.panel is not None),
            ),
        ),
    ),
    Journey(
        "Decide",
        lambda state: state.stage in TO_DECIDE,
        (
            Step(
                "Have the prosecutor decide",
                (commands.RecordProsecutorDecision,),
                POLICE,
                once(
                    lambda state: state.prosecutor is not None,
                    when=lambda state: state.opened.offence.trial_mode is TrialMode.INDICTABLE_ONLY,
                ),
            ),
            Step("Decide", (commands.DecideDisposal,), POLICE, once(lambda state: state.decision is not None)),
        ),
    ),
    Journey(
        "Prepare and give",
        lambda state: state.to_be_issued is not None,
        (
            Step(
                "Agree the conditions",
                (commands.ProposeCondition,),
                LEADS,
                once(lambda state: bool(state.conditions), _gives(Disposal.YCC, Disposal.YRD)),
            ),
            Step("Confirm the appropriate adult", (commands.ConfirmAppropriateAdult,), LEADS, _adult_today),
            Step(
                "Explain what it means",
                (commands.ExplainEffect,),
                POLICE,
                once(
                    lambda state: any(
                        explains(said, Disposal(state.required_decision.what)) for _, said in state.explanations
                    ),
                    _gives(*CAUTIONS),
                ),
            ),
            Step(
                "Print and sign the paper",
                (commands.SignDocument,),
                POLICE,
                once(
                    lambda state: state.signed_at is not None and not state.changed_since_signing,
                    _gives(Disposal.YCC, Disposal.YRD),
                ),
            ),
            Step("Give it", (commands.IssueDisposal,), POLICE, once(lambda state: state.issue is not None)),
        ),
    ),
    Journey(
        "Defer the prosecution",
        lambda state: state.awaits_plan or state.stage is Stage.DEFERRED,
        (
            Step(
                "Agree the plan",
                (commands.AgreeDeferral,),
                CASE_MANAGER,
                once(lambda state: state.deferral is not None),
            ),
            Step(
                "Record the step of the plan",
                (commands.RecordDeferralStep,),
                LEADS,
                duty="DEFERRAL_STEP",
                about=item_as("step_id"),
            ),
            Step(
                "Review it after a later offence",
                (commands.RecordDeferralReview,),
                POLICE,
                duty="DEFERRAL_RECONSIDERED",
            ),
            Step(
                "Review it after a missed step", (commands.RecordDeferralReview,), POLICE, duty="DEFERRAL_STEP_MISSED"
            ),
            Step(
                "Complete the deferral",
                (commands.CompleteDeferral,),
                POLICE,
                once(lambda state: state.stage is not Stage.DEFERRED, lambda state: state.deferral is not None),
                duty="DEFERRAL_REVIEW",
            ),
        ),
    ),
    Journey(
        "After giving it",
        lambda state: state.stage in AFTER_GIVING,
        (
            Step(
                "Refer the child to the youth justice service",
                (commands.ReferToYot,),
                POLICE,
                once(lambda state: state.yot_referred_at is not None, lambda state: state.disposal in CAUTIONS),
                duty="YOT_REFERRAL",
            ),
            Step(
                "Assess the child",
                (commands.CompleteAssessment,),
                CASE_MANAGER,
                once(lambda state: bool(state.assessments), must_be_assessed),
                duty="ASSESSMENT",
            ),
        ),
    ),
    Journey(
        "Follow the conditions",
        lambda state: state.stage in UNDER_WAY,
        (
            Step("Book a session", (commands.BookConditionSession,), LEADS, _sessions_to_book, duty="CONDITION"),
            Step(
                "Record who came",
                (commands.RecordConditionAttendance,),
                LEADS,
                duty="ATTENDANCE_RECORDED",
                about=_of_session,
            ),
            Step(
                "Complete the condition",
                (commands.CompleteCondition,),
                LEADS,
                each("condition_id", lambda state: _conditions(state, by_attendance=False), _is_done),
                duty="CONDITION",
            ),
            Step(
                "Reach the child after an absence",
                (commands.RecordContact,),
                LEADS,
                duty="MISSED_CONTACT",
                about=lambda state, _item: {"person_id": state.opened.person_id},
            ),
            Step(
                "Decide whether the absence is acceptable",
                (commands.DecideAbsence,),
                CASE_MANAGER,
                duty="ABSENCE_REASON",
                about=item_as("session_id"),
            ),
            Step(
                "Offer to vary a refused condition",
                (commands.VaryConditions,),
                POLICE,
                once(
                    lambda _state: False,
                    lambda state: any(state.active(key) and one.refused_at for key, one in state.conditions.items()),
                ),
            ),
            Step(
                "Vary the conditions as decided",
                (commands.VaryConditions,),
                POLICE,
                once(
                    lambda state: state.breach is not None and state.breach.varied,
                    lambda state: state.breach is not None and state.breach.decision is BreachDecision.VARY,
                ),
            ),
            Step("Warn the child in writing", (commands.IssueWarning,), LEADS, _warnings),
        ),
    ),
    Journey(
        "Breach",
        lambda state: state.stage is Stage.BREACH_REVIEW,
        (
            Step(
                "Decide on the breach",
                (commands.DecideBreach,),
                POLICE,
                once(lambda state: state.breach is not None and state.breach.decision is not None),
            ),
            Step(
                "Institute proceedings",
                (commands.InstituteProceedings,),
                POLICE,
                once(
                    lambda state: state.proceedings_at is not None,
                    lambda state: state.breach is not None and state.breach.decision is BreachDecision.PROSECUTE,
                ),
                duty="PROSECUTION_TIME_LIMIT",
            ),
        ),
    ),
    Journey(
        "The end",
        lambda state: state.stage in FOR_THE_OUTCOME,
        (
            Step(
                "Assign the outcome of the crime",
                (commands.AssignOutcome,),
                POLICE,
                once(lambda state: not lacks_outcome(state)),
            ),
        ),
    ),
    Journey(
        "The victim's side",
        lambda state: bool(state.everyone_harmed and (state.decided_at or state.stage in DECIDED_AND_OPEN)),
        (
            INFORM_VICTIM,
            Step(
                "Tell the victim what was decided",
                (commands.TellVictim,),
                VICTIM_WORKER,
                duty="VICTIM_TOLD",
                about=told_victim,
            ),
        ),
    ),
)
"""In the words of those who do it."""

PURPOSES: Final[Purposes] = {
    "About the child": (
        commands.WithdrawAdmission,
        commands.WithdrawConsent,
        commands.RecordComplianceMeeting,
        commands.RecordNonEngagement,
        commands.ReferBreach,
        commands.RecordProgramme,
    ),
    "About the conditions": (
        commands.WithdrawCondition,
        commands.OfferSession,
        commands.RecordRefusal,
        commands.ExcuseCondition,
        commands.VaryConditions,
    ),
    "Ending it": (commands.EndDeferral,),
    "Take back": (commands.WithdrawCase, commands.ReclassifyOffence, commands.EndDiversion, commands.AnnulDisposal),
}
"""Where the other commands stand."""
