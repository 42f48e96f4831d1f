"""Corrections: what was wrong, what follows from it, and what cannot be corrected."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.disposal.domain.commands import AssignOutcome, CorrectRecord, IssueDisposal
from services.disposal.events import EVENTS, DisposalIssued, RecordCorrected
from services.disposal.service import claims
from services.trade.vocabulary import OutcomeCode, TrialMode
from shared.domain.decider import BrokenHistory, history_at
from shared.domain.decisions import Refused
from shared.domain.ids import derived_uuid
from shared.domain.permissions import marks_of
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    AFTER,
    FIRST,
    ISSUED_AT,
    LEO,
    MANAGER,
    MOTHER,
    POLICE,
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
    condition,
    letter,
    offence,
    omitting,
    opening,
    variation,
)

THEN = "2026-03-25T10:00:00+00:00"


def test_a_correction_changes_what_is_shown_and_keeps_the_original() -> None:
    """Given outcome 2A, when it is corrected to 2, then 2 is shown, and both events are there."""
    story = CaseStory().issued()
    story.ask(AssignOutcome(code=OutcomeCode.C2A), by=POLICE, at=THEN)
    assert story.ask(story.corrects("OutcomeAssigned", "code", "2"), by=SUPERVISOR, at=THEN) == ["RecordCorrected"]
    assert story.view["outcome"] == "2"
    assert [fact.name for fact in story.facts[-2:]] == ["OutcomeAssigned", "RecordCorrected"]


def test_a_correction_is_decided_by_afterwards() -> None:
    """Given an admission found to have been a denial, when the case is at issue, then R4 refuses."""
    story = CaseStory().ready()
    story.ask(story.corrects("AdmissionRecorded", "facts_accepted", value=False), by=SUPERVISOR, at=THEN)
    assert story.state.admission.facts_accepted is False


def test_what_was_computed_is_computed_again() -> None:
    """Given a summary offence with a wrong date, when it is corrected, then ages and the time limit follow, also in what was carried."""
    story = CaseStory().issued(command=opening(date(2012, 3, 2), offence=offence(TrialMode.SUMMARY)))
    assert (story.view["age_at_offence"], story.view["prosecution_time_limit"]) == (14, "2026-09-02")
    story.ask(story.corrects("DisposalCaseOpened", "offence.date", "2026-03-01"), by=SUPERVISOR, at=THEN)
    assert (story.view["age_at_offence"], story.view["prosecution_time_limit"]) == (13, "2026-09-01")
    issued = next(fact.event_id for fact in story.facts if fact.name == "DisposalIssued")
    corrections = [fact.event for fact in story.facts if isinstance(fact.event, RecordCorrected)]
    assert len(corrections) == 1
    assert {one.field for one in corrections[0].also if one.corrects == issued} == {"age_at_offence", "offence_date"}


@pytest.mark.parametrize(
    ("field", "value"), [("condition.hours", "6"), ("condition", condition(hours=Decimal(6)).model_dump(mode="json"))]
)
def test_what_was_signed_is_not_corrected_afterwards(field: str, value: Any) -> None:
    """Given conditions that the child has signed, when one is corrected, then it is signed as it stands before it is given."""
    story = CaseStory().prepared("YCC", condition())
    at = "2026-03-12T16:25:00+00:00"
    story.ask(story.corrects("ConditionProposed", field, value), by=YJS, at=at)
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"R9"}
    story.ask(SIGNED, by=YJS, at=ISSUED_AT)
    story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


@pytest.mark.parametrize(("field", "value", "rule"), [("hours", "40", "R15"), ("due", "2027-05-28", "R20")])
def test_no_correction_asks_more_than_the_law_allows(field: str, value: str, rule: str) -> None:
    """Given a proposal that is corrected past a limit, then it is not given; once it was given, then it is to be reviewed."""
    story = CaseStory().prepared("YCC", condition())
    story.ask(story.corrects("ConditionProposed", f"condition.{field}", value), by=YJS, at=ISSUED_AT)
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"R9", rule}
    given = CaseStory().issued()
    given.ask(given.corrects("ConditionProposed", f"condition.{field}", value), by=SUPERVISOR, at=THEN)
    assert given.state.reviews[-1].unlawful_by == (rule,)


def test_nobody_corrects_a_decision_that_they_may_not_take() -> None:
    """Given a decision of the police, when a case manager corrects it, then S1 refuses; the police correct it as they may decide."""
    story = CaseStory().decided("YRD")
    other = story.corrects("DisposalDecided", "decision", "YCC")
    dropped = story.corrects("DisposalDecided", "decision", "NO_FURTHER_ACTION")
    assert story.refused(dropped, by=YJS, at=THEN) == {"S1"}
    sufficient = story.corrects("EvidenceSufficiencyDecided", "standard", "CHARGE")
    assert story.refused(sufficient, by=YJS, at=THEN) == {"S1"}
    assert story.refused(other, by=POLICE, at=THEN) == {"R3"}
    story.ask(sufficient, by=POLICE, at=THEN)
    story.ask(other, by=POLICE, at=THEN)


def test_a_variation_stays_within_its_limits() -> None:
    """Given a variation, when a correction would ask more than it may, then the rules of a variation refuse it."""
    story = CaseStory().issued()
    more = condition(key=SECOND, hours=Decimal(5))
    story.ask(variation(adding(more)), by=SUPERVISOR, at=AFTER)
    beyond = story.corrects("ConditionsVaried", "changes.0.condition.hours", "7")
    assert story.refused(beyond, by=SUPERVISOR, at=THEN) == {"R15"}
    story.ask(story.corrects("ConditionsVaried", "changes.0.condition.hours", "6"), by=SUPERVISOR, at=THEN)


def test_no_correction_credits_what_could_not_be_recorded() -> None:
    """Given sessions of two hours, then no correction credits more, nor an absence, nor says otherwise than a register."""
    story = CaseStory().issued()
    came, missed = attendance(), absence(session=SECOND)
    for session, recorded in ((FIRST, came), (SECOND, missed)):
        story.ask(booking(session), by=YJS, at=AFTER)
        story.ask(recorded, by=YJS, at="2026-03-18T18:00:00+00:00")
    credited = [("ConditionAttended", "20", "E3"), ("ConditionMissed", "2", "E4")]
    for name, hours, rule in credited:
        assert story.refused(story.corrects(name, "hours_credited", hours), by=SUPERVISOR, at=THEN) == {rule}
    wrong = story.corrects("ConditionAttended", "status", "DNA_UNACCEPTABLE")
    assert story.refused(wrong, by=SUPERVISOR, at=THEN) == {"E4"}
    registered = CaseStory().issued()
    registered.ask(attendance(), by="SYSTEM", at="2026-03-18T18:00:00+00:00")
    for field, value in (("hours_credited", "1"), ("status", "LEFT_EARLY"), ("complied", False)):
        otherwise = registered.corrects("ConditionAttended", field, value)
        assert registered.refused(otherwise, by=SUPERVISOR, at=THEN) == {"E3"}


def test_who_investigates_as_corrected_is_known_to_the_panel() -> None:
    """Given another investigating officer by a correction, then both are marked: neither votes on the case (P3)."""
    story = CaseStory().opened(opening(investigating_officer=MANAGER))
    story.ask(story.corrects("DisposalCaseOpened", "investigating_officer", str(MOTHER)), by=SUPERVISOR, at=THEN)
    marks = {mark for fact in story.facts for mark in marks_of(EVENTS, fact)}
    assert {f"INVESTIGATES:{MANAGER}", f"INVESTIGATES:{MOTHER}"} <= marks


@pytest.mark.parametrize(
    ("event", "field", "rule"),
    [
        ("ConditionsVaried", "consent", "R22"),
        ("ProsecutionDeferred", "child_agrees", "DP2"),
        ("ProsecutionDeferred", "appropriate_adult_present", "DP2"),
    ],
)
def test_no_correction_takes_away_what_a_child_has_agreed_to(event: str, field: str, rule: str) -> None:
    """Given a variation or a plan, when a correction says that the child did not agree before an adult, then its rule refuses."""
    story = CaseStory().issued() if event == "ConditionsVaried" else CaseStory().deferred()
    if event == "ConditionsVaried":
        story.ask(variation(adding(letter())), by=SUPERVISOR, at=AFTER)
    assert story.refused(story.corrects(event, field, value=False), by=POLICE, at=THEN) == {rule}


def test_a_plan_stays_within_its_limits() -> None:
    """Given a plan, when a correction would end it too late, then the rules of an agreement refuse it."""
    story = CaseStory().deferred()
    for field in ("plan.0.due", "review_on"):
        late = story.corrects("ProsecutionDeferred", field, "2027-06-12")
        assert story.refused(late, by=SUPERVISOR, at=THEN) == {"DP3"}


DERIVED = [
    ("DisposalIssued", "spent_by_statute", "2026-05-01", "2026-06-12"),
    ("DisposalCaseOpened", "age_at_offence", 13, 14),
    ("DisposalCaseOpened", "prosecution_time_limit", "2026-10-02", None),
    ("DisposalIssued", "spent_on", "2026-05-01", "2026-05-28"),
    ("DisposalIssued", "ends_on", "2026-05-01", "2026-05-28"),
    ("DisposalIssued", "yjb_seriousness_score", 5, 2),
    ("DisposalIssued", "offence_code", "14920", "04601"),
    ("DisposalDecided", "age", 15, 14),
]


@pytest.mark.parametrize(("name", "field", "wrong", "right"), DERIVED)
def test_a_derived_value_follows_its_sources(name: str, field: str, wrong: Any, right: Any) -> None:
    """Given a value that follows from others, when it is corrected against them, then COR1 refuses and names what to correct."""
    story = CaseStory().issued()
    answer = story.answer(story.corrects(name, field, wrong), by=SUPERVISOR, at=THEN)
    assert isinstance(answer, Refused)
    assert answer.ids == ("COR1",)
    assert answer.rules[0].text.startswith("Correct the ")
    story.ask(story.corrects(name, field, right), by=SUPERVISOR, at=THEN)


def test_what_others_copied_is_corrected_beside_it() -> None:
    """Given a score that the issue copied, when it is corrected, then the copy is, wherever it stands; and so on from copy to copy."""
    story = CaseStory().issued()
    story.ask(story.corrects("GravityScored", "yjb_seriousness_score", 6), by=SUPERVISOR, at=THEN)
    story.ask(story.corrects("GravityScored", "final_score", 3), by=SUPERVISOR, at=THEN)
    story.ask(story.corrects("DisposalCaseOpened", "referral_id", None), by=SUPERVISOR, at=THEN)
    issued = next(fact.event for fact in history_at(story.facts) if isinstance(fact.event, DisposalIssued))
    assert (issued.yjb_seriousness_score, issued.gravity_score, issued.referral_id) == (6, 3, None)
    corrected = story.last(RecordCorrected)
    assert {(one.corrects, one.field) for one in corrected.also} == {
        (story.event_id(name), "referral_id") for name in ("DisposalDecided", "DisposalIssued")
    }


def test_a_corrected_birth_date_moves_the_ages() -> None:
    """Given a wrong date of birth, when it is corrected, then it is sealed under the child's own key and the ages follow."""
    story = CaseStory().issued()
    field = "details.date_of_birth"
    story.ask(story.corrects("DisposalCaseOpened", field, "2009-03-12"), by=SUPERVISOR, at=THEN)
    assert (story.view["age_at_offence"], story.view["age_at_issue"]) == (16, 17)
    first = next(fact.event for fact in story.facts if isinstance(fact.event, RecordCorrected))
    assert first.value is None
    assert first.owner == LEO


