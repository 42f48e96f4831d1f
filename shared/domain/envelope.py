"""Encode and decode events: the envelope, its bytes, the hash chain, and the registry of a service's event types.

An event is stored and published as the same bytes: the JSON of `Envelope`, whose field order is part of the format and is
held by golden samples. Position, recorded_at and hash are known only under the event store's lock and stand outside.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache, cached_property
from typing import Annotated, Any, Final, Generic, Literal, Protocol, TypeGuard
from uuid import UUID

from pydantic import GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeVar

from shared.domain.dates import local_day
from shared.domain.messages import Actor, Correction, Event, Message, Timestamp
from shared.domain.sealing import CLOSED, DecryptionContext, FieldClass, Sealed, field_class

E_co = TypeVar("E_co", bound=Event, default=Event, covariant=True)

GENESIS: Final = bytes(32)
"""The previous hash of the first event of a stream: 32 zero bytes."""


class PolicyStamp(Message):
    """The edition of the policy behind an event, and the Europe/London day for which it was looked up."""

    edition: str
    day: date


class Origin(Message):
    """The origin of an event: a person or service (LIVE), a reaction to another event, or an import."""

    kind: Literal["LIVE", "REACTION", "IMPORT"] = "LIVE"
    reference: str | None = None


class Envelope(Message):
    """The fields around the data of an event, in the order of its bytes.

    `version` counts the events of a stream from 1.
    """

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


class _RecordedTime:
    """The schema of a timestamp as events hold it: in UTC, of the years that `Timestamp` allows, read without Python."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        first, end = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
        return core_schema.datetime_schema(ge=first, lt=end, tz_constraint=0)


class _Record(Envelope):
    """All bytes of an event: envelope and data, parsed in one pass. The type of `data` is that of its event."""

    occurred_at: Annotated[datetime, _RecordedTime]


@cache
def _record_reader(cls: type[Event]) -> Callable[..., _Record]:
    """Build the parser of the whole bytes of an event."""
    record = create_model("Record", __base__=_Record, data=(cls, ...))
    parse: Callable[..., _Record] = record.__pydantic_validator__.validate_json
    return parse


@dataclass(frozen=True)
class Fact(Generic[E_co]):
    """An event with its envelope. A recorded event also has its position, recording time, hash and bytes.

    `Fact[ReferralEvent]` is a fact of one service, `Fact[PersonLinked]` of one type; plain `Fact` is one of any event.
    """

    envelope: Envelope
    event: E_co
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
        return UUID(self.envelope.stream.rpartition("/")[2])

    @property
    def sealing_home(self) -> UUID:
        """The home whose key seals what no person owns: the stream's, unless the event names another (`sealed_under`)."""
        field = type(self.event).sealed_under
        return (None if field is None else getattr(self.event, field)) or self.envelope.home

    @property
    def name(self) -> str:
        """The name of the event without namespace and version."""
        return type(self.event).__name__


def has_event(fact: Fact[Any], event: type[E_co]) -> TypeGuard[Fact[E_co]]:
    return isinstance(fact.event, event)


class UnknownEvent(Exception):
    """Bytes that no registered event type or upcaster can parse."""


_HEAD: Final = re.compile(rb'\{"event_id":"([0-9a-f-]{36})","type":"([A-Za-z0-9_.]+)"')

