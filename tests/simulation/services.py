"""Two small services: bells that are rung with a personal note, and desks that answer each ring, once they are open."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from shared.domain.decider import BrokenHistory, Decider
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Command, Event, FreeText, event_that_it_records
from shared.domain.policy import PolicyBook
from shared.domain.rules import RuleBook
from shared.domain.sealing import Sealed
from shared.domain.service import CommandFor, Reaction, ReadModel, Service


class Rung(Event):
    desk_id: UUID
    number: int
    note: Sealed[FreeText]


class Ring(Command):
    opens: ClassVar[bool] = True
    records = Rung
    type: Literal["Ring"] = "Ring"
    desk_id: UUID
    number: int
    note: Sealed[FreeText]


class Opened(Event):
    pass


class Answered(Event):
    number: int


class Open(Command):
    opens: ClassVar[bool] = True
    records = Opened
    type: Literal["Open"] = "Open"


class Answer(Command):
    records = Answered
    type: Literal["Answer"] = "Answer"
    number: int


@dataclass(frozen=True)
class Bell:
    rung: int = 0


@dataclass(frozen=True)
class Desk:
    answered: int = 0


BELL_EVENTS: Final = EventRegistry("bell", (Rung,))
DESK_EVENTS: Final = EventRegistry("desk", (Opened, Answered))


def _decide(command: Command, _state: Any, _context: Any) -> list[Event]:
    return [event_that_it_records(command)]


def _evolve_bell(state: Bell | None, _fact: Fact) -> Bell:
    return Bell((state or Bell()).rung + 1)


def _evolve_desk(state: Desk | None, fact: Fact) -> Desk:
    if isinstance(fact.event, Opened):
        return Desk()
    if state is None:
        raise BrokenHistory(fact, "the desk is not open")
    return Desk(state.answered + 1)


def _answer(fact: Fact[Rung]) -> Iterable[CommandFor]:
    return [CommandFor(fact.event.desk_id, Answer(number=fact.event.number, occurred_at=fact.occurred_at))]


def small_service(
    commands: Any, book: EventRegistry, decider: Any, reactions: tuple[Reaction[Any], ...] = (), **declared: Any
) -> Service[Any]:
    """Declare the service of a book of events, with one role and nothing to show; `declared` is what it has besides."""
    read_model: ReadModel[Any] = ReadModel(
        f"{book.service}s", book, decider, lambda _: {}, lambda _s, _p: (), PolicyBook({})
    )
    return Service(
        commands=commands,
        default_roles=frozenset({"CLERK"}),
        read_model=read_model,
        inherited_labels=frozenset({"area"}),
        reactions=reactions,
        **declared,
    )


BELL: Final = small_service((Ring,), BELL_EVENTS, Decider(RuleBook("bell"), _decide, _evolve_bell))
DESK: Final = small_service(
    (Open, Answer),
    DESK_EVENTS,
    Decider(RuleBook("desk"), _decide, _evolve_desk),
    (Reaction("answer-ring", "bell", Rung, _answer, "the ring of {day} has not been answered"),),
    published=(BELL_EVENTS,),
)
