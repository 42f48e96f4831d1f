"""Where a rule of a disposal turns: more than is needed, another's id, an earlier moment, several of one kind."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    DecideAbsence,
    DecideBreach,
    IssueDisposal,
    ReferToYot,
    WithdrawConsent,
)
from services.disposal.events import Because, Prior
from services.vocabulary import AttendanceStatus, BreachDecision, OutcomeCode
from shared.sealing import Sealed
from tests.unit.disposal.stories import (
    ADULT,
    DECIDED_AT,
    EXPLAINED,
    GIVEN_AT,
    POLICE,
    SECOND,
    SIGNED,
    YJS,
    CaseStory,
    absence,
    adding,
    attendance,
    breach,
    condition,
    decision,
    letter,
    opening,
    variation,
)

SESSION = "2026-03-18T18:00:00+00:00"
LATER = "2026-03-25T18:00:00+00:00"
LOWEST, HIGHEST = UUID(int=1), UUID(int=2**128 - 1)
"""Ids on both sides of everybody else's: what belongs to what does not depend on the order of ids."""


def test_more_hours_than_needed_complete_too() -> None:
    """Given four hours to do, when three and then two are credited, then the condition is complete."""
    story = CaseStory().given()
    story.ask(attendance(hours="3"), by=YJS, at=SESSION)
    names = story.ask(attendance(hours="2", session=SECOND), by=YJS, at=LATER)
    assert names == ["ConditionAttended", "ConditionCompleted", "DisposalCompleted"]


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_another_conditions_session_moves_no_completion(other: UUID) -> None:
    """Given a later session of another condition, when all hours of one are credited, then it was complete at its own."""
    story = CaseStory().given("YCC", condition(), condition(key=other))
    story.ask(attendance(session=SECOND, key=other), by=YJS, at=LATER)
    assert story.ask(attendance(hours="4"), by=YJS, at=SESSION) == ["ConditionAttended", "ConditionCompleted"]
    assert story.facts[-1].day == date(2026, 3, 18)


def test_withdrawn_consent_stays_a_ground_after_it_was_excused() -> None:
    """Given withdrawn consent that was excused once, when a breach is referred again, then the withdrawal is its ground."""
    story = CaseStory().given()
    story.ask(WithdrawConsent(), by=YJS, at=SESSION)
    excused = DecideBreach(
        reasonable_excuse=True, decision=BreachDecision.EXCUSED, rationale_text=Sealed("He was ill.")
    )
    story.ask(excused, by=POLICE, at="2026-03-19T09:00:00+00:00")
    assert story.ask(breach(), by=YJS, at=LATER) == ["BreachReferred"]


@pytest.mark.parametrize(
    "prior",
    [
        Prior(yc=1, ycc=1, convictions=0, yrd=0),
        Prior(yc=1, ycc=0, convictions=1, yrd=0),
        Prior(yc=0, ycc=1, convictions=1, yrd=0),
        Prior(yc=1, ycc=1, convictions=2, yrd=0),
    ],
)
def test_cautions_and_convictions_add_up(case: CaseStory, prior: Prior) -> None:
    """Given earlier cautions and convictions, as many of the one as of the other, when it is decided, then R10 warns."""
    case.ready("YCC", command=opening(prior=prior))
    assert case.warned(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R10"}


def test_no_outcome_of_a_caution_before_it_was_given() -> None:
    """Given a caution of the 12th, when its outcome is dated the day before, then O2 refuses."""
    story = CaseStory().given()
    refused = story.refused(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at="2026-03-11T10:00:00+00:00")
    assert "O2" in refused
    story.ask(AssignOutcome(code=OutcomeCode.C2), by=POLICE, at=SESSION)


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_another_sessions_absence_is_not_decided(other: UUID) -> None:
    """Given an absence that waits for a reason, when that of another session is decided, then E6 finds none."""
    story = CaseStory().given()
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SESSION)
    assert story.refused(DecideAbsence(session_id=other, acceptable=True), by=YJS, at=LATER) == {"E6"}


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_another_conditions_absence_is_no_ground(other: UUID) -> None:
    """Given an unacceptable absence from one condition, when a breach of another is referred, then D2 refuses."""
    story = CaseStory().given("YCC", condition(), condition(key=other))
    story.ask(absence(), by=YJS, at=SESSION)
    assert story.refused(breach(other), by=YJS, at=LATER) == {"D2"}
    assert story.ask(breach(), by=YJS, at=LATER) == ["BreachReferred"]


@pytest.mark.parametrize("other", [LOWEST, HIGHEST])
def test_what_another_condition_lost_to_the_harmed_bars_no_breach(other: UUID) -> None:
    """Given a later session of another condition that a harmed person lost, then the breach of this one stands."""
    story = CaseStory().given("YCC", condition(), condition(key=other))
    story.ask(absence(), by=YJS, at=SESSION)
    lost = attendance(
        AttendanceStatus.CANCELLED_BY_SERVICE, "0", SECOND, other, complied=False, because=Because.HARMED_WITHDREW
    )
    story.ask(lost, by=YJS, at="2026-03-20T10:00:00+00:00")
    assert story.ask(breach(), by=YJS, at=LATER) == ["BreachReferred"]


@pytest.mark.parametrize("investigator", [LOWEST, HIGHEST])
def test_any_other_officer_may_decide(case: CaseStory, investigator: UUID) -> None:
    """Given another investigating officer, whoever it is, when it is decided, then R29 has nothing to say."""
    case.ready("YCC", command=opening(investigating_officer=investigator))
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)


def test_all_may_happen_in_the_moment_of_what_it_rests_on() -> None:
    """Given an adult, an explanation and a signature in the moment of the giving, then they count; a minute later not."""
    for at, rules in ((GIVEN_AT, set[str]()), ("2026-03-12T16:31:00+00:00", {"R6", "R8", "R9"})):
        story = CaseStory().prepared("YCC", condition(), without=("adult", "explanation", "signature"))
        for step in (ADULT, EXPLAINED, SIGNED):
            story.ask(step, by=POLICE, at=at)
        if rules:
            assert story.refused(IssueDisposal(), by=POLICE, at=GIVEN_AT) == rules
        else:
            assert "DisposalIssued" in story.ask(IssueDisposal(), by=POLICE, at=GIVEN_AT)


def test_what_follows_may_happen_in_the_moment_of_the_giving() -> None:
    """Given a caution, when it is referred, withdrawn from and varied in the moment of its giving, then T1 is silent."""
    story = CaseStory().given()
    assert story.ask(ReferToYot(), by=POLICE, at=GIVEN_AT) == ["YotReferred"]
    assert story.ask(variation(adding(letter())), by=YJS, at=GIVEN_AT) == ["ConditionsVaried"]
    assert "ConsentWithdrawn" in story.ask(WithdrawConsent(), by=YJS, at=GIVEN_AT)
