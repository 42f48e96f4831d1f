"""Where a rule of a referral turns: the same moment, the day of birth, and what a correction must not bring about."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from services.referral.domain.commands import LinkPerson
from services.trade.vocabulary import Category, PartyDetails, PersonKind, PersonRole, TriageOutcome
from shared.domain.dates import BeyondCalendar
from shared.domain.execution import CommandRequest
from shared.domain.sealing import Sealed
from tests.command_spec import officer
from tests.unit.referral.stories import (
    LATER,
    LEO,
    MIA,
    MOTHER,
    NEXT_DAY,
    NOON,
    RECEIVED,
    REPORTED,
    SOON,
    ReferralStory,
    outcome,
    receipt,
    triage,
    wish,
)


def harmed(born: str, category: Category = Category.VICTIM) -> dict[str, Any]:
    """Return a harmed person with a birth date."""
    return {"who": MIA, "born": born, "role": PersonRole.HARMED, "category": category}


# --- B8 by a correction ---------------------------------------------------------------------------


@pytest.mark.parametrize("category", [Category.SUSPECT, Category.CONVICTED, Category.DISPOSED_OOC, Category.VICTIM])
def test_a_correction_makes_no_suspect_of_a_child_of_nine(referral: ReferralStory, category: Category) -> None:
    """Given a boy of nine who did it, no correction makes him anything but a child under ten."""
    referral.received().linked(LEO, "2016-02-22", category=Category.CHILD_UNDER_10)
    assert referral.problems(referral.corrects("PersonLinked", "category", category.value), LATER) == {"B8"}


def test_a_harmed_child_of_nine_may_be_called_a_witness_not_a_suspect(referral: ReferralStory) -> None:
    """Given a harmed girl of nine, she is corrected to a witness; to a suspect or, as she stands, a harmer she is not."""
    referral.received().linked(**harmed("2016-02-22"))
    assert referral.problems(referral.corrects("PersonLinked", "category", "SUSPECT"), LATER) == {"B8"}
    assert referral.problems(referral.corrects("PersonLinked", "role", "HARMER"), LATER) == {"B8"}
    assert referral.does(referral.corrects("PersonLinked", "category", "WITNESS"), LATER) == ["ReferralCorrected"]


def test_the_right_order_corrects_role_and_category(referral: ReferralStory) -> None:
    """Given a girl of nine taken for the harmed one, her category is put right first, then her role."""
    referral.received().linked(**harmed("2016-02-22"))
    referral.does(referral.corrects("PersonLinked", "category", "CHILD_UNDER_10"), LATER)
    assert referral.does(referral.corrects("PersonLinked", "role", "HARMER"), LATER) == ["ReferralCorrected"]
    assert referral.view["people"] == {str(MIA): "CHILD_UNDER_10"}


def test_a_boy_of_ten_is_corrected_to_a_suspect_not_to_a_child_under_ten(referral: ReferralStory) -> None:
    """Given a boy of ten, his category is for officers to correct, but for the one that his age rules out."""
    referral.received().linked(LEO, "2016-02-21")
    assert referral.problems(referral.corrects("PersonLinked", "category", "CHILD_UNDER_10"), LATER) == {"B8"}
    referral.does(referral.corrects("PersonLinked", "category", "WITNESS"), LATER)
    assert referral.does(referral.corrects("PersonLinked", "role", "WITNESS"), LATER) == ["ReferralCorrected"]
    assert referral.does(referral.corrects("PersonLinked", "category", "SUSPECT"), LATER) == ["ReferralCorrected"]


def test_a_category_left_for_officers_bars_no_other_correction(referral: ReferralStory) -> None:
    """Given a boy who was ten after all, before an officer has put his category right, then his name can be corrected."""
    referral.received().linked(LEO, "2016-02-22", category=Category.CHILD_UNDER_10)
    referral.does(referral.corrects("ReferralReceived", "happened_at", "2026-02-22T10:00:00+00:00"))
    name = referral.corrects("PersonLinked", "details.name", "Leo Hart-Smith")
    assert referral.does(name, LATER) == ["ReferralCorrected"]


# --- ages -----------------------------------------------------------------------------------------


def test_a_child_born_on_the_day_may_be_harmed(referral: ReferralStory) -> None:
    """Given a child born on the day of the incident, she may be linked, or corrected to it, as harmed."""
    referral.received().linked(**harmed("2026-02-21"))
    referral.linked(MOTHER, "2011-06-30", role=PersonRole.HARMED, category=Category.VICTIM)
    assert referral.does(referral.corrects("PersonLinked", "details.date_of_birth", "2026-02-21")) == [
        "ReferralCorrected"
    ]
    assert {person.age_at_incident for person in referral.state.people.values()} == {0}


def test_an_incident_may_be_corrected_back_to_a_birth_not_beyond(referral: ReferralStory) -> None:
    """Given a child born on 20 February, the incident may have been on that day but not the day before."""
    referral.received().linked(**harmed("2026-02-20"))
    earlier = referral.corrects("ReferralReceived", "happened_at", "2026-02-19T12:00:00+00:00")
    assert referral.problems(earlier) == {"S1"}
    same_day = referral.corrects("ReferralReceived", "happened_at", "2026-02-20T12:00:00+00:00")
    assert referral.does(same_day) == ["ReferralCorrected"]


@pytest.mark.parametrize(("born", "age"), [("2016-02-21", 10), ("2012-02-21", 14)])
def test_a_suspect_of_ten_or_more_stays_one(referral: ReferralStory, born: str, age: int) -> None:
    """Given a suspect whose birth date is corrected to make him ten or older, he is a suspect still."""
    referral.received().linked(LEO, "2011-02-21")
    referral.does(referral.corrects("PersonLinked", "details.date_of_birth", born))
    assert referral.state.people[LEO].age_at_incident == age
    assert referral.view["people"] == {str(LEO): "SUSPECT"}


def test_a_forgotten_birth_date_stops_nobody_elses_age(referral: ReferralStory) -> None:
    """Given one birth date forgotten, when the day of the incident is corrected, then the other person's age follows."""
    referral.received().linked(MOTHER, "1990-01-01")
    referral.forget_birth()
    referral.linked(LEO, "2011-02-22")
    referral.does(referral.corrects("ReferralReceived", "happened_at", "2026-02-22T10:00:00+00:00"))
    assert referral.state.people[LEO].age_at_incident == 15


