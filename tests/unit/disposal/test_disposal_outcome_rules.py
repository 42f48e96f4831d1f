"""O3 and O4: what was given decides its outcome, and an outcome that stands is corrected, not replaced."""

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    CorrectRecord,
    InstituteProceedings,
    IssueDisposal,
    RecordActivityUndertaken,
)
from services.trade.vocabulary import BreachDecision, OutcomeCode
from shared.domain.sealing import Sealed
from tests.as_one_test import as_one_test
from tests.unit.disposal.stories import (
    FIRST,
    ISSUED_AT,
    POLICE,
    SECOND,
    SUPERVISOR,
    YJS,
    CaseStory,
    attendance,
    conference,
)
from tests.unit.disposal.test_disposal_monitoring import decided

SESSION = "2026-03-18T18:00:00+00:00"
LATER = "2026-04-02T18:00:00+01:00"
CAUTIONED = {OutcomeCode.C2, OutcomeCode.C2A}
OF_GIVEN = {"YRD": {OutcomeCode.C8}, "YC": CAUTIONED, "YCC": CAUTIONED}
OTHER_RULES = {
    *CAUTIONED,
    OutcomeCode.C8,
    OutcomeCode.C3,
    OutcomeCode.C3A,
    OutcomeCode.C6,
    OutcomeCode.C7,
    OutcomeCode.C23,
}
"""Codes that O2, O8, O23 and R11 speak of: where one of these refuses, O3 and O4 are not named."""


def issued_with_activity(what: str) -> CaseStory:
    """Return a disposal with an activity behind it, so that O22 is content."""
    story = CaseStory().issued(what, *((conference(),) if what == "YRD" else ()))
    if what == "YCC":
        story.ask(attendance(hours="1"), by=YJS, at=SESSION)
    elif what == "YC":
        story.ask(RecordActivityUndertaken(session_id=FIRST), by="SYSTEM", at=SESSION)
    else:
        story.ask(attendance(hours="1", session=SECOND, key=conference().condition_id), by=YJS, at=SESSION)
    return story


@as_one_test
@pytest.mark.parametrize("code", sorted(set(OutcomeCode) - OTHER_RULES))
@pytest.mark.parametrize("what", ["YRD", "YC", "YCC"])
def test_what_was_given_decides_the_outcome(what: str, code: OutcomeCode) -> None:
    """Given a disposal, when a code is assigned that is for cases without one, or for proceedings, then O3 refuses."""
    assert issued_with_activity(what).refused(AssignOutcome(code=code), by=POLICE, at=LATER) == {"O3"}


@as_one_test
@pytest.mark.parametrize(("what", "code"), [(what, code) for what, codes in OF_GIVEN.items() for code in sorted(codes)])
def test_the_outcome_of_what_was_given_is_assigned_once(what: str, code: OutcomeCode) -> None:
    """Given a disposal, when its own outcome is assigned, then it stands; assigned again, O4 refuses; another, both do."""
    story = issued_with_activity(what)
    story.ask(AssignOutcome(code=code), by=POLICE, at=LATER)
    assert story.refused(AssignOutcome(code=code), by=POLICE, at=LATER) == {"O4"}
    assert story.refused(AssignOutcome(code=OutcomeCode.C13), by=POLICE, at=LATER) == {"O3", "O4"}
    assert story.view["outcome"] == code


@pytest.mark.parametrize("code", sorted(set(OutcomeCode) - OTHER_RULES - {OutcomeCode.C22}))
def test_where_nothing_was_given_every_other_code_is_open(code: OutcomeCode) -> None:
    """Given a charge, when a code is assigned that says of no disposal, then it stands, and O4 refuses the next."""
    story = CaseStory().decided("CHARGE")
    story.ask(AssignOutcome(code=code), by=POLICE, at=LATER)
    assert story.refused(AssignOutcome(code=OutcomeCode.C10), by=POLICE, at=LATER) == {"O4"}


@pytest.mark.parametrize("code", [OutcomeCode.C1, OutcomeCode.C1A])
@pytest.mark.parametrize("what", [None, "OUTCOME_21", "OUTCOME_22", "NO_FURTHER_ACTION", "YC"])
def test_outcome_1_by_hand_needs_a_decision_to_charge(what: str | None, code: OutcomeCode) -> None:
    """Given no decision, or one for something else, when outcome 1 is assigned by hand, then O1C refuses."""
    story = CaseStory().ready("YC") if what is None else CaseStory().decided(what)
    assert story.refused(AssignOutcome(code=code), by=POLICE, at=LATER) == {"O1C"}


