"""Messages: commands, events, their envelope and registry, actors, receipts and refusals.

An event is stored and published as the same bytes: the JSON of `Envelope`, then its data. The field order is part of
the format; golden samples test it. Position, recorded_at and hash are assigned under the lock of the event store, so
they stand outside these bytes.
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
"""The previous hash of the first event of a stream: 32 zero bytes."""

IDS: Final = UUID("5c3b0f0e-8d3c-5b5e-9d0a-0c5f6b0a7e11")
"""The namespace of every derived UUID version 5 (RFC 9562)."""


def _in_utc(moment: datetime) -> datetime:
    # The calendars end there, and time zones overflow at the ends of Python's own range.
    if not 1900 <= moment.year < 2200:
        raise ValueError("give a year from 1900 to 2199")
    return moment.astimezone(UTC)


Timestamp = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A timestamp with its zone (RFC 3339), converted to UTC. Years 1900 to 2199."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A short clear text such as a reference or a title: one line, at most 200 characters, nothing personal."""

FreeText = Annotated[str, StringConstraints(min_length=1, max_length=20_000), Visible()]
"""A free text such as a narrative or a rationale, at most 20,000 characters. Always inside `Sealed`."""

Version = Annotated[
    ShortText, Code(r"V?[0-9]{1,4}([.-][0-9]{1,2}){0,2}", "give the version's number, such as 3 or 2025-01")
]
"""The version of a document or table outside this system."""

Digest = Annotated[ShortText, Code(r"[0-9a-f]{64}", "a SHA-256 is 64 hexadecimal digits", case="lower")]
"""A SHA-256 (FIPS 180-4) in hexadecimal."""

FieldPath = Annotated[
    ShortText,
    Code(
        r"[a-z][a-z0-9_]{0,39}(\.([a-z][a-z0-9_]{0,39}|[0-9]{1,3})){0,4}",
        "name a field of the event, such as details.name or terms.0.due",
        "as given",
    ),
]
"""The dotted path of a field in the command for a correction."""

JsonValue = Annotated[Any, Visible()]
"""The right value, as JSON, in the command for a correction."""

RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}[0-9]{1,3}[A-Z]?$")]
"""The id of a rule, such as R12."""

Hours = Annotated[Decimal, Field(ge=0, le=1000, max_digits=6, decimal_places=2)]
"""Hours, to the hundredth."""

Pence = Annotated[int, Field(ge=0, le=10_000_000)]
"""An amount of money in pence."""


