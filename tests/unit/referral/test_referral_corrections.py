"""Stories of corrections: the original stays, what follows is shown and judged by the corrected field."""

from datetime import date, datetime
from typing import Any

import pytest

from services.referral.domain.commands import CorrectReferral, RaiseAlert, RecordContact
from services.referral.events import PersonLinked, ReferralCorrected
from services.trade.vocabulary import AlertKind, Category, Flag, TriageOutcome
from shared.domain.decider import history_at
from shared.domain.decisions import Refused
from shared.domain.sealing import Sealed, sealed_fields
from tests.unit.referral.stories import (
    CASE,
    LATER,
    LEO,
    MIA,
    NEXT_DAY,
    RECEIVED,
    SOON,
    SYSTEM,
    ReferralStory,
    activity,
    carried,
    outcome,
    receipt,
    screening,
    triage,
)


def test_a_crime_number_is_corrected(referral: ReferralStory) -> None:
    """Given a wrong crime number, the corrected one is shown, from the time of the original on."""
    referral.received().recorded()
    assert referral.does(referral.corrects("CrimeRecorded", "crime_number", "55260027999"), LATER) == [
        "ReferralCorrected"
    ]
    assert referral.view["crime_number"] == "55260027999"
    view = referral.service.read_model.view_of(referral.facts, as_of=datetime.fromisoformat(SOON))
    assert view is not None
    assert view["crime_number"] == "55260027999"
    assert referral.facts[1].event.crime_number == "55260027303"  # type: ignore[attr-defined]


def test_who_reads_online_referrals_alone_makes_none_online(referral: ReferralStory) -> None:
    """Given a referral of something that did not happen online, then who reads such alone cannot correct it to have; others can."""
    referral.received()
    correction = referral.corrects("ReferralReceived", "setting", "ONLINE")
    assert referral.refused(correction, by="INTERNET_SAFETY_OFFICER", at=LATER) == {"S1"}
    other = referral.corrects("ReferralReceived", "setting", "COMMUNITY")
    assert referral.ask(other, by="INTERNET_SAFETY_OFFICER", at=LATER) == ["ReferralCorrected"]
    assert referral.ask(correction, by="SAFE_SCHOOLS_OFFICER", at=LATER) == ["ReferralCorrected"]


def test_who_reads_online_referrals_alone_opens_no_disposal() -> None:
    """Given a case with a disposal, then who reads such of online cases alone cannot begin a referral in it; others can."""
    for by, mark, refused in (
        ("INTERNET_SAFETY_OFFICER", "disposal.OPENED", {"S1"}),
        ("INTERNET_SAFETY_OFFICER", "referral.ACCEPTED", set[str]()),
        ("SAFE_SCHOOLS_OFFICER", "disposal.OPENED", set[str]()),
    ):
        story = ReferralStory()
        story.linked_marks[CASE] = frozenset({mark})
        answer = story.answer(receipt(), by=by, at=RECEIVED)
        assert (set(answer.ids) if isinstance(answer, Refused) else set()) == refused


def test_no_correction_of_a_triage_goes_around_its_rules(referral: ReferralStory) -> None:
    """Given a child with a knife who was referred to the panel, when the triage is corrected to education, then its rules refuse."""
    referral.acknowledged(Flag.KNIFE)
    referral.does(triage(TriageOutcome.REFER_DISPOSAL_PANEL), NEXT_DAY)
    for outcome_, rules in (("ACCEPT_INTERVENTION", {"K1"}), ("SCHOOL_LED", {"B7", "K1"})):
        assert referral.problems(referral.corrects("ReferralTriaged", "outcome", outcome_), NEXT_DAY) == rules
    referral.does(referral.corrects("ReferralTriaged", "outcome", "REFER_INVESTIGATION"), NEXT_DAY)


def test_a_triage_says_no_other_than_the_report(referral: ReferralStory) -> None:
    """Given what a triage holds of the report, when that is corrected beside it, then COR1 names the report, of which it follows."""
    referral.acknowledged(Flag.KNIFE)
    referral.does(triage(TriageOutcome.REFER_DISPOSAL_PANEL), NEXT_DAY)
    for field, value in (("flags", ["WEAPON"]), ("setting", "COMMUNITY"), ("incident_type", "CRIMINAL_DAMAGE")):
        assert referral.problems(referral.corrects("ReferralTriaged", field, value), NEXT_DAY) == {"COR1"}


def test_a_missing_flag_changes_what_is_judged(referral: ReferralStory) -> None:
    """Given a flag that was forgotten, the rules that look at it bind afterwards; flags are corrected as a whole."""
    referral.acknowledged()
    referral.does(referral.corrects("ReferralReceived", "flags", ["NUDE_IMAGERY", "WEAPON"]))
    assert referral.problems(triage(TriageOutcome.ACCEPT_INTERVENTION), NEXT_DAY) == {"B2", "B4"}
    assert referral.problems(referral.corrects("ReferralReceived", "flags.0", "SEXUAL")) == {"S1"}
    assert referral.does(screening(), NEXT_DAY) == ["NudesScreeningCompleted"]


