"""Corrections of a conference: what later events had taken over, and what no correction goes around."""

from decimal import Decimal
from typing import Any

import pytest

from services.rj_conference.domain.commands import ApproveRisk, CloseConference, RecordDidNotProceed, RecordFollowUp
from services.rj_conference.events import ConferenceHeld, CorrectedConference, NotProceedingReason, RecordCorrected
from services.trade.vocabulary import ConferenceCategory, ConferenceMode
from shared.domain.decider import history_at
from shared.domain.sealing import Sealed
from tests.unit.rj_conference.stories import (
    CONDITION,
    HELD_AT,
    NOAH,
    REECE,
    STRANGER,
    ConferenceStory,
    facilitator,
    schedule,
)

BY = "RJ_FACILITATOR"
AT = "2026-02-02T09:00:00+00:00"


def held_as_corrected(story: ConferenceStory) -> ConferenceHeld:
    """How the conference was held, with corrections in place."""
    return next(fact.event for fact in history_at(story.facts) if isinstance(fact.event, ConferenceHeld))


def test_what_was_held_takes_over_the_corrected_plan(conference: ConferenceStory) -> None:
    """Given a conference that was held, when its category, condition, mode and hours are corrected, then it holds them."""
    conference.agreed()
    conference.ask(conference.corrects("ConferenceProposed", "category", "SHOPLIFTING"), by=BY, at=AT)
    conference.ask(conference.corrects("ConferenceProposed", "condition_id", str(STRANGER)), by=BY, at=AT)
    conference.ask(conference.corrects("ConferenceScheduled", "mode", "SHUTTLE"), by=BY, at=AT)
    conference.ask(conference.corrects("ConferenceScheduled", "hours", 1), by=BY, at=AT)
    conference_held = held_as_corrected(conference)
    assert (conference_held.category, conference_held.condition_id) == (ConferenceCategory.SHOPLIFTING, STRANGER)
    assert (conference_held.mode, conference_held.hours) == (ConferenceMode.SHUTTLE, Decimal(1))
    assert conference.view["mode"] == "SHUTTLE"
    assert conference.facts[-1].name == "RecordCorrected"


def test_a_disposal_is_told_how_the_conference_ended(conference: ConferenceStory) -> None:
    """Given an end that a disposal counted, when it or its condition is corrected, then it is told, and what it was told before."""
    conference.scheduled().ask(RecordDidNotProceed(why=NotProceedingReason.HARMER_WITHDREW), by=BY, at=HELD_AT)
    conference.ask(conference.corrects("ConferenceProposed", "condition_id", str(STRANGER)), by=BY, at=AT)
    ended, first = conference.facts[-2].event_id, conference.facts[-1].event_id
    told = told_disposals(conference)
    assert (told.before.condition_id, told.after.condition_id) == (CONDITION, STRANGER)
    assert [(end.hours, end.why) for end in told.ends] == [(Decimal(0), NotProceedingReason.HARMER_WITHDREW)]
    conference.ask(conference.corrects("ConferenceDidNotProceed", "why", "HARMED_WITHDREW"), by=BY, at=AT)
    told = told_disposals(conference)
    assert told.before == told.after
    assert set(told.told_by) == {ended, first}
    conference.ask(conference.corrects("RiskAssessed", "plan", "One door."), by=BY, at=AT)
    event = conference.last(RecordCorrected)
    assert event.conference is None


def told_disposals(story: ConferenceStory) -> CorrectedConference:
    """Return what the latest event, a correction, tells disposals."""
    event = story.last(RecordCorrected)
    assert event.conference is not None
    return event.conference


def test_who_took_part_is_counted_again(conference: ConferenceStory) -> None:
    """Given a conference that was held, when who came is corrected as a whole, then the harmed who took part follow."""
    conference.held()
    present = [one.model_dump(mode="json") for one in held_as_corrected(conference).present]
    present.append({"person_id": str(STRANGER), "role": "HARMED", "attended": True})
    conference.ask(conference.corrects("ConferenceHeld", "present", present), by=BY, at=AT)
    conference_held = held_as_corrected(conference)
    assert conference_held.harmed_took_part == 2
    assert set(conference_held.harmed_ids) == {NOAH, STRANGER}


