"""Journeys: the work of a service in its own words, from which guidance, pages and programs take the next step. Pure.

    JOURNEYS: Final[tuple[Journey[Loan], ...]] = (
        Journey("Lend", lambda loan: loan.returned_at is None, (
            Step("Check the reader's card", (CheckCard,), LIBRARIANS, once(lambda loan, day: loan.card_checked)),
            Step("Hand over the book", (LendBook,), LIBRARIANS, each(lambda loan, day: loan.books), duty="LENT"),
        )),
    )

The steps stand in an order that makes sense to whoever does them. A step has a task for each thing that it is done for, such
as each reader; without tasks it is not asked. Whether a task can start is not written here: the rules say it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Generic, TypeVar
from uuid import UUID

from shared.domain.messages import Command

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to be done in a step. `about` are fields of the command that are known, such as the reader."""

    done: bool
    begun: bool = False
    about: Mapping[str, UUID] = field(default_factory=dict)
    item: str = ""
    """The item of its duty, if no field of the command has it."""


Tasks = Callable[[S, date], Iterable[Task]]
Purposes = Mapping[str, tuple[type[Command], ...]]
"""What commands that no journey asks for are about, in words, such as "Ending it"."""
OTHERWISE: Final = "About the record"
"""The purpose of a command that has no other."""


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """A step of a journey: its words on the page, the commands that record it in order, whose turn it is, its tasks on a day."""

    title: str
    commands: tuple[type[Command], ...]
    who: frozenset[str]
    tasks: Tasks[S]
    duty: str = ""
    """The code of the duty that it meets; the item of such a duty is a value of `about`."""


@dataclass(frozen=True, slots=True)
class Journey(Generic[S]):
    """A stage of work with an aim: its title, the states in which it is shown, and its steps in order."""

    title: str
    is_shown: Callable[[S], bool]
    steps: tuple[Step[S], ...]


def once(
    done: Callable[[S], bool], when: Callable[[S], bool] = lambda _: True, begun: Callable[[S], bool] | None = None
) -> Tasks[S]:
    """Return the one task of a step that is asked in the states of `when`."""

    def tasks(state: S, _day: date) -> Iterator[Task]:
        if when(state):
            yield Task(done(state), begun is not None and begun(state))

    return tasks


def each(name: str, ids: Callable[[S], Iterable[UUID]], done: Callable[[S, UUID], bool]) -> Tasks[S]:
    """Return a task for each id, which the field `name` of the command takes."""

    def tasks(state: S, _day: date) -> Iterator[Task]:
        for id_ in ids(state):
            yield Task(done(state, id_), about={name: id_})

    return tasks