def test_a_corrected_due_date_moves_the_deadline() -> None:
    """Given a condition with a wrong due date, when it is corrected, then the end and the spent date follow."""
    story = CaseStory().issued()
    field = "condition.due"
    story.ask(story.corrects("ConditionProposed", field, "2026-04-30"), by=SUPERVISOR, at=THEN)
    assert (story.view["ends_on"], story.view["spent_on"]) == ("2026-04-30", "2026-04-30")
    story = CaseStory().issued()
    story.ask(variation(adding(letter(due=date(2026, 4, 1)))), by=SUPERVISOR, at=THEN)
    story.ask(story.corrects("ConditionProposed", field, "2026-06-30"), by=SUPERVISOR, at=THEN)
    assert (story.view["ends_on"], story.view["spent_on"]) == ("2026-06-30", "2026-06-12")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "blue"),
        ("offence", {"code": "1"}),
        ("offence.date", "2026-02-30"),
        ("offence.date.year", 2026),
        ("offence.recordable", "yes"),
        ("offence.trial_mode", "PERHAPS"),
        ("age_at_offence", "14"),
        ("victims", "nobody"),
        ("victims.0", str(LEO)),
        ("details.name", 7),
        ("details.date_of_birth", "yesterday"),
        ("case_id", str(LEO)),
        ("person_id", str(LEO)),
        ("", 1),
    ],
)
def test_an_unknown_field_or_a_wrong_type_is_refused(field: str, value: Any) -> None:
    """Given a field that is not there or a value that does not fit, when it is corrected, then S1 refuses."""
    story = CaseStory().issued()
    command = story.corrects("DisposalCaseOpened", "crime_number", value).model_copy(update={"field": field})
    assert story.refused(command, by=SUPERVISOR, at=THEN) == {"S1"}


