"""A service as a declaration: the domain's parts by name. The kernel builds API, worker, relay and schema from it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, reduce
from operator import or_
from typing import Annotated, Any, Generic
from uuid import UUID

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypeVar

from shared.domain.dates import local_day
from shared.domain.decider import Decider
from shared.domain.documents import Document
from shared.domain.duties import Duty
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.ids import derived_uuid
from shared.domain.journeys import OTHERWISE, Journey, Purposes
from shared.domain.messages import Actor, Command, Event, events_of
from shared.domain.permissions import EVERY, SYSTEM, Permission, Permissions, permission_of
from shared.domain.persons import NOTHING_KNOWN, Known, persons_in
from shared.domain.policy import PolicyBook, PolicyOn
from shared.domain.sealing import PREFIX
from shared.domain.texts import CommandContext
from shared.domain.words import Words

S = TypeVar("S")
E = TypeVar("E", bound=Event, default=Any)


@dataclass(frozen=True, slots=True)
class Claims:
    """Unique keys that an event takes or gives back, and the rule that a lost claim breaks. A key in both must be free.

    A key names no person in clear beyond an opaque id. Claims follow from events alone, so they can be rebuilt.
    """

    rule: str
    take: tuple[str, ...] = ()
    release: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandFor:
    """A command for a stream of the service that reacts. `item` distinguishes several commands for one stream."""

    stream: UUID
    command: Command
    item: str = ""
    supersedes: tuple[UUID, ...] = ()
    """Ids of commands that earlier reactions asked for and that this one takes the place of: parked, they wait no longer."""
    if_begun: bool = False
    """Whether nothing is to be done if the stream has not begun."""
    about: Mapping[str, UUID] = field(default_factory=dict)
    """Ids that the stream must name already, by field: whom and which case the event is about. A record of anybody else is refused."""


@dataclass(frozen=True)
class Reaction(Generic[E]):
    """Another service's event -> our commands. Pure: the fact's clear fields are all that it sees.

    `name` is part of the derived command id and so of the contract: it is never changed.
    """

    name: str
    service: str
    event: type[E]
    react: Callable[[Fact[E]], Iterable[CommandFor]]
    waits_as: str = ""
    """What is said while its command waits; `{day}` stands for the day of the fact, such as 4 May 2026."""

    def command_id(self, fact: Fact, effect: CommandFor) -> UUID:
        """UUIDv5 of event, reaction, target stream and item, so that a repeat does nothing."""
        return reaction_command_id(fact.event_id, self.name, effect.stream, effect.item)


class ReactionsTo:
    """The reactions of a service to the events of another one, each registered at its function, in their order."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.reactions: list[Reaction] = []

    def __call__(
        self, event: type[E], name: str, waits_as: str
    ) -> Callable[[Callable[[Fact[E]], Iterable[CommandFor]]], Callable[[Fact[E]], Iterable[CommandFor]]]:
        """Register a function as the reaction to an event, under a name and with what is said while it waits."""

        def register(react: Callable[[Fact[E]], Iterable[CommandFor]]) -> Callable[[Fact[E]], Iterable[CommandFor]]:
            self.reactions.append(Reaction(name, self._service, event, react, waits_as))
            return react

        return register


def reaction_command_id(event: UUID, reaction: str, stream: UUID, item: str = "") -> UUID:
    """Return the id of the command that a reaction asks for: UUIDv5 of event, reaction, target stream and item."""
    return derived_uuid("reaction", event, reaction, stream, item)


