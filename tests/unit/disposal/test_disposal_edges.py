"""Where a rule of a disposal turns: more than is needed, another's id, an earlier moment, several of one kind."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    CompleteCondition,
    CorrectRecord,
    DecideAbsence,
    DecideBreach,
    ExcuseCondition,
    IssueDisposal,
    RecordActivityUndertaken,
    RecordAdmission,
    RecordNonEngagement,
    ReferToYot,
    WithdrawConsent,
)
from services.disposal.domain.rules.rulebook import within_the_policy
from services.disposal.events import CancellationReason, OutcomeAssigned, PriorRecord, RecordCorrected
from services.trade.vocabulary import AttendanceStatus, BreachDecision, MemberKind, OutcomeCode, TrialMode
from shared.domain.decisions import Refused
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    ADMITTED,
    ADULT,
    AFTER,
    DECIDED_AT,
    EXPLAINED,
    FIRST,
    ISSUED_AT,
    MEETING,
    POLICE,
    PROPOSED_AT,
    SECOND,
    SIGNED,
    SUPERVISOR,
    WORK,
    YJS,
    CaseStory,
    absence,
    adding,
    attendance,
    booking,
    breach,
    condition,
    conference,
    decision,
    evidence,
    letter,
    modifying,
    offence,
    omitting,
    opening,
    proposed,
    recommended,
    variation,
)

SESSION = "2026-03-18T18:00:00+00:00"
LATER = "2026-03-25T18:00:00+00:00"
LOWEST, HIGHEST = UUID(int=1), UUID(int=2**128 - 1)
"""Ids on both sides of everybody else's: what belongs to what does not depend on the order of ids."""


def test_more_hours_than_needed_complete_too() -> None:
    """Given four hours to do, when three and then two are credited, then the condition is complete."""
    story = CaseStory().issued()
    story.ask(attendance(hours="3"), by=YJS, at=SESSION)
    names = story.ask(attendance(hours="2", session=SECOND), by=YJS, at=LATER)
    assert names == ["ConditionAttended", "ConditionCompleted", "DisposalCompleted"]


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_another_conditions_session_moves_no_completion(other: UUID) -> None:
    """Given a later session of another condition, when all hours of one are credited, then it was complete at its own."""
    story = CaseStory().issued("YCC", condition(), condition(key=other))
    story.ask(attendance(session=SECOND, key=other), by=YJS, at=LATER)
    assert story.ask(attendance(hours="4"), by=YJS, at=SESSION) == ["ConditionAttended", "ConditionCompleted"]
    assert story.facts[-1].day == date(2026, 3, 18)


@pytest.mark.parametrize(("excused_at", "again_at"), [("2026-03-19T09:00:00+00:00", LATER), (SESSION, SESSION)])
def test_withdrawn_consent_stays_a_ground_after_it_was_excused(excused_at: str, again_at: str) -> None:
    """Given withdrawn consent that was excused, when a breach is referred later or in that moment, then it has its ground."""
    story = CaseStory().issued()
    story.ask(WithdrawConsent(), by=YJS, at=SESSION)
    excused = DecideBreach(
        reasonable_excuse=True, decision=BreachDecision.EXCUSED, rationale_text=Sealed("He was ill.")
    )
    story.ask(excused, by=POLICE, at=excused_at)
    assert story.ask(breach(), by=YJS, at=again_at) == ["BreachReferred"]


