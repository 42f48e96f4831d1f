"""The victims' desk: whom it offers to call, and what it puts together of a victim from the referral."""

from typing import Any

import pytest

from services.console.names import children_in, people_of
from services.console.officers.victims import Victim, _victim
from services.console.rendering import TEMPLATES

PERSON = "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"


def line(**more: Any) -> dict[str, Any]:
    """Return a victim as the list has them: contact is safe and wanted."""
    return {"person_id": PERSON, "case_id": "c", "contact_is_safe": True, "may_be_contacted": True, **more}


def text(version: int, field: str, value: Any, event: str = "VictimDetailsRecorded") -> dict[str, Any]:
    """Return a sealed text of the referral, opened."""
    return {"version": version, "field": field, "value": value, "event": event, "person_id": PERSON}


def test_a_victim_is_no_child_whose_case_it_is() -> None:
    """Given a disposal as a victim worker may see it, then the person named is its victim, and no child is named."""
    state = {"victims": {PERSON: {}}, "details": {"people": {PERSON: {"name": "Vera Quist"}}}}
    assert children_in(people_of(state)) == []
    assert [(who.name, who.part) for who in people_of(state)] == [("Vera Quist", "VICTIM")]


@pytest.mark.parametrize(
    ("more", "contact", "call"),
    [
        ({}, "07700 900 114, her mother", "07700900114"),
        ({}, "Ring +44 7700 900114", "+447700900114"),
        ({}, "2 Chapel Row", ""),
        ({"contact_is_safe": False}, "07700 900 114", ""),
        ({"contact_is_safe": None}, "07700 900 114", ""),
        ({"may_be_contacted": False}, "07700 900 114", ""),
    ],
)
def test_only_a_safe_and_wanted_number_can_be_called(more: dict[str, Any], contact: str, call: str) -> None:
    """Given a contact, then there is a number to call if it holds one, is marked as safe, and the victim wants contact."""
    assert Victim(line(**more), texts={"contact": contact}).call == call


def test_the_number_of_the_referral_alone_is_not_called() -> None:
    """Given a contact that nobody marked, then it is shown as text, and not called."""
    victim = Victim(line(), {"name": "Merryn Tregear", "contact": "07700 900 114"})
    assert (victim.contact, victim.call) == ("07700 900 114", "")


def test_the_latest_details_count() -> None:
    """Given details recorded late, then their contact is not used beside the later silence; support is by its event, and so is a note."""
    people = {PERSON: {"name": "Merryn Tregear", "date_of_birth": {"forgotten": True}}}
    texts = [
        text(3, "language", "Kernewek"),
        text(5, "contact", "07700 900 114"),
        text(6, "service", "Young Victims", "VictimReferredToSupport"),
        {**text(7, "contact", "another's"), "person_id": "another"},
    ]
    of_another_record = {"details": {"texts": [text(6, "note", "Her aunt answered.", "ContactRecorded")]}}
    referral = {"victims": {PERSON: {"details_told_by": 3}}, "details": {"people": people, "texts": texts}}
    victim = _victim(line(), {"r": referral, "d": of_another_record})
    assert (victim.name, victim.contact, victim.texts) == ("Merryn Tregear", "", {"language": "Kernewek"})
    done = {"stream": "r", "event": "VictimReferredToSupport", "version": 6, "means": None, "reached": None}
    assert victim.done(done) == "Referred to support: Young Victims"
    called = {"stream": "d", "event": "ContactRecorded", "version": 6, "means": "PHONE", "reached": False}
    assert victim.done(called) == "Contact (phone), not reached: Her aunt answered."


def test_who_has_no_name_here_is_called_a_victim() -> None:
    """Given no referral that names the victim to this reader, then the page says so, without an id."""
    assert _victim(line(), {}).name == "Victim, name not shown"


def test_victims_of_one_name_are_told_apart_by_their_cases() -> None:
    """Given two victims of one name, then each is shown with the case; of any other the case is said to who hears the page alone."""
    victims = [
        Victim(line(case_id=f"case-{n}"), {"name": name}) for n, name in enumerate(("Kim Hale", "Kim Hale", "Vera"))
    ]
    macros: Any = TEMPLATES.get_template("parts.html").make_module({})
    shown = [str(macros.victim_name(victim, victims)).strip() for victim in victims]
    assert shown[:2] == ['Kim Hale<span class="">, case case-0</span>', 'Kim Hale<span class="">, case case-1</span>']
    assert shown[2] == 'Vera<span class="govuk-visually-hidden">, case case-2</span>'