def test_a_yes_is_taken_back_by_a_correction_only(referral: ReferralStory) -> None:
    """Given a Yes ticked by mistake, its correction opens what it barred."""
    referral.acknowledged(Flag.NUDE_IMAGERY).does(screening(coercion=True))
    referral.does(referral.corrects("NudesScreeningCompleted", "coercion", value=False))
    assert referral.does(triage(TriageOutcome.ACCEPT_INTERVENTION), NEXT_DAY) == ["ReferralTriaged"]


def test_another_outcome_of_triage_leads_elsewhere(referral: ReferralStory) -> None:
    """Given triage recorded wrongly, the referral stands where the right outcome leads."""
    referral.acknowledged().triaged()
    referral.does(referral.corrects("ReferralTriaged", "outcome", "REFER_DISPOSAL_PANEL"), NEXT_DAY)
    assert (referral.stage, referral.view["triage_outcome"]) == ("WITH_PANEL", "REFER_DISPOSAL_PANEL")


def test_nothing_is_corrected_before_it_happened(referral: ReferralStory) -> None:
    """Given a triage of the next day, its correction is dated then or later, not on the day before."""
    referral.acknowledged().triaged()
    correction = referral.corrects("ReferralTriaged", "outcome", "REFER_DISPOSAL_PANEL")
    assert referral.problems(correction, SOON) == {"T1"}
    assert referral.does(correction, NEXT_DAY) == ["ReferralCorrected"]


def test_a_birth_date_is_found_by_its_own_name(referral: ReferralStory) -> None:
    """Given a birth date named without the group that it stands in, it is corrected, and kept under its full path."""
    referral.received().linked(LEO, "2015-02-22")
    referral.does(referral.corrects("PersonLinked", "date_of_birth", "2016-02-22"))
    correction = referral.last(ReferralCorrected)
    assert correction.field == "details.date_of_birth"
    assert referral.view["people"] == {str(LEO): "CHILD_UNDER_10"}


def test_a_birth_date_brings_its_age(referral: ReferralStory) -> None:
    """Given a birth date a year too early, the age follows, and the suspect turns out to have been nine."""
    referral.received().recorded().linked(LEO, "2015-02-22")
    assert referral.problems(outcome("11")) == {"O11"}
    names = referral.does(referral.corrects("PersonLinked", "details.date_of_birth", "2016-02-22"))
    assert names == ["ReferralCorrected"]
    assert referral.view["people"] == {str(LEO): "CHILD_UNDER_10"}
    assert referral.does(outcome("11")) == ["CrimeOutcomeAssigned"]


def test_a_birth_date_of_the_same_age_corrects_itself_alone(referral: ReferralStory) -> None:
    """Given a birth date a day off, only the date is corrected."""
    referral.received().linked(LEO, "2011-06-30")
    assert referral.does(referral.corrects("PersonLinked", "details.date_of_birth", "2011-07-01")) == [
        "ReferralCorrected"
    ]


def test_another_day_of_the_incident_brings_the_ages(referral: ReferralStory) -> None:
    """Given an incident that was a day later, the boy was ten after all and his age says so; his category is for officers."""
    referral.received().linked(LEO, "2016-02-22", category=Category.CHILD_UNDER_10)
    names = referral.does(referral.corrects("ReferralReceived", "happened_at", "2026-02-22T10:00:00+00:00"))
    assert names == ["ReferralCorrected"]
    assert referral.state.people[LEO].age_at_incident == 10
    assert referral.view["people"] == {str(LEO): "CHILD_UNDER_10"}


def test_a_corrected_name_belongs_to_the_person(referral: ReferralStory) -> None:
    """Given a corrected name or a first address, it is sealed under that person's key, never in clear."""
    referral.received().linked()
    for field, value in (("details.name", "Leo Hart-Smith"), ("details.address", "3 Mallard Way")):
        referral.does(referral.corrects("PersonLinked", field, value))
        event = referral.last(ReferralCorrected)
        assert event.value is None
        subjects = {path: subject for path, subject, _ in sealed_fields(event, CASE)}
        assert subjects == {"sealed": f"person/{LEO}", "why": f"home/{CASE}"}
    linked = next(fact.event for fact in history_at(referral.facts) if fact.name == "PersonLinked")
    assert isinstance(linked, PersonLinked)
    assert linked.details.name.value == "Leo Hart-Smith"
    assert linked.details.address == Sealed("3 Mallard Way")


def test_an_optional_value_may_be_taken_away(referral: ReferralStory) -> None:
    """Given an address that was another's, it is corrected to none; a name cannot be."""
    referral.received().linked()
    referral.does(referral.corrects("PersonLinked", "details.address", "3 Mallard Way"))
    assert referral.does(referral.corrects("PersonLinked", "details.address", None)) == ["ReferralCorrected"]
    assert referral.problems(referral.corrects("PersonLinked", "details.name", None)) == {"S1"}


