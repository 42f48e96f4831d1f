"""Who is forgotten is merged with nobody, and separated from nobody: nobody can say any more who they were (ID3)."""

from datetime import date, datetime
from uuid import UUID

import pytest

from services.referral.events import EVENTS as REFERRAL
from services.referral.events import PersonLinked
from services.trade.vocabulary import Category, PersonDetails, PersonRole
from shared.domain.persons import Known
from shared.domain.sealing import Sealed
from tests.unit.notifications.case_events import fact_of
from tests.unit.people.stories import LEO, LEO_AGAIN, SEPARATION, START, WHO_MERGES, PersonStory, merging


def forgotten(person: UUID) -> Known:
    """Return what is known of a person whose key is destroyed."""
    name: Sealed[str] = Sealed.of_token("s1:person/x:1:p:AAAA:AAAA")
    details = PersonDetails(name=Sealed("Leo"), date_of_birth=Sealed(date(2011, 3, 14)))
    linked = PersonLinked(
        person_id=person,
        role=PersonRole.HARMER,
        category=Category.SUSPECT,
        details=details.model_copy(update={"name": name.as_forgotten()}),
        age_at_incident=14,
        child_at_report=True,
    )
    return Known([fact_of(REFERRAL, linked, 1, datetime.fromisoformat(START))])


@pytest.mark.parametrize("person", [LEO, LEO_AGAIN])
def test_who_is_forgotten_is_neither_merged_nor_separated(person: UUID) -> None:
    """Given one of two persons whose key is destroyed, then rule ID3 refuses to merge them, and to separate them if they were one."""
    story = PersonStory()
    story.known = forgotten(person)
    assert story.refused(merging(), by=WHO_MERGES, at=START) == {"ID3"}
    merged = PersonStory()
    merged.ask(merging(), by=WHO_MERGES, at=START)
    merged.known = forgotten(person)
    assert merged.refused(SEPARATION, by=WHO_MERGES, at=START) == {"ID3"}