def test_no_correction_takes_away_what_made_it_held_or_agreed(conference: ConferenceStory) -> None:
    """Given an agreement, when the facilitator, the start or a signature would be corrected away, then the rule refuses."""
    conference.agreed()

    def refused(name: str, field: str, value: Any) -> set[str]:
        return conference.refused(conference.corrects(name, field, value), by=BY, at=AT)

    assert refused("ConferenceHeld", "facilitator_attended", value=False) == {"C8"}
    assert refused("AgreementSigned", "signed_by", [str(REECE)]) == {"C9"}
    assert refused("ConferenceScheduled", "starts_at", "2026-01-01T10:00:00+00:00") == {"E1"}
    assert refused("AgreementSigned", "terms.0.due", None) == {"S1"}
    assert refused("AgreementSigned", "terms", []) == {"S1"}
    assert refused("ConferenceProposed", "case_id", str(STRANGER)) == {"S1"}


def test_no_correction_makes_an_approved_risk_high(conference: ConferenceStory) -> None:
    """Given a low risk that a facilitator approved, when it is corrected to high, then C4 asks for a supervisor; before, nobody approved it."""
    conference.prepared(without={"approval"})
    high = conference.corrects("RiskAssessed", "level", "HIGH")
    conference.ask(high, by=BY, at=AT)
    conference.ask(conference.corrects("RiskAssessed", "level", "LOW"), by=BY, at=AT)
    conference.ask(ApproveRisk(), by=BY, at=AT)
    assert conference.refused(high, by=BY, at=AT) == {"C4"}
    conference.ask(conference.corrects("RiskAssessed", "level", "MEDIUM"), by=BY, at=AT)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("FacilitatorAssigned", "rj_trained", False), ("ConferenceProposed", "sensitive", "DOMESTIC")],
)
def test_whether_the_facilitator_is_trained_is_judged_as_corrected(
    conference: ConferenceStory, name: str, field: str, value: object
) -> None:
    """Given a facilitator, or a matter, that is found to be another than was recorded, then C5 refuses a date until another leads."""
    conference.prepared()
    conference.ask(conference.corrects(name, field, value), by="SUPERVISOR", at=AT)
    assert conference.refused(schedule(), by=BY, at=AT) == {"C5"}
    conference.ask(facilitator(person=STRANGER, accredited=True), by="SUPERVISOR", at=AT)
    conference.ask(schedule(), by=BY, at=AT)


def test_a_term_is_corrected_by_its_number(conference: ConferenceStory) -> None:
    """Given an agreement, when the due date and the words of its first term are corrected, then they are due and sealed so."""
    conference.agreed()
    conference.ask(conference.corrects("AgreementSigned", "terms.0.due", "2026-03-01"), by=BY, at=AT)
    assert {term.due.isoformat() for term in conference.state.terms.values()} >= {"2026-03-01"}
    conference.ask(conference.corrects("AgreementSigned", "terms.0.text", "He carries her bag."), by=BY, at=AT)
    event = conference.last(RecordCorrected)
    assert (event.value, event.sealed) == (None, Sealed("He carries her bag."))


@pytest.mark.parametrize("closed", [False, True])
def test_a_record_is_corrected_also_when_it_is_closed(conference: ConferenceStory, *, closed: bool) -> None:
    """Given a conference, closed or not, when how somebody found it is corrected, then it is sealed under their key."""
    conference.kept()
    for person in (REECE, NOAH):
        follow_up = RecordFollowUp(person_id=person, satisfaction=4, comment=Sealed("It was hard."))
        conference.ask(follow_up, by=BY, at="2026-01-10T09:00:00+00:00")
    if closed:
        conference.ask(CloseConference(), by=BY, at="2026-01-11T09:00:00+00:00")
    conference.ask(conference.corrects("FollowUpCompleted", "comment", "It helped."), by=BY, at=AT)
    event = conference.last(RecordCorrected)
    assert event.owner == NOAH
