"""Two small services: a bell that rings, and a desk that answers each ring, once it is open and has the hands for it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from shared.domain.decider import BrokenHistory, Decider
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Command, Event, event_that_it_records
from shared.domain.permissions import STATE, Permission
from shared.domain.rules import Context, RuleBook
from shared.domain.service import CommandFor, Reaction, Service
from tests.simulation.services import small_service


class Rung(Event):
    desk_id: UUID
    hands: int


class Ring(Command):
    opens = True
    records = Rung
    type: Literal["Ring"] = "Ring"
    desk_id: UUID
    hands: int


class Opened(Event):
    pass


class Staffed(Event):
    hands: int


class Answered(Event):
    hands: int


class Open(Command):
    opens = True
    records = Opened
    type: Literal["Open"] = "Open"


class Staff(Command):
    records = Staffed
    type: Literal["Staff"] = "Staff"
    hands: int


class Answer(Command):
    records = Answered
    type: Literal["Answer"] = "Answer"
    hands: int


@dataclass(frozen=True)
class Desk:
    hands: int = 0
    answered: int = 0


BELL = EventRegistry("bell", (Rung,), marks={Rung: lambda _fact: ("RUNG",)})
DESK = EventRegistry("desk", (Opened, Staffed, Answered))
bell_rules: RuleBook[int] = RuleBook("bell")
rules: RuleBook[Desk] = RuleBook("desk")


@rules.forbids("D1", Answer, looks_at=("hands",))
def hands_enough(command: Answer, state: Desk | None, _context: Context) -> bool:
    """Staff the desk first.

    Source: the house rules
    """
    return state is not None and command.hands <= state.hands


def decide(command: Command, _state: Any, _context: Context) -> list[Event]:
    nobody_needed = isinstance(command, Answer) and command.hands == 0
    return [] if nobody_needed else [event_that_it_records(command)]


def evolve_bell(state: int | None, _fact: Fact) -> int:
    return (state or 0) + 1


def evolve(state: Desk | None, fact: Fact) -> Desk:
    match fact.event:
        case Opened():
            return Desk()
        case Staffed(hands=hands) if state is not None:
            return replace(state, hands=hands)
        case Answered() if state is not None:
            return replace(state, answered=state.answered + 1)
    raise BrokenHistory(fact, "the desk is not open")


def answer_ring(fact: Fact) -> Iterable[CommandFor]:
    """Rung -> Answer at the desk."""
    assert isinstance(fact.event, Rung)
    command = Answer(hands=fact.event.hands, occurred_at=fact.occurred_at)
    return [CommandFor(fact.event.desk_id, command)]


def bell(namespace: str = "ooc") -> Service[Any]:
    return small_service((Ring,), replace(BELL, namespace=namespace), Decider(bell_rules, decide, evolve_bell))


def desk(namespace: str = "ooc") -> Service[Any]:
    reaction = Reaction("answer-ring", "bell", Rung, answer_ring, "the ring of {day} has not been answered")
    service = small_service(
        (Open, Staff, Answer),
        replace(DESK, namespace=namespace),
        Decider(rules, decide, evolve),
        (reaction,),
        published=(replace(BELL, namespace=namespace),),
    )
    read_model = replace(
        service.read_model, access={"CLERK": Permission(STATE, where=("bell.RUNG",), acts_on_unread=True)}
    )
    return replace(service, read_model=read_model)
