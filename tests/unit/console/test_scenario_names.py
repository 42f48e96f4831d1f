"""Names in scenarios stand for ids that belong to one run."""

from __future__ import annotations

from uuid import UUID, uuid5

from tools.client.tokens import officer_id
from tools.scenario.naming import Names
from tools.scenario.story import Officer

EVENT = UUID(int=7)


def names(run: str = "one") -> Names:
    def latest(stream: str, event: str) -> UUID:
        assert (stream, event) == ("d1", "OutcomeAssigned")
        return EVENT

    def officer(person: Officer) -> UUID:
        return officer_id(person.role, person.number)

    return Names("a-story", run, {"leo": {"name": "Leo Hart", "date_of_birth": "2010-03-14"}}, officer, latest)


def test_a_name_is_the_same_id_throughout_a_run_and_another_in_the_next() -> None:
    """Given two runs, when a name is resolved, then it is a UUID version 5, constant in one and new in the other."""
    assert names().id("case") == names().id("case")
    assert names().id("case").version == 5
    assert names("one").id("case") != names("two").id("case")


def test_a_conference_is_named_by_disposal_and_condition() -> None:
    """Given disposal d1 and its condition c1, when d1+c1 is resolved, then it is the id that the reaction derives."""
    assert names().id("d1+c1") == uuid5(names().id("d1"), str(names().id("c1")))


def test_every_reference_is_filled_wherever_it_stands() -> None:
    """Given references in lists and below, when the fields are filled, then each has become what it stands for."""
    filled = names().fill_in(
        {
            "case_id": "$case",
            "details": "$leo.details",
            "signed_by": ["$leo", "$mother"],
            "officer_id": "$officer.SUPERVISOR/2",
            "corrects": "$d1.OutcomeAssigned",
            "session_id": "$d1+c1",
            "narrative": "$20 were missing from the till",
            "hours": 1.5,
        }
    )
    own = names()
    assert filled == {
        "case_id": str(own.id("case")),
        "details": {"name": "Leo Hart", "date_of_birth": "2010-03-14"},
        "signed_by": [str(own.id("leo")), str(own.id("mother"))],
        "officer_id": str(officer_id("SUPERVISOR", 2)),
        "corrects": str(EVENT),
        "session_id": str(own.id("d1+c1")),
        "narrative": "$20 were missing from the till",
        "hours": 1.5,
    }


def test_ids_are_shown_by_their_names() -> None:
    """Given ids that this run has given, when a difference is shown, then names stand in their place."""
    own = names()
    found = {"conditions": {str(own.id("c1")): "ACTIVE"}, "other": "x"}
    assert own.in_words(found) == {"conditions": {"c1": "ACTIVE"}, "other": "x"}


def test_keys_belong_to_a_run_and_a_named_key_is_no_steps_own() -> None:
    """Given a step's own key and one that a step names, when they look alike, then they still differ."""
    assert names().key("step", 3) != names().key("named", "3")
    assert names("one").key("named", "k") != names("two").key("named", "k")
