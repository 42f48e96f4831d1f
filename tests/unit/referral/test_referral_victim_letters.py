"""A referral without a victim has no letter to one, whoever asks what can be printed."""

from __future__ import annotations

from services.referral.service import service
from shared.domain.consequences import new_documents
from tests.unit.referral.stories import ReferralStory


def test_nothing_is_printed_to_a_victim_whom_nobody_has_linked() -> None:
    """Given a referral with nobody who was harmed, when its documents are looked through, then no letter to a victim is among them."""
    story = ReferralStory().received()
    assert not {"victim-information", "victim-decision"} & set(new_documents(service, [], story.facts))
