"""The agreement of a conference and the letter that closes a referral."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.rj_conference.domain.commands import RecordNoAgreement
from services.vocabulary import Category, PersonRole
from tests.unit.documents.paper import contains_in_order, printed, text_of, why_not
from tests.unit.referral.stories import MIA, MOTHER, ReferralStory, link
from tests.unit.rj_conference.stories import NOAH, REECE, ConferenceStory, agreement, term

pytestmark = pytest.mark.slow


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
    with pytest.raises(ValidationError, match="add the id there"):
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