@pytest.mark.parametrize(
    "prior",
    [
        PriorRecord(yc=1, ycc=1, convictions=0, yrd=0),
        PriorRecord(yc=1, ycc=0, convictions=1, yrd=0),
        PriorRecord(yc=0, ycc=1, convictions=1, yrd=0),
        PriorRecord(yc=1, ycc=1, convictions=2, yrd=0),
    ],
)
def test_cautions_and_convictions_add_up(case: CaseStory, prior: PriorRecord) -> None:
    """Given earlier cautions and convictions, as many of the one as of the other, when it is decided, then R10 warns."""
    case.ready("YCC", command=opening(prior=prior))
    assert case.warned(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R10"}


def test_no_outcome_of_a_caution_before_it_was_given() -> None:
    """Given a caution of the 12th, when its outcome is dated the day before, then T1 refuses: it was given, but later."""
    story = CaseStory().issued()
    early = "2026-03-11T10:00:00+00:00"
    assert story.refused(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=early) == {"T1"}
    assert story.refused(AssignOutcome(code=OutcomeCode.C8), by=POLICE, at=early) >= {"O8"}
    story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=SESSION)


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_another_sessions_absence_is_not_decided(other: UUID) -> None:
    """Given an absence that waits for a reason, when that of another session is decided, then E6 finds none."""
    story = CaseStory().issued()
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SESSION)
    assert story.refused(DecideAbsence(session_id=other, acceptable=True), by=YJS, at=LATER) == {"E6"}


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_another_conditions_absence_is_no_ground(other: UUID) -> None:
    """Given an unacceptable absence from one condition, when a breach of another is referred, then D2 refuses."""
    story = CaseStory().issued("YCC", condition(), condition(key=other))
    story.ask(absence(), by=YJS, at=SESSION)
    assert story.refused(breach(other), by=YJS, at=LATER) == {"D2"}
    assert story.ask(breach(), by=YJS, at=LATER) == ["BreachReferred"]


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_what_another_condition_lost_to_the_harmed_bars_no_breach(other: UUID) -> None:
    """Given a later session of another condition that a harmed person lost, then the breach of this one stands."""
    story = CaseStory().issued("YCC", condition(), condition(key=other))
    story.ask(absence(), by=YJS, at=SESSION)
    lost = attendance(
        AttendanceStatus.CANCELLED_BY_SERVICE,
        "0",
        SECOND,
        other,
        complied=False,
        because=CancellationReason.HARMED_WITHDREW,
    )
    story.ask(lost, by=YJS, at="2026-03-20T10:00:00+00:00")
    assert story.ask(breach(), by=YJS, at=LATER) == ["BreachReferred"]


@pytest.mark.parametrize("investigator", [LOWEST, HIGHEST])
def test_any_other_officer_may_decide(case: CaseStory, investigator: UUID) -> None:
    """Given another investigating officer, whoever it is, when it is decided, then R29 has nothing to say."""
    case.ready("YCC", command=opening(investigating_officer=investigator))
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)


def test_all_may_happen_in_the_moment_of_what_it_rests_on() -> None:
    """Given an adult, an explanation and a signature in the moment of the giving, then they count."""
    story = CaseStory().prepared("YCC", condition(), without=("adult", "explanation", "signature"))
    for step in (ADULT, EXPLAINED, SIGNED):
        story.ask(step, by=POLICE, at=ISSUED_AT)
    assert "DisposalIssued" in story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


@pytest.mark.parametrize("later", ["adult", "explanation", "signature"])
@pytest.mark.parametrize(("what", "needs"), [("YCC", "adult explanation signature"), ("YRD", "signature")])
def test_what_a_giving_rests_on_is_not_dated_after_it(later: str, what: str, needs: str) -> None:
    """Given a preparation dated a minute after the giving, then T1 alone refuses, where the disposal needs it at all."""
    story = CaseStory().prepared(what, condition(), without=(later,))
    step = {"adult": ADULT, "explanation": EXPLAINED, "signature": SIGNED}[later]
    story.ask(step, by=POLICE, at="2026-03-12T16:31:00+00:00")
    if later in needs:
        assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"T1"}
    story.ask(IssueDisposal(), by=POLICE, at="2026-03-12T16:31:00+00:00")


