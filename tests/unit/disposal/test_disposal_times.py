"""T1: nothing happens before what it depends on; S1: nothing happens where it has no place."""

from datetime import date, datetime
from typing import Final

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    CompleteCondition,
    CorrectRecord,
    DecideAbsence,
    DecideBreach,
    ExcuseCondition,
    InformVictimOfRestorativeJustice,
    InstituteProceedings,
    IssueDisposal,
    IssueWarning,
    OpenDisposalCase,
    RecordComplianceMeeting,
    RecordContact,
    RecordNonEngagement,
    RecordProsecutorDecision,
    RecordVictimView,
    ReferToYot,
    RequestAssessment,
    WithdrawAdmission,
    WithdrawCondition,
    WithdrawConsent,
)
from services.disposal.events import AssessmentTool, ContactMeans, EvidenceStandard, ProsecutorDecision
from services.disposal.service import claims
from services.trade.vocabulary import AttendanceStatus, BreachDecision, OutcomeCode
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    ADMITTED,
    ADULT,
    AFTER,
    ASSESSED,
    EXPLAINED,
    FIRST,
    ISSUED_AT,
    LEO,
    LETTER,
    MANAGER,
    OPENED_AT,
    POLICE,
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
    decision,
    evidence,
    letter,
    offence,
    omitting,
    opening,
    proposed,
    recommended,
    scored,
    variation,
)

EARLIER: Final = "2026-03-12T15:00:00+00:00"
LATER: Final = "2026-03-25T18:00:00+00:00"
CANCELLED: Final = absence(AttendanceStatus.CANCELLED_BY_SERVICE)
PROSECUTOR: Final = RecordProsecutorDecision(
    reference="CPS/1", decision=ProsecutorDecision.YCC, child_information_form=True
)
CONTACT: Final = RecordContact(person_id=LEO, means=ContactMeans.PHONE, reached=True)
VIEW: Final = RecordVictimView(person_id=MANAGER, sought=True, before_decision=False)
INFORM: Final = InformVictimOfRestorativeJustice(person_id=MANAGER, enhanced_rights=False)
ASSESS: Final = RequestAssessment(tool=AssessmentTool.PDAT)
PROSECUTE: Final = DecideBreach(
    reasonable_excuse=False, decision=BreachDecision.PROSECUTE, rationale_text=Sealed("No excuse.")
)


@pytest.mark.parametrize("command", [ADMITTED, evidence(), scored(3, 3), recommended("YC"), CONTACT, VIEW, INFORM])
def test_nothing_happens_before_the_case_opens(command: Command) -> None:
    """Given a case opened at nine, when something is said to have happened a minute before, then T1 refuses it."""
    story = CaseStory().opened()
    assert story.refused(command, by=YJS, at="2026-03-03T08:59:00+00:00") == {"T1"}
    story.ask(command, by=YJS, at=OPENED_AT)


def test_a_case_is_opened_after_offence_and_report(case: CaseStory) -> None:
    """Given a report in the afternoon, when the case is opened that morning or before the offence, then T1 refuses."""
    assert case.refused(opening(), by=YJS, at="2026-03-02T09:00:00+00:00") == {"T1"}
    later = opening(offence=offence(date=date(2026, 3, 4)))
    assert case.refused(later, by=YJS, at=OPENED_AT) == {"T1"}


def test_a_time_out_of_the_world_is_only_a_wrong_time(case: CaseStory) -> None:
    """Given a year before all policy, after all calendars or at the end of time, then T1 refuses, and nothing breaks."""
    assert case.refused(opening(), by=YJS, at="1999-03-03T09:00:00+00:00") == {"T1"}
    reported = datetime.fromisoformat("1990-03-02T15:20:00+00:00")
    assert case.refused(opening(reported_at=reported), by=YJS, at=OPENED_AT) == {"T1"}
    decided = CaseStory().decided()
    for year in ("0999", "9999"):
        at = f"{year}-12-31T12:00:00+00:00"
        assert decided.refused(proposed(), by=YJS, at=at) == {"T1"}
        assert decided.refused(scored(3, 3), by=POLICE, at=at) == {"T1"}