def test_a_correction_must_leave_the_record_whole() -> None:
    """Given an attendance, when its condition's id is corrected away, then S1 refuses what would contradict itself."""
    story = CaseStory().issued()
    command = story.corrects("ConditionProposed", "condition.condition_id", str(LEO))
    assert story.refused(command, by=SUPERVISOR, at=THEN) == {"S1"}
    story.ask(attendance(), by=SUPERVISOR, at=THEN)
    story.ask(story.corrects("ConditionAttended", "hours_credited", 1.5), by=SUPERVISOR, at=THEN)
    assert story.view["hours_credited"] == 1.5


def test_groups_that_may_hold_personal_fields_are_corrected_one_by_one() -> None:
    """Given a variation, when all its changes are corrected at once in clear, then S1 refuses."""
    story = CaseStory().issued()
    story.ask(variation(adding(letter())), by=SUPERVISOR, at=THEN)
    changes = [{"action": "OMIT", "condition_id": str(WORK)}]
    assert story.refused(story.corrects("ConditionsVaried", "changes", changes), by=SUPERVISOR, at=THEN) == {"S1"}


def test_the_offence_may_be_corrected_as_a_whole() -> None:
    """Given an offence, when its day is corrected to the one before, then what was issued for it has that day too."""
    story = CaseStory().issued()
    new_value = {**offence().model_dump(mode="json"), "date": "2026-03-01"}
    story.ask(story.corrects("DisposalCaseOpened", "offence", new_value), by=SUPERVISOR, at=THEN)
    issued = next(fact.event for fact in story.facts if isinstance(fact.event, DisposalIssued))
    corrected = story.last(RecordCorrected)
    assert issued.offence_date == date(2026, 3, 2)
    assert "offence_date" in {one.field for one in corrected.also}