def test_a_later_repetition_takes_nothing_from_what_was_there() -> None:
    """Given adult and explanation again after the moment of the giving, when it is given then, then the first ones count."""
    story = CaseStory().prepared("YCC", condition())
    for step in (ADULT, EXPLAINED):
        story.ask(step, by=POLICE, at="2026-03-12T17:00:00+00:00")
    assert "DisposalIssued" in story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


def test_what_follows_may_happen_in_the_moment_of_the_giving() -> None:
    """Given a caution, when it is referred, withdrawn from and varied in the moment of its giving, then T1 is silent."""
    story = CaseStory().issued()
    assert story.ask(ReferToYot(), by=POLICE, at=ISSUED_AT) == ["YotReferred"]
    assert story.ask(variation(adding(letter())), by=YJS, at=ISSUED_AT) == ["ConditionsVaried"]
    assert "ConsentWithdrawn" in story.ask(WithdrawConsent(), by=YJS, at=ISSUED_AT)


def test_outcome_22_rests_on_an_earlier_activity() -> None:
    """Given an activity of the 25th, when outcome 22 is dated the 18th, then T1 refuses; in the activity's moment it fits."""
    story = CaseStory().decided("OUTCOME_22")
    story.ask(RecordActivityUndertaken(session_id=SECOND), by="SYSTEM", at=LATER)
    assert story.refused(AssignOutcome(code=OutcomeCode.C22), by=POLICE, at=SESSION) == {"T1"}
    story.ask(AssignOutcome(code=OutcomeCode.C22), by=POLICE, at=LATER)


def test_more_hours_than_needed_are_completed_by_hand() -> None:
    """Given five hours credited of four, some without compliance, then the condition may be completed by hand."""
    story = CaseStory().issued()
    story.ask(attendance(hours="3"), by=YJS, at=SESSION)
    story.ask(attendance(hours="2", session=SECOND, complied=False), by=YJS, at=LATER)
    assert "ConditionCompleted" in story.ask(CompleteCondition(condition_id=WORK), by=YJS, at=LATER)


def test_a_panel_may_be_larger_than_its_quorum(case: CaseStory) -> None:
    """Given police, youth justice and health, when the panel recommends, then P1 has nothing against it."""
    case.ready(without=("panel",))
    three = (MemberKind.HEALTH, MemberKind.YJS, MemberKind.POLICE)
    assert case.ask(recommended("YCC", three), by=YJS, at=DECIDED_AT) == ["PanelRecommended"]


def test_who_is_too_old_is_excused_from_nothing_else() -> None:
    """Given somebody of eighteen since the decision, without an appropriate adult, then R2 and R6 speak at the giving."""
    story = CaseStory().prepared("YCC", condition(), without=("adult",), command=opening(date(2008, 3, 12)))
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"R2", "R6"}


def test_a_child_of_ten_at_the_offence_is_given_a_disposal() -> None:
    """Given a child who was ten that very day, when the caution is given, then R1 lets it through."""
    story = CaseStory().issued(command=opening(date(2016, 3, 2)))
    assert story.view["age_at_offence"] == 10


def test_adult_outcomes_are_for_any_adult() -> None:
    """Given somebody of nineteen, when an adult caution is assigned as outcome, then R11 lets it through."""
    story = CaseStory().decided("CHARGE", command=opening(date(2007, 3, 1)))
    story.ask(AssignOutcome(code=OutcomeCode.C3), by=POLICE, at=LATER)


def test_only_an_active_condition_of_a_disposal_under_way_is_excused() -> None:
    """Given a disposal under way, an unknown condition is not excused; under review, neither is the active one."""
    story = CaseStory().issued()
    unknown = ExcuseCondition(condition_id=LOWEST, why=Sealed("He is ill."))
    assert story.refused(unknown, by=SUPERVISOR, at=SESSION) == {"S1"}
    excuse = ExcuseCondition(condition_id=WORK, why=Sealed("He is ill."))
    assert CaseStory().in_breach().refused(excuse, by=SUPERVISOR, at=LATER) == {"S1"}


