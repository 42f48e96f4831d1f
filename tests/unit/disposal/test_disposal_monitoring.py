"""Serving a disposal: sessions, absences, completion, breach, and what follows."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    CompleteCondition,
    DecideAbsence,
    DecideBreach,
    ExcuseCondition,
    InstituteProceedings,
    IssueWarning,
    RecordActivityUndertaken,
    RecordComplianceMeeting,
    RecordNonEngagement,
    ReferToYot,
    WithdrawConsent,
)
from services.disposal.events import CancellationReason, DisposalCeased, OutcomeAssigned
from services.trade.vocabulary import (
    AttendanceStatus,
    BreachDecision,
    ConditionObject,
    ConditionType,
    OutcomeCode,
    TrialMode,
)
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    AFTER,
    FIRST,
    LETTER,
    MEETING,
    POLICE,
    SECOND,
    SUPERVISOR,
    WORK,
    WORKSHOP,
    YJS,
    CaseStory,
    absence,
    adding,
    attendance,
    booking,
    breach,
    condition,
    conference,
    letter,
    offence,
    omitting,
    opening,
    variation,
)

SESSION = "2026-03-18T18:00:00+00:00"
LATER = "2026-03-25T18:00:00+00:00"
DID_NOT_COME = (AttendanceStatus.DNA_ACCEPTABLE, AttendanceStatus.DNA_UNACCEPTABLE, AttendanceStatus.DNA_PENDING)


def decided(what: BreachDecision, *, excuse: bool = False) -> DecideBreach:
    """Return a decision on a breach."""
    return DecideBreach(reasonable_excuse=excuse, decision=what, rationale_text=Sealed("As he said."))


def booked() -> CaseStory:
    """Return a conditional caution with a session of two hours on 18 March at four."""
    story = CaseStory().issued()
    story.ask(booking(), by=YJS, at=AFTER)
    return story


# --- sessions -----------------------------------------------------------------------------------


def test_nothing_is_recorded_before_the_session_starts() -> None:
    """Given a session at four, when attendance is recorded a minute before, then E1 refuses; at four it does not."""
    story = booked()
    assert story.refused(attendance(), by=YJS, at="2026-03-18T15:59:00+00:00") == {"E1"}
    story.ask(attendance(), by=YJS, at="2026-03-18T16:00:00+00:00")


def test_a_session_may_be_cancelled_before_it_starts() -> None:
    """Given a session to come, when the service cancels it, then it is recorded, and nothing changes for the child."""
    story = booked()
    cancelled = absence(AttendanceStatus.CANCELLED_BY_SERVICE, because=CancellationReason.SERVICE)
    assert story.ask(cancelled, by=YJS, at=AFTER) == ["ConditionSessionCancelled"]
    assert story.view["state"] == "ACTIVE"
    assert not {"MISSED_CONTACT", "ABSENCE_REASON", "ATTENDANCE_RECORDED"} & story.duties(date(2026, 3, 20)).keys()


def test_credit_is_at_most_what_was_scheduled() -> None:
    """Given two hours scheduled, when more are credited, then E3 refuses; an unbooked session is not judged here."""
    assert booked().refused(attendance(hours="2.01"), by=YJS, at=SESSION) == {"E3"}
    CaseStory().issued().ask(attendance(hours="2.01"), by="SYSTEM", at=SESSION)


@pytest.mark.parametrize("status", [*DID_NOT_COME, AttendanceStatus.CANCELLED_BY_SERVICE])
def test_there_is_no_credit_for_not_attending(status: AttendanceStatus) -> None:
    """Given an absence or a cancellation, when hours are credited, then E4 refuses."""
    assert booked().refused(attendance(status, "0.5"), by=YJS, at=SESSION) == {"E4"}
    booked().ask(absence(status), by=YJS, at=SESSION)


def test_a_session_is_recorded_once() -> None:
    """Given a recorded session, when it is recorded again, then E5 refuses, whatever it was."""
    for first in (attendance(), absence(), absence(AttendanceStatus.CANCELLED_BY_SERVICE)):
        story = booked()
        story.ask(first, by=YJS, at=SESSION)
        assert story.refused(attendance(), by=YJS, at=LATER) == {"E5"}


def test_a_conference_that_did_not_proceed_may_be_held() -> None:
    """Given a conference the harmed person left, when the same conference is held later, then it counts; twice it does not."""
    story = CaseStory().issued("YCC", conference())
    lost = absence(
        AttendanceStatus.CANCELLED_BY_SERVICE, session=SECOND, key=MEETING, because=CancellationReason.HARMED_WITHDREW
    )
    session_held = attendance(hours="1.5", session=SECOND, key=MEETING)
    story.ask(lost, by="SYSTEM", at=SESSION)
    assert story.refused(session_held, by="SYSTEM", at=SESSION) == {"E5"}
    assert story.ask(session_held, by="SYSTEM", at=LATER) == [
        "ConditionAttended",
        "ConditionCompleted",
        "DisposalCompleted",
    ]


def test_an_attendance_is_for_the_condition_that_was_booked() -> None:
    """Given a session booked for one condition, when it is recorded by a reaction for another or an unknown one, then S1 refuses."""
    story = CaseStory().issued("YCC", condition(), letter())
    story.ask(booking(), by=YJS, at=AFTER)
    assert story.refused(attendance(key=LETTER), by="SYSTEM", at=SESSION) == {"S1"}
    assert story.refused(attendance(key=WORKSHOP, session=SECOND), by="SYSTEM", at=SESSION) == {"S1"}
    assert story.refused(booking(), by=YJS, at=AFTER) == {"S1"}


def test_an_absence_waits_for_a_reason_once() -> None:
    """Given an absence without a known reason, when it is decided twice or none waits, then E6 refuses."""
    story = booked()
    decide = DecideAbsence(session_id=FIRST, acceptable=False)
    assert story.refused(decide, by=YJS, at=SESSION) == {"E6"}
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SESSION)
    story.ask(decide, by=YJS, at=LATER)
    assert story.refused(decide, by=YJS, at=LATER) == {"E6"}


def test_a_warning_follows_an_unacceptable_absence() -> None:
    """Given an absence, when it is warned of before it is found unacceptable, or twice, then S1 refuses."""
    story = booked()
    warn = IssueWarning(session_id=FIRST)
    assert story.refused(warn, by=YJS, at=SESSION) == {"S1"}
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SESSION)
    assert story.refused(warn, by=YJS, at=LATER) == {"S1"}
    story.ask(DecideAbsence(session_id=FIRST, acceptable=False), by=YJS, at=LATER)
    story.ask(warn, by=YJS, at=LATER)
    assert story.view["warnings_issued"] == 1
    assert story.refused(warn, by=YJS, at=LATER) == {"S1"}


# --- completion ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [AttendanceStatus.ATTENDED_LATE, AttendanceStatus.LEFT_EARLY])
def test_late_or_early_counts_when_all_hours_are_credited(status: AttendanceStatus) -> None:
    """Given two sessions, when the second is late or left early but all hours are credited, then it is complete."""
    story = booked()
    assert story.ask(attendance(), by=YJS, at=SESSION) == ["ConditionAttended"]
    names = story.ask(attendance(status, session=SECOND), by=YJS, at=LATER)
    assert names == ["ConditionAttended", "ConditionCompleted", "DisposalCompleted"]
    assert story.view["hours_credited"] == 4


def test_attending_without_complying_completes_nothing() -> None:
    """Given all hours credited without compliance, or exclusion, then the condition stays active."""
    story = booked()
    story.ask(attendance(), by=YJS, at=SESSION)
    assert story.ask(attendance(session=SECOND, complied=False), by=YJS, at=LATER) == ["ConditionAttended"]
    excluded = attendance(AttendanceStatus.EXCLUDED_CONDUCT, session=WORKSHOP)
    assert story.ask(excluded, by=YJS, at=LATER) == ["ConditionAttended"]
    assert story.view["state"] == "ACTIVE"


def test_one_sitting_completes_what_has_no_hours() -> None:
    """Given a workshop without hours, when the child leaves early, then it is not complete; attended, it is."""
    workshop = condition(ConditionType.RETAIL_WORKSHOP, WORKSHOP, ConditionObject.REHABILITATION)
    story = CaseStory().issued("YCC", workshop)
    story.ask(attendance(AttendanceStatus.LEFT_EARLY, "1", key=WORKSHOP), by="SYSTEM", at=SESSION)
    assert story.view["state"] == "ACTIVE"
    story.ask(attendance(key=WORKSHOP, session=SECOND), by="SYSTEM", at=LATER)
    assert story.view["state"] == "COMPLETED"


def test_a_letter_is_complete_once_checked() -> None:
    """Given a letter of apology, when it is completed unchecked, then D1 refuses, and attendance completes nothing."""
    story = CaseStory().issued("YCC", letter())
    story.ask(attendance(key=LETTER), by=YJS, at=SESSION)
    for checked in (None, False):
        command = CompleteCondition(condition_id=LETTER, quality_checked=checked)
        assert story.refused(command, by=YJS, at=LATER) == {"D1"}
    names = story.ask(CompleteCondition(condition_id=LETTER, quality_checked=True), by=YJS, at=LATER)
    assert names == ["ConditionCompleted", "DisposalCompleted"]


def test_hours_are_complete_once_credited() -> None:
    """Given four hours of which two are credited, when it is completed by hand, then D1 refuses."""
    story = booked()
    story.ask(attendance(), by=YJS, at=SESSION)
    command = CompleteCondition(condition_id=WORK)
    assert story.refused(command, by=YJS, at=LATER) == {"D1"}
    story.ask(attendance(session=SECOND, complied=False), by=YJS, at=LATER)
    story.ask(command, by=YJS, at=LATER)


def test_other_conditions_are_completed_by_hand() -> None:
    """Given a restriction with hours that nobody credits, when it is completed, then D1 does not ask for hours."""
    restriction = condition(ConditionType.CURFEW, LETTER, ConditionObject.REHABILITATION, hours=Decimal(20))
    story = CaseStory().issued("YCC", restriction)
    story.ask(CompleteCondition(condition_id=LETTER), by=YJS, at=LATER)
    assert story.refused(CompleteCondition(condition_id=LETTER), by=YJS, at=LATER) == {"S1"}


def test_an_excused_condition_can_be_the_last() -> None:
    """Given one condition, when it is excused, then the disposal is completed that day."""
    story = CaseStory().issued()
    names = story.ask(ExcuseCondition(condition_id=WORK, why=Sealed("He is ill.")), by=SUPERVISOR, at=LATER)
    assert names == ["ConditionExcused", "DisposalCompleted"]
    assert story.view["conditions"] == {str(WORK): "EXCUSED"}


def test_a_late_record_completes_on_the_latest_day_needed() -> None:
    """Given the second session recorded before the first, when the first is recorded, then it was complete at the second."""
    story = CaseStory().issued()
    story.ask(attendance(session=SECOND), by=YJS, at=LATER)
    story.ask(attendance(), by=YJS, at=SESSION)
    assert story.view["completed_on"] == "2026-03-25"
    assert [fact.day for fact in story.facts[-3:]] == [date(2026, 3, 18), date(2026, 3, 25), date(2026, 3, 25)]


def test_a_restorative_disposal_without_actions_is_completed_at_issue() -> None:
    """Given no agreed action, when a restorative disposal is given, then it is completed by that alone."""
    story = CaseStory().issued("YRD")
    assert story.facts[-1].name == "DisposalIssued"
    assert story.view["state"] == "COMPLETED"
    assert story.view["completed_on"] == "2026-03-12"
    assert story.view["spent_on"] is None


def test_an_ended_disposal_takes_only_an_outcome_or_a_correction() -> None:
    """Given a completed disposal, when anything else is asked, then S1 refuses it."""
    story = CaseStory().issued("YRD")
    assert story.refused(RecordNonEngagement(why=Sealed("No.")), by=YJS, at=LATER) == {"S1"}
    assert story.refused(attendance(), by="SYSTEM", at=LATER) == {"S1"}
    assert story.refused(ReferToYot(), by=YJS, at=LATER) == {"S1"}
    story.ask(AssignOutcome(code=OutcomeCode.C8), by=POLICE, at=LATER)


# --- breach -------------------------------------------------------------------------------------


def test_a_breach_needs_a_ground() -> None:
    """Given no absence and no passed date, when a breach is referred, then D2 refuses; with a ground it is referred."""
    story = booked()
    assert story.refused(breach(), by=YJS, at=SESSION) == {"D2"}
    assert story.refused(breach().model_copy(update={"condition_ids": ()}), by=YJS, at=SESSION) == {"D2"}
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SESSION)
    assert story.refused(breach(), by=YJS, at=LATER) == {"D2"}
    story.ask(DecideAbsence(session_id=FIRST, acceptable=False), by=YJS, at=LATER)
    assert story.refused(breach(WORK, LETTER), by=YJS, at=LATER) == {"D2"}
    story.ask(breach(), by=YJS, at=LATER)
    assert story.view["state"] == "BREACH_REVIEW"


def test_an_acceptable_absence_is_no_ground() -> None:
    """Given an absence found acceptable, when a breach is referred, then D2 refuses."""
    story = booked()
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SESSION)
    story.ask(DecideAbsence(session_id=FIRST, acceptable=True), by=YJS, at=LATER)
    assert story.refused(breach(), by=YJS, at=LATER) == {"D2"}


def test_a_passed_due_date_is_a_ground() -> None:
    """Given a condition due on 28 May, when a breach is referred that day, then D2 refuses; the day after it does not."""
    story = CaseStory().issued()
    assert story.refused(breach(), by=YJS, at="2026-05-28T17:00:00+01:00") == {"D2"}
    story.ask(breach(), by=YJS, at="2026-05-29T09:00:00+01:00")


@pytest.mark.parametrize("what", ["YRD", "YC"])
def test_voluntary_disposals_are_never_breached(what: str) -> None:
    """Given a restorative disposal or a caution, when a breach is referred, then D2 refuses it."""
    story = CaseStory().issued(what, *((condition(),) if what == "YRD" else ()))
    assert story.refused(breach(), by=YJS, at="2026-05-29T09:00:00+01:00") == {"D2"}


@pytest.mark.parametrize("because", [CancellationReason.HARMED_WITHDREW, CancellationReason.HARMED_ABSENT])
def test_what_a_harmed_person_lost_is_no_breach(because: CancellationReason) -> None:
    """Given a conference lost to the harmed person, when a breach is referred, then C7 refuses, and D2 while nothing else is."""
    story = CaseStory().issued("YCC", conference(), condition())
    lost = absence(AttendanceStatus.CANCELLED_BY_SERVICE, session=SECOND, key=MEETING, because=because)
    story.ask(lost, by="SYSTEM", at=SESSION)
    assert story.refused(breach(MEETING), by=YJS, at=LATER) == {"C7", "D2"}
    assert story.refused(breach(MEETING), by=YJS, at="2026-04-22T09:00:00+01:00") == {"C7"}
    names = story.ask(variation(omitting(MEETING), adding(letter())), by=SUPERVISOR, at="2026-04-22T10:00:00+01:00")
    assert names == ["ConditionsVaried"]


def test_a_session_the_service_lost_does_not_excuse_for_ever() -> None:
    """Given a session that the service cancelled, when the date has passed, then C7 does not stand in the way."""
    story = CaseStory().issued()
    story.ask(
        absence(AttendanceStatus.CANCELLED_BY_SERVICE, because=CancellationReason.SERVICE), by="SYSTEM", at=SESSION
    )
    story.ask(breach(), by=YJS, at="2026-05-29T09:00:00+01:00")


def test_withdrawn_consent_goes_straight_to_review() -> None:
    """Given withdrawn consent, then it is under review without a referral, and no condition is named that proceedings would fail."""
    story = CaseStory().issued()
    story.ask(WithdrawConsent(), by=YJS, at=SESSION)
    assert story.view["state"] == "BREACH_REVIEW"
    assert story.refused(breach(), by=YJS, at=LATER) == {"D2"}
    story.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at=LATER)
    names = story.ask(InstituteProceedings(reference="55/1"), by=POLICE, at=LATER)
    assert names == ["ProceedingsInstituted", "DisposalCeased", "OutcomeAssigned"]
    assert story.view["conditions"] == {str(WORK): "ACTIVE"}


def test_consent_withdrawn_under_review_leaves_the_breach_as_it_was_referred() -> None:
    """Given a breach under review, when consent is withdrawn as well, once, then proceedings fail what was referred."""
    story = CaseStory().in_breach()
    assert story.ask(WithdrawConsent(), by=YJS, at=LATER) == ["ConsentWithdrawn"]
    assert story.refused(WithdrawConsent(), by=YJS, at=LATER) == {"S1"}
    story.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at=LATER)
    names = story.ask(InstituteProceedings(reference="55/1"), by=POLICE, at=LATER)
    assert names == ["ProceedingsInstituted", "ConditionFailed", "DisposalCeased", "OutcomeAssigned"]


def test_consent_may_be_withdrawn_before_giving() -> None:
    """Given a signed document, when consent is withdrawn before giving, then the signature no longer counts."""
    story = CaseStory().prepared("YCC", condition())
    story.ask(WithdrawConsent(), by=YJS, at="2026-03-12T16:25:00+00:00")
    assert story.view["state"] == "DECIDED"
    assert story.refused(WithdrawConsent(), by=YJS, at="2026-03-12T16:26:00+00:00") == {"S1"}


def test_a_breach_is_decided_under_review_only() -> None:
    """Given an active caution, when a breach is decided, then R23 refuses; with an excuse nobody prosecutes."""
    assert CaseStory().issued().refused(decided(BreachDecision.EXCUSED), by=POLICE, at=LATER) == {"R23"}
    story = CaseStory().in_breach()
    assert story.refused(decided(BreachDecision.PROSECUTE, excuse=True), by=POLICE, at=LATER) == {"R23"}


@pytest.mark.parametrize("what", [BreachDecision.EXCUSED, BreachDecision.VARY, BreachDecision.EXTEND])
def test_an_excused_breach_goes_on(what: BreachDecision) -> None:
    """Given a breach under review, when it is excused, varied or extended, then the caution is active as it was."""
    story = CaseStory().in_breach()
    assert story.ask(decided(what, excuse=True), by=POLICE, at=LATER) == ["BreachDecided"]
    assert story.view["state"] == "ACTIVE"
    assert story.view["conditions"] == {str(WORK): "ACTIVE"}
    assert story.refused(InstituteProceedings(reference="55/1"), by=POLICE, at=LATER) == {"D4"}


def test_no_proceedings_closes_the_disposal() -> None:
    """Given a breach under review, when nobody shall be prosecuted, then its conditions fail and it closes."""
    story = CaseStory().in_breach()
    names = story.ask(decided(BreachDecision.NO_PROCEEDINGS), by=POLICE, at=LATER)
    assert names == ["BreachDecided", "ConditionFailed", "DisposalClosedWithoutProceedings"]
    assert story.view["state"] == "CLOSED_NO_PROCEEDINGS"
    assert story.view["conditions"] == {str(WORK): "FAILED"}


def test_whoever_monitored_should_not_decide() -> None:
    """Given the officer who recorded the absence, when that officer decides on the breach, then D3 warns."""
    story = CaseStory().issued()
    story.ask(absence(), by=POLICE, at=SESSION)
    story.ask(breach(), by=YJS, at=LATER)
    assert story.warned(decided(BreachDecision.PROSECUTE), by=POLICE, at=LATER) == {"D3"}
    other = decided(BreachDecision.PROSECUTE).model_copy(update={"rationale": {"D3": "Nobody else."}})
    story.ask(other, by=POLICE, at=LATER)


def test_proceedings_need_a_decision_to_prosecute() -> None:
    """Given a breach under review, when proceedings come before the decision, then D4 refuses them."""
    story = CaseStory().in_breach()
    assert story.refused(InstituteProceedings(reference="55/1"), by=POLICE, at=LATER) == {"D4"}


def test_proceedings_come_in_time() -> None:
    """Given a summary offence, when proceedings come after six months, then R21 refuses; on the last day they do not."""
    story = CaseStory().issued(command=opening(offence=offence(TrialMode.SUMMARY)))
    story.ask(breach(), by=YJS, at="2026-05-29T09:00:00+01:00")
    story.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at="2026-06-01T09:00:00+01:00")
    command = InstituteProceedings(reference="55/1")
    assert story.refused(command, by=POLICE, at="2026-09-03T09:00:00+01:00") == {"R21"}
    story.ask(command, by=POLICE, at="2026-09-02T09:00:00+01:00")


def test_both_readings_of_the_spent_date_are_shown() -> None:
    """Given a conditional caution that ends early, then the calculator's day and the statute's differ; ceasing moves the latter."""
    story = CaseStory().issued("YCC", condition(due=date(2026, 4, 30)))
    assert (story.view["spent_on"], story.view["spent_by_statute"]) == ("2026-04-30", "2026-06-12")
    story.ask(attendance(hours="4"), by=YJS, at=SESSION)
    assert (story.view["state"], story.view["spent_by_statute"]) == ("COMPLETED", "2026-06-12")
    ceased = CaseStory().in_breach()
    ceased.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at=LATER)
    ceased.ask(InstituteProceedings(reference="55/1"), by=POLICE, at=LATER)
    assert (ceased.view["spent_on"], ceased.view["spent_by_statute"]) == ("2026-03-25", "2026-03-25")
    assert CaseStory().issued("YC").view["spent_by_statute"] == "2026-03-12"


def test_proceedings_end_the_caution() -> None:
    """Given a decision to prosecute, when proceedings are instituted, then it ceases, is spent, and outcome 1 replaces 2."""
    story = CaseStory().in_breach()
    story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=LATER)
    story.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at=LATER)
    story.ask(InstituteProceedings(reference="55/1"), by=POLICE, at="2026-04-02T09:00:00+01:00")
    assert story.view["state"] == "CEASED"
    # The decision to prosecute is there (D4): it is the state machine that refuses a second time.
    again = InstituteProceedings(reference="55/2")
    assert story.refused(again, by=POLICE, at="2026-04-03T09:00:00+01:00") == {"S1"}
    assert story.view["spent_on"] == "2026-04-02"
    assert story.view["outcome"] == "1"
    ceased, outcome = story.facts[-2].event, story.facts[-1].event
    assert isinstance(ceased, DisposalCeased)
    assert isinstance(outcome, OutcomeAssigned)
    assert outcome.superseded is OutcomeCode.C2


def test_a_caution_that_is_spent_already_stays_spent() -> None:
    """Given proceedings after the calculator's date, when the caution ceases, then it was spent on that date."""
    story = CaseStory().issued()
    story.ask(breach(), by=YJS, at="2026-05-29T09:00:00+01:00")
    story.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at="2026-06-01T09:00:00+01:00")
    story.ask(InstituteProceedings(reference="55/1"), by=POLICE, at="2026-06-02T09:00:00+01:00")
    assert story.view["spent_on"] == "2026-05-28"


