"""The names of the children of a record."""

import pytest

from services.console.apis import Part
from services.console.names import Who, children_in, in_full
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
    state = {"state": "TRIAGED", "people": {who.id: who.part for who in (SIAN, LLYR)}, "details": {"people": people}}
    offered = list(bookings(Record("referrals", "r1", Part(state), Part(), {})))
    assert offered == [
        ("for this referral, Llŷr Prys", {"person_id": "p2"}),
        ("for this referral, Siân Prys", {"person_id": "p1"}),
    ]


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ([("p1", "Jo Lee", 2011, "c1"), ("p2", "Max Shaw", None, "c2")], ["Jo Lee", "Max Shaw"]),
        ([("p1", "Jo Lee", 2011, "c1"), ("p1", "Jo Lee", 2011, "c2")], ["Jo Lee", "Jo Lee"]),
        ([("p1", "Jo Lee", 2011, "c1"), ("p2", "JO LEE", 2009, "c2")], ["Jo Lee, born 2011", "JO LEE, born 2009"]),
        ([("p1", "Jo Lee", 2011, "c1"), ("p2", "Jo Lee", 2011, "c2")], ["Jo Lee, case c1", "Jo Lee, case c2"]),
        ([("p1", "Jo Lee", 2011, "c1"), ("p2", "Jo Lee", None, "c2")], ["Jo Lee, case c1", "Jo Lee, case c2"]),
    ],
)
def test_two_of_one_name_are_told_apart(people: list[tuple[str, str, int | None, str]], words: list[str]) -> None:
    """Given people of a list, then those who share a name have the year of birth, or the case where the years do not tell."""
    keys = ("person_id", "name", "year_of_birth", "case_id")
    assert in_full([dict(zip(keys, person, strict=True)) for person in people]) == words