def test_a_case_is_opened_in_the_moment_of_the_report(case: CaseStory) -> None:
    """Given a report, when the case is opened in its moment, then T1 is silent."""
    case.ask(opening(), by=YJS, at="2026-03-02T15:20:00+00:00")


def _correct(story: CaseStory, field: str, value: str) -> RecordCorrected:
    opened = story.facts[0].event_id
    story.ask(CorrectRecord(corrects=opened, field=field, value=value, why=Sealed("Misread.")), by=SUPERVISOR, at=LATER)
    return story.last(RecordCorrected)


def test_an_offence_that_is_not_summary_after_all_has_no_last_day() -> None:
    """Given a summary offence corrected to one triable either way, then its time limit is corrected to none."""
    story = CaseStory().opened(opening(offence=offence(TrialMode.SUMMARY)))
    corrected = _correct(story, "offence.trial_mode", "EITHER_WAY")
    assert {one.field: one.value for one in corrected.also} == {"prosecution_time_limit": None}
    assert story.view["prosecution_time_limit"] is None


def test_an_age_stays_where_the_birth_date_is_forgotten() -> None:
    """Given a forgotten birth date, when the day of the offence is corrected, then no age is computed anew."""
    story = CaseStory().issued(command=opening(offence=offence(TrialMode.SUMMARY)))
    story.forget_birth(0)
    corrected = _correct(story, "offence.date", "2026-03-01")
    assert {one.field for one in corrected.also} == {"prosecution_time_limit", "offence_date"}


def test_a_disposal_rests_on_evidence_and_admission_and_a_diversion_does_not(case: CaseStory) -> None:
    """Given an admission and evidence of noon, when it is decided before, then T1 refuses; a diversion rests on neither."""
    case.ready(without=("admission", "evidence"))
    case.ask(ADMITTED, by=YJS, at=DECIDED_AT)
    case.ask(evidence(), by=POLICE, at=DECIDED_AT)
    assert case.refused(decision("YCC"), by=POLICE, at="2026-03-10T11:59:00+00:00") == {"T1"}
    case.ask(decision("OUTCOME_22", rationale={"PD1": "x", "R27": "x"}), by=POLICE, at="2026-03-10T11:59:00+00:00")


@pytest.mark.parametrize("later", ["admission", "evidence"])
def test_a_disposal_is_not_decided_before_either(case: CaseStory, later: str) -> None:
    """Given one of the two dated noon, when a disposal is decided a minute before, then T1 refuses; at noon it is decided."""
    case.ready(without=(later,))
    case.ask({"admission": ADMITTED, "evidence": evidence()}[later], by=POLICE, at=DECIDED_AT)
    assert case.refused(decision("YCC"), by=POLICE, at="2026-03-10T11:59:00+00:00") == {"T1"}
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)


def test_a_variation_names_a_condition_once() -> None:
    """Given a variation that adds one condition twice, then S1 refuses it."""
    twice = variation(adding(letter()), adding(letter()))
    assert CaseStory().issued().refused(twice, by=YJS, at=SESSION) == {"S1"}


def test_no_absence_is_decided_in_an_ended_case() -> None:
    """Given an absence that waited for a reason when the child left a voluntary disposal, then it is decided no more."""
    story = CaseStory().issued("YRD", conference())
    missed = attendance(AttendanceStatus.DNA_PENDING, "0", key=MEETING, complied=False)
    story.ask(missed, by=YJS, at=SESSION)
    story.ask(RecordNonEngagement(why=Sealed("He will not meet.")), by=YJS, at=LATER)
    assert story.refused(DecideAbsence(session_id=FIRST, acceptable=True), by=YJS, at=LATER) == {"S1"}


def test_only_a_session_with_compliance_is_an_activity() -> None:
    """Given a session attended without complying, then an outcome says of no activity; after one with compliance it does."""
    for complied, activity_on in ((False, None), (True, date(2026, 3, 18))):
        story = CaseStory().issued()
        story.ask(attendance(complied=complied), by=YJS, at=SESSION)
        story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=LATER)
        assigned = story.last(OutcomeAssigned)
        assert assigned.activity_on == activity_on