def test_non_engagement_is_recorded_of_what_is_voluntary() -> None:
    """Given a restorative disposal, a caution or a diversion, then non-engagement ends only the first; a YCC refuses it."""
    command = RecordNonEngagement(why=Sealed("He does not answer."))
    assert CaseStory().issued().refused(command, by=YJS, at=LATER) == {"S1"}
    for what, state in (("YRD", "NOT_COMPLETED"), ("YC", "RECORDED")):
        story = CaseStory().issued(what, *((conference(),) if what == "YRD" else ()))
        assert story.ask(command, by=YJS, at=LATER) == ["DisposalNotCompleted"]
        assert story.view["state"] == state
    diverted = CaseStory().decided("OUTCOME_22")
    diverted.ask(command, by=YJS, at=LATER)
    assert diverted.view["state"] == "DIVERTED"


def test_a_compliance_meeting_belongs_to_a_conditional_caution() -> None:
    """Given a conditional caution, when the meeting is recorded, then it is; on a restorative disposal S1 refuses."""
    command = RecordComplianceMeeting(attended=True, parent_present=True)
    CaseStory().issued().ask(command, by=YJS, at=LATER)
    assert CaseStory().issued("YRD", letter()).refused(command, by=YJS, at=LATER) == {"S1"}


# --- outcomes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "rule", "fits"),
    [
        (OutcomeCode.C2, "O2", {"YC", "YCC"}),
        (OutcomeCode.C2A, "O2", {"YC", "YCC"}),
        (OutcomeCode.C8, "O8", {"YRD"}),
        (OutcomeCode.C22, "O22", set()),
    ],
)
@pytest.mark.parametrize("what", ["YRD", "YC", "YCC"])
def test_an_outcome_is_what_was_done(code: OutcomeCode, rule: str, fits: set[str], what: str) -> None:
    """Given a disposal, when an outcome is assigned that says something else, then its rule refuses it."""
    story = CaseStory().issued(what, *((conference(),) if what == "YRD" else ()))
    if what in fits:
        story.ask(AssignOutcome(code=code), by=POLICE, at=LATER)
        assert story.view["outcome"] == code
    else:
        assert story.refused(AssignOutcome(code=code), by=POLICE, at=LATER) == {rule}