@pytest.mark.parametrize("command", [proposed(), ADULT, EXPLAINED, decision("YC", rationale={"PD1": "x", "R27": "x"})])
def test_nothing_that_follows_the_decision_comes_before_it(command: Command) -> None:
    """Given a decision at noon, when what follows is said to have happened that morning, then T1 refuses it."""
    story = CaseStory().decided()
    assert story.refused(command, by=POLICE, at="2026-03-10T11:00:00+00:00") == {"T1"}
    story.ask(command, by=POLICE, at="2026-03-10T12:00:00+00:00")


def test_a_disposal_is_not_given_before_its_conditions() -> None:
    """Given a condition proposed after the given time, when the disposal is given, then T1 refuses beside R6, the adult of another day."""
    story = CaseStory().prepared("YCC", condition())
    assert story.refused(IssueDisposal(), by=POLICE, at="2026-03-11T08:00:00+00:00") == {"T1", "R6"}
    assert story.refused(WithdrawCondition(condition_id=WORK), by=YJS, at="2026-03-11T08:00:00+00:00") == {"T1"}


@pytest.mark.parametrize(
    "command",
    [
        ReferToYot(),
        booking(),
        variation(adding(letter())),
        WithdrawConsent(),
        ExcuseCondition(condition_id=WORK, why=Sealed("He is ill.")),
        RecordComplianceMeeting(attended=True, parent_present=True),
    ],
)
def test_nothing_that_follows_the_giving_comes_before_it(command: Command) -> None:
    """Given a caution given at half past four, when what follows is said to have happened at three, then T1 refuses."""
    story = CaseStory().issued()
    assert story.refused(command, by=SUPERVISOR, at=EARLIER) == {"T1"}
    story.ask(command, by=SUPERVISOR, at=ISSUED_AT)


@pytest.mark.parametrize("command", [attendance(), absence()])
def test_no_session_of_a_condition_comes_before_the_giving(command: Command) -> None:
    """Given a caution given at half past four, when a session is said to have ended at three, then T1 refuses."""
    story = CaseStory().issued()
    assert story.refused(command, by="SYSTEM", at=EARLIER) == {"T1"}
    story.ask(command, by="SYSTEM", at=ISSUED_AT)


def test_a_session_before_its_time_is_e1_alone() -> None:
    """Given a session next week, when attendance is recorded today, then E1 alone refuses it."""
    story = CaseStory().issued()
    story.ask(booking(), by=YJS, at=AFTER)
    assert story.refused(attendance(), by=YJS, at=ISSUED_AT) == {"E1"}
    story.ask(CANCELLED, by=YJS, at=ISSUED_AT)


def test_nothing_answers_what_has_not_happened() -> None:
    """Given an absence, a breach and a decision on it, when the answer is dated before, then T1 refuses each."""
    story = CaseStory().issued()
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at="2026-03-18T18:00:00+00:00")
    decide = DecideAbsence(session_id=FIRST, acceptable=False)
    assert story.refused(decide, by=YJS, at=AFTER) == {"T1"}
    story.ask(decide, by=YJS, at="2026-03-19T10:00:00+00:00")
    assert story.refused(IssueWarning(session_id=FIRST), by=YJS, at="2026-03-19T09:00:00+00:00") == {"T1"}
    story.ask(breach(), by=YJS, at="2026-03-20T10:00:00+00:00")
    assert story.refused(PROSECUTE, by=POLICE, at="2026-03-20T09:00:00+00:00") == {"T1"}
    story.ask(PROSECUTE, by=POLICE, at="2026-03-20T11:00:00+00:00")
    command = InstituteProceedings(reference="55/1")
    assert story.refused(command, by=POLICE, at="2026-03-20T10:30:00+00:00") == {"T1"}
    story.ask(command, by=POLICE, at="2026-03-20T11:00:00+00:00")


