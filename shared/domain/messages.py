"""What is said in this house: commands, events, who says them, and the answers to a command.

An event is stored and published as the same bytes: the JSON of `Envelope`, whose field order is part of the format and
is held by golden samples. Position, recorded_at and hash are known only under the event store's lock and stand outside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar
from uuid import UUID, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.domain.dates import local_day
from shared.domain.texts import Code, Visible
from shared.privacy.sealing import PREFIX, DecryptionContext, Sealed

GENESIS: Final = bytes(32)
"""The hash before the first event of a stream."""

IDS: Final = UUID("5c3b0f0e-8d3c-5b5e-9d0a-0c5f6b0a7e11")
"""Namespace of every UUID version 5 (RFC 9562) that this house derives."""


def _in_utc(moment: datetime) -> datetime:
    # Beyond these years no calendar of ours reaches, and at the ends of Python's own, zones overflow.
    if not 1900 <= moment.year < 2200:
        raise ValueError("give a year from 1900 to 2199")
    return moment.astimezone(UTC)


Timestamp = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with its zone (RFC 3339), kept in UTC."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A short clear text (a reference, a title, a basis): one line, and nothing about a person."""

FreeText = Annotated[str, StringConstraints(min_length=1, max_length=20_000), Visible()]
"""A free text, always inside `Sealed`: a narrative, a reason, a rationale."""

Version = Annotated[
    ShortText, Code(r"V?[0-9]{1,4}([.-][0-9]{1,2}){0,2}", "give the version's number, such as 3 or 2025-01")
]
"""The version of a document or table that lies outside this system."""

Digest = Annotated[ShortText, Code(r"[0-9a-f]{64}", "a SHA-256 is 64 hexadecimal digits", case="lower")]
"""A SHA-256 (FIPS 180-4) in hexadecimal."""

FieldPath = Annotated[
    ShortText,
    Code(
        r"[a-z][a-z0-9_]{0,39}(\.([a-z][a-z0-9_]{0,39}|[0-9]{1,3})){0,4}",
        "name a field of the event, such as details.school_urn or terms.0.due",
        "as given",
    ),
]
"""The dotted path of a field, in a correction that is asked for."""

JsonValue = Annotated[Any, Visible()]
"""Any JSON value: the right one, in a correction that is asked for."""

RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}[0-9]{1,3}[A-Z]?$")]
"""The id of a rule, such as R12."""

Hours = Annotated[Decimal, Field(ge=0, le=1000, max_digits=6, decimal_places=2)]
"""Hours, to the hundredth."""

Pence = Annotated[int, Field(ge=0, le=10_000_000)]
"""An amount of money in pence."""


