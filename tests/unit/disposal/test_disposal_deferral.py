"""Deferred prosecution: the decision, the agreed plan, its steps and review, and both ends (DP1 to DP4, O23)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from services.disposal.domain.commands import (
    AgreeDeferral,
    AssignOutcome,
    CompleteDeferral,
    CorrectRecord,
    DecideBreach,
    DecideEvidence,
    EndDeferral,
    InstituteProceedings,
    IssueDisposal,
    RecordActivityUndertaken,
    RecordDeferralStep,
    RecordNonEngagement,
    ReferToYot,
    WithdrawConsent,
)
from services.disposal.events import (
    AfterDeferral,
    DeferralEndReason,
    DisposalCeased,
    DisposalClosedWithoutProceedings,
    EndedDisposal,
    EvidenceStandard,
    OutcomeAssigned,
    PlanStep,
    PlanStepKind,
    ProsecutionDeferred,
    StepResult,
)
from services.disposal.service import uniqueness_key
from services.trade.vocabulary import BreachDecision, Flag, OutcomeCode, TrialMode
from shared.domain.ids import derived_uuid
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    ADULT,
    AFTER,
    DECIDED_AT,
    EXPLAINED,
    FIRST,
    MENTORING,
    POLICE,
    SUPERVISOR,
    YJS,
    CaseStory,
    decision,
    deferral,
    evidence,
    offence,
    opening,
    proposed,
    step,
)

DEFER: Final = "DEFERRED_PROSECUTION"
AGREED_ON: Final = date(2026, 3, 13)
LAST: Final = AGREED_ON + timedelta(weeks=16)
LATER: Final = "2026-05-20T10:00:00+01:00"
DONE_AT: Final = "2026-06-10T10:00:00+01:00"
HEALTH: Final = derived_uuid("test", "health step")
COMPLETED: Final = CompleteDeferral(rationale_text=Sealed("He kept to all of it."))


def recorded(result: StepResult = StepResult.DONE, key: Any = MENTORING) -> RecordDeferralStep:
    """Return how a step went."""
    return RecordDeferralStep(step_id=key, result=result, note=Sealed("Ms Ali wrote."))


def ended(then: AfterDeferral = AfterDeferral.PROSECUTE) -> EndDeferral:
    """Return the end of a deferral in which the child did not engage."""
    return EndDeferral(why=DeferralEndReason.NOT_ENGAGED, then=then, rationale_text=Sealed("He came once."))


def opened_for(born: date = date(2011, 3, 14), mode: TrialMode = TrialMode.EITHER_WAY) -> Any:
    """Return the opening of a case of this child and mode of trial."""
    return opening(born, offence=offence(mode))


def test_a_prosecution_is_deferred_without_an_admission(case: CaseStory) -> None:
    """Given evidence to charge and no admission, when it is decided and the plan agreed, then the case is deferred with its steps open."""
    case.decided(DEFER, without=["admission"])
    assert case.view["state"] == "DECIDED"
    assert case.ask(deferral(), by=YJS, at=AFTER) == ["ProsecutionDeferred"]
    assert case.view["state"] == "DEFERRED"
    assert case.view["steps"] == {str(MENTORING): "OPEN"}
    assert case.view["review_on"] == "2026-06-12"
    event = case.last(ProsecutionDeferred)
    assert (event.age, event.age_at_offence, event.gravity_score) == (14, 14, 5)
    assert (event.offence_category, event.trial_mode) == ("THEFT", "EITHER_WAY")


@pytest.mark.parametrize(
    ("day", "answer"), [("2026-02-11T12:00:00+00:00", {"DP1"}), ("2026-02-12T12:00:00+00:00", None)]
)
def test_outcome_23_begins_on_12_february_2026(case: CaseStory, day: str, answer: set[str] | None) -> None:
    """Given a case of January 2026, when it is deferred on 11 February, then DP1 refuses; the day after it may be."""
    command = opening(offence=offence(date=date(2026, 1, 5)), reported_at=datetime(2026, 1, 5, 15, 20, tzinfo=UTC))
    case.ask(command, by=YJS, at="2026-01-06T09:00:00+00:00")
    case.ask(evidence(), by=POLICE, at="2026-01-07T09:00:00+00:00")
    choice = decision(DEFER, rationale={"A1": "Urgent."})
    if answer is None:
        case.ask(choice, by=POLICE, at=day)
    else:
        assert case.refused(choice, by=POLICE, at=day) == answer


@pytest.mark.parametrize("found", [None, evidence(EvidenceStandard.OFFENCE_OCCURRED), evidence(sufficient=False)])
def test_it_needs_evidence_to_charge(case: CaseStory, found: DecideEvidence | None) -> None:
    """Given no evidence or less than suffices to charge, when it is decided, then DP1 refuses; R3 is for disposals."""
    case.ready(DEFER, without=["evidence", "admission"])
    if found is not None:
        case.ask(found, by=POLICE, at="2026-03-09T12:00:00+00:00")
    assert case.refused(decision(DEFER), by=POLICE, at=DECIDED_AT) == {"DP1"}


def test_evidence_is_judged_again_at_the_agreement(case: CaseStory) -> None:
    """Given evidence that was found wanting after the decision, when the plan is agreed, then DP1 refuses."""
    case.decided(DEFER, without=["admission"])
    case.ask(evidence(sufficient=False), by=POLICE, at="2026-03-11T12:00:00+00:00")
    assert case.refused(deferral(), by=YJS, at=AFTER) == {"DP1"}


@pytest.mark.parametrize(("birthday", "answer"), [(date(2008, 3, 13), {"DP1"}), (date(2008, 3, 14), None)])
def test_the_child_is_under_18_on_the_day_of_the_agreement(
    case: CaseStory, birthday: date, answer: set[str] | None
) -> None:
    """Given a decision before the birthday, when the plan is agreed on it, then DP1 refuses; the day before it does not."""
    case.decided(DEFER, without=["admission"], command=opened_for(birthday))
    if answer is None:
        case.ask(deferral(), by=YJS, at=AFTER)
    else:
        assert case.refused(deferral(), by=YJS, at=AFTER) == answer


def test_an_adult_is_not_deferred(case: CaseStory) -> None:
    """Given a child who is 18 on the day of the decision, when it is decided, then DP1 refuses."""
    case.ready(DEFER, without=["admission"], command=opened_for(date(2008, 3, 10)))
    assert case.refused(decision(DEFER), by=POLICE, at=DECIDED_AT) == {"DP1"}


@pytest.mark.parametrize("missing", ["child_agrees", "appropriate_adult_present"])
def test_the_child_agrees_before_an_adult(case: CaseStory, missing: str) -> None:
    """Given a decided deferral, when the child does not agree or no adult is there, then DP2 refuses."""
    case.decided(DEFER, without=["admission"])
    assert case.refused(deferral(**{missing: False}), by=YJS, at=AFTER) == {"DP2"}


@pytest.mark.parametrize(
    "plan",
    [
        deferral(plan=()),
        deferral(step(due=LAST + timedelta(days=1))),
        deferral(review_on=LAST + timedelta(days=1)),
        deferral(step(due=AGREED_ON - timedelta(days=1))),
    ],
)
def test_a_plan_has_steps_within_sixteen_weeks(case: CaseStory, plan: Command) -> None:
    """Given a decided deferral, when its plan is empty or a day of it lies beyond sixteen weeks or in the past, then DP3 refuses."""
    case.decided(DEFER, without=["admission"])
    assert case.refused(plan, by=YJS, at=AFTER) == {"DP3"}


def test_the_last_day_of_sixteen_weeks_is_in_time(case: CaseStory) -> None:
    """Given a decided deferral, when steps and review are due on the last day of sixteen weeks, then the plan is agreed."""
    case.decided(DEFER, without=["admission"])
    case.ask(deferral(step(due=LAST), review_on=LAST), by=POLICE, at=AFTER)


@pytest.mark.parametrize("late", ["plan", "review_on"])
def test_a_plan_leaves_time_to_prosecute(case: CaseStory, late: str) -> None:
    """Given a summary offence, when a day of the plan lies after the time limit, then DP3 and R21 refuse; on its last day it may be."""
    case.decided(DEFER, without=["admission"], command=opened_for(mode=TrialMode.SUMMARY))
    limit = date(2026, 9, 2)
    agreed_at = "2026-06-01T09:00:00+01:00"
    over = limit + timedelta(days=1)
    plan = deferral(step(due=over)) if late == "plan" else deferral(review_on=over)
    assert case.refused(plan, by=YJS, at=agreed_at) == {"DP3", "R21"}
    case.ask(deferral(step(due=limit), review_on=limit), by=YJS, at=agreed_at)


def test_each_step_has_an_id_of_its_own(case: CaseStory) -> None:
    """Given a plan with two steps of one id, when it is agreed, then the state machine refuses."""
    case.decided(DEFER, without=["admission"])
    assert case.refused(deferral(step(), step()), by=YJS, at=AFTER) == {"S1"}


@pytest.mark.parametrize("score", [4, 5])
def test_the_score_suggests_it(case: CaseStory, score: int) -> None:
    """Given a final score of 4 or 5, when it is deferred, then R27 needs no reason."""
    case.ready("YCC" if score == 4 else "CHARGE", without=["admission", "panel"])
    case.ask(decision(DEFER), by=POLICE, at=DECIDED_AT)


def test_a_lower_score_does_not(case: CaseStory) -> None:
    """Given a final score of 3, when it is deferred, then R27 needs a reason."""
    case.ready("YC", without=["admission", "panel"])
    assert case.warned(decision(DEFER), by=POLICE, at=DECIDED_AT) == {"R27"}


@pytest.mark.parametrize("command", [IssueDisposal(), ADULT, EXPLAINED, proposed(), ReferToYot()])
def test_nothing_of_a_caution_is_prepared_for_it(case: CaseStory, command: Command) -> None:
    """Given a decided deferral with an admission, when a step towards a caution is taken, then the state machine refuses."""
    case.decided(DEFER)
    by = POLICE if isinstance(command, IssueDisposal) else YJS
    assert case.refused(command, by=by, at=AFTER) == {"S1"}


def test_a_done_step_is_settled_and_a_missed_one_is_not(case: CaseStory) -> None:
    """Given a plan, when a step is missed, then it can still be done; done, it is recorded no more."""
    case.deferred()
    assert case.ask(recorded(StepResult.MISSED), by=YJS, at=LATER) == ["DeferralStepRecorded"]
    assert case.view["steps"] == {str(MENTORING): "MISSED"}
    case.ask(recorded(), by="SAFE_SCHOOLS_OFFICER", at=LATER)
    assert case.refused(recorded(StepResult.MISSED), by=YJS, at=LATER) == {"S1"}
    assert case.refused(recorded(key=HEALTH), by=YJS, at=LATER) == {"S1"}


def test_completion_brings_outcome_23(case: CaseStory) -> None:
    """Given steps done and excused, when the deferral is completed, then the case is completed with outcome 23."""
    case.deferred(step(), step(HEALTH, PlanStepKind.HEALTH))
    case.ask(recorded(), by=YJS, at=LATER)
    assert case.refused(COMPLETED, by=POLICE, at=DONE_AT) == {"DP4"}
    case.ask(recorded(StepResult.EXCUSED, HEALTH), by=SUPERVISOR, at=LATER)
    assert case.refused(COMPLETED, by=POLICE, at=AFTER) == {"T1"}
    assert case.ask(COMPLETED, by=POLICE, at=DONE_AT) == ["DeferralCompleted", "OutcomeAssigned"]
    assert (case.view["state"], case.view["outcome"], case.view["completed_on"]) == ("COMPLETED", "23", "2026-06-10")
    outcome = case.last(OutcomeAssigned)
    assert (outcome.code, outcome.disposal) == (OutcomeCode.C23, None)
    assert case.refused(COMPLETED, by=POLICE, at=DONE_AT) == {"S1"}


def test_outcome_23_is_never_assigned_by_hand(case: CaseStory) -> None:
    """Given a case before, during and after a deferral, when 23 is assigned by hand, then O23 refuses."""
    by_hand = AssignOutcome(code=OutcomeCode.C23)
    case.opened()
    assert case.refused(by_hand, by=POLICE, at=AFTER) == {"O23"}
    case = CaseStory().deferred()
    assert case.refused(by_hand, by=POLICE, at=LATER) == {"O23"}
    case.ask(recorded(), by=YJS, at=LATER)
    case.ask(COMPLETED, by=POLICE, at=DONE_AT)
    assert case.refused(by_hand, by=POLICE, at=DONE_AT) == {"O23"}


def test_no_other_outcome_while_it_is_deferred(case: CaseStory) -> None:
    """Given a deferral, when another outcome is assigned, then O3 refuses; closed without proceedings it may be."""
    by_hand = AssignOutcome(code=OutcomeCode.C10)
    case.deferred()
    assert case.refused(by_hand, by=POLICE, at=LATER) == {"O3"}
    case.ask(ended(), by=POLICE, at=LATER)
    assert case.refused(by_hand, by=POLICE, at=LATER) == {"O3"}
    case.ask(ended(AfterDeferral.NO_PROCEEDINGS), by=POLICE, at=LATER)
    case.ask(by_hand, by=POLICE, at=LATER)


def test_a_failure_upholds_the_decision_to_prosecute(case: CaseStory) -> None:
    """Given a failed deferral, when it ends with prosecution, then proceedings may be instituted, with outcome 1."""
    case.deferred()
    proceedings = InstituteProceedings(reference="55/1")
    assert case.refused(proceedings, by=POLICE, at=LATER) == {"D4"}
    assert case.ask(ended(), by=POLICE, at=LATER) == ["DeferralEnded"]
    assert case.view["state"] == "BREACH_REVIEW"
    assert case.refused(proceedings, by=POLICE, at=AFTER) == {"T1"}
    names = case.ask(proceedings, by=POLICE, at=DONE_AT)
    assert names == ["ProceedingsInstituted", "DisposalCeased", "OutcomeAssigned"]
    ceased = case.facts[-2].event
    assert isinstance(ceased, DisposalCeased)
    assert (ceased.disposal, ceased.issued_on, ceased.age_at_issue) == (
        EndedDisposal.DEFERRED_PROSECUTION,
        AGREED_ON,
        14,
    )
    assert (case.view["state"], case.view["outcome"], case.view["spent_on"]) == ("CEASED", "1", None)


def test_no_proceedings_closes_the_case(case: CaseStory) -> None:
    """Given a failed deferral, when no proceedings are taken, then the case is closed, and none can be instituted."""
    case.deferred()
    names = case.ask(ended(AfterDeferral.NO_PROCEEDINGS), by=POLICE, at=LATER)
    assert names == ["DeferralEnded", "DisposalClosedWithoutProceedings"]
    assert case.view["state"] == "CLOSED_NO_PROCEEDINGS"
    closed = case.last(DisposalClosedWithoutProceedings)
    assert closed.disposal is EndedDisposal.DEFERRED_PROSECUTION
    assert case.refused(InstituteProceedings(reference="55/1"), by=POLICE, at=DONE_AT) == {"D4"}


def test_the_end_is_decided_anew_until_there_are_proceedings(case: CaseStory) -> None:
    """Given a failed deferral whose time for prosecution has passed, when it is ended anew without proceedings, then it is closed."""
    case.deferred(command=opened_for(mode=TrialMode.SUMMARY))
    case.ask(ended(), by=POLICE, at=LATER)
    late = "2026-09-03T10:00:00+01:00"
    assert case.refused(InstituteProceedings(reference="55/1"), by=POLICE, at=late) == {"R21"}
    anew = ended(AfterDeferral.NO_PROCEEDINGS)
    assert case.refused(anew, by=POLICE, at=AFTER) == {"T1"}
    case.ask(anew, by=POLICE, at=late)
    assert case.view["state"] == "CLOSED_NO_PROCEEDINGS"


def test_a_failed_deferral_is_no_breach_of_a_caution(case: CaseStory) -> None:
    """Given a failed deferral, when it is treated as a caution under review, then each command of one is refused."""
    case.deferred()
    case.ask(ended(), by=POLICE, at=LATER)
    excused = DecideBreach(reasonable_excuse=True, decision=BreachDecision.EXCUSED, rationale_text=Sealed("Ill."))
    assert case.refused(excused, by=POLICE, at=DONE_AT) == {"R23"}
    for command in (ReferToYot(), WithdrawConsent(), RecordNonEngagement(why=Sealed("Nothing."))):
        assert case.refused(command, by=YJS, at=DONE_AT) == {"S1"}


def test_an_activity_of_the_plan_has_its_place(case: CaseStory) -> None:
    """Given a deferral, when education records an activity for it, then it is kept."""
    case.deferred()
    case.ask(RecordActivityUndertaken(session_id=FIRST), by="SYSTEM", at=LATER)


def test_its_steps_and_its_review_are_duties(case: CaseStory) -> None:
    """Given a plan, then each step and the review are due; done meets a step, excused ends it, completion meets the review."""
    case.deferred(step(), step(HEALTH, PlanStepKind.HEALTH, date(2026, 4, 10)))
    duties = {
        (duty.duty, duty.item): duty for duty in case.service.read_model.duties(case.state, case.service.policy.on)
    }
    assert duties["DEFERRAL_STEP", str(MENTORING)].due == date(2026, 5, 29)
    assert duties["DEFERRAL_STEP", str(HEALTH)].overdue(date(2026, 4, 11))
    assert duties["DEFERRAL_REVIEW", ""].due == date(2026, 6, 12)
    case.ask(recorded(StepResult.EXCUSED, HEALTH), by=YJS, at="2026-04-10T09:00:00+01:00")
    case.ask(recorded(), by=YJS, at=LATER)
    case.ask(COMPLETED, by=POLICE, at=DONE_AT)
    shown = case.duties(date(2026, 6, 10))
    assert shown["DEFERRAL_STEP"].met_on == date(2026, 5, 20)
    assert shown["DEFERRAL_REVIEW"].met_on == date(2026, 6, 10)


def test_a_failure_lapses_the_steps_and_meets_the_review(case: CaseStory) -> None:
    """Given a plan, when the deferral ends, then its open steps lapse, its review is met, and the time limit runs on."""
    case.deferred(command=opened_for(mode=TrialMode.SUMMARY))
    case.ask(ended(), by=POLICE, at=LATER)
    shown = case.duties(date(2026, 5, 20))
    assert shown["DEFERRAL_STEP"].lapsed_on == date(2026, 5, 20)
    assert shown["DEFERRAL_REVIEW"].met_on == date(2026, 5, 20)
    assert shown["PROSECUTION_TIME_LIMIT"].is_open(date(2026, 5, 20))


def test_a_case_is_deferred_once_for_an_offence(case: CaseStory) -> None:
    """Given a deferral, then its child and offence stay claimed (R28), while it runs and after it failed."""
    case.deferred()
    case.ask(ended(AfterDeferral.NO_PROCEEDINGS), by=POLICE, at=LATER)
    assert uniqueness_key(case.state)


def test_a_corrected_birth_date_corrects_the_ages_of_the_agreement(case: CaseStory) -> None:
    """Given a deferral, when the date of birth is corrected, then the ages that its agreement holds follow."""
    case.deferred()
    command = CorrectRecord(
        corrects=case.facts[0].event_id, field="details.date_of_birth", value="2010-03-10", why=Sealed("Misread.")
    )
    case.ask(command, by=SUPERVISOR, at=LATER)
    changed = {(also.field, also.value) for also in case.facts[-1].event.also}  # type: ignore[attr-defined]
    assert changed == {("age_at_offence", 15), ("age", 16), ("school_age_until", "2026-06-26")}


def workshops(*more: PlanStep) -> AgreeDeferral:
    """Return a plan with a workshop and whatever else."""
    return deferral(step(HEALTH, PlanStepKind.WORKSHOP), *more)


@pytest.mark.parametrize(
    ("flags", "plan", "warned"),
    [
        ((Flag.KNIFE,), workshops(), {"DP5"}),
        ((Flag.KNIFE,), workshops(step(FIRST, PlanStepKind.WORKSHOP)), {"DP5"}),
        ((Flag.KNIFE,), workshops(step()), None),
        ((Flag.WEAPON,), workshops(), None),
        (None, workshops(), None),
    ],
)
def test_a_knife_needs_more_than_workshops(
    case: CaseStory, flags: tuple[Flag, ...] | None, plan: AgreeDeferral, warned: set[str] | None
) -> None:
    """Given a knife, when the plan has workshops alone, then DP5 needs a reason; with anything else, or no knife, it does not."""
    case.decided(DEFER, without=["admission"], command=opening(flags=flags))
    if warned is not None:
        assert case.warned(plan, by=YJS, at=AFTER) == warned
        plan = plan.model_copy(update={"rationale": {"DP5": "He asked for it himself."}})
    case.ask(plan, by=YJS, at=AFTER)