def test_a_fact_is_not_corrected_before_it() -> None:
    """Given a caution given at half past four, when its giving is corrected a minute before, then T1 refuses it."""
    story = CaseStory().issued()
    correct = CorrectRecord(
        corrects=story.facts[-1].event_id, field="issued_on", value="2026-03-11", why=Sealed("Misread.")
    )
    assert story.refused(correct, by=SUPERVISOR, at="2026-03-12T16:29:00+00:00") == {"T1"}
    story.ask(correct, by=SUPERVISOR, at=ISSUED_AT)


def test_a_breach_is_not_referred_before_it() -> None:
    """Given an absence found without reason on the 19th, when its breach is dated the 18th, then T1 refuses it."""
    story = CaseStory().issued()
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at="2026-03-18T18:00:00+00:00")
    story.ask(DecideAbsence(session_id=FIRST, acceptable=False), by=YJS, at="2026-03-19T10:00:00+00:00")
    assert story.refused(breach(), by=YJS, at="2026-03-18T19:00:00+00:00") == {"T1"}
    story.ask(breach(), by=YJS, at="2026-03-19T10:00:00+00:00")


def test_an_added_condition_binds_from_then_on() -> None:
    """Given a letter added on 13 March, when it is completed the day before, then T1 refuses it."""
    story = CaseStory().issued()
    story.ask(variation(adding(letter())), by=SUPERVISOR, at=AFTER)
    command = CompleteCondition(condition_id=LETTER, quality_checked=True)
    assert story.refused(command, by=YJS, at=ISSUED_AT) == {"T1"}
    story.ask(command, by=YJS, at=AFTER)


def test_a_signature_recorded_late_does_not_bind_what_came_after_it() -> None:
    """Given a condition proposed after the signing, when the signature is recorded late, then R9 refuses the giving until it is signed again."""
    story = CaseStory().prepared("YCC", condition(), without=("signature",))
    story.ask(proposed(letter()), by=YJS, at="2026-03-12T16:15:00+00:00")
    story.ask(SIGNED, by=POLICE, at="2026-03-12T16:14:00+00:00")
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"R9"}
    story.ask(SIGNED, by=POLICE, at="2026-03-12T16:15:00+00:00")
    story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


@pytest.mark.parametrize(
    ("taken_back", "late", "rule"),
    [
        (WithdrawAdmission(), ADMITTED, "R4"),
        (WithdrawConsent(), SIGNED, "R9"),
        (evidence(sufficient=False), evidence(), "R3"),
    ],
    ids=["admission", "consent", "evidence"],
)
def test_what_is_recorded_late_brings_back_nothing_that_was_taken_back(
    taken_back: Command, late: Command, rule: str
) -> None:
    """Given what a giving rests on, taken back, when an earlier record of it comes late, then the giving is refused all the same."""
    story = CaseStory().prepared("YCC", condition())
    story.ask(taken_back, by=POLICE, at="2026-03-12T16:25:00+00:00")
    story.ask(late, by=POLICE, at="2026-03-12T16:24:00+00:00")
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {rule}
    story.ask(late, by=POLICE, at="2026-03-12T16:26:00+00:00")
    story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


def test_a_finding_recorded_late_is_taken_in_order_of_time() -> None:
    """Given evidence that does not suffice to charge, when an earlier finding that the offence occurred comes late, then that one stands."""
    story = CaseStory().opened()
    story.ask(evidence(sufficient=False), by=POLICE, at="2026-03-05T11:00:00+00:00")
    story.ask(evidence(EvidenceStandard.OFFENCE_OCCURRED), by=POLICE, at="2026-03-05T10:00:00+00:00")
    assert (story.state.evidence.standard, story.state.evidence.sufficient) == (EvidenceStandard.OFFENCE_OCCURRED, True)