@dataclass(frozen=True)
class ReadModel(Generic[S]):
    """The read model of a service: how its events fold, and what is shown and counted of the state."""

    collection: str
    events: EventRegistry
    decider: Decider[S]
    view: Callable[[S], Mapping[str, Any]]
    """The state as the catalogue names it: clear JSON values only, nothing sealed."""
    duties: Callable[[S, PolicyOn], Sequence[Duty]] = lambda _state, _policy_on: ()
    """Every duty of the state, met, open or closed; the second argument gives the policy of a day."""
    policy: PolicyBook = field(default_factory=lambda: PolicyBook({}))
    summary: Callable[[S, Fact], Any] | None = None
    """What is counted and listed of the state, by the stream's first fact, in the class that the function returns."""
    access: Permissions = field(default_factory=dict)
    """Role -> what it may read: every entrance asks this one table."""
    states: tuple[str, ...] = ()
    """Every state that the view may show, by its code."""
    ended: frozenset[str] = frozenset()
    """The states in which nothing is left to do."""
    keeps_of_people: Mapping[type[Event], tuple[str, ...]] = field(default_factory=dict)
    """Events of any service that say what is known of persons, each with its fields that name them: `Context.known`, `Decider.completed`."""
    ended_with: Mapping[str, str] = field(default_factory=dict)
    """Further such states, each with the member of the view that must be there for it."""

    def is_open(self, view: Mapping[str, Any]) -> bool:
        state = view["state"]
        if state in self.ended_with:
            return view[self.ended_with[state]] is None
        return state not in self.ended

    def view_of(self, history: Sequence[Fact], **times: Any) -> Mapping[str, Any] | None:
        """Return the view of a history cut by `as_of` and `known_at`, None if nothing had begun."""
        state = self.decider.state_at(history, **times)
        return None if state is None else self.view(state)


