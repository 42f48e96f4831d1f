"""The agreement of a conference and the letter that closes a referral."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.referral.domain.commands import LinkPerson
from services.referral.events import PersonLinked
from services.rj_conference.domain.commands import RecordNoAgreement
from services.trade.vocabulary import Category, PersonDetails, PersonRole
from shared.domain.decider import with_value_at
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import CaseStory
from tests.unit.documents.paper import contains_in_order, printed, text_of, why_not
from tests.unit.referral.stories import MIA, MOTHER, SYSTEM, ReferralStory, carried, link, outcome, victim_details
from tests.unit.rj_conference.stories import NOAH, REECE, ConferenceStory, agreement, term

pytestmark = pytest.mark.slow

JAY = UUID(int=77)


def test_an_agreement_is_a_form_while_the_parties_agree_and_a_record_afterwards() -> None:
    """Held and not yet signed, it has lines to write on; once signed, the terms with their days (C9)."""
    conference = ConferenceStory()
    assert "not held yet" in why_not(conference.scheduled(), "conference-agreement")
    story = ConferenceStory().held()
    form = printed(story, "conference-agreement")
    assert contains_in_order(
        form, "We met on 4 December 2025", "Write down exactly", "Person who caused the harm", "Facilitator"
    )
    signed = ConferenceStory().held()
    signed.ask(
        agreement(term(text="Sits downstairs on the bus"), by=(REECE, NOAH)),
        by="RJ_FACILITATOR",
        at="2025-12-04T17:40:00+00:00",
    )
    record = printed(signed, "conference-agreement")
    assert contains_in_order(record, "Sits downstairs on the bus", "To be done by 18 December 2025")
    assert contains_in_order(
        record, "Person who caused the harm: signed on 4 December 2025", "Person who was harmed: signed on"
    )
    assert str(NOAH) not in text_of(record)


def test_an_agreement_names_who_signed() -> None:
    """Given the names recorded with the signatures, when the agreement is printed, then each stands with part and day; another's stays out."""
    conference = ConferenceStory().held()
    names = {REECE: "Reece Holt", NOAH: "Noah Pitman"}
    conference.ask(agreement(names=names), by="RJ_FACILITATOR", at="2025-12-04T17:40:00+00:00")
    record = printed(conference, "conference-agreement")
    assert contains_in_order(record, "Person who caused the harm: Reece Holt, signed on 4 December 2025")
    assert contains_in_order(record, "Person who was harmed: Noah Pitman, signed on 4 December 2025")
    with pytest.raises(ValidationError, match="add who is missing to those who have"):
        agreement(by=(REECE,), names=names)


def test_no_agreement_is_a_valid_end_and_prints_nothing() -> None:
    """A conference without agreement has no agreement to print (C9)."""
    conference = ConferenceStory().held()
    conference.ask(RecordNoAgreement(), by="RJ_FACILITATOR", at="2025-12-04T17:40:00+00:00")
    assert "valid end" in why_not(conference, "conference-agreement")


def test_each_child_concerned_gets_a_letter_that_names_nobody_else() -> None:
    """The closing letters of two children are two pages, and no parent or witness is written to or named."""
    referral = ReferralStory().acknowledged().linked()
    referral.linked(MIA, role=PersonRole.HARMED, category=Category.VICTIM)
    referral.does(link(MOTHER, "1980-01-01", PersonRole.PARENT_CARER, Category.PARENT_CARER))
    assert "close it" in why_not(referral, "closing-letter")
    document = printed(referral.closed(), "closing-letter")
    assert text_of(document).count("Dear Leo Hart,") == 2  # everybody is called so in these stories
    assert contains_in_order(document, "Page 1 of 2", "Page 2 of 2")
    assert contains_in_order(document, "10 March 2026", "happened on 21 February 2026", "Advice was given")


def test_a_letter_needs_somebody_to_go_to() -> None:
    """Where nobody is linked the letter is refused with what to do."""
    assert "link the children" in why_not(ReferralStory().acknowledged().closed(), "closing-letter")


