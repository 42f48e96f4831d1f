"""Reading rights as data: which records a permission reaches, what bars an actor, and what follows from events."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from shared.domain.messages import Actor
from shared.domain.permissions import STATE, AccessFacts, Permission, boundary, people_mentioned, read_denial
from tests.unit.kernel.lamps import (
    EVENTS,
    HOME,
    OWNER,
    STREAM,
    LampHung,
    LampLit,
    correction,
    history,
    keys_for,
    sealed_bytes,
)

LABELS = frozenset({"floor"})
KEEPER = Actor(id=UUID(int=7), role="KEEPER", organisation="HOUSE", labels={"floor": "2"})
LAMP = AccessFacts({"floor": "2"}, "HOUSE", HOME, frozenset({STREAM, HOME}), frozenset({"LIT", f"OFFICER:{KEEPER.id}"}))
ANYTHING = Permission(STATE)


@pytest.mark.parametrize(
    ("where", "linked", "reached"),
    [
        ((), (), True),
        (("LIT",), (), True),
        (("OUT", "LIT"), (), True),
        (("OUT",), (), False),
        (("OFFICER:{id}",), (), True),
        (("hall.LIT",), (), False),
        (("hall.LIT",), ("hall.LIT",), True),
        (("LIT.",), (), False),
    ],
)
def test_a_permission_reaches_records_with_one_of_its_marks(
    where: tuple[str, ...], linked: tuple[str, ...], reached: bool
) -> None:
    """A permission with marks reaches records with one of them; one without marks reaches every record."""
    denial = read_denial(KEEPER, Permission(STATE, where=where), LAMP, LABELS, linked)
    assert (denial is None) == reached
    assert denial is None or not denial.hidden


def test_another_labels_record_is_hidden() -> None:
    """A record of another floor, or one for an actor without any, answers as unknown; the label `*` is every one."""
    for labels, hidden in (({"floor": "3"}, True), ({}, True), ({"floor": "2"}, False), ({"floor": "*"}, False)):
        denial = boundary(KEEPER.model_copy(update={"labels": labels}), ANYTHING, LAMP, LABELS)
        assert (denial is not None and denial.hidden) == hidden


def test_another_organisations_record_is_hidden_where_the_table_says_so() -> None:
    """A role that is bound to its organisation cannot learn of records of others."""
    other = KEEPER.model_copy(update={"organisation": "OTHER"})
    bound = boundary(other, Permission(STATE, own_organisation=True), LAMP, LABELS)
    assert bound is not None
    assert bound.hidden
    assert boundary(KEEPER, Permission(STATE, own_organisation=True), LAMP, LABELS) is None
    assert boundary(other, ANYTHING, LAMP, LABELS) is None
    assert boundary(other, None, LAMP, LABELS) is None


def test_a_declared_conflict_is_said_unless_the_record_is_hidden() -> None:
    """A conflict of interest gets 403, unless the record is hidden (404)."""
    torn = KEEPER.model_copy(update={"conflicts": frozenset({HOME, uuid4()})})
    denial = boundary(torn, ANYTHING, LAMP, LABELS)
    assert denial is not None
    assert (denial.hidden, "conflict of interest" in denial.why) == (False, True)
    elsewhere = boundary(torn, ANYTHING, replace(LAMP, labels={"floor": "3"}), LABELS)
    assert elsewhere is not None
    assert elsewhere.hidden


def test_a_state_is_shown_by_its_named_members() -> None:
    """A permission shows the named members of a state, or all members if it names none."""
    view = {"lit": True, "hung_at": "noon"}
    assert Permission(STATE).visible_members(view) == view
    assert Permission(STATE, fields=frozenset({"lit", "colour"})).visible_members(view) == {"lit": True}


def test_a_correction_adds_what_a_record_mentions() -> None:
    """Given another owner in a correction, then the record mentions both: the one recorded and the right one."""
    book, right = replace(EVENTS, mentions=("owner",)), uuid4()
    first = history(LampHung(room="hall", owner=OWNER))[0]
    facts = history(LampHung(room="hall", owner=OWNER), correction(first, "owner", str(right)))
    assert AccessFacts.of_history(book, facts).mentions == {STREAM, HOME, OWNER, right}


def test_the_id_of_a_record_is_nobodys() -> None:
    """Given a field that names a record, when the people of a record are listed, then that id is none of them."""
    facts = history(LampHung(room="hall", owner=OWNER))
    book = replace(EVENTS, mentions=("owner",))
    assert list(people_mentioned(book, facts)) == [OWNER]
    assert not list(people_mentioned(replace(book, of_records=("owner",)), facts))


def test_access_follows_from_the_events_of_a_history() -> None:
    """Marks and mentioned ids come from all events; labels, organisation and home from the first one."""
    book = replace(EVENTS, marks={LampLit: lambda fact: (f"LIT:{fact.version}",)}, mentions=("owner",))
    facts = history(LampHung(room="hall", owner=OWNER), LampLit(), LampLit())
    found = AccessFacts.of_history(book, facts)
    assert (found.labels, found.organisation) == ({"floor": "2"}, "HOUSE")
    assert found.marks == {"LIT:2", "LIT:3"}
    assert found.mentions == {STREAM, HOME, OWNER}
    opening = AccessFacts.of_opening(sealed_bytes(facts[0], keys_for(facts[0])))
    assert opening == AccessFacts({"floor": "2"}, "HOUSE", HOME, frozenset({STREAM, HOME}))