def test_a_withdrawal_recorded_late_takes_back_no_later_signature() -> None:
    """Given a signed document, when consent is said to have been withdrawn before the signature, then T1 refuses it."""
    story = CaseStory().decided()
    story.ask(proposed(letter()), by=YJS, at="2026-03-12T09:00:00+00:00")
    story.ask(SIGNED, by=YJS, at="2026-03-12T14:00:00+00:00")
    assert story.refused(WithdrawConsent(), by=YJS, at="2026-03-12T12:00:00+00:00") == {"T1"}
    story.ask(WithdrawConsent(), by=YJS, at="2026-03-12T15:00:00+00:00")


def test_a_variation_recorded_late_is_no_consent_to_what_was_withdrawn_after_it() -> None:
    """Given withdrawn consent, when a variation from before it is recorded late, then the consent is still withdrawn."""
    story = CaseStory().issued()
    story.ask(WithdrawConsent(), by=YJS, at="2026-03-20T10:00:00+00:00")
    goes_on = DecideBreach(reasonable_excuse=True, decision=BreachDecision.VARY, rationale_text=Sealed("He came back."))
    story.ask(goes_on, by=POLICE, at="2026-03-21T10:00:00+00:00")
    story.ask(variation(adding(letter())), by=SUPERVISOR, at="2026-03-19T10:00:00+00:00")
    assert story.state.consent_withdrawn_at is not None
    story.ask(variation(omitting(LETTER)), by=SUPERVISOR, at="2026-03-22T10:00:00+00:00")
    assert story.state.consent_withdrawn_at is None


def test_an_admission_is_not_taken_back_before_it_is_made() -> None:
    """Given an admission on 4 March, when it is taken back on the 3rd, then T1 refuses; taken back twice, S1."""
    story = CaseStory().ready()
    assert story.refused(WithdrawAdmission(), by=YJS, at=OPENED_AT) == {"T1"}
    story.ask(WithdrawAdmission(), by=YJS, at=AFTER)
    assert story.refused(WithdrawAdmission(), by=YJS, at=AFTER) == {"S1"}


# --- the state machine --------------------------------------------------------------------------


def refused_in(story: CaseStory, *commands: Command) -> None:
    """Each command has no place in the story's stage."""
    for command in commands:
        assert story.refused(command, by=SUPERVISOR, at=LATER) == {"S1"}, type(command).__name__


def accepted_in(story: CaseStory, *commands: Command) -> None:
    """Each command has a place in the story's stage."""
    for command in commands:
        story.ask(command, by=SUPERVISOR, at=LATER)


def test_an_open_case_is_not_opened_again() -> None:
    """Given an open case, when it is opened again, then S1 refuses."""
    refused_in(CaseStory().opened(), opening())


def test_before_the_decision() -> None:
    """Given an open case, then it takes what prepares a decision, and nothing that follows one."""
    story = CaseStory().opened()
    refused_in(
        story,
        proposed(),
        WithdrawCondition(condition_id=WORK),
        ADULT,
        EXPLAINED,
        SIGNED,
        ReferToYot(),
        booking(),
        IssueWarning(session_id=FIRST),
        WithdrawConsent(),
        RecordNonEngagement(why=Sealed("No.")),
        ExcuseCondition(condition_id=WORK, why=Sealed("No.")),
        CompleteCondition(condition_id=WORK),
        RecordComplianceMeeting(attended=True, parent_present=True),
        WithdrawAdmission(),
    )
    assert story.refused(attendance(), by="SYSTEM", at=LATER) == {"S1"}
    accepted_in(
        story, ADMITTED, evidence(), scored(3, 3), recommended("YC"), PROSECUTOR, ASSESS, ASSESSED, CONTACT, VIEW
    )


def test_decided() -> None:
    """Given a decision for a conditional caution, then it takes what prepares the giving, each condition once."""
    story = CaseStory().decided()
    accepted_in(story, proposed(), ADULT, EXPLAINED, SIGNED, evidence(), ADMITTED, PROSECUTOR, INFORM)
    refused_in(story, proposed(), booking(), CompleteCondition(condition_id=WORK), ReferToYot())
    accepted_in(story, WithdrawCondition(condition_id=WORK))
    refused_in(story, WithdrawCondition(condition_id=WORK))
    refused_in(CaseStory().decided("YC"), proposed())