class Message(BaseModel):
    """Something said once and never changed: frozen, exact in its types, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ValueObject(Message):
    """A group of fields that commands and events share."""


class Actor(Message):
    """Who acts: taken from the access token, never from a body. Labels (such as an area) mark what they open."""

    id: UUID
    role: str
    organisation: str
    labels: Annotated[dict[str, str], Field(exclude=True)] = {}
    conflicts: Annotated[frozenset[UUID], Field(exclude=True)] = frozenset()


class Command(Message):
    """What may be asked of a service. `type` is the class's name and discriminates the union.

    Class attributes: `roles`, who may send it (None: the service's default roles); `opens`, whether it begins a stream;
    `prints`, whether documents are printed to decide it, which takes its time.
    """

    roles: ClassVar[frozenset[str] | None] = None
    opens: ClassVar[bool] = False
    prints: ClassVar[bool] = False

    type: str
    occurred_at: Timestamp | None = None
    rationale: Annotated[dict[RuleId, FreeText], Field(max_length=40)] = {}
    expected_version: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None

    @model_validator(mode="after")
    def _looks_like_no_token(self) -> Self:
        """Refuse a clear text that looks sealed: readers would ask for its key, and the stream could not be opened."""
        if any(text.startswith(PREFIX) for text in _clear_texts(self)):
            raise ValueError(f"a text cannot begin with {PREFIX!r}: this marks what is sealed")
        return self


def _clear_texts(value: Any) -> Iterator[str]:
    """Every text that would stand in clear, names of table entries included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _clear_texts(getattr(value, name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _clear_texts(key)
            yield from _clear_texts(item)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from _clear_texts(item)


COMMAND_FIELDS: Final = frozenset(Command.model_fields)
C = TypeVar("C", bound=type[Command])


class Event(Message):
    """What has happened. `version` is that of the event's shape: a new shape is a new version with an upcaster."""

    version: ClassVar[int] = 1


class DerivedCorrection(ValueObject):
    """What else is other after a correction: a clear field that had been computed from the corrected one."""

    corrects: UUID
    field: ShortText
    value: Any = None


class Correction(Event):
    """An event that points at an earlier one of its stream and says what a field of it should have been.

    `field` is a dotted path; the corrected field's own type decides whether the value stands in `value` or `sealed`.
    The original stays; the fold puts the value in its place from the time of the fact that it corrects. `also` names
    what was computed from that field, in this or in other events, and is put in its place with it.
    """

    corrects: UUID
    field: ShortText
    value: Any = None
    sealed: Sealed[Any] | None = None
    also: Annotated[tuple[DerivedCorrection, ...], Field(max_length=1000)] = ()
    why: Sealed[FreeText]

    @property
    def targets(self) -> tuple[UUID, ...]:
        """The events that it changes, each once, the one that it points at first."""
        return tuple(dict.fromkeys((self.corrects, *(one.corrects for one in self.also))))


A = TypeVar("A")
Added = Annotated[A | None, Field(exclude_if=lambda value: value is None)]
"""A field that an event gained after it was first published: left out of the bytes where it is None, as of old."""

E = TypeVar("E", bound=Event)


def event_from(cls: type[E], command: Command, **more: Any) -> E:
    """An event with the command's fields of the same names, and `more`."""
    shared_names = (set(cls.model_fields) & set(type(command).model_fields)) - COMMAND_FIELDS - set(more)
    return cls(**{name: getattr(command, name) for name in shared_names}, **more)


@dataclass(frozen=True, slots=True)
class EventAt:
    """An event that happened at another time than its command: the latest of the facts that it follows from."""

    event: Event
    occurred_at: datetime


class PolicyStamp(Message):
    """The edition of the policy that judged an event, and the day (Europe/London) for which it was asked."""

    edition: str
    day: date


class Origin(Message):
    """How an event came to be: asked by a person or service, by reaction to another event, or imported."""

    kind: Literal["LIVE", "REACTION", "IMPORT"] = "LIVE"
    reference: str | None = None


class Envelope(Message):
    """Everything in an event's bytes but its data."""

    event_id: UUID
    type: str
    stream: str
    version: int
    home: UUID
    command_id: UUID
    occurred_at: Timestamp
    actor: Actor
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None
    policy: PolicyStamp
    rules: tuple[str, ...]
    rationale: dict[str, Sealed[str]]
    labels: dict[str, str]
    origin: Origin


@dataclass(frozen=True)
class Fact:
    """An event with its envelope; once recorded, also with its place in the event store and its hash."""

    envelope: Envelope
    event: Event
    position: int | None = None
    recorded_at: datetime | None = None
    hash: bytes | None = None
    body: bytes | None = field(default=None, repr=False)
    corrected_by: tuple[UUID, ...] = ()

    @property
    def event_id(self) -> UUID:
        """UUIDv5(command_id, n), n counting the command's events from 0."""
        return self.envelope.event_id

    @property
    def version(self) -> int:
        """The event's number in its stream, from 1."""
        return self.envelope.version

    @property
    def occurred_at(self) -> datetime:
        """When it happened in the world, in UTC."""
        return self.envelope.occurred_at

    @property
    def day(self) -> date:
        """The day on which it happened, in Europe/London."""
        return local_day(self.envelope.occurred_at)

    @property
    def actor(self) -> Actor:
        """Who caused it."""
        return self.envelope.actor

    @property
    def stream_id(self) -> UUID:
        """The stream's own id."""
        return UUID(self.envelope.stream.rpartition("/")[2])

    @property
    def name(self) -> str:
        """The event's name without namespace and version."""
        return type(self.event).__name__


class UnknownEvent(Exception):
    """Bytes that no registered event type and no upcaster can read."""


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class EventRegistry:
    """The events of one service: names, classes, and the upcasters of older shapes.

    An upcaster is keyed by the full type name that it reads and yields the data of the next version.
    """

    service: str
    events: tuple[type[Event], ...]
    upcasters: Mapping[str, Upcaster] = field(default_factory=dict)
    labels: Callable[[type[Event]], Mapping[str, str]] = lambda _cls: {}
    namespace: str = "ooc"
    marks: Mapping[type[Event], Callable[[Fact], Iterable[str]]] = field(default_factory=dict)
    """What an event says of its record that access depends on (`shared.domain.permissions`)."""
    mentions: tuple[str, ...] = ()
    """Fields of events that name a person, a home or another record: a conflict of interest may be declared for it."""

    def type_name(self, cls: type[Event]) -> str:
        """The stable name that is stored and published, such as `ooc.disposal.ConsentWithdrawn.v1`."""
        return f"{self.namespace}.{self.service}.{cls.__name__}.v{cls.version}"

    @cached_property
    def by_type(self) -> dict[str, type[Event]]:
        """Each current type name with its class."""
        return {self.type_name(cls): cls for cls in self.events}

    @cached_property
    def mentioning(self) -> dict[type[Event], tuple[str, ...]]:
        """Each event class with those of its fields that `mentions` lists."""
        return {cls: tuple(name for name in self.mentions if name in cls.model_fields) for cls in self.events}

    @cached_property
    def by_name(self) -> dict[str, type[Event]]:
        """Each bare event name with its class."""
        return {cls.__name__: cls for cls in self.events}

    def read(
        self,
        body: bytes,
        *,
        keys: Mapping[tuple[str, int], Any] | None = None,
        position: int | None = None,
        recorded_at: datetime | None = None,
        hash: bytes | None = None,  # noqa: A002 - the field's own name
    ) -> Fact:
        """Read an event's bytes; opens its sealed fields where keys are given. Raises `UnknownEvent`."""
        try:
            raw = json.loads(body)
            data = raw.pop("data")
            reading = DecryptionContext(UUID(raw["event_id"]), keys)
            name = raw["type"]
            while name in self.upcasters:
                data = self.upcasters[name](data)
                stem, _, version = name.rpartition(".v")
                name = f"{stem}.v{int(version) + 1}"
            cls = self.by_type[name]
            envelope = Envelope.model_validate(raw, strict=False, context=reading)
            event = cls.model_validate(data, strict=False, context=reading)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UnknownEvent(
                f"an event of {self.service} cannot be read: {type(error).__name__}: {error}"[:500]
            ) from error
        return Fact(envelope, event, position=position, recorded_at=recorded_at, hash=hash, body=body)


def encode_event(envelope: Envelope, event: Event) -> bytes:
    """The bytes of an event: compact JSON in UTF-8, the envelope's fields in order, then its data."""
    head = envelope.model_dump_json()
    return f'{head[:-1]},"data":{event.model_dump_json()}}}'.encode()


def next_hash(previous: bytes, body: bytes) -> bytes:
    """The hash of an event: SHA-256 over the hash before it in its stream and its own bytes."""
    return hashlib.sha256(previous + body).digest()


def derived_uuid(*parts: object) -> UUID:
    """A UUID version 5 (RFC 9562) of some parts, in this house's namespace."""
    return uuid5(IDS, "/".join(str(part) for part in parts))


def event_id(command_id: UUID, n: int) -> UUID:
    """The id of a command's n-th event, counting from 0."""
    return uuid5(command_id, str(n))


class RuleKind(StrEnum):
    """H forbids; W lets through with a rationale; S is the state machine, named only when nothing else refuses."""

    FORBIDS = "H"
    WARNS = "W"
    STATE = "S"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that a command breaks: its id, its text for the officer, and its source in law or practice."""

    id: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Every forbidding rule that a command breaks. Nothing was recorded."""

    rules: tuple[BrokenRule, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the broken rules."""
        return tuple(rule.id for rule in self.rules)


@dataclass(frozen=True, slots=True)
class NeedsRationale:
    """Warnings that apply and carry no rationale. Nothing was recorded; the same command with reasons goes through."""

    rules: tuple[BrokenRule, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the warnings."""
        return tuple(rule.id for rule in self.rules)


class ReceiptLine(Message):
    """One line of a receipt."""

    event_id: UUID
    type: str
    version: int
    position: int
    hash: str


class Receipt(Message):
    """The receipt of a command: what was recorded and where. Kept, and given again to the same key; holds no data.

    `position` (of the last event) with `service` makes the position token `service:position`; `hash` is the stream's
    hash after it, with which a client can prove later that an event is missing.
    """

    command_id: UUID
    service: str
    stream: str
    version: int
    position: int
    position_token: str
    recorded_at: Timestamp
    hash: str
    events: tuple[ReceiptLine, ...]


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """The distinct items in the order of their first appearance."""
    return tuple(dict.fromkeys(items))


NewEvents = Sequence[Event | EventAt]
"""What a domain's `decide` yields for a command that no rule refuses."""