_MALFORMED: Final = (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError)

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Recorded(Protocol):
    """The bytes of an event, with what is said of them beside: by the columns of its store, or the headers of its topic."""

    @property
    def stream(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def event_id(self) -> UUID: ...
    @property
    def type(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def hash(self) -> bytes: ...
    @property
    def body(self) -> bytes: ...


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
    holding: tuple[type[Event], ...] = ()
    """Those events whose marks say who holds the record beside those of its labels (`shared.domain.permissions.Hold`)."""
    mentions: tuple[str, ...] = ()
    """Event fields with the id of a person, a home or another record, for which a conflict of interest may be declared."""
    of_records: tuple[str, ...] = ()
    """Those of `mentions` that hold the id of a record or a home, and of no person."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Plain English for codes and names of fields, if their own letters do not say it (`shared.domain.sentences`)."""
    reasons: FieldClass | None = None
    """The class of rationales and of the reasons of corrections, which every service has."""
    narrowed: Callable[[Event, FieldClass], FieldClass] = lambda _event, declared: declared
    """Function that gives a field another class than its annotation declares, by the event in which it stands."""

    def __post_init__(self) -> None:
        """Raise TypeError for an event that has an older version which no upcaster reads."""
        for cls in self.events:
            stem = self.type_name(cls).rpartition(".v")[0]
            for old in (f"{stem}.v{version}" for version in range(1, cls.version)):
                if old not in self.upcasters:
                    raise TypeError(
                        f"{cls.__name__} of {self.service} has version {cls.version}, and no upcaster reads {old}:"
                        " add one to `upcasters` of EVENTS (events.py)"
                    )

    def type_name(self, cls: type[Event]) -> str:
        """Build the stable name that is stored and published, such as `ooc.lending.BookLent.v1`."""
        return f"{self.namespace}.{self.service}.{cls.__name__}.v{cls.version}"

    @cached_property
    def by_type(self) -> dict[str, type[Event]]:
        """The event class of each current type name, such as `ooc.lending.BookLent.v1`."""
        return {self.type_name(cls): cls for cls in self.events}

    @cached_property
    def holding_types(self) -> frozenset[str]:
        """The type names of `holding`, in every version."""
        return frozenset(
            f"{self.type_name(cls).rpartition('.v')[0]}.v{version}"
            for cls in self.holding
            for version in range(1, cls.version + 1)
        )

    @cached_property
    def mentioning(self) -> dict[type[Event], tuple[str, ...]]:
        """The fields of each event class that `mentions` lists."""
        return {cls: tuple(name for name in self.mentions if name in cls.model_fields) for cls in self.events}

    @cached_property
    def by_name(self) -> dict[str, type[Event]]:
        """The event class of each name without namespace and version."""
        return {cls.__name__: cls for cls in self.events}

    def class_of(self, event: Event, path: str) -> FieldClass | None:
        """Return the class of a sealed field of an event, by its dotted path. None if it has no class."""
        if path == "why" and isinstance(event, Correction):
            return self.reasons
        declared = field_class(type(event), path)
        return None if declared is None else self.narrowed(event, declared)

    def classes_of(self, versions: Sequence[Event], path: str) -> tuple[FieldClass | None, ...]:
        """Return the classes of a sealed field of an event, as it was recorded and as each correction left it.

        The first is that of its latest version. The others are those narrower than declared that it had before: to open the
        field, a reader needs them too, so that no correction opens what was hidden.
        """
        declared = field_class(type(versions[-1]), path)
        current, *earlier = (self.class_of(version, path) for version in reversed(versions))
        return tuple(dict.fromkeys((current, *(class_ for class_ in earlier if class_ is not declared))))

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
        envelope, event = self._read_at_once(body, keys) or self._read_in_steps(body, keys)
        return Fact(envelope, event, position, recorded_at, hash, body)

    def read_record(self, record: Recorded, keys: Mapping[tuple[str, int], Any] | None = None) -> Fact:
        """Parse a recorded event. Raises `UnknownEvent`, also if its bytes say another stream, version, id or type."""
        fact = self.read(
            record.body, keys=keys, position=record.position, recorded_at=record.recorded_at, hash=record.hash
        )
        for name in ("stream", "version", "event_id", "type"):
            if getattr(fact.envelope, name) != getattr(record, name):
                raise UnknownEvent(f"an event of {self.service} says another {name} than what it came under")
        return fact

    def _read_at_once(self, body: bytes, keys: Mapping[tuple[str, int], Any] | None) -> tuple[Envelope, Event] | None:
        """Parse the bytes of a current event in one pass. Returns None for any others: `_read_in_steps` says what they are."""
        head = _HEAD.match(body)
        if head is None or (cls := self.by_type.get(name := head[2].decode())) is None:
            return None
        try:
            context = CLOSED if keys is None else DecryptionContext(UUID(head[1].decode()), keys)
            record = _record_reader(cls)(body, strict=False, context=context)
        except _MALFORMED:
            return None
        event = record.__dict__.pop("data")
        # A member that stands twice counts as it stands last, so it may be other than at the head.
        if record.type != name or not (keys is None or record.event_id == context.event_id):
            return None
        object.__setattr__(record, "__class__", Envelope)
        return record, event

    def _read_in_steps(self, body: bytes, keys: Mapping[tuple[str, int], Any] | None) -> tuple[Envelope, Event]:
        """Parse the bytes of any event: JSON, then upcasting, then envelope and data. Raises `UnknownEvent`."""
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
        except _MALFORMED as error:
            raise UnknownEvent(
                f"an event of {self.service} cannot be parsed: {type(error).__name__}: {error}"[:500]
            ) from error
        return envelope, event


def type_in(body: bytes) -> str:
    """Return the type name in the bytes of an event, without parsing them: it is the second field. Empty if there is none."""
    parts = body.split(b'"', 8)
    return parts[7].decode("utf-8", "replace") if len(parts) > 8 and parts[5] == b"type" else ""


def encode_event(envelope: Envelope, event: Event) -> bytes:
    """Encode an event as compact JSON in UTF-8: the fields of the envelope in order, then the data."""
    head = envelope.model_dump_json()
    return f'{head[:-1]},"data":{event.model_dump_json()}}}'.encode()


def next_hash(previous: bytes, body: bytes) -> bytes:
    """Compute the hash of an event: SHA-256 over the previous hash of its stream and its own bytes.

    The chain gives tamper evidence: a changed event changes every later hash of its stream.
    """
    return hashlib.sha256(previous + body).digest()
