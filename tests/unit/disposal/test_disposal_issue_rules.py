"""Giving a disposal: who is old enough, who is present, what was explained and signed, and who decided."""

from datetime import date, datetime

import pytest

from services.disposal.domain.commands import (
    ConfirmAppropriateAdult,
    CorrectRecord,
    ExplainEffect,
    IssueDisposal,
    RecordAdmission,
    ReferToYot,
    SignDocument,
    WithdrawAdmission,
    WithdrawCondition,
)
from services.trade.vocabulary import AppropriateAdultKind
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    ADMITTED,
    ADULT,
    AFTER,
    EXPLAINED,
    INVESTIGATOR,
    ISSUED_AT,
    LETTER,
    MOTHER,
    POLICE,
    SIGNED,
    WORK,
    YJS,
    CaseStory,
    condition,
    decision,
    evidence,
    letter,
    offence,
    opening,
    proposed,
)

CAUTIONS = ("YC", "YCC")
ISSUE = IssueDisposal()


def prepared(what: str, *without: str, born: date = date(2011, 3, 14)) -> CaseStory:
    """All is there but what is left out."""
    conditions = (condition(),) if what == "YCC" else ()
    return CaseStory().prepared(what, *conditions, without=without, command=opening(born))


@pytest.mark.parametrize("what", ["YRD", *CAUTIONS])
def test_a_person_of_eighteen_takes_the_adult_route(what: str) -> None:
    """Given an eighteenth birthday on the day of giving, when it is given, then R2 refuses; a day earlier it is lawful."""
    story = prepared(what, born=date(2008, 3, 12))
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R2"}
    lawful = prepared(what, born=date(2008, 3, 13))
    lawful.ask(ISSUE, by=POLICE, at=ISSUED_AT)
    assert lawful.view["age_at_issue"] == 17