@dataclass(frozen=True)
class Service(Generic[S]):
    """The declaration of a deciding service: its commands, domain, permissions, reactions and documents."""

    commands: tuple[type[Command], ...]
    default_roles: frozenset[str]
    read_model: ReadModel[S]
    inherited_labels: frozenset[str]
    """Labels that a stream takes from the actor who opens it; only actors with the same values may act on it."""
    home: Callable[[Event | Command], UUID | None] = lambda _opening: None
    """The home that a stream's first event fixes, and the command that opens it names; None: the stream's own id."""
    opens_in: Callable[[Command], Mapping[str, str]] = lambda _command: {}
    """The labels of the record that a command opens for who has a token for every value; without one, such a token opens none."""
    home_field: str = ""
    """The field by which that command names it; an import may leave it to the API."""
    reactions: tuple[Reaction, ...] = ()
    claims: Callable[[S | None, Fact[Any]], Claims | None] = lambda _state, _fact: None
    claim_rules: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Rule id -> (text of the refusal, source) of the rules that a lost claim breaks, if no function states them."""
    published: tuple[EventRegistry, ...] = field(default=())
    """The event books of the services whose events the reactions read, or whose marks the access table asks for."""
    asks_marks_of: frozenset[str] = frozenset()
    """The services whose marks the rules look at (`Context.linked`), of every home that a record or the command mentions.

    Its own marks are the claims whose keys begin with the home and a colon.
    """
    nobody: Callable[[Sequence[Fact]], Iterable[UUID]] = lambda _facts: ()
    """The ids that facts of a home name and that are no person's, such as a shop's: never forgotten, it holds no key of the home."""
    keeps: tuple[type[Event], ...] = ()
    """The events of other services (of those `published`) that its worker keeps for the rules to look at (`Context.kept`)."""
    likeness: Callable[[Event | Command], Iterable[tuple[UUID, str]]] = lambda _message: ()
    """Yields each person whom a message describes, with a text that another record of the same person has too: `Context.alike`."""
    likeness_of: tuple[type[Event], ...] = ()
    """The events that describe persons, with the corrections of them."""
    importers: frozenset[str] = frozenset()
    """The roles that may import rows of a register. Empty: the API has no route for it."""
    documents: Mapping[str, Document[S]] = field(default_factory=dict)
    """What can be printed of a stream, by name."""
    is_print: Callable[[str, str, Document[S], S, Sequence[Fact]], bool] = lambda *_: False
    """Tells whether a document, printed of a state and its facts, has a SHA-256: (SHA-256, name, document, state, facts).

    A service whose rules compare signatures with prints names `shared.printing.documents.is_print`.
    """
    words: Words = field(default_factory=Words)
    journeys: tuple[Journey[S], ...] = ()
    """Its work in its own words: from this, guidance names the next step."""
    purposes: Purposes = field(default_factory=dict)
    """What the commands are about that no journey asks for."""

    def __post_init__(self) -> None:
        """Raise TypeError for a command without events, or with one that `EVENTS` lacks: nothing could read it again."""
        for command in self.commands:
            if command.happens and not events_of(command):
                raise TypeError(
                    f"{command.__name__} of {self.name} names no event: give it `records` or `makes`,"
                    " or `happens = False` if it records nothing"
                )
            if unknown := [event.__name__ for event in events_of(command) if event not in self.events.events]:
                raise TypeError(
                    f"{command.__name__} records {', '.join(unknown)}, which EVENTS of {self.name} lacks:"
                    " add it to the union in events.py"
                )

    @property
    def name(self) -> str:
        """The name of the service, such as `lending`."""
        return self.events.service

    @property
    def collection(self) -> str:
        """The word for its records in the paths of its API, such as `books`."""
        return self.read_model.collection

    @property
    def events(self) -> EventRegistry:
        """The service's own events."""
        return self.read_model.events

    @property
    def decider(self) -> Decider[S]:
        """The service's domain: rules, decide and evolve."""
        return self.read_model.decider

    @property
    def policy(self) -> PolicyBook:
        """The dated values that the service's rules use."""
        return self.read_model.policy

    @cached_property
    def permissions(self) -> Permissions:
        """The read permissions of each role: as declared, and `document` if the role may print any."""
        printing = frozenset[str]().union(*(document.roles for document in self.documents.values()))
        return {
            role: replace(permission, parts=permission.parts | ({"document"} if role in printing else set()))
            for role, permission in self.read_model.access.items()
        }

    def permission(self, actor: Actor) -> Permission:
        """Return what an actor may read of a record that each of their roles may read."""
        return permission_of(self.permissions, actor.roles)

    @cached_property
    def commanding_roles(self) -> frozenset[str]:
        """Every role that may send at least one command through the API."""
        return frozenset[str]().union(*map(self.roles_for, self.commands)) - {SYSTEM}

    @cached_property
    def linked(self) -> tuple[EventRegistry, ...]:
        """The event registries of the services whose marks the access table or the rules use, or that say who holds a case."""
        wanted = self.asks_marks_of.union(*(permission.linked for permission in self.read_model.access.values()))
        return tuple(book for book in self.published if book.service in wanted or book.holding)

    @cached_property
    def kept(self) -> tuple[EventRegistry, ...]:
        """The event registries of the services of which events are kept."""
        kept = {*self.keeps, *self.keeps_of_people}
        return tuple(book for book in self.published if not kept.isdisjoint(book.events))

    def book_of_kept(self, type_name: str) -> EventRegistry | None:
        """Return the registry of an event that is kept, whatever its version; None if it is not."""
        return self._kept_stems.get(type_name.rpartition(".v")[0])

    @property
    def keeps_of_people(self) -> Mapping[type[Event], tuple[str, ...]]:
        """Further events (of those `published`, its own too) that its worker keeps, by the ids of persons: `Context.known`."""
        return self.read_model.keeps_of_people

    def kept_under(self, fact: Fact) -> frozenset[UUID]:
        """Return the ids under which an event is kept: its home, and the persons whom it is about."""
        kind = type(fact.event)
        home = {fact.envelope.home} if kind in self.keeps else set()
        return frozenset(home.union(persons_in(fact.event, self.keeps_of_people.get(kind, ()))))

    @cached_property
    def _kept_stems(self) -> Mapping[str, EventRegistry]:
        wanted = {*self.keeps, *self.keeps_of_people}
        kept = ((book, cls) for book in self.published for cls in wanted if cls in book.events)
        return {book.type_name(cls).rpartition(".v")[0]: book for book, cls in kept}

    @cached_property
    def consumed_topics(self) -> tuple[str, ...]:
        """The topics that it reads: for its reactions, and for marks and events of others' records."""
        books = {reaction.service for reaction in self.reactions} | {book.service for book in self.linked}
        books |= {book.service for book in self.kept}
        return tuple(sorted(f"{self.events.namespace}.{service}.events" for service in books))

    def roles_for(self, command: type[Command]) -> frozenset[str]:
        """Return the roles that may send a command through the API."""
        return self.default_roles if command.roles is None else command.roles

    def acting(self, actor: Actor, command: type[Command]) -> list[Actor]:
        """Return an actor in each role that may send a command, the narrowest first: that which may send the fewest here."""
        may = [one for one in actor.in_each_role() if one.role in self.roles_for(command)]
        return sorted(may, key=lambda one: (self._breadth[one.role], one.role))

    def placed(self, actor: Actor, command: Command) -> Actor:
        """Return an actor with the labels of the record that a command opens, in place of those for every value."""
        own = {name: value for name, value in self.opens_in(command).items() if actor.labels.get(name) == EVERY}
        return actor.model_copy(update={"labels": {**actor.labels, **own}}) if own else actor

    @cached_property
    def _breadth(self) -> Mapping[str, int]:
        return Counter(role for command in self.commands for role in self.roles_for(command))

    @cached_property
    def command_adapter(self) -> TypeAdapter[Command]:
        """The union of commands, discriminated by `type`."""
        union: Any = reduce(or_, self.commands)
        adapter: TypeAdapter[Command] = (
            TypeAdapter(Annotated[union, Field(discriminator="type")], config=ConfigDict(hide_input_in_errors=True))
            if len(self.commands) > 1
            else TypeAdapter(union)
        )
        return adapter

    def purpose_of(self, command: type[Command]) -> str:
        """Return what a command is about: its purpose, or the title of its first journey."""
        journeys = (
            journey.title for journey in self.journeys if any(command in step.commands for step in journey.steps)
        )
        purposes = (title for title, commands in self.purposes.items() if command in commands)
        return next(iter((*purposes, *journeys)), OTHERWISE)

    def prints(self, sha256: str, name: str, facts: Sequence[Fact], known: Known = NOTHING_KNOWN) -> bool:
        """Tell whether a document, printed by this service of these facts in one of its languages, has this SHA-256."""
        state = self.decider.fold(facts, known=known)
        return state is not None and self.is_print(sha256, name, self.documents[name], state, facts)

    def parse_command(self, body: str | bytes, received_at: datetime) -> Command:
        """Return the command in a JSON text that was received then; raises pydantic's ValidationError, or ValueError for bytes that are no UTF-8."""
        context = CommandContext.of(body, local_day(received_at), PREFIX)
        return self.command_adapter.validate_json(body, context=context)

    def is_own(self, type_name: str) -> bool:
        """Tell whether an event of this type belongs to this declaration's streams, and not to another one's on the same event store."""
        return type_name.rpartition(".v")[0].rpartition(".")[2] in self._event_names

    @cached_property
    def _event_names(self) -> frozenset[str]:
        old = (name.rpartition(".v")[0].rpartition(".")[2] for name in self.events.upcasters)
        return frozenset((*self.events.by_name, *old))

    def stream_name(self, stream: UUID) -> str:
        """Return the name of a stream, `service/uuid`, as it stands in an event."""
        return f"{self.name}/{stream}"

    @property
    def topic(self) -> str:
        """The name of the topic of the service's events, such as `ooc.lending.events`."""
        return f"{self.events.namespace}.{self.name}.events"

    @property
    def position_topic(self) -> str:
        """The name of the topic of the relay's high-water mark."""
        return f"{self.events.namespace}.{self.name}.position"

    @property
    def checkpoints_topic(self) -> str:
        return f"{self.events.namespace}.{self.name}.checkpoints"
