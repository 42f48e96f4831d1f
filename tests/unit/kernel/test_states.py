"""Copies of states, as the fold makes them."""

from dataclasses import FrozenInstanceError, dataclass, field
from dataclasses import replace as dataclasses_replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.states import replace


@dataclass(frozen=True)
class Room:
    """A state with a dictionary, as the large ones are."""

    name: str
    lamps: int = 0
    record: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Lamp:
    """A state with slots, as the small ones are."""

    bright: bool
    hours: int = 0


CHANGES = st.fixed_dictionaries(
    {}, optional={"name": st.text(), "lamps": st.integers(), "record": st.tuples(st.integers())}
)


@given(CHANGES)
def test_a_copy_is_what_dataclasses_would_make(changes: dict[str, Any]) -> None:
    """Given any changes, the copy has them and all else of the original, which stays as it was."""
    room = Room("hall", 3, (1, 2))
    copied, expected = replace(room, **changes), dataclasses_replace(room, **changes)
    assert (copied, copied.record, type(copied)) == (expected, expected.record, Room)
    assert (room, room.record) == (Room("hall", 3), (1, 2))


def test_a_state_with_slots_is_copied_too() -> None:
    """Given a class with slots, the copy has the change and all else of the original."""
    assert replace(Lamp(bright=True, hours=2), bright=False) == Lamp(bright=False, hours=2)


@pytest.mark.parametrize("state", [Room("hall"), Lamp(bright=True)])
def test_a_field_that_is_not_there_is_refused(state: Any) -> None:
    """Given a misspelt field, the copy fails instead of carrying it along."""
    with pytest.raises(TypeError, match="lights"):
        replace(state, lights=1)


def test_a_copy_is_frozen_too() -> None:
    """Given a copy, nobody can change it in place."""
    copied = replace(Room("hall"), lamps=2)
    with pytest.raises(FrozenInstanceError):
        copied.lamps = 3  # type: ignore[misc]  # that it cannot is what is shown