@pytest.mark.parametrize(("code", "rule"), [(OutcomeCode.C8, "O8"), (OutcomeCode.C3, "R11")])
def test_other_rules_speak_first(code: OutcomeCode, rule: str) -> None:
    """Given a caution with its outcome, when a code is assigned that O8 or R11 refuses, then that rule alone is named."""
    story = issued_with_activity("YCC")
    story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=LATER)
    assert story.refused(AssignOutcome(code=code), by=POLICE, at=LATER) == {rule}


def test_an_outcome_that_stands_is_changed_by_a_correction() -> None:
    """Given outcome 2, when it is corrected to 2A, then 2A is shown; assigned, O4 would refuse."""
    story = issued_with_activity("YC")
    story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=LATER)
    assigned = story.facts[-1].event_id
    assert story.refused(AssignOutcome(code=OutcomeCode.C2A), by=POLICE, at=LATER) == {"O4"}
    story.ask(
        CorrectRecord(corrects=assigned, field="code", value="2A", why=Sealed("Another offence.")), by=POLICE, at=LATER
    )
    assert story.view["outcome"] == "2A"


@pytest.mark.parametrize(
    ("decided_as", "code", "refused"),
    [
        ("NO_FURTHER_ACTION", "23", {"O23"}),
        ("NO_FURTHER_ACTION", "2", {"O2"}),
        ("NO_FURTHER_ACTION", "8", {"O8"}),
        ("NO_FURTHER_ACTION", "22", {"O22"}),
        ("NO_FURTHER_ACTION", "7", {"R11"}),
        ("NO_FURTHER_ACTION", "1", {"O1C"}),
        ("YC", "13", {"O3"}),
    ],
)
def test_a_correction_goes_around_no_rule_of_outcomes(decided_as: str, code: str, refused: set[str]) -> None:
    """Given an outcome, when it is corrected to one that could not have been assigned, then the rule of that one refuses."""
    issued = decided_as == "YC"
    story = issued_with_activity("YC") if issued else CaseStory().decided(decided_as)
    story.ask(AssignOutcome(code=OutcomeCode.C2 if issued else OutcomeCode.C10), by=POLICE, at=LATER)
    misread = CorrectRecord(corrects=story.facts[-1].event_id, field="code", value=code, why=Sealed("Misread."))
    assert story.refused(misread, by=POLICE, at=LATER) == refused


@pytest.mark.parametrize("what", ["YRD", "YC", "YCC"])
def test_an_outcome_of_before_the_giving_gives_way_to_that_of_what_was_given(what: str) -> None:
    """Given an outcome assigned before a disposal was given after all, then that of the disposal takes its place, once."""
    story = CaseStory().prepared(what, *(() if what == "YC" else (conference(),)))
    story.ask(AssignOutcome(code=OutcomeCode.C14), by=POLICE, at="2026-03-12T16:25:00+00:00")
    story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    code = min(OF_GIVEN[what])
    assert story.refused(AssignOutcome(code=OutcomeCode.C10), by=POLICE, at=LATER) == {"O3"}
    story.ask(AssignOutcome(code=code), by=POLICE, at=LATER)
    assert story.view["outcome"] == code
    assert story.refused(AssignOutcome(code=code), by=POLICE, at=LATER) == {"O4"}


def test_proceedings_bring_outcome_1_by_themselves() -> None:
    """Given a breach to be prosecuted, when proceedings are instituted, then 1 takes the place of 2; by hand O3 and O4 refuse it."""
    story = CaseStory().in_breach()
    assert story.refused(AssignOutcome(code=OutcomeCode.C1), by=POLICE, at=LATER) == {"O3"}
    story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=LATER)
    story.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at=LATER)
    assert story.refused(AssignOutcome(code=OutcomeCode.C1), by=POLICE, at=LATER) == {"O3", "O4"}
    story.ask(InstituteProceedings(reference="55/1"), by=POLICE, at=LATER)
    assert story.view["outcome"] == "1"
    assert story.refused(AssignOutcome(code=OutcomeCode.C1A), by=SUPERVISOR, at=LATER) == {"O3", "O4"}
