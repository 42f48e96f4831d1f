"""The fields that a check reads are found in its source, and in that of the functions that it passes the command to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from shared.domain.field_reads import fields_read
from shared.domain.messages import Command


class Lend(Command):
    """Lend a book."""

    type: Literal["Lend"] = "Lend"
    book: int
    reader: int
    days: int

    @property
    def weeks(self) -> int:
        """The days in weeks."""
        return self.days // 7


class Return(Command):
    """Return it."""

    type: Literal["Return"] = "Return"
    damaged: bool


@dataclass
class Shelf:
    """A shelf, with a method that looks at a command."""

    limit: int

    def holds(self, command: Lend) -> bool:
        """Whether the book stands there."""
        return command.book < self.limit


SHELF = Shelf(7)


def has_paid(command: Lend) -> bool:
    return command.reader > 0


def directly(command: Lend, _state: Any, _context: Any) -> bool:
    return command.days < 28 and isinstance(command, Lend)


def by_a_function(command: Lend, state: Any, _context: Any) -> bool:
    return state is None or any(has_paid(command) for _ in state)


def by_a_method(command: Lend, _state: Any, _context: Any) -> bool:
    return SHELF.holds(command)


def by_a_property(command: Lend, _state: Any, _context: Any) -> bool:
    return command.weeks < 4


def by_a_match(command: Lend | Return, _state: Any, _context: Any) -> bool:
    match command:
        case Return(damaged=damaged):
            return damaged
        case Lend(book=book) as lend:
            return book > lend.reader


def by_its_class_alone(command: Lend | Return, _state: Any, _context: Any) -> bool:
    return isinstance(command, Return) or type(command) is Lend


def recursively(command: Lend, state: Any, context: Any) -> bool:
    return command.book > 1 or recursively(command, state, context)


def stored(command: Lend, state: Any, _context: Any) -> bool:
    state.latest = command
    return True


def by_what_is_not_known(command: Lend, state: Any, _context: Any) -> bool:
    return bool(state.takes(command))


def dumped(command: Lend, _state: Any, _context: Any) -> bool:
    return command.model_dump() != {}


WHOLE = ("book", "reader", "days")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (directly, ("days",)),
        (by_a_function, ("reader",)),
        (by_a_method, ("book",)),
        (by_a_property, ("days",)),
        (by_a_match, ("book", "reader")),
        (by_its_class_alone, ()),
        (recursively, ("book",)),
        (lambda command, _state, _context: command.reader, ("reader",)),
        (stored, WHOLE),
        (by_what_is_not_known, WHOLE),
        (dumped, WHOLE),
    ],
)
def test_the_fields_are_found(check: Callable[..., bool], expected: tuple[str, ...]) -> None:
    """Each way to read a field is followed; a command that goes where nothing is known of counts as read as a whole."""
    assert fields_read(check, Lend) == expected


def test_a_function_that_is_made_twice_reads_what_each_reads() -> None:
    """Two functions of one definition, with other objects around them, are told apart."""

    def make(look: Callable[[Lend], bool]) -> Callable[..., bool]:
        return lambda command, _state, _context: look(command)

    assert fields_read(make(has_paid), Lend) == ("reader",)
    assert fields_read(make(SHELF.holds), Lend) == ("book",)


def test_a_command_of_another_class_is_not_read() -> None:
    """Of a check of two commands, each has its own fields."""
    assert fields_read(by_a_match, Return) == ("damaged",)


def test_without_a_source_every_field_counts() -> None:
    """A check whose source is not there counts as reading every field."""
    scope: dict[str, Any] = {}
    exec("def check(command, state, context): return command.book > 1", scope)  # noqa: S102 - a function without a file
    assert fields_read(scope["check"], Lend) == WHOLE