def test_a_letter_to_a_victim_has_an_address_only_where_the_contact_is_safe() -> None:
    """Given two victims, then each letter names its own; it has the address once the contact is marked as safe, and never another's."""
    story = ReferralStory().acknowledged().linked().recorded()
    details = PersonDetails(
        name=Sealed("Mia Dale"), date_of_birth=Sealed(date(2012, 2, 3)), address=Sealed("2 Chapel Row")
    )
    link_mia = LinkPerson(person_id=MIA, role=PersonRole.HARMED, category=Category.VICTIM, details=details)
    story.does(link_mia)
    story.linked(MOTHER, "1980-01-01", role=PersonRole.HARMED, category=Category.VICTIM)
    by_hand = printed(story, "victim-information")
    assert contains_in_order(by_hand, "Mia Dale", "Given by hand", "It is your choice", "Free support")
    assert "No outcome" in why_not(story, "victim-decision")
    story.does(outcome("21"))
    story.does(victim_details(who=MIA))
    letter = printed(story, "victim-decision")
    assert contains_in_order(
        letter, "Mia Dale", "2 Chapel Row", "no further action", "Why", "not in the public interest", "ask for a review"
    )
    assert "Leo Hart" not in text_of(letter)
    assert "More inquiry would serve nobody" not in text_of(letter)


@pytest.mark.parametrize(("born", "parents"), [("2012-02-03", True), ("2008-02-03", False)])
def test_the_letters_to_who_is_too_young_go_to_the_parents(born: str, parents: bool) -> None:
    """Given a victim of 14 or 18, then her letters go to her parents, with why, or to herself."""
    story = ReferralStory().acknowledged().linked().recorded()
    story.linked(MIA, born, role=PersonRole.HARMED, category=Category.VICTIM)
    story.does(outcome("21"))
    for name in ("victim-information", "victim-decision"):
        letter = text_of(printed(story, name))
        assert ("To the parents or carers of" in letter) is ("your child is young" in letter) is parents
        assert ("You were harmed" in letter) is not parents


def test_a_letter_to_a_victim_says_of_each_suspect_what_was_decided() -> None:
    """Given a child who admitted it, one who did not and an adult, then each has a sentence without a name, and evidence is not said to lack."""
    story = ReferralStory().acknowledged().linked().linked(JAY).linked(MOTHER, "1980-01-01").recorded()
    story.linked(MIA, role=PersonRole.HARMED, category=Category.VICTIM)
    story.does(outcome("15", JAY))
    letter = printed(story, "victim-decision")
    assert contains_in_order(letter, "One child cannot be taken to court", "Another child has no outcome yet")
    assert contains_in_order(letter, "One adult has no outcome yet", "Why", "not enough evidence")
    story.does(carried("8"), by=SYSTEM)
    story.does(outcome("1", MOTHER))
    letter = printed(story, "victim-decision")
    assert contains_in_order(letter, "One child cannot be taken", "Another child agreed to put", "One adult has been")
    assert "not enough evidence" not in text_of(letter)


def test_an_address_that_the_reader_may_not_read_or_that_is_not_safe_is_not_printed() -> None:
    """Given a victim with an address, then no letter has it before it is safe, nor for a reader to whom it is closed."""
    story = ReferralStory().acknowledged().linked().recorded()
    details = PersonDetails(
        name=Sealed("Mia Dale"), date_of_birth=Sealed(date(2012, 2, 3)), address=Sealed("2 Chapel Row")
    )
    story.does(LinkPerson(person_id=MIA, role=PersonRole.HARMED, category=Category.VICTIM, details=details))
    story.does(outcome("21"))
    story.closed()
    assert "2 Chapel Row" not in text_of(printed(story, "closing-letter"))
    story.does(victim_details(who=MIA))
    names = ("closing-letter", "victim-information", "victim-decision")
    for name in names:
        assert contains_in_order(printed(story, name), "Mia Dale", "2 Chapel Row")
    closed = [
        replace(fact, event=with_value_at(fact.event, "details.address", Sealed.of_token("s1:")))
        if getattr(fact.event, "person_id", None) == MIA and isinstance(fact.event, PersonLinked)
        else fact
        for fact in story.facts
    ]
    for name in names:
        letter = printed(story, name, facts=closed)
        assert "Mia Dale" in text_of(letter)
        assert "2 Chapel Row" not in text_of(letter)


def test_the_letter_of_a_disposal_tells_the_decision_and_nothing_of_the_child() -> None:
    """Given a case, then its letter waits for what victims are told, says what was given, and has a line for the name."""
    assert "Nothing is decided" in why_not(CaseStory().decided("YC"), "victim-letter")
    letter = printed(CaseStory().issued("YC"), "victim-letter")
    assert contains_in_order(letter, "12 March 2026", "formal caution", "a caution is more likely", "ask for a review")
    assert not [word for word in ("Leo", "Hartnell", "As scored") if word in text_of(letter)]
    assert "all that was agreed" in text_of(printed(CaseStory().issued("YRD"), "victim-letter"))
