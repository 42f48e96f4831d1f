"""The names of the children of a record."""

from services.console.apis import Part
from services.console.names import Who, children_in
from services.console.officers.case import bookings
from services.console.records import Record

SIAN, LLYR = Who("p1", "SUSPECT", "Siân Prys", {}), Who("p2", "SUSPECT", "Llŷr Prys", {})


def test_siblings_are_both_the_children_of_a_record() -> None:
    """Given two who are suspected, and others, then both are named, by name; without a part, the first alone."""
    mother = Who("p3", "PARENT_CARER", "Ann Prys", {})
    assert children_in([mother, SIAN, LLYR]) == [LLYR, SIAN]
    assert children_in([mother, Who("p4", "", "Kim Shaw", {}), Who("p5", "", "Max Shaw", {})]) == [
        Who("p4", "", "Kim Shaw", {})
    ]
    assert children_in([mother, Who("p1", "SUSPECT", "", {})]) == []


def test_a_session_is_booked_for_each_sibling() -> None:
    """Given a referral of two, then a place is offered for each by name."""
    people = {who.id: {"name": who.name} for who in (SIAN, LLYR)}
    state = {
        "state": "TRIAGED",
        "people": {who.id: who.part for who in (SIAN, LLYR)},
        "details": {"people": people},
    }
    offered = list(bookings(Record("referrals", "r1", Part(state), Part(), {})))
    assert offered == [
        ("for this referral, Llŷr Prys", {"referral": "r1", "person": "p2"}),
        ("for this referral, Siân Prys", {"referral": "r1", "person": "p1"}),
    ]