def test_a_narrative_belongs_to_the_case(referral: ReferralStory) -> None:
    """Given a corrected narrative, it is sealed under the case's key."""
    referral.received().does(referral.corrects("ReferralReceived", "narrative", "He showed it to nobody."))
    subjects = {subject for _, subject, _ in sealed_fields(referral.facts[-1].event, CASE)}
    assert subjects == {f"home/{CASE}"}


@pytest.mark.parametrize(
    ("event", "field", "value"),
    [
        ("ReferralReceived", "colour", "blue"),
        ("ReferralReceived", "flags.first", "WEAPON"),
        ("ReferralReceived", "case_id", str(LEO)),
        ("PersonLinked", "person_id", str(CASE)),
        ("PersonLinked", "details", {"name": "Leo Hart", "date_of_birth": "2011-06-30"}),
        ("PersonLinked", "details.shoe_size", 38),
        ("PersonLinked", "details.date_of_birth", "2011-02-30"),
        ("PersonLinked", "details.date_of_birth", "2026-02-22"),
        ("PersonLinked", "details.date_of_birth", 14),
        ("PersonLinked", "category", "BYSTANDER"),
        ("ReferralReceived", "on_premises", "perhaps"),
        ("ReferralReceived", "incident_type", "VANDALISM"),
        ("ReferralReceived", "happened_at", "2026-02-24T09:31:00+00:00"),
        ("ReferralReceived", "happened_at", "2011-06-29T12:00:00+00:00"),
        ("ReferralReceived", "reported_at", "2026-02-24T09:41:00+00:00"),
        ("ReferralReceived", "narrative", 7),
        ("ActivityUndertaken", "person_id", str(CASE)),
        ("CrimeOutcomeAssigned", "disposal_id", str(CASE)),
    ],
)
def test_what_cannot_be_corrected(referral: ReferralStory, event: str, field: str, value: Any) -> None:
    """Given an unknown field, a fixed one or a value that it could not have had, nothing is recorded."""
    referral.received().recorded().linked()
    referral.does(activity(), NEXT_DAY, SYSTEM)
    referral.does(carried(), NEXT_DAY, SYSTEM)
    before = len(referral.facts)
    assert referral.problems(referral.corrects(event, field, value), LATER) == {"S1"}
    assert len(referral.facts) == before


@pytest.mark.parametrize(("field", "value"), [("age_at_incident", 12), ("child_at_report", False)])
def test_an_age_is_corrected_at_its_source(referral: ReferralStory, field: str, value: Any) -> None:
    """Given a person, when an age is corrected that follows from the date of birth, then COR1 names what to correct."""
    referral.received().linked()
    assert referral.problems(referral.corrects("PersonLinked", field, value), LATER) == {"COR1"}


NOTE = Sealed("He called from his aunt's.")


@pytest.mark.parametrize(
    "command",
    [
        RecordContact(person_id=LEO, means="PHONE", reached=True, note=NOTE),
        RaiseAlert(alert_id=MIA, person_id=LEO, kind=AlertKind.SELF_HARM, note=NOTE, review_on=date(2026, 4, 1)),
    ],
    ids=lambda command: command.type,
)
@pytest.mark.parametrize("noted", [True, False])
def test_nobody_else_is_put_beside_a_sealed_note(referral: ReferralStory, command: Any, *, noted: bool) -> None:
    """Given a note under somebody's key, then it is nobody else's: forgetting the other would not reach it. Without one it may be."""
    referral.acknowledged().linked(LEO).linked(MIA)
    referral.does(command if noted else command.model_copy(update={"note": None}), NEXT_DAY)
    event = "ContactRecorded" if isinstance(command, RecordContact) else "AlertRaised"
    correction = referral.corrects(event, "person_id", str(MIA))
    if noted:
        assert referral.problems(correction, LATER) == {"S1"}
    else:
        assert referral.does(correction, LATER)


def test_neither_another_streams_event_nor_a_correction_is_corrected(referral: ReferralStory) -> None:
    """Given an unknown event id, or that of a correction, the correction is refused."""
    referral.received().recorded()
    stray = CorrectReferral(corrects=CASE, field="crime_number", value="1", why=Sealed("Misheard."))
    assert referral.problems(stray) == {"S1"}
    referral.does(referral.corrects("CrimeRecorded", "crime_number", "1"))
    assert referral.problems(referral.corrects("ReferralCorrected", "value", "2")) == {"S1"}
    assert referral.does(referral.corrects("CrimeRecorded", "crime_number", "2")) == ["ReferralCorrected"]
    assert referral.view["crime_number"] == "2"


def test_a_closed_referral_is_corrected(referral: ReferralStory) -> None:
    """Given a closed referral, its facts can still be put right."""
    referral.acknowledged().recorded().closed()
    assert referral.does(referral.corrects("CrimeRecorded", "crime_number", "1"), LATER) == ["ReferralCorrected"]
