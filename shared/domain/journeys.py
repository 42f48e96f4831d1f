"""Journeys: the work of a service in its own words, from which guidance, pages and programs take the next step. Pure.

    JOURNEYS: Final[tuple[Journey[Loan], ...]] = (
        Journey("Lend", lambda loan: loan.returned_at is None, (
            Step("Check the reader's card", (CheckCard,), LIBRARIANS, once(lambda loan, day: loan.card_checked)),
            Step("Hand over the book", (LendBook,), LIBRARIANS, duty="LENT", about=item_as("book_id")),
        )),
    )

The order of the steps is that of the work. A step has a task for each thing that it is done for, such as each reader; without
tasks it is not shown. A step that meets a duty takes its tasks from the duty, unless it lists tasks of its own. The rules,
not the journey, decide whether a task can start.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Generic, TypeVar
from uuid import UUID

from shared.domain.duties import Duty
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
About = Callable[[S, str], Mapping[str, UUID]]
"""The fields of the command that are known from the item of a duty."""
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
    tasks: Tasks[S] | None = None
    """Its tasks on a day; None: one for each of its duties."""
    duty: str = ""
    about: About[S] = lambda _state, _item: {}
    """For a step whose tasks are its duties: the fields of the command that the item of a duty gives."""

    def __post_init__(self) -> None:
        if self.tasks is None and not self.duty:
            raise ValueError(f"the step '{self.title}' has neither tasks nor a duty: give it one of them")

    def tasks_on(self, state: S, day: date, duties: Iterable[Duty]) -> list[Task]:
        """Return its tasks on a day; `duties` are all of the stream."""
        if self.tasks is not None:
            return list(self.tasks(state, day))
        shown = (duty for duty in duties if duty.duty == self.duty and duty.is_shown(day))
        return [Task(not duty.is_open(day), about=self.about(state, duty.item), item=duty.item) for duty in shown]


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


def item_as(name: str) -> About[object]:
    """Return that the item of a duty is an id, which the field `name` of the command takes."""

    def about(_state: object, item: str) -> Mapping[str, UUID]:
        return {name: UUID(item)}

    return about
