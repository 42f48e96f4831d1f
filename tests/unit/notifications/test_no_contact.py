"""No message about a child reaches an adult who may have no contact: over every occasion and every line of the table."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from services.notifications.news import News, fold
from services.notifications.plan import plan
from services.notifications.table import LINES, Occasion
from services.people.events import EVENTS as PEOPLE
from services.people.events import Contact, RelationRecorded
from shared.domain.envelope import Fact
from tests.unit.notifications.case_events import CASE, CHILD, MOTHER, NOW, STARTS_AT, fact_of, family


def relation(contact: Contact, until: date | None = None) -> Fact:
    """Return the record that the mother may be in contact with the child so."""
    event = RelationRecorded(person_id=MOTHER, child_id=CHILD, relation="PARENT", contact=contact, until=until)
    return fact_of(PEOPLE, event, 1, NOW)


def recipients(occasion: Occasion, *relations: Fact) -> set[UUID]:
    """Return who hears of an occasion by any line, whomever it concerns."""
    case = family().victim()
    referral, *_ = fold(case.facts)
    told = set[UUID]()
    for concerns in (CHILD, MOTHER):
        for victims in ((), (MOTHER,)):
            news = News(occasion, referral.history[0], concerns, STARTS_AT, victims=victims)
            record = replace(referral, news={CASE: [news]})
            told |= {message.recipient for message in plan(CASE, [record, *fold(relations)]).values()}
    return told


@pytest.mark.parametrize("occasion", Occasion)
def test_nobody_without_contact_hears_of_anything(occasion: Occasion) -> None:
    """Given a mother under an order, or kept away by the team, then she hears of nothing that happens in the case."""
    assert LINES[occasion]
    for barring in (relation(Contact.ORDER), relation(Contact.NONE), relation(Contact.ORDER, date(2027, 1, 1))):
        assert MOTHER not in recipients(occasion, barring)
    # Once an order has ended she hears what she would hear without one.
    ended = relation(Contact.ORDER, date(2026, 5, 1))
    assert recipients(occasion, ended) == recipients(occasion)


def test_the_mother_hears_of_most_without_an_order() -> None:
    """Given no order, then the mother of these tests is one who would hear of appointments."""
    assert sum(MOTHER in recipients(occasion) for occasion in Occasion) >= len(Occasion) // 2
