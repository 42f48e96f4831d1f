"""A small service for tests of the whole path: a person's tally is opened for a matter, counted up, and closed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID, uuid4

from shared.domain.decider import BrokenHistory, Decider
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command, Event, FreeText, ShortText, event_that_it_records, model_from
from shared.domain.policy import PolicyBook
from shared.domain.rules import Context, RuleBook
from shared.domain.sealing import OwnedBy, Sealed
from shared.domain.service import Claims, ReadModel, Service
from shared.handling.command_handler import CommandHandler


class TallyOpened(Event):
    """A tally was opened: the name is the person's, the matter is clear."""

    person_id: UUID
    name: Annotated[Sealed[FreeText], OwnedBy("person_id")]
    matter: ShortText


class Counted(Event):
    """The tally went up; the note belongs to the home."""

    by: int
    note: Sealed[FreeText] | None = None


class TallyClosed(Event):
    """The tally was closed, and its matter is free."""


EVENTS = EventRegistry("tests", (TallyOpened, Counted, TallyClosed))


class OpenTally(Command):
    """Open a tally."""

    opens: ClassVar[bool] = True
    records = TallyOpened
    type: Literal["OpenTally"] = "OpenTally"
    person_id: UUID
    name: Annotated[Sealed[FreeText], OwnedBy("person_id")]
    matter: ShortText


class Count(Command):
    """Count up."""

    records = Counted
    type: Literal["Count"] = "Count"
    by: int
    note: Sealed[FreeText] | None = None


class CloseTally(Command):
    """Close the tally."""

    records = TallyClosed
    type: Literal["CloseTally"] = "CloseTally"


@dataclass(frozen=True)
class Tally:
    """How far it is, and whether its person's name can still be read (only a rule may ask for that)."""

    name: Sealed[str]
    matter: str
    total: int = 0
    closed: bool = False


rules: RuleBook[Tally] = RuleBook("tallies")


@rules.forbids("R1", Count, looks_at=("by",))
def not_by_nothing(command: Count, _state: Tally | None, _context: Context) -> bool:
    """Count by something.

    Source: the tests
    """
    return command.by != 0


@rules.warns("R2", Count, looks_at=("by",))
def rarely_by_so_much(command: Count, _state: Tally | None, _context: Context) -> bool:
    """This is a great deal: say why.

    Source: the tests
    """
    return command.by < 100


@rules.allowed_in(OpenTally)
def opened_once(state: Tally | None, _context: Context) -> bool:
    """A tally is opened once.

    Source: the tests
    """
    return state is None


@rules.allowed_in(Count, CloseTally)
def open_still(state: Tally | None, _context: Context) -> bool:
    """The tally must be open.

    Source: the tests
    """
    return state is not None and not state.closed


def decide(command: Command, _state: Tally | None, _context: Context) -> Sequence[Event]:
    """One event for each command; counting by two or more is two events."""
    if isinstance(command, Count) and command.by >= 2:
        return (model_from(Counted, command, by=1), model_from(Counted, command, by=command.by - 1))
    return (event_that_it_records(command),)


def evolve(tally: Tally | None, fact: Fact) -> Tally:
    """Return the tally after one more fact."""
    event = fact.event
    if isinstance(event, TallyOpened) and tally is None:
        return Tally(event.name, event.matter)
    if tally is None or tally.closed:
        raise BrokenHistory(fact, "there is no open tally")
    if isinstance(event, Counted):
        return replace(tally, total=tally.total + event.by)
    return replace(tally, closed=True)


def claims(state: Tally | None, fact: Fact) -> Claims | None:
    """Return the claim of a matter, which has one open tally."""
    if isinstance(fact.event, TallyOpened):
        return Claims("R28", take=(f"matter:{fact.event.matter}",))
    if isinstance(fact.event, TallyClosed) and state is not None:
        return Claims("R28", release=(f"matter:{state.matter}",))
    return None


SERVICE: Service[Tally] = Service(
    commands=(OpenTally, Count, CloseTally),
    default_roles=frozenset({"KEEPER"}),
    read_model=ReadModel(
        collection="tallies",
        events=EVENTS,
        decider=Decider(rules, decide, evolve),
        view=lambda tally: {"total": tally.total, "closed": tally.closed},
        duties=lambda _state, _policy_on: (),
        policy=PolicyBook({}),
    ),
    home=lambda _event: None,
    inherited_labels=frozenset({"area"}),
    claims=claims,
    claim_rules={"R28": ("This matter has an open tally already: count there.", "the tests")},
)

KEEPER = Actor(id=UUID("33333333-3333-4333-8333-333333333333"), role="KEEPER", organisation="HOUSE")


def opening(matter: str = "shop", name: str = "Robin Doe", person: UUID | None = None) -> OpenTally:
    """Return the command that opens a tally."""
    return OpenTally(person_id=person or uuid4(), name=Sealed(name), matter=matter)


def request_for(
    handler: CommandHandler, stream: UUID, command: Command, key: str | None = None, by: Actor = KEEPER
) -> CommandRequest:
    """Return the request of a command received now, under an idempotency key."""
    command_id = handler.command_id(by.id, key or str(uuid4()))
    return CommandRequest(command, stream, command_id, by, datetime.now(UTC), correlation_id=command_id)


async def view(handler: CommandHandler, stream: UUID) -> Any:
    """Return the view of a tally now, folded from the event store."""
    loaded = await handler.event_store.load(handler.service.stream_name(stream))
    return handler.service.read_model.view_of(await handler.open(loaded.records))
