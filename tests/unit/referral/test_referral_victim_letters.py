"""A referral without a victim has no letter to one, whoever asks what can be printed."""

from datetime import date
from uuid import uuid4

import pytest

from services.people.events import EVENTS as PEOPLE
from services.people.events import Contact, RelationRecorded
from services.referral.documents.messages import message_letter
from services.referral.documents.victims import facts_of_victim, victim_information
from services.referral.domain.commands import EndAlert, RaiseAlert
from services.referral.service import service
from services.trade.vocabulary import AlertKind, Category, PersonRole
from shared.domain.consequences import new_documents
from shared.domain.decider import history_at
from shared.domain.documents import DocumentData
from shared.domain.persons import Known
from shared.domain.sealing import Sealed
from tests.unit.notifications.case_events import NOW, fact_of
from tests.unit.referral.messages import MESSENGER, sent
from tests.unit.referral.stories import LEO, MIA, MOTHER, ReferralStory, victim_details


def test_nothing_is_printed_to_a_victim_whom_nobody_has_linked() -> None:
    """Given a referral with nobody who was harmed, when its documents are looked through, then no letter to a victim is among them."""
    story = ReferralStory().received()
    assert not {"victim-information", "victim-decision"} & set(new_documents(service, [], story.facts))


def test_a_letter_is_filled_whatever_is_recorded_of_another_victim() -> None:
    """Given an alert on another victim that was ended, then the letter to the first is filled, with nothing of the other."""
    story, alert = ReferralStory().acknowledged(), uuid4()
    for who in (MOTHER, MIA):
        story.linked(who, role=PersonRole.HARMED, category=Category.VICTIM)
        story.does(victim_details(who=who))
    story.does(RaiseAlert(alert_id=alert, person_id=MOTHER, kind=AlertKind.SELF_HARM, review_on=date(2026, 5, 1)))
    story.does(EndAlert(alert_id=alert, why=Sealed("It has passed.")))
    facts = facts_of_victim(history_at(story.facts), MIA)
    state = service.decider.fold(facts)
    assert state is not None
    assert state.victims == (MIA,)
    assert isinstance(victim_information(state, facts), DocumentData)


def test_who_turned_out_to_have_done_harm_gets_no_letter_of_a_victim() -> None:
    """Given a child linked as harmed and then as having done harm, and a victim whom nobody has linked, then no facts are the child's."""
    story = ReferralStory().acknowledged()
    story.linked(LEO, role=PersonRole.HARMED, category=Category.VICTIM).linked(LEO)
    story.does(victim_details(who=MIA))
    assert not facts_of_victim(history_at(story.facts), LEO)


def test_a_dry_run_says_that_a_further_victim_can_be_written_to() -> None:
    """Given a victim who can be written to, when another is linked, then the letter is among what can be printed newly."""
    story = ReferralStory().acknowledged().linked(MOTHER, role=PersonRole.HARMED, category=Category.VICTIM)
    before = list(story.facts)
    story.linked(MIA, role=PersonRole.HARMED, category=Category.VICTIM)
    assert "victim-information" in new_documents(service, before, story.facts[len(before) :])


@pytest.mark.parametrize(("contact", "is_printed"), [("ORDER", False), ("NONE", False), ("ALLOWED", True)])
def test_no_letter_about_a_child_is_printed_for_who_may_have_no_contact(contact: str, is_printed: bool) -> None:
    """Given a letter to a mother, when she may have no contact since, then it is printed no more; if contact is allowed, it is."""
    story = ReferralStory().acknowledged().linked()
    story.linked(MOTHER, "1980-06-30", role=PersonRole.PARENT_CARER, category=Category.PARENT_CARER)
    story.does(sent(channel="LETTER", person_id=MOTHER), by=MESSENGER)
    relation = RelationRecorded(person_id=MOTHER, child_id=LEO, relation="PARENT", contact=Contact(contact))
    known = Known([fact_of(PEOPLE, relation, 1, NOW)])
    state = service.decider.fold(facts := history_at(story.facts), known=known)
    assert state is not None
    assert isinstance(message_letter(state, facts), DocumentData) is is_printed