def test_before_the_first_youth_cautions_the_refusal_says_so(case: CaseStory) -> None:
    """Given a day in 2012, when a case is opened, then T1 refuses, with the text about that day and no other."""
    early = opening(
        date(1999, 3, 14),
        offence=offence(date=date(2012, 3, 2)),
        reported_at=datetime.fromisoformat("2012-03-02T15:20:00+00:00"),
    )
    refused = case.answer(early, by=YJS, at="2012-03-03T09:00:00+00:00")
    assert isinstance(refused, Refused)
    assert [rule.id for rule in refused.rules] == ["T1"]
    assert refused.rules[0].text.startswith(str(within_the_policy.__doc__).split(".", maxsplit=1)[0])


@pytest.mark.parametrize(("panel", "decided"), [("YRD", "YC"), ("YCC", "YC"), ("YC", "YRD")])
def test_any_other_decision_than_the_panels_warns(case: CaseStory, panel: str, decided: str) -> None:
    """Given what the panel recommends, when the police decide otherwise, harder or milder, then PD1 warns."""
    case.ready(panel)
    if decided != "YRD":
        case.ask(evidence(), by=POLICE, at=DECIDED_AT)
    assert "PD1" in case.warned(decision(decided), by=POLICE, at=DECIDED_AT)


def test_a_conference_is_not_held_before_it_did_not_proceed() -> None:
    """Given a conference that did not proceed on the 25th, when the same one is said to be held before, then E5 refuses."""
    story = CaseStory().issued("YCC", conference())
    lost = absence(
        AttendanceStatus.CANCELLED_BY_SERVICE, session=SECOND, key=MEETING, because=CancellationReason.HARMED_WITHDREW
    )
    story.ask(lost, by="SYSTEM", at=LATER)
    session_held = attendance(hours="1.5", session=SECOND, key=MEETING)
    assert story.refused(session_held, by="SYSTEM", at=SESSION) == {"E5"}


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_a_changed_condition_keeps_its_id(other: UUID) -> None:
    """Given a modification that names another id inside than outside, then S1 refuses it."""
    change = modifying(condition(key=other)).model_copy(update={"condition_id": WORK})
    assert CaseStory().issued().refused(variation(change), by=YJS, at=SESSION) == {"S1"}


def test_an_omitted_condition_is_not_waited_for() -> None:
    """Given two conditions of which one was omitted, when the other is done, then the disposal is completed that day."""
    story = CaseStory().issued("YCC", condition(), letter())
    story.ask(variation(omitting(letter().condition_id)), by=YJS, at=AFTER)
    names = story.ask(attendance(hours="4"), by=YJS, at=SESSION)
    assert names == ["ConditionAttended", "ConditionCompleted", "DisposalCompleted"]
    assert story.view["completed_on"] == "2026-03-18"


def test_a_condition_may_be_proposed_in_the_moment_of_the_giving() -> None:
    """Given a condition proposed and signed in the moment of the giving, then T1 is silent."""
    story = CaseStory().decided()
    story.ask(proposed(), by=YJS, at=ISSUED_AT)
    for step in (ADULT, EXPLAINED, SIGNED):
        story.ask(step, by=POLICE, at=ISSUED_AT)
    assert "DisposalIssued" in story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


def test_work_without_hours_takes_nothing_off_the_limit() -> None:
    """Given reparation proposed without hours, when ten and a half hours are added, then the limit is exceeded all the same."""
    story = CaseStory().decided()
    story.ask(proposed(condition(key=LOWEST, hours=None)), by=YJS, at=PROPOSED_AT)
    assert story.refused(proposed(condition(hours=Decimal("10.5"))), by=YJS, at=PROPOSED_AT) == {"R15"}
    story.ask(proposed(condition(hours=Decimal(10))), by=YJS, at=PROPOSED_AT)