class Message(BaseModel):
    """Base of all messages: immutable, strict in its types, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ValueObject(Message):
    """A group of fields that commands and events share."""


class Actor(Message):
    """The acting person or service, as the access token names it. Its labels are copied to each stream that it opens."""

    id: UUID
    role: str
    organisation: str
    labels: Annotated[dict[str, str], Field(exclude=True)] = {}
    conflicts: Annotated[frozenset[UUID], Field(exclude=True)] = frozenset()


class Command(Message):
    """Base of all commands. `type` is the name of the class and discriminates the union.

    `expected_version` is the version of the stream that the client has read (optimistic concurrency); None accepts any.

    Class attributes: `roles`, the roles that may send it (None: the default roles of the service); `opens`, whether it
    begins a stream; `prints`, whether its rules print documents, which takes some ten milliseconds each; `records`, the
    event that it records with its own fields, where it does nothing else.
    """

    roles: ClassVar[frozenset[str] | None] = None
    opens: ClassVar[bool] = False
    prints: ClassVar[bool] = False
    records: ClassVar[type[Event] | None] = None

    type: str
    occurred_at: Timestamp | None = None
    rationale: Annotated[dict[RuleId, FreeText], Field(max_length=40)] = {}
    expected_version: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None

    @model_validator(mode="after")
    def _refuse_sealed_prefix(self) -> Self:
        """Refuse a clear text with the prefix of a sealed token: no keyring has its key, so the stream would be unreadable."""
        if any(text.startswith(PREFIX) for text in _clear_texts(self)):
            raise ValueError(f"a text cannot begin with {PREFIX!r}, which marks sealed values: change its beginning")
        return self


def _clear_texts(value: Any) -> Iterator[str]:
    """Yield every text outside sealed fields, keys of mappings included."""
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
    """Base of all events. `version` is the version of the schema; each new one needs an upcaster (upcasting)."""

    version: ClassVar[int] = 1


class DerivedCorrection(ValueObject):
    """Another clear field whose value changes because of a correction."""

    corrects: UUID
    field: ShortText
    value: Any = None


class Correction(Event):
    """An event with the right value of one field of an earlier event of its stream.

    `field` is a dotted path. The value stands in `sealed` if the corrected field is sealed, or else in `value`. The
    original event stays. The fold applies the value from the occurrence of the corrected fact. `also` holds the values
    that were computed from that field, in the same or in other events; they are applied together with it.
    """

    corrects: UUID
    field: ShortText
    value: Any = None
    sealed: Sealed[Any] | None = None
    also: Annotated[tuple[DerivedCorrection, ...], Field(max_length=1000)] = ()
    why: Sealed[FreeText]

    @property
    def targets(self) -> tuple[UUID, ...]:
        """The ids of the changed events, each once; that of the corrected event comes first."""
        return tuple(dict.fromkeys((self.corrects, *(derived.corrects for derived in self.also))))


A = TypeVar("A")
Added = Annotated[A | None, Field(exclude_if=lambda value: value is None)]
"""A field added to an event after its first publication. None is left out of the bytes, so old bytes stay the same."""

E = TypeVar("E", bound=Event)


def event_from(cls: type[E], command: Command, **more: Any) -> E:
    """Build an event from the fields of the same names of a command, and from `more`."""
    shared_names = (set(cls.model_fields) & set(type(command).model_fields)) - COMMAND_FIELDS - set(more)
    return cls(**{name: getattr(command, name) for name in shared_names}, **more)


def event_that_it_records(command: Command) -> Event:
    """Return the event that a command's class names (`records`), with the command's own fields."""
    recorded = type(command).records
    assert recorded is not None, f"{command.type} has no branch in decide, and names no event that it records"
    return event_from(recorded, command)


@dataclass(frozen=True, slots=True)
class EventAt:
    """An event with an occurrence time of its own: that of the latest fact that it follows from."""

    event: Event
    occurred_at: datetime


class PolicyStamp(Message):
    """The edition of the policy behind an event, and the Europe/London day for which it was looked up."""

    edition: str
    day: date


class Origin(Message):
    """The origin of an event: a person or service (LIVE), a reaction to another event, or an import."""

    kind: Literal["LIVE", "REACTION", "IMPORT"] = "LIVE"
    reference: str | None = None


class Envelope(Message):
    """All bytes of an event except its data."""

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
    """An event with its envelope. A recorded event also has its position, recording time, hash and bytes."""

    envelope: Envelope
    event: Event
    position: int | None = None
    recorded_at: datetime | None = None
    hash: bytes | None = None
    body: bytes | None = field(default=None, repr=False)
    corrected_by: tuple[UUID, ...] = ()

    @property
    def event_id(self) -> UUID:
        """UUIDv5(command_id, n), where n is the index of the event in its command."""
        return self.envelope.event_id

    @property
    def version(self) -> int:
        """The version of the stream after this event, from 1."""
        return self.envelope.version

    @property
    def occurred_at(self) -> datetime:
        """The time of the occurrence, in UTC."""
        return self.envelope.occurred_at

    @property
    def day(self) -> date:
        """The Europe/London date of the occurrence."""
        return local_day(self.envelope.occurred_at)

    @property
    def actor(self) -> Actor:
        """The person or service that caused the event."""
        return self.envelope.actor

    @property
    def stream_id(self) -> UUID:
        """The id of the stream, without the name of the service."""
        return UUID(self.envelope.stream.rpartition("/")[2])

    @property
    def name(self) -> str:
        """The name of the event without namespace and version."""
        return type(self.event).__name__


class UnknownEvent(Exception):
    """Bytes that no registered event type or upcaster can parse."""


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class EventRegistry:
    """The events of one service: names, classes, and the upcasters of older versions.

    An upcaster is registered under the full type name that it reads. It returns the data of the next version.
    """

    service: str
    events: tuple[type[Event], ...]
    upcasters: Mapping[str, Upcaster] = field(default_factory=dict)
    labels: Callable[[type[Event]], Mapping[str, str]] = lambda _cls: {}
    namespace: str = "ooc"
    marks: Mapping[type[Event], Callable[[Fact], Iterable[str]]] = field(default_factory=dict)
    """Functions that compute the marks of an event, on which read access depends (`shared.domain.permissions`)."""
    mentions: tuple[str, ...] = ()
    """Event fields with the id of a person, a home or another record, for which a conflict of interest may be declared."""

    def type_name(self, cls: type[Event]) -> str:
        """Build the stable name that is stored and published, such as `ooc.lending.BookLent.v1`."""
        return f"{self.namespace}.{self.service}.{cls.__name__}.v{cls.version}"

    @cached_property
    def by_type(self) -> dict[str, type[Event]]:
        """The class of each current type name."""
        return {self.type_name(cls): cls for cls in self.events}

    @cached_property
    def mentioning(self) -> dict[type[Event], tuple[str, ...]]:
        """The fields of each event class that `mentions` lists."""
        return {cls: tuple(name for name in self.mentions if name in cls.model_fields) for cls in self.events}

    @cached_property
    def by_name(self) -> dict[str, type[Event]]:
        """The class of each bare event name."""
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
        """Parse the bytes of an event, with upcasting. Decrypts sealed fields if keys are given. Raises `UnknownEvent`."""
        try:
            raw = json.loads(body)
            data = raw.pop("data")
            context = DecryptionContext(UUID(raw["event_id"]), keys)
            name = raw["type"]
            while name in self.upcasters:
                data = self.upcasters[name](data)
                stem, _, version = name.rpartition(".v")
                name = f"{stem}.v{int(version) + 1}"
            cls = self.by_type[name]
            envelope = Envelope.model_validate(raw, strict=False, context=context)
            event = cls.model_validate(data, strict=False, context=context)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UnknownEvent(
                f"an event of {self.service} cannot be parsed: {type(error).__name__}: {error}"[:500]
            ) from error
        return Fact(envelope, event, position=position, recorded_at=recorded_at, hash=hash, body=body)


def encode_event(envelope: Envelope, event: Event) -> bytes:
    """Encode an event as compact JSON in UTF-8: the fields of the envelope in order, then the data."""
    head = envelope.model_dump_json()
    return f'{head[:-1]},"data":{event.model_dump_json()}}}'.encode()


def next_hash(previous: bytes, body: bytes) -> bytes:
    """Compute the hash of an event: SHA-256 over the previous hash of its stream and its own bytes.

    The chain gives tamper evidence: a changed event changes every later hash of its stream.
    """
    return hashlib.sha256(previous + body).digest()


def derived_uuid(*parts: object) -> UUID:
    """Derive a UUID version 5 (RFC 9562) from the parts, in the namespace `IDS`."""
    return uuid5(IDS, "/".join(str(part) for part in parts))


def event_id(command_id: UUID, n: int) -> UUID:
    """Derive the id of the event with index `n` of a command."""
    return uuid5(command_id, str(n))


class RuleKind(StrEnum):
    """The kind of a rule: H forbids, W needs a rationale, S is the state machine, which answers only if no H refuses."""

    FORBIDS = "H"
    WARNS = "W"
    STATE = "S"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A broken rule: its id, its text for the user, and its source in law or practice."""

    id: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal: every forbidding rule that the command breaks. Nothing was recorded."""

    rules: tuple[BrokenRule, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the broken rules."""
        return tuple(rule.id for rule in self.rules)


@dataclass(frozen=True, slots=True)
class NeedsRationale:
    """Warnings without a rationale. Nothing was recorded; the same command with a rationale for each is accepted."""

    rules: tuple[BrokenRule, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the warnings."""
        return tuple(rule.id for rule in self.rules)


class ReceiptLine(Message):
    """One recorded event of a receipt; `hash` is hexadecimal."""

    event_id: UUID
    type: str
    version: int
    position: int
    hash: str


class Receipt(Message):
    """The receipt of a command: its recorded events and their places, without their data.

    The same idempotency key gives the same receipt again. `position` is that of the last event; the position token is
    `service:position`. `hash` is the hash of the stream after that event. With it, a client can later prove tampering.
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
    """Return the distinct items in the order of their first appearance."""
    return tuple(dict.fromkeys(items))


NewEvents = Sequence[Event | EventAt]
"""The result of `decide` for a command that no rule refuses."""