def test_a_condition_may_be_corrected_as_a_whole_where_nothing_in_it_is_personal() -> None:
    """Given a condition due on 28 May, when it is corrected to 14 May, then the deadline follows; with a payee S1 refuses."""
    story = CaseStory().issued()
    new_value = {**condition(due=date(2026, 5, 14)).model_dump(mode="json"), "hours": 4}
    story.ask(story.corrects("ConditionProposed", "condition", new_value), by=SUPERVISOR, at=THEN)
    assert story.view["ends_on"] == "2026-05-14"
    personal = {**new_value, "payee": "Her aunt"}
    assert story.refused(story.corrects("ConditionProposed", "condition", personal), by=SUPERVISOR, at=THEN) == {"S1"}


def test_a_whole_in_clear_takes_nothing_personal_away() -> None:
    """Given a condition with words about the child, and a variation, when the whole is corrected to one without, then S1 refuses."""
    story = CaseStory().issued("YCC", condition(detail=Sealed("With her aunt.")))
    story.ask(variation(adding(letter())), by=SUPERVISOR, at=THEN)
    new_value = {**condition(due=date(2026, 5, 14)).model_dump(mode="json"), "hours": 4}
    for event, field, value in (("ConditionProposed", "condition", new_value), ("ConditionsVaried", "changes", [])):
        assert story.refused(story.corrects(event, field, value), by=SUPERVISOR, at=THEN) == {"S1"}
    story.ask(story.corrects("ConditionProposed", "condition.due", "2026-05-14"), by=SUPERVISOR, at=THEN)


