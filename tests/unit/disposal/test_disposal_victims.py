"""The victim's side of a disposal case: told of each decision, and shown with a log that tells nothing of the child."""

from datetime import date

import pytest

from services.disposal.domain.commands import DecideBreach, RecordContact, RecordVictimView, TellVictim
from services.disposal.events import ContactMeans
from services.disposal.summary import summary
from services.trade.vocabulary import BreachDecision, Category, PersonRole
from shared.domain.duties import Duty
from shared.domain.duties_by_day import duties_on
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import (
    AFTER,
    DECIDED_AT,
    LEO,
    MANAGER,
    POLICE,
    VICTIM_WORKER,
    YJS,
    CaseStory,
    condition,
    opening,
)
from tests.unit.referral.stories import ReferralStory

TELL = TellVictim(person_id=MANAGER, means=ContactMeans.LETTER, reasons_given=True, review_explained=True)


def told(story: CaseStory, as_of: date = date(2026, 6, 1)) -> list[Duty]:
    """Return the duties to tell a victim."""
    shown = duties_on(story.service.read_model, story.facts, as_of)
    return [duty for duty in shown if duty.duty == "VICTIM_TOLD"]


@pytest.mark.parametrize(
    ("what", "due"),
    [
        ("YC", date(2026, 3, 19)),
        ("YRD", date(2026, 3, 19)),
        ("CHARGE", date(2026, 3, 17)),
        ("NO_FURTHER_ACTION", date(2026, 3, 17)),
        ("OUTCOME_21", date(2026, 3, 17)),
        ("OUTCOME_22", date(2026, 3, 17)),
    ],
)
def test_a_victim_is_told_within_five_days_though_the_case_has_ended(what: str, due: date) -> None:
    """Given a disposal that was given, or a decision after which none is, then telling is due once, and met after the end."""
    story = CaseStory()
    story.issued(what) if what.startswith("Y") else story.decided(what)
    assert [(duty.item, duty.due) for duty in told(story)] == [(str(MANAGER), due)]
    assert story.ask(TELL, by=VICTIM_WORKER, at=AFTER) == ["VictimTold"]
    assert [duty.met_on for duty in told(story)] == [date(2026, 3, 13)]


def test_a_victim_with_enhanced_rights_is_told_in_a_day() -> None:
    """Given a victim with enhanced rights, then telling is due the day after the disposal was given."""
    story = CaseStory().issued("YC", command=opening(victims_with_enhanced_rights=(MANAGER,)))
    assert [duty.due for duty in told(story)] == [date(2026, 3, 13)]


@pytest.mark.parametrize(("born", "due"), [("2008-02-25", date(2026, 3, 13)), ("2008-02-24", date(2026, 3, 19))])
def test_a_victim_whom_the_referral_knows_to_be_under_age_is_told_in_a_day(born: str, due: date) -> None:
    """Given the referral of 24 February names the victim, then under 18 on that day telling is due in a day, at 18 in five."""
    referral = ReferralStory().acknowledged()
    referral.linked(MANAGER, born, role=PersonRole.HARMED, category=Category.VICTIM)
    story = CaseStory()
    story.kept_events = referral.facts
    story.issued("YC")
    assert [duty.due for duty in told(story)] == [due]
    assert story.view["harmed"][str(MANAGER)]["enhanced_rights"] is (due.day == 13)


def test_a_decision_that_leads_to_a_disposal_is_told_when_it_is_given() -> None:
    """Given a decision for a conditional caution, then nothing is to be told before it is given, and again at its end."""
    story = CaseStory().prepared("YCC", condition())
    assert not told(story)
    story = CaseStory().issued()
    story.ask(TELL, by=VICTIM_WORKER, at=AFTER)
    story.ask(
        RecordVictimView(person_id=MANAGER, sought=True, consents_to_contact=True, before_decision=False),
        by=VICTIM_WORKER,
        at=AFTER,
    )
    assert [duty.met_on for duty in told(story)] == [date(2026, 3, 13)]


def test_a_breach_that_is_decided_is_told_as_a_second_decision() -> None:
    """Given a breach decided, then its duty stands beside that of the giving, and one telling meets both."""
    story = CaseStory().in_breach()
    breach = DecideBreach(
        reasonable_excuse=True, decision=BreachDecision.EXCUSED, rationale_text=Sealed("He was in hospital.")
    )
    story.ask(breach, by=POLICE, at="2026-03-26T10:00:00+00:00")
    assert [(duty.item, duty.due) for duty in told(story)] == [
        (str(MANAGER), date(2026, 3, 19)),
        (f"{MANAGER} 2", date(2026, 4, 2)),
    ]
    story.ask(TELL, by=VICTIM_WORKER, at="2026-03-27T10:00:00+00:00")
    assert [duty.met_on for duty in told(story)] == [date(2026, 3, 27)] * 2


def test_a_deferred_prosecution_is_told() -> None:
    """Given a prosecution deferred on 13 March, then telling is due on the 20th."""
    assert [duty.due for duty in told(CaseStory().deferred())] == [date(2026, 3, 20)]


def test_a_view_recorded_late_takes_back_no_later_one() -> None:
    """Given a victim who wants no contact, when an earlier yes is recorded late, then it is still no, and what else was said counts."""
    story = CaseStory().opened()
    no = RecordVictimView(person_id=MANAGER, sought=True, consents_to_contact=False, before_decision=True)
    yes = no.model_copy(update={"consents_to_contact": True, "wants_rj": True})
    story.ask(no, by=VICTIM_WORKER, at=AFTER)
    story.ask(yes, by=VICTIM_WORKER, at=DECIDED_AT)
    (shown,) = story.view["harmed"].values()
    assert (shown["consents_to_contact"], shown["wants_rj"]) == (False, True)
    counted = summary(story.state, story.facts[0])
    assert [victim.consents_to_contact for victim in counted.victims] == [False]


def test_the_view_shows_the_victims_with_their_log() -> None:
    """Given a contact with the child and one with the victim, then the victims' part has the second alone."""
    story = CaseStory().opened()
    for who in (LEO, MANAGER):
        story.ask(RecordContact(person_id=who, means=ContactMeans.PHONE, reached=True), by=YJS, at=AFTER)
    refusal = RecordVictimView(
        person_id=MANAGER, sought=True, wants_rj=True, consents_to_contact=False, before_decision=True
    )
    story.ask(refusal, by=VICTIM_WORKER, at=AFTER)
    (shown,) = story.view["harmed"].values()
    assert [line["event"] for line in shown.pop("log")] == ["ContactRecorded", "VictimViewSought"]
    assert shown == {"enhanced_rights": False, "consents_to_contact": False, "wants_rj": True, "view_told_by": 4}
    assert story.view["progress"] == "BEING_CONSIDERED"
