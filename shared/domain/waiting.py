"""Waits: what did not reach its stream, and the kernel's own events about it, in streams of their own in each event store.

A wait is a parked reaction, a stream in quarantine, or a command that was lost with a branch of the log and is to be sent
again. What waits is queried (shared/messaging/waits.py). Only a person's decision that it shall not be done is recorded:
`WaitingBegan` says what waited, `WaitingClosed` who closed it and why. Earlier releases recorded every wait:
`WaitingChanged` and `WaitingEnded` are no longer written, and are read for ever. Nothing in these events is personal. The
stream of a wait has the id of the reaction's command.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import StringConstraints

from shared.domain.data_rights import is_data_right
from shared.domain.decider import BrokenHistory, Decider
from shared.domain.decisions import NewEvents
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Added, Command, Event, FreeText, ShortText, Timestamp, ValueObject
from shared.domain.rules import Context, RuleBook
from shared.domain.sealing import Sealed
from shared.domain.service import ReadModel, Service

StreamName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
]
"""The name of a stream: its service and its id."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A line of clear text from the program's own words: reasons of rules, dates and codes."""

WaitKind = Literal["REACTION", "STREAM", "COMMAND"]
"""A parked reaction, a stream in quarantine, or a lost command."""


class Wait(ValueObject):
    """What waits, and why: all that a reader is shown of it.

    `name` is that of the reaction, or of the alarm of a stream in quarantine. `source` is the stream that sent what waits,
    as far as its `version`; `targets` are the streams that it should reach, as far as that can be told. `sender` is the
    person whose command was lost.
    """

    kind: WaitKind
    consumer: ShortText
    name: ShortText
    source: StreamName
    version: int
    targets: tuple[StreamName, ...]
    rules: tuple[str, ...]
    reason: Line
    sentence: Line
    since: Timestamp
    sender: Added[UUID] = None


class WaitingBegan(Event):
    """A reaction was refused and parked, or a stream is in quarantine. `home` is that of its source."""

    home: UUID
    wait: Wait


class WaitingChanged(Event):
    """What waits was tried again, and waits for another reason. It is no longer written."""

    wait: Wait


class WaitingEnded(Event):
    """Nothing waits any more: it went through, or something else took its place. It is no longer written."""


class WaitingClosed(Event):
    """An operator decided that what waits shall not be done.

    `reason` is a code, such as the number of an incident; `why` are their own words.
    """

    reason: ShortText
    why: Sealed[FreeText] | None = None


WaitingEvent: TypeAlias = WaitingBegan | WaitingChanged | WaitingEnded | WaitingClosed

WAITING_TYPES: Final[tuple[type[Event], ...]] = get_args(WaitingEvent)

_NAMES: Final = frozenset(cls.__name__ for cls in WAITING_TYPES)


class CloseWaiting(Command):
    """Close a wait for good: what waits shall not be done."""

    roles = frozenset[str]()
    opens = True
    makes = (WaitingBegan, WaitingClosed)
    home: UUID
    wait: Wait
    reason: ShortText
    why: Sealed[FreeText] | None = None


@dataclass(frozen=True)
class Waiting:
    """The state of a wait: what waits, whether it still does (`open`), and whether a person closed it for good."""

    wait: Wait
    open: bool = True
    closed: bool = False


RULES: Final[RuleBook[Waiting]] = RuleBook("waiting")


def decide(command: Command, state: Waiting | None, _context: Context) -> NewEvents:
    """Decide a closure; a repeat records nothing."""
    assert isinstance(command, CloseWaiting), command
    if state is not None and state.closed:
        return ()
    closed = WaitingClosed(reason=command.reason, why=command.why)
    if state is not None and state.open:
        return (closed,)
    return (WaitingBegan(home=command.home, wait=command.wait), closed)


def evolve(state: Waiting | None, fact: Fact) -> Waiting:
    """Return the state after one more event of a wait. Raises `BrokenHistory` for an event that cannot follow."""
    match fact.event:
        case WaitingBegan(wait=wait) if state is None or not (state.open or state.closed):
            return Waiting(wait)
        case WaitingChanged(wait=wait) if state is not None and state.open:
            return replace(state, wait=wait)
        case WaitingEnded() if state is not None and state.open:
            return replace(state, open=False)
        case WaitingClosed() if state is not None and state.open:
            return replace(state, open=False, closed=True)
    raise BrokenHistory(fact, "a wait begins before it changes or ends, and one that was closed stays so")


def is_wait(type_name: str) -> bool:
    return type_name.rpartition(".v")[0].rpartition(".")[2] in _NAMES


def is_of_kernel(type_name: str) -> bool:
    """Tell whether an event is one of the kernel's own, about a wait or a person's data rights."""
    return is_wait(type_name) or is_data_right(type_name)


DECIDER: Final = Decider(RULES, decide, evolve)


def waiting_events(service: str, namespace: str = "ooc") -> EventRegistry:
    return EventRegistry(service, WAITING_TYPES, namespace=namespace)


def waiting_service(service: Service[Any]) -> Service[Waiting]:
    """Return the declaration of the waits that stand in a service's event store, for its command handler and checks."""
    read_model: ReadModel[Waiting] = ReadModel(
        "reactions",
        waiting_events(service.name, service.events.namespace),
        DECIDER,
        view=lambda waiting: waiting.wait.model_dump(mode="json"),
    )
    return Service(
        commands=(CloseWaiting,),
        default_roles=frozenset(),
        read_model=read_model,
        home=lambda event: event.home if isinstance(event, WaitingBegan) else None,
        inherited_labels=service.inherited_labels,
    )
