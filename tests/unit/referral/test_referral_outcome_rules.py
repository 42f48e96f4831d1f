"""The rules of crime outcomes: each where it refuses and where it lets through."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.referral.domain.commands import CorrectReferral
from services.referral.events import EVENTS
from services.trade.vocabulary import Category, Flag
from shared.domain.permissions import AccessFacts
from shared.domain.sealing import Sealed
from tests.unit.referral.stories import (
    LATER,
    LEO,
    MIA,
    MOTHER,
    NEXT_DAY,
    OFFICER,
    SYSTEM,
    ReferralStory,
    activity,
    advice,
    carried,
    link,
    outcome,
    put_right,
    screening,
)


def test_only_a_recorded_crime_has_an_outcome(referral: ReferralStory) -> None:
    """Given no crime number, neither an officer nor a disposal gives an outcome; given one, both do."""
    referral.received()
    assert referral.problems(outcome("10")) == {"O1"}
    assert referral.problems(carried(), by=SYSTEM) == {"O1"}
    referral.recorded()
    assert referral.does(outcome("10")) == ["CrimeOutcomeAssigned"]
    assert referral.does(carried("1"), by=SYSTEM) == ["CrimeOutcomeAssigned"]
    assert referral.view["outcome"] == "1"


def test_a_carried_outcome_opens_no_referral(referral: ReferralStory) -> None:
    """Given an outcome that a disposal gives before anybody has triaged the referral, then nobody is let in by it."""
    referral.received().recorded().does(carried("14"), by=SYSTEM)
    marks = AccessFacts.of_history(EVENTS, referral.facts).marks
    assert "ACCEPTED" not in marks


def test_outcome_11_is_for_a_named_child_under_ten(referral: ReferralStory) -> None:
    """Given a boy of nine, outcome 11 names him; unnamed, unknown or ten years old it is refused."""
    referral.received().recorded().linked(LEO, "2016-02-22", category=Category.CHILD_UNDER_10)
    referral.linked(MOTHER, "2016-02-21")
    assert referral.problems(outcome("11", None)) == {"O11", "O1P"}
    assert referral.problems(outcome("11", LEO, named_suspect=False)) == {"O11"}
    assert referral.problems(outcome("11", referral.stream)) == {"O11", "O1P"}
    assert referral.problems(outcome("11", MOTHER)) == {"O11"}
    assert referral.does(outcome("11", LEO)) == ["CrimeOutcomeAssigned"]


@pytest.mark.parametrize(
    "missing",
    [
        {"named_suspect": False},
        {"victim_informed": False},
        {"parent_informed": False},
        {"rationale_text": Sealed(" ")},
        {"rationale_text": Sealed("")},
    ],
)
def test_outcome_21_needs_everything(referral: ReferralStory, missing: dict[str, Any]) -> None:
    """Given outcome 21 without one of its four conditions, it is refused; with all it is assigned."""
    referral.received().recorded().linked()
    assert referral.problems(outcome("21", **missing)) == {"O21"}
    assert referral.does(outcome("21")) == ["CrimeOutcomeAssigned"]


def test_an_empty_rationale_is_malformed_where_no_rule_asks_for_it() -> None:
    """Given outcome 10 without a word of why, the command is malformed, and names the field."""
    with pytest.raises(ValidationError, match="rationale_text"):
        outcome("10", rationale_text=Sealed(""))


@pytest.mark.parametrize("flag", [Flag.DOMESTIC, Flag.HATE])
def test_outcome_21_for_domestic_abuse_or_hate_wants_a_reason(referral: ReferralStory, flag: Flag) -> None:
    """Given domestic abuse or hate, outcome 21 needs a rationale, other outcomes none."""
    referral.received(flag).recorded().linked()
    assert referral.warned(outcome("21"), by=OFFICER, at=NEXT_DAY) == {"O21W"}
    assert referral.does(outcome("21", rationale={"O21W": "A single insult."})) == ["CrimeOutcomeAssigned"]
    assert referral.problems(outcome("10")) == {"O4"}


def test_outcome_22_needs_an_activity(referral: ReferralStory) -> None:
    """Given advice only, outcome 22 is refused; after a session it is assigned."""
    referral.received().recorded().linked().does(advice())
    assert referral.problems(outcome("22")) == {"O22"}
    referral.does(activity(), NEXT_DAY, SYSTEM)
    assert referral.problems(outcome("22")) == {"T1"}
    assert referral.does(outcome("22"), NEXT_DAY) == ["CrimeOutcomeAssigned"]


def test_outcome_21_on_nudes_needs_a_clean_screening(referral: ReferralStory) -> None:
    """Given a nude image, outcome 21 waits for the screening, and follows five times No."""
    referral.received(Flag.NUDE_IMAGERY).recorded().linked()
    assert referral.problems(outcome("21")) == {"B6"}
    referral.does(screening(), NEXT_DAY)
    assert referral.problems(outcome("21")) == {"T1"}
    assert referral.does(outcome("21"), NEXT_DAY) == ["CrimeOutcomeAssigned"]


def test_outcome_21_on_nudes_is_refused_after_a_yes(referral: ReferralStory) -> None:
    """Given a Yes in the screening, outcome 21 is refused and another outcome is not."""
    referral.received(Flag.NUDE_IMAGERY).recorded().linked().does(screening(coercion=True))
    assert referral.problems(outcome("21")) == {"B6"}
    assert referral.does(outcome("10")) == ["CrimeOutcomeAssigned"]


def test_outcome_21_on_nudes_is_refused_where_somebody_gains(referral: ReferralStory) -> None:
    """Given exploitation, outcome 21 is refused although every answer is No."""
    referral.received(Flag.NUDE_IMAGERY, Flag.EXPLOITATION).recorded().linked().does(screening())
    assert referral.problems(outcome("21")) == {"B6"}


@pytest.mark.parametrize("code", ["3", "3A", "6", "7"])
def test_no_adult_caution_for_a_child(referral: ReferralStory, code: str) -> None:
    """Given a child of seventeen, or nobody named, an adult caution or penalty is refused; an adult may have it."""
    referral.received().recorded().linked(LEO, "2008-02-25").linked(MOTHER, "2008-02-24")
    assert referral.problems(outcome(code, LEO)) == {"R11"}
    assert referral.problems(outcome(code, None)) == {"O1P", "R11"}
    assert referral.does(outcome(code, MOTHER)) == ["CrimeOutcomeAssigned"]


def test_an_adults_age_survives_forgetting(referral: ReferralStory) -> None:
    """Given a forgotten birth date, the clear age at the incident is what counts."""
    referral.received().recorded()
    command = link(MOTHER, "1990-01-01")
    referral.does(command)
    referral.forget_birth()
    assert referral.does(outcome("6", MOTHER)) == ["CrimeOutcomeAssigned"]


@pytest.mark.parametrize("code", ["2", "2A", "8"])
def test_a_disposals_outcome_comes_from_the_disposal(referral: ReferralStory, code: str) -> None:
    """Given outcome 2, 2A or 8, an officer cannot assign it here; the disposal's own is carried."""
    referral.received().recorded().linked()
    assert referral.problems(outcome(code)) == {"S1"}
    assert referral.does(carried(code), by=SYSTEM) == ["CrimeOutcomeAssigned"]