def test_neither_a_correction_nor_an_unknown_event_is_corrected() -> None:
    """Given a correction, or an id of another case, when it is corrected, then S1 refuses."""
    story = CaseStory().issued()
    story.ask(story.corrects("DisposalCaseOpened", "crime_number", "55260013128"), by=SUPERVISOR, at=THEN)
    assert story.refused(story.corrects("RecordCorrected", "field", "x"), by=SUPERVISOR, at=THEN) == {"S1"}
    stranger = CorrectRecord(corrects=derived_uuid("test", "none"), field="x", value=1, why=Sealed("x"))
    assert story.refused(stranger, by=SUPERVISOR, at=THEN) == {"S1"}
    story.ask(story.corrects("DisposalCaseOpened", "crime_number", "55260013129"), by=SUPERVISOR, at=THEN)
    assert story.state.opened.crime_number == "55260013129"


def test_a_corrected_offence_moves_the_claim() -> None:
    """Given a case, when the day of its offence is corrected, then the claim of R28 moves with it."""
    story = CaseStory().issued()
    before = story.state
    story.ask(story.corrects("DisposalCaseOpened", "offence.date", "2026-03-01"), by=SUPERVISOR, at=THEN)
    moved = claims(before, next(fact for fact in story.facts if isinstance(fact.event, RecordCorrected)))
    assert moved is not None
    assert moved.take == (f"{LEO}/04601/2026-03-01@DORSET",)
    assert moved.release == (f"{LEO}/04601/2026-03-02@DORSET",)
    issued = next(fact.event for fact in story.state.record if fact.name == "DisposalIssued")
    assert isinstance(issued, DisposalIssued)
    assert issued.offence_date == date(2026, 3, 1)


def test_a_disposal_that_was_not_lawful_is_to_be_reviewed() -> None:
    """Given a caution, when the birth date is found to make the child 18 at giving, then its review is due a working day later."""
    story = CaseStory().issued()
    assert "DISPOSAL_REVIEW" not in story.duties(date(2026, 3, 25))
    story.ask(story.corrects("DisposalCaseOpened", "details.date_of_birth", "2007-11-30"), by=SUPERVISOR, at=THEN)
    review = story.duties(date(2026, 3, 25))["DISPOSAL_REVIEW"]
    assert (review.due, review.met_on, review.item) == (date(2026, 3, 26), None, "1: R2")
    assert story.duties(date(2026, 3, 27))["DISPOSAL_REVIEW"].overdue(date(2026, 3, 27))


@pytest.mark.parametrize(
    ("what", "event", "field", "value", "rule"),
    [
        ("YC", "DisposalDecided", "ycc_inappropriate", False, "R5"),
        ("YC", "AppropriateAdultConfirmed", "adult", False, "R6"),
        ("YC", "AppropriateAdultConfirmed", "police_employee", True, "R6"),
        ("YC", "AppropriateAdultConfirmed", "involved_in_case", True, "R6"),
        ("YC", "AppropriateAdultConfirmed", "received_admission", True, "R6"),
    ],
)
def test_what_a_correction_shows_is_judged_at_the_giving(
    what: str, event: str, field: str, value: object, rule: str
) -> None:
    """Given a decision or an adult that a correction shows unlawful, then the giving is refused; once given, it is to be reviewed."""
    conditions = [condition()] if what == "YCC" else []
    story = CaseStory().prepared(what, *conditions)
    story.ask(story.corrects(event, field, value), by=POLICE, at="2026-03-12T16:25:00+00:00")
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {rule}
    given = CaseStory().issued(what, *conditions)
    given.ask(given.corrects(event, field, value), by=POLICE, at=THEN)
    assert given.state.reviews[-1].unlawful_by == (rule,)