@pytest.mark.parametrize("code", [OutcomeCode.C3, OutcomeCode.C3A, OutcomeCode.C6, OutcomeCode.C7])
def test_adult_outcomes_are_not_for_children(code: OutcomeCode) -> None:
    """Given a child, when an adult caution, a penalty notice or a cannabis warning is assigned, then R11 refuses; at 18 it does not."""
    story = CaseStory().decided("CHARGE", command=opening(date(2008, 3, 20)))
    assert story.refused(AssignOutcome(code=code), by=POLICE, at="2026-03-19T12:00:00+00:00") == {"R11"}
    story.ask(AssignOutcome(code=code), by=POLICE, at="2026-03-20T12:00:00+00:00")


def test_outcome_22_rests_on_an_activity() -> None:
    """Given a diversion, when outcome 22 comes before an activity, then O22 refuses; after it does not."""
    story = CaseStory().decided("OUTCOME_22")
    assert story.refused(AssignOutcome(code=OutcomeCode.C22), by=POLICE, at=LATER) == {"O22"}
    story.ask(RecordActivityUndertaken(session_id=FIRST), by="SYSTEM", at=SESSION)
    assert story.refused(RecordActivityUndertaken(session_id=FIRST), by="SYSTEM", at=SESSION) == {"S1"}
    story.ask(AssignOutcome(code=OutcomeCode.C22), by=POLICE, at=LATER)
    event = story.last(OutcomeAssigned)
    assert event.activity_on == date(2026, 3, 18)