def test_ages_are_those_of_london() -> None:
    """Given a birthday on 13 June, when it is given at half past eleven in the evening of the 12th in UTC, then R2 refuses."""
    story = prepared("YC", born=date(2008, 6, 13))
    for command in (ADULT, EXPLAINED):
        story.ask(command, by=POLICE, at="2026-06-12T23:10:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at="2026-06-12T23:30:00+00:00") == {"R2"}


@pytest.mark.parametrize("what", ["YRD", *CAUTIONS])
def test_an_admission_taken_back_stops_the_giving(what: str) -> None:
    """Given an admission taken back after the decision, when it is given, then R4 refuses."""
    story = prepared(what)
    story.ask(WithdrawAdmission(), by=YJS, at="2026-03-12T16:25:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R4"}


def test_evidence_that_no_longer_suffices_stops_the_giving() -> None:
    """Given evidence found wanting after the decision, when it is given, then R3 refuses."""
    story = prepared("YCC")
    story.ask(evidence(sufficient=False), by=POLICE, at="2026-03-12T16:25:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R3"}


@pytest.mark.parametrize("what", CAUTIONS)
def test_a_caution_needs_an_adult_that_day(what: str) -> None:
    """Given no adult, or only yesterday's, when a caution is given, then R6 refuses it."""
    assert prepared(what, "adult").refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R6"}
    story = prepared(what)
    assert story.refused(ISSUE, by=POLICE, at="2026-03-13T16:00:00+00:00") == {"R6"}
    story.ask(ADULT, by=POLICE, at="2026-03-13T16:00:00+00:00")
    story.ask(ISSUE, by=POLICE, at="2026-03-13T16:00:00+00:00")


def test_at_seventeen_an_adult_is_needed_from_13_april_2015(case: CaseStory) -> None:
    """Given a child of 17 alone, when a caution is given on 13 April 2015, then R6 refuses it; a day earlier it is lawful."""
    stolen = offence(date=date(2015, 4, 1))
    case.ask(
        opening(date(1997, 10, 1), offence=stolen, reported_at=datetime.fromisoformat("2015-04-02T10:00:00+01:00")),
        by=YJS,
        at="2015-04-07T10:00:00+01:00",
    )
    case.ask(ADMITTED, by=YJS, at="2015-04-08T10:00:00+01:00")
    for step in (evidence(), decision("YC", rationale={"A1": "Urgent."}), EXPLAINED):
        case.ask(step, by=POLICE, at="2015-04-10T10:00:00+01:00")
    assert case.refused(ISSUE, by=POLICE, at="2015-04-13T00:00:00+01:00") == {"R6"}
    case.ask(ISSUE, by=POLICE, at="2015-04-12T23:59:00+01:00")


def test_a_restorative_disposal_needs_an_adult_at_the_admission(case: CaseStory) -> None:
    """Given an admission without an adult, when a restorative disposal is given, then R6 refuses; that day's adult is no cure."""
    case.ready("YRD", without=["admission"])
    alone = RecordAdmission(appropriate_adult_present=False, facts_accepted=True)
    case.ask(alone, by=YJS, at="2026-03-09T16:00:00+00:00")
    case.ask(decision("YRD"), by=POLICE, at="2026-03-10T12:00:00+00:00")
    case.ask(ADULT, by=POLICE, at="2026-03-12T16:00:00+00:00")
    case.ask(SIGNED, by=POLICE, at="2026-03-12T16:00:00+00:00")
    assert case.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R6"}
    accompanied = RecordAdmission(appropriate_adult_present=True, facts_accepted=True)
    case.ask(accompanied, by=YJS, at="2026-03-12T16:10:00+00:00")
    case.ask(ISSUE, by=POLICE, at=ISSUED_AT)


@pytest.mark.parametrize("kind", AppropriateAdultKind)
def test_no_police_employee_and_nobody_under_eighteen_is_an_adult(kind: AppropriateAdultKind) -> None:
    """Given any kind, when a police employee or a minor is confirmed, then R7 refuses."""
    story = CaseStory().decided()
    for adult, employee in ((True, True), (False, False), (False, True)):
        command = ConfirmAppropriateAdult(person_id=MOTHER, kind=kind, adult=adult, police_employee=employee)
        assert story.refused(command, by=YJS, at=ISSUED_AT) == {"R7"}
    story.ask(
        ConfirmAppropriateAdult(person_id=MOTHER, kind=kind, adult=True, police_employee=False), by=YJS, at=ISSUED_AT
    )


@pytest.mark.parametrize("part", ["involved_in_case", "received_admission"])
def test_nobody_with_a_part_in_the_case_is_an_adult(part: str) -> None:
    """Given a person with another part in the case, when confirmed, then R7 refuses; who has none, or is not asked, may act."""
    story = CaseStory().decided()
    assert story.refused(ADULT.model_copy(update={part: True}), by=YJS, at=ISSUED_AT) == {"R7"}
    for answer in (False, None):
        story.ask(ADULT.model_copy(update={part: answer}), by=YJS, at=ISSUED_AT)


def test_another_responsible_adult_comes_last() -> None:
    """Given a parent or social worker who could come, when another adult is confirmed, then R7 refuses; no answer passes."""
    story = CaseStory().decided()
    others = {"kind": AppropriateAdultKind.RESPONSIBLE_ADULT}
    assert story.refused(ADULT.model_copy(update={**others, "others_unavailable": False}), by=YJS, at=ISSUED_AT) == {
        "R7"
    }
    for answer in (True, None):
        story.ask(ADULT.model_copy(update={**others, "others_unavailable": answer}), by=YJS, at=ISSUED_AT)
    story.ask(ADULT.model_copy(update={"others_unavailable": False}), by=YJS, at=ISSUED_AT)


@pytest.mark.parametrize("what", CAUTIONS)
@pytest.mark.parametrize("missing", ["to_child", "to_appropriate_adult", "ordinary_language", "warned_of_prosecution"])
def test_the_effect_is_explained_in_full(what: str, missing: str) -> None:
    """Given an explanation that lacks something, when a caution is given, then R8 refuses; only a YCC needs the warning."""
    story = prepared(what, "explanation")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R8"}
    lacking = EXPLAINED.model_copy(update={missing: False})
    story.ask(lacking, by=POLICE, at="2026-03-12T16:22:00+00:00")
    if what == "YC" and missing == "warned_of_prosecution":
        story.ask(ISSUE, by=POLICE, at=ISSUED_AT)
    else:
        assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R8"}


def test_a_restorative_disposal_needs_no_explanation() -> None:
    """Given no explanation, when a restorative disposal is given, then it is."""
    prepared("YRD", "explanation", "adult").ask(ISSUE, by=POLICE, at=ISSUED_AT)


@pytest.mark.parametrize("what", ["YRD", "YCC"])
def test_the_document_is_signed(what: str) -> None:
    """Given no signature, when the disposal is given, then R9 refuses."""
    assert prepared(what, "signature").refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R9"}


def test_a_caution_needs_no_signature() -> None:
    """Given no signature, when a youth caution is given, then it is recorded, and spent that day."""
    story = prepared("YC")
    story.ask(ISSUE, by=POLICE, at=ISSUED_AT)
    assert story.view["state"] == "RECORDED"
    assert story.view["spent_on"] == "2026-03-12"


def test_a_changed_condition_needs_a_new_signature() -> None:
    """Given a condition proposed or withdrawn after the signature, when the YCC is given, then R9 refuses it."""
    story = prepared("YCC")
    story.ask(proposed(letter()), by=YJS, at="2026-03-12T16:25:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R9"}
    story.ask(WithdrawCondition(condition_id=LETTER), by=YJS, at="2026-03-12T16:26:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R9"}
    story.ask(SIGNED, by=POLICE, at="2026-03-12T16:27:00+00:00")
    story.ask(ISSUE, by=POLICE, at=ISSUED_AT)


def test_a_signature_needs_the_child_and_consent() -> None:
    """Given a document not signed by the child or without consent, when it is recorded, then R9 refuses it."""
    story = prepared("YCC", "signature")
    for consent, signed in ((False, True), (True, False)):
        command = SignDocument(document_sha256="9f2c" * 16, consent=consent, signed_by_child=signed)
        assert story.refused(command, by=POLICE, at="2026-03-12T16:20:00+00:00") == {"R9"}


def test_a_conditional_caution_is_signed_with_its_conditions() -> None:
    """Given no condition, when its document is signed, then R9 refuses; when it is given, R14 besides."""
    story = CaseStory().prepared("YCC", without=["signature"])
    assert story.refused(SIGNED, by=POLICE, at="2026-03-12T16:20:00+00:00") == {"R9"}
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R9", "R14"}


def test_nothing_is_given_that_nobody_decided(case: CaseStory) -> None:
    """Given all but a decision, when the disposal is given, then R26 refuses it."""
    case.ready("YC")
    assert case.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R26"}


def test_all_that_is_missing_at_the_giving_is_named() -> None:
    """Given nothing but the decision, when a conditional caution is given, then every missing part is named."""
    story = CaseStory().decided("YCC")
    story.ask(WithdrawAdmission(), by=YJS, at="2026-03-12T09:00:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R4", "R6", "R8", "R9", "R14"}


def test_the_investigating_officer_should_not_give_it() -> None:
    """Given the investigating officer, when that officer gives the disposal, then R29 warns."""
    story = CaseStory().prepared("YC", command=opening(investigating_officer=INVESTIGATOR.id))
    assert story.warned(ISSUE, by=INVESTIGATOR, at=ISSUED_AT) == {"R29"}
    story.ask(IssueDisposal(rationale={"R29": "Nobody else is on duty."}), by=INVESTIGATOR, at=ISSUED_AT)


def test_a_corrected_birth_date_can_stop_the_giving() -> None:
    """Given a child found to have been nine at the offence, when the disposal is given, then R1 refuses it."""
    story = prepared("YCC")
    command = CorrectRecord(
        corrects=story.facts[0].event_id,
        field="details.date_of_birth",
        value="2016-03-14",
        why=Sealed("Typed wrongly."),
    )
    story.ask(command, by=YJS, at="2026-03-12T16:25:00+00:00")
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R1"}


@pytest.mark.parametrize("what", CAUTIONS)
def test_the_referral_to_the_yot_is_soon(what: str) -> None:
    """Given a caution on a Thursday, when it is referred on Monday, then R12 warns; on Friday it does not."""
    story = prepared(what)
    story.ask(ISSUE, by=POLICE, at=ISSUED_AT)
    assert story.warned(ReferToYot(), by=YJS, at="2026-03-16T09:00:00+00:00") == {"R12"}
    story.ask(ReferToYot(), by=YJS, at="2026-03-13T17:00:00+00:00")
    assert story.refused(ReferToYot(), by=YJS, at="2026-03-13T17:00:00+00:00") == {"S1"}


def test_a_restorative_disposal_is_not_referred_to_the_yot() -> None:
    """Given a restorative disposal, when it is referred, then the state machine refuses it."""
    story = CaseStory().issued("YRD", letter())
    assert story.refused(ReferToYot(), by=YJS, at=AFTER) == {"S1"}


def test_a_new_decision_voids_what_was_prepared() -> None:
    """Given all prepared for a conditional caution, when a caution is decided instead, then nothing of it counts."""
    story = prepared("YCC")
    assert story.view["conditions"] == {str(WORK): "PROPOSED"}
    reasons = {"R27": "Conditions are too much for him.", "PD1": "As said."}
    story.ask(decision("YC", rationale=reasons), by=POLICE, at="2026-03-12T16:25:00+00:00")
    assert story.view["conditions"] == {}
    assert story.refused(ISSUE, by=POLICE, at=ISSUED_AT) == {"R6", "R8"}


def test_an_earlier_explanation_still_counts() -> None:
    """Given the effect explained in full and then in part, when the caution is given, then the full one counts."""
    story = prepared("YC")
    part = ExplainEffect(to_child=True, to_appropriate_adult=False, ordinary_language=True, warned_of_prosecution=False)
    story.ask(part, by=POLICE, at="2026-03-12T16:25:00+00:00")
    story.ask(ISSUE, by=POLICE, at=ISSUED_AT)