def test_a_closed_referral_still_carries_the_disposals_outcome(referral: ReferralStory) -> None:
    """Given a closed referral, outcome 2 is superseded by 1 when proceedings begin, and it stays closed."""
    referral.acknowledged().recorded().closed()
    referral.does(carried("2"), LATER, SYSTEM)
    referral.does(carried("1"), LATER, SYSTEM)
    assert (referral.stage, referral.view["outcome"]) == ("CLOSED", "1")
    assert referral.problems(outcome("10"), LATER) == {"O4"}


def test_an_outcome_corrected_in_the_disposal_is_corrected_here(referral: ReferralStory) -> None:
    """Given a carried outcome, then it is corrected once, from the day that it had; and with nothing carried yet, it is recorded on its own day."""
    referral.acknowledged().recorded()
    assert referral.does(put_right("2A", "2"), LATER, SYSTEM) == ["CrimeOutcomeAssigned"]
    assert referral.facts[-1].occurred_at.isoformat() == NEXT_DAY
    assert referral.does(put_right("2A", "2"), LATER, SYSTEM) == []
    assert referral.does(put_right("2", "2A"), LATER, SYSTEM) == ["ReferralCorrected"]
    assert referral.view["outcome"] == "2"


def test_a_carried_outcome_is_corrected_in_its_disposal_alone(referral: ReferralStory) -> None:
    """Given an outcome that a disposal assigned, when an officer corrects it here, then S1 refuses."""
    referral.acknowledged().linked().recorded()
    referral.does(carried("2A"), by=SYSTEM)
    assert referral.problems(referral.corrects("CrimeOutcomeAssigned", "code", "5"), LATER) == {"S1"}


def test_an_outcome_in_place_of_the_corrected_one_stands(referral: ReferralStory) -> None:
    """Given outcome 1 in place of 2, when the 2 is corrected to 2A, then the crime keeps 1."""
    referral.acknowledged().recorded()
    referral.does(carried("2"), NEXT_DAY, SYSTEM)
    referral.does(carried("1"), LATER, SYSTEM)
    assert referral.does(put_right("2A", "2"), LATER, SYSTEM) == ["ReferralCorrected"]
    assert referral.view["outcome"] == "1"


def test_no_correction_makes_a_child_the_one_who_got_an_adult_outcome(referral: ReferralStory) -> None:
    """Given an adult with a penalty notice, when its person is corrected to a child, then R11 refuses; to another adult it stands."""
    referral.received().recorded().linked().linked(MOTHER, "1984-02-02").linked(MIA, "1990-05-05")
    referral.does(outcome("6", MOTHER))
    assert referral.problems(referral.corrects("CrimeOutcomeAssigned", "person_id", str(LEO))) == {"R11"}
    assert referral.does(referral.corrects("CrimeOutcomeAssigned", "person_id", str(MIA))) == ["ReferralCorrected"]


def test_outcome_23_comes_from_a_completed_deferral_alone(referral: ReferralStory) -> None:
    """Given a recorded crime, when 23 is assigned by hand, then O23 refuses; carried from a disposal it stands."""
    referral.acknowledged().linked().recorded()
    assert referral.problems(outcome("23")) == {"O23"}
    referral.does(carried("23"), by=SYSTEM)
    assert referral.view["outcome"] == "23"


@pytest.mark.parametrize(("code", "rule"), [("23", "O23"), ("7", "R11"), ("11", "O11"), ("22", "O22")])
def test_a_correction_goes_around_no_rule_of_outcomes(referral: ReferralStory, code: str, rule: str) -> None:
    """Given outcome 10, when it is corrected to one that could not have been assigned, then the rule of that one refuses."""
    referral.received().recorded().linked().does(outcome("10"))
    assigned = referral.facts[-1].event_id
    misread = CorrectReferral(corrects=assigned, field="code", value=code, why=Sealed("Misread."))
    assert referral.problems(misread) == {rule}
    assert referral.does(misread.model_copy(update={"value": "16"})) == ["ReferralCorrected"]