def test_the_work_of_another_agency_supports_outcome_22() -> None:
    """Given a diversion, when a case manager records work by its provider, then 22 is open; a session is not theirs to record."""
    story = CaseStory().decided("OUTCOME_22")
    work = RecordActivityUndertaken(provider=Sealed("Substance misuse service, four sessions"))
    assert story.refused(RecordActivityUndertaken(session_id=FIRST), by=YJS, at=SESSION) == {"S1"}
    story.ask(work, by=YJS, at=SESSION)
    assert story.refused(work, by=YJS, at=SESSION) == {"S1"}
    story.ask(AssignOutcome(code=OutcomeCode.C22), by=POLICE, at=LATER)
    outcome = story.last(OutcomeAssigned)
    assert outcome.activity_on == date(2026, 3, 18)


@pytest.mark.parametrize("names", [{}, {"session_id": FIRST, "provider": Sealed("A club")}])
def test_an_activity_is_a_session_or_the_work_of_an_agency(names: dict[str, Any]) -> None:
    """Given neither session nor provider, or both, when an activity is recorded, then S1 refuses, of whoever sends it."""
    for by in (YJS, "SYSTEM"):
        assert CaseStory().decided("OUTCOME_22").refused(RecordActivityUndertaken(**names), by=by, at=SESSION) == {"S1"}


def test_whatever_was_given_takes_activities() -> None:
    """Given something that was given, when the child does more than it asks for, then it is recorded and all stays as it is; not before."""
    for given, state in (("YC", "RECORDED"), ("YCC", "ACTIVE")):
        story = CaseStory().issued(given)
        story.ask(RecordActivityUndertaken(session_id=FIRST), by="SYSTEM", at=SESSION)
        assert story.view["state"] == state
    waits = RecordActivityUndertaken(session_id=FIRST)
    assert CaseStory().decided("YCC").refused(waits, by="SYSTEM", at=SESSION) == {"S1"}
