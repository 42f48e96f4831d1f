"""The tree of causes of a case."""

from typing import Any

from services.console.officers.causes import Cause, tree_of


def event(id_: str, causation: str | None = None) -> dict[str, Any]:
    """Return a line of a timeline."""
    return {"event_id": id_, "causation_id": causation}


def shape(causes: Any) -> Any:
    """Return a tree as ids and the trees below them."""
    return {cause.event["event_id"]: shape(cause.effects) for cause in causes}


def test_each_event_stands_under_the_one_that_it_follows_from() -> None:
    """Given events of which some follow from others, when the tree is made, then each is there once, below its cause."""
    events = [event("a"), event("b", "a"), event("c"), event("d", "b"), event("e", "a")]
    assert shape(tree_of(events)) == {"a": {"b": {"d": {}}, "e": {}}, "c": {}}


def test_what_follows_from_an_event_that_is_not_shown_is_a_root() -> None:
    """Given an event whose cause the reader may not see, or that comes later in the list, when the tree is made, then none is lost."""
    assert shape(tree_of([event("a", "hidden"), event("b", "c"), event("c")])) == {"a": {}, "c": {"b": {}}}
    assert tree_of([]) == []
    assert isinstance(tree_of([event("a")])[0], Cause)