def test_another_responsible_adult_is_judged_as_corrected() -> None:
    """Given a parent who is found to have been another responsible adult, while others were available, then the giving is refused."""
    story = CaseStory().prepared("YC")
    for field, value in (("kind", "RESPONSIBLE_ADULT"), ("others_unavailable", False)):
        story.ask(story.corrects("AppropriateAdultConfirmed", field, value), by=POLICE, at=ISSUED_AT)
    assert story.refused(IssueDisposal(), by=POLICE, at=ISSUED_AT) == {"R6"}


def test_a_fact_is_corrected_after_it_happened_whatever_happened_since() -> None:
    """Given a case opened and later decided, a correction between the two is of the opening, and not of the decision."""
    story = CaseStory().issued()
    decided = next(fact.occurred_at for fact in story.facts if fact.name == "DisposalDecided")
    between = (decided - timedelta(minutes=1)).isoformat()
    late = story.corrects("DisposalDecided", "rationale_text", "Because.")
    assert story.refused(late, by=SUPERVISOR, at=between) == {"T1"}
    early = story.corrects("DisposalCaseOpened", "offence.title", "Theft from a shop")
    assert story.ask(early, by=SUPERVISOR, at=between) == ["RecordCorrected"]


def test_a_review_is_met_by_the_correction_that_makes_it_lawful_again() -> None:
    """Given a review for a wrong birth date, when that is corrected once more, then the review is met and nothing else is asked."""
    story = CaseStory().issued()
    wrong = story.corrects("DisposalCaseOpened", "details.date_of_birth", "2007-11-30")
    story.ask(wrong, by=SUPERVISOR, at=THEN)
    right = story.corrects("DisposalCaseOpened", "details.date_of_birth", "2010-03-14")
    story.ask(right, by=SUPERVISOR, at="2026-03-26T10:00:00+00:00")
    assert story.duties(date(2026, 3, 27))["DISPOSAL_REVIEW"].met_on == date(2026, 3, 26)


def test_a_correction_that_changes_no_lawfulness_asks_for_no_review() -> None:
    """Given a caution, when its outcome code is corrected, then no review is due."""
    story = CaseStory().issued()
    story.ask(AssignOutcome(code=OutcomeCode.C2A), by=POLICE, at=THEN)
    story.ask(story.corrects("OutcomeAssigned", "code", "2"), by=SUPERVISOR, at=THEN)
    assert "DISPOSAL_REVIEW" not in story.duties(date(2026, 4, 30))


def test_a_withdrawn_admission_found_later_is_to_be_reviewed() -> None:
    """Given a caution, when the record of the admission is found to be wrong, then the review names R4."""
    story = CaseStory().issued()
    story.ask(story.corrects("AdmissionRecorded", "facts_accepted", value=False), by=SUPERVISOR, at=THEN)
    assert story.duties(date(2026, 3, 25))["DISPOSAL_REVIEW"].item == "1: R4"


def test_a_case_without_issue_says_that_its_history_is_broken() -> None:
    """Given a case in which nothing was issued or decided, what needs either is refused as a broken history, by name."""
    state = CaseStory().opened().state
    with pytest.raises(BrokenHistory, match="no disposal was issued"):
        _ = state.required_issue
    with pytest.raises(BrokenHistory, match=r"DisposalCaseOpened.*nothing was decided"):
        _ = state.required_decision


def test_a_decision_is_not_corrected_from_under_a_variation() -> None:
    """Given a YCC whose condition was changed for another, when its decision is corrected to YC, then S1 refuses it."""
    story = CaseStory().issued("YCC", condition())
    story.ask(variation(omitting(WORK), adding(letter(payee=Sealed("Nobody.")))), by=SUPERVISOR, at=THEN)
    assert story.refused(story.corrects("DisposalDecided", "decision", "YC"), by=POLICE, at=THEN) == {"S1"}