def test_active() -> None:
    """Given an active conditional caution, then nothing that belongs before it is taken any more."""
    story = CaseStory().issued()
    refused_in(
        story,
        ADMITTED,
        evidence(),
        scored(3, 3),
        recommended("YC"),
        decision("YC"),
        proposed(),
        ADULT,
        EXPLAINED,
        SIGNED,
    )
    refused_in(story, IssueDisposal(), PROSECUTOR, WithdrawAdmission())
    accepted_in(story, CONTACT, VIEW, INFORM, ASSESS, ASSESSED)


def test_under_review() -> None:
    """Given a breach under review, then sessions wait, and contact, assessment and the prosecutor do not."""
    story = CaseStory().in_breach()
    refused_in(story, booking(LETTER), CompleteCondition(condition_id=LETTER))
    assert story.refused(attendance(session=LETTER), by="SYSTEM", at=LATER) == {"S1"}
    meeting = RecordComplianceMeeting(attended=True, parent_present=True)
    accepted_in(story, CONTACT, PROSECUTOR, ASSESS, meeting, WithdrawConsent())


def test_diverted() -> None:
    """Given a diversion, then work with child and victim goes on, and nothing is given."""
    story = CaseStory().decided("OUTCOME_22")
    accepted_in(story, CONTACT, VIEW, INFORM, ASSESS, ASSESSED)
    refused_in(story, decision("YC"), ADMITTED, proposed(), IssueDisposal(), ReferToYot())


@pytest.mark.parametrize("what", ["CHARGE", "OUTCOME_21", "NO_FURTHER_ACTION"])
def test_ended(what: str) -> None:
    """Given a case that left before a disposal, then only an outcome is taken, and what is said to and by a victim."""
    story = CaseStory().decided(what)
    accepted_in(story, VIEW, INFORM)
    refused_in(story, CONTACT, ASSESS, ASSESSED, ADMITTED, decision("YC"), IssueDisposal())
    accepted_in(story, AssignOutcome(code=OutcomeCode.C10))


# --- R28 ----------------------------------------------------------------------------------------


def test_one_live_case_for_a_child_and_an_offence() -> None:
    """Given an open case, then it claims child, offence and day, until it is closed; a charge keeps the claim."""
    opened = CaseStory().opened()
    taken_claims = claims(None, opened.facts[0])
    assert taken_claims is not None
    assert (taken_claims.rule, taken_claims.take, taken_claims.release) == (
        "R28",
        (f"{LEO}/04601/2026-03-02@DORSET",),
        (),
    )
    for what, released in (
        ("NO_FURTHER_ACTION", taken_claims.take),
        ("OUTCOME_21", taken_claims.take),
        ("CHARGE", None),
        ("YC", None),
    ):
        story = CaseStory().ready(what)
        before = story.state
        story.ask(decision(what, rationale={"R27": "As she wishes."}), by=POLICE, at="2026-03-10T12:00:00+00:00")
        given_back = claims(before, story.facts[-1])
        assert (given_back.release if given_back is not None else None) == released


def test_another_child_or_offence_is_another_claim() -> None:
    """Given the same offence of another child, another code or another day, then each claims something else."""
    keys: set[str] = set()
    for command in (
        opening(),
        opening(person_id=MANAGER),
        opening(offence=offence(code="14920")),
        opening(offence=offence(date=date(2026, 3, 1))),
    ):
        taken_claims = claims(None, CaseStory().opened(command).facts[0])
        assert taken_claims is not None
        keys.update(taken_claims.take)
    assert len(keys) == 4


def test_the_opening_command_opens() -> None:
    """Given the commands, then only one begins a stream."""
    assert OpenDisposalCase.opens