def test_outcome_11_is_for_nobody_older_than_ten(referral: ReferralStory) -> None:
    """Given a suspect of fourteen, outcome 11 is refused."""
    referral.received().recorded().linked(LEO, "2011-06-30")
    assert referral.problems(outcome("11"), LATER) == {"O11"}


# --- times ----------------------------------------------------------------------------------------


def test_what_happened_reported_and_received_may_be_one_moment(referral: ReferralStory) -> None:
    """Given a report in the moment of the incident, taken in in the moment of the report, the corrections are let through."""
    referral.received()
    happened = referral.corrects("ReferralReceived", "happened_at", REPORTED.isoformat())
    assert referral.does(happened) == ["ReferralCorrected"]
    assert referral.does(referral.corrects("ReferralReceived", "reported_at", RECEIVED)) == ["ReferralCorrected"]


def test_no_report_is_corrected_to_a_year_for_which_no_duty_can_be_told(referral: ReferralStory) -> None:
    """Given an incident that was corrected to the last century, when its report is too, then nothing is recorded, since nobody could read the case."""
    referral.received()
    referral.does(referral.corrects("ReferralReceived", "happened_at", "1990-01-03T09:00:00+00:00"))
    with pytest.raises(BeyondCalendar):
        referral.does(referral.corrects("ReferralReceived", "reported_at", "1990-01-03T10:00:00+00:00"))


def test_only_the_school_led_outcome_rests_on_the_wishes(referral: ReferralStory) -> None:
    """Given a wish told next day, the day before it was too early to leave it to the school, and to nobody else."""
    referral.acknowledged().does(wish(), NEXT_DAY)
    assert referral.problems(triage(TriageOutcome.SCHOOL_LED), NOON) == {"T1"}
    assert referral.does(triage(TriageOutcome.ADVICE_ONLY), NOON) == ["ReferralTriaged"]


def test_a_yes_or_no_is_corrected_to_a_yes_or_no(referral: ReferralStory) -> None:
    """Given a field that is true or false, the word "true" is no value of it."""
    referral.received()
    assert referral.problems(referral.corrects("ReferralReceived", "on_premises", "true")) == {"S1"}
    assert referral.does(referral.corrects("ReferralReceived", "on_premises", value=True)) == ["ReferralCorrected"]


def test_a_report_is_received_when_it_was_reported_unless_another_time_is_given() -> None:
    """Given a report that is entered days later, then it is dated by the report, so that what happened between can be recorded."""
    entered = datetime(2026, 2, 27, 9, tzinfo=UTC)
    for given, dated in ((None, REPORTED), (entered, entered)):
        request = CommandRequest(receipt(occurred_at=given), LEO, LEO, officer("SUPERVISOR"), entered, LEO)
        assert request.occurred_at == dated


def test_an_organisation_has_no_age_and_did_no_harm(referral: ReferralStory) -> None:
    """Given a shop that was harmed, then it has no age, outcomes that ask for an age are refused, and it is never a harmer."""
    details = PartyDetails(
        kind=PersonKind.ORGANISATION, name=Sealed("Corner Stores"), contact_person=Sealed("Ann Reed")
    )
    harmed = LinkPerson(person_id=MIA, role=PersonRole.HARMED, category=Category.VICTIM, details=details)
    referral.acknowledged().does(harmed, SOON)
    assert referral.facts[-1].event.age_at_incident is None  # type: ignore[attr-defined]
    assert referral.state.people[MIA].date_of_birth is None
    referral.recorded()
    assert "R11" in referral.problems(outcome("3", MIA), LATER)
    for changed in ({"role": PersonRole.HARMER}, {"category": Category.SUSPECT}, {"category": Category.CHILD_UNDER_10}):
        assert referral.problems(harmed.model_copy(update=changed), SOON) & {"S1", "B8"}
    for field, value in (
        ("role", "HARMER"),
        ("category", "SUSPECT"),
        ("details.kind", "PERSON"),
        ("details.date_of_birth", "2001-01-01"),
    ):
        assert referral.problems(referral.corrects("PersonLinked", field, value), LATER) == {"S1"}
    assert referral.does(referral.corrects("PersonLinked", "details.contact_person", "Una Reed"), LATER)


def test_a_person_stays_one_who_was_born(referral: ReferralStory) -> None:
    """Given a child is linked, then no correction takes the date of birth away, or makes an organisation of the child."""
    referral.acknowledged().linked(LEO)
    for field, value in (("details.date_of_birth", None), ("details.kind", "ORGANISATION")):
        assert referral.problems(referral.corrects("PersonLinked", field, value), LATER) == {"S1"}


def test_only_a_person_is_born() -> None:
    """A person has a date of birth, and an organisation has none."""
    for wrong in ({"kind": PersonKind.ORGANISATION, "date_of_birth": Sealed(date(2001, 1, 1))}, {}):
        with pytest.raises(ValidationError, match="date_of_birth"):
            PartyDetails.model_validate({"name": Sealed("Corner Stores"), **wrong})