def test_an_hour_credited_later_moves_the_completion_an_absence_does_not() -> None:
    """Given the last hour credited on the 25th, or nothing but an absence then, a late record completes on the last credit."""
    for later, hours, day in ((attendance(hours="1", session=SECOND), "3", 25), (absence(session=SECOND), "4", 18)):
        story = CaseStory().issued()
        story.ask(later, by=YJS, at=LATER)
        assert "ConditionCompleted" in story.ask(attendance(hours=hours), by=YJS, at=SESSION)
        assert story.view["completed_on"] == f"2026-03-{day}"


def test_a_disposal_is_completed_on_the_last_day_that_any_condition_needed() -> None:
    """Given a letter checked on the 25th, when the hours of the 18th are recorded late, then the disposal ended on the 25th."""
    story = CaseStory().issued("YCC", condition(), letter())
    checked = CompleteCondition(condition_id=letter().condition_id, quality_checked=True)
    story.ask(checked, by=YJS, at=LATER)
    assert "DisposalCompleted" in story.ask(attendance(hours="4"), by=YJS, at=SESSION)
    assert story.view["completed_on"] == "2026-03-25"


def test_a_yes_or_no_is_corrected_to_a_yes_or_no() -> None:
    """Given a field that is true or false, the word "true" is no value of it."""
    story = CaseStory().opened()
    word = CorrectRecord(
        corrects=story.facts[0].event_id, field="offence.recordable", value="true", why=Sealed("Misread.")
    )
    assert story.refused(word, by=SUPERVISOR, at=LATER) == {"S1"}


def test_an_admission_without_an_adult_carries_nothing(case: CaseStory) -> None:
    """Given an admission without an adult, a caution is refused at the decision (R4A), a restorative disposal at the giving (R6)."""
    case.ready("YCC", without=("admission",))
    alone = RecordAdmission(appropriate_adult_present=False, facts_accepted=True)
    case.ask(alone, by=YJS, at="2026-03-04T16:00:00+00:00")
    assert case.refused(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R4A"}
    case.ask(decision("YRD", rationale={"R27": "She is sorry.", "PD1": "She is sorry."}), by=POLICE, at=DECIDED_AT)
    for step in (ADULT, EXPLAINED, SIGNED):
        case.ask(step, by=POLICE, at=ISSUED_AT)
    assert case.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"R6"}


def test_nothing_is_given_that_no_person_decided(case: CaseStory) -> None:
    """Given a decision of the system itself, when the disposal is given, then R26 refuses."""
    case.ready("YC")
    case.ask(decision("YC"), by="SYSTEM", at=DECIDED_AT)
    assert "R26" in case.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT)


def test_an_outcome_may_be_assigned_in_the_moment_of_the_giving() -> None:
    """Given a caution, when its outcome is assigned in the moment of its giving, then O2 lets it through."""
    CaseStory().issued().ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=ISSUED_AT)


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_a_booked_session_serves_no_other_condition(other: UUID) -> None:
    """Given a session booked for one condition, when attendance is recorded for another, then E7 refuses, and a reaction S1."""
    story = CaseStory().issued("YCC", condition(), condition(key=other))
    story.ask(booking(), by=YJS, at=AFTER)
    assert story.refused(attendance(key=other), by=YJS, at=SESSION) == {"E7"}
    assert story.refused(attendance(key=other), by="SYSTEM", at=SESSION) == {"S1"}
    story.ask(attendance(), by=YJS, at=SESSION)


def test_a_case_opened_again_is_s1_alone(case: CaseStory) -> None:
    """Given an open case, when it is opened again as of an earlier time, then S1 speaks and T1 does not."""
    assert case.opened().refused(opening(), by=YJS, at="2026-03-02T16:00:00+00:00") == {"S1"}
