"""Messages: commands, events and corrections, who sends them, and the types of their fields."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError

from shared.domain.sealing import PREFIX, Sealed
from shared.domain.texts import Code, CommandContext, Visible, texts_in


def require_each_once(name: str = "") -> AfterValidator:
    """Refuse a list in which an item, or its member of that name, stands twice."""

    def check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        if len({getattr(item, name) if name else item for item in items}) != len(items):
            raise ValueError("each may be named once only")
        return items

    return AfterValidator(check)


def _in_utc(moment: datetime) -> datetime:
    # The calendars end there, and time zones overflow at the ends of Python's own range.
    if not 1900 <= moment.year < 2200:
        raise ValueError("give a year from 1900 to 2199")
    return moment.astimezone(UTC)


def _written(moment: object) -> object:
    # Pydantic would read a number, also in a text, as the seconds since 1970.
    if not (isinstance(moment, datetime) or (isinstance(moment, str) and moment[4:5] == "-")):
        raise PydanticKnownError("datetime_parsing", {"error": "not written as a date and a time"})
    return moment


Timestamp = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A timestamp with its zone (RFC 3339), converted to UTC. Years 1900 to 2199."""


ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A short clear text such as a reference or a title: one line, at most 200 characters, nothing personal."""


FreeText = Annotated[str, StringConstraints(min_length=1, max_length=20_000), Visible(blank=False)]
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


RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,3}[0-9]{1,3}[A-Z]?$")]
"""The id of a rule, such as R12."""


Hours = Annotated[Decimal, Field(ge=0, le=1000, max_digits=6, decimal_places=2)]
"""Hours, to the hundredth."""


SessionHours = Annotated[Decimal, Field(gt=0, le=24, max_digits=6, decimal_places=2)]
"""How many hours something that is planned lasts: more than none, at most a day."""


Pence = Annotated[int, Field(ge=0, le=10_000_000)]
"""An amount of money in pence."""


class Message(BaseModel):
    """Base of all messages: immutable, strict in its types, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class ValueObject(Message):
    """A group of fields that commands and events share."""


class Actor(Message):
    """The acting person or service, as the access token names it. Its labels are copied to each stream that it opens."""

    id: UUID
    role: str
    organisation: str
    # Pydantic copies a default that may change, at each validation, and slowly; it calls a factory at once.
    labels: Annotated[dict[str, str], Field(exclude=True)] = Field(default_factory=dict)
    conflicts: Annotated[frozenset[UUID], Field(exclude=True)] = frozenset()
    also: Annotated[frozenset[str], Field(exclude=True)] = frozenset()
    """The person's further roles. A command is sent, judged and recorded in one role."""

    @property
    def roles(self) -> tuple[str, ...]:
        return self.role, *sorted(self.also)

    def with_roles(self, roles: Iterable[str]) -> Actor:
        """Return the person in these roles alone; unchanged if there are none."""
        role, *also = dict.fromkeys(roles) or self.roles
        return self if (role, *also) == self.roles else self.model_copy(update={"role": role, "also": frozenset(also)})

    def in_each_role(self) -> Iterator[Actor]:
        return (self.with_roles([role]) for role in self.roles)


class Command(Message):
    """Base of all commands. `type` is the name of the class and discriminates the union.

    `expected_version` is the version of the stream that the client has read (optimistic concurrency); None accepts any.

    Class attributes: `roles`, the roles that may send it (None: the default roles of the service); `opens`, whether it
    begins a stream; `happens`, whether it records something, so that its time must be right; `prints`, whether its rules
    print documents, which takes some ten milliseconds each; `records`, the event that it records with its own fields,
    if it does nothing else; `makes`, else the events that it may give; `unrecorded`, its fields that none of them has;
    `dated_by`, the field with the time of the occurrence if `occurred_at` is left out; `by_any_holder`, whether those may
    send it too who hold the record beside those who lead (`shared.domain.permissions.Hold`).
    """

    # Built when first used, since each class gives its field `type` the class's own name first.
    model_config = ConfigDict(defer_build=True)

    roles: ClassVar[frozenset[str] | None] = None
    opens: ClassVar[bool] = False
    happens: ClassVar[bool] = True
    prints: ClassVar[bool] = False
    records: ClassVar[type[Event] | None] = None
    makes: ClassVar[tuple[type[Event], ...]] = ()
    unrecorded: ClassVar[frozenset[str]] = frozenset()
    dated_by: ClassVar[str | None] = None
    by_any_holder: ClassVar[bool] = False

    type: str = ""
    occurred_at: Annotated[Timestamp, Field(strict=False), BeforeValidator(_written)] | None = None
    rationale: Annotated[dict[RuleId, FreeText], Field(max_length=40)] = {}
    expected_version: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Narrow `type` to the name of the class, by which the union is discriminated. Raises TypeError if its events lack a field."""
        name: Any = Literal[cls.__name__]
        cls.model_fields["type"] = FieldInfo.from_annotated_attribute(name, cls.__name__)
        if events := events_of(cls):
            _require_every_field(cls, events)

    @model_validator(mode="after")
    def _refuse_sealed_prefix(self, info: ValidationInfo) -> Self:
        """Refuse a clear text with the prefix of a sealed token: no keyring has its key, so the stream would be unreadable."""
        if isinstance(info.context, CommandContext) and not info.context.may_hold_prefix:
            return self
        if any(text.startswith(PREFIX) for text in texts_in(self)):
            raise ValueError(f"a text cannot begin with {PREFIX!r}, which marks sealed values: change its beginning")
        return self


COMMAND_FIELDS: Final = frozenset(Command.model_fields)


@cache
def fields_of(command: type[Command]) -> tuple[str, ...]:
    """Return the names of the fields of a command that its sender fills, apart from those of every command."""
    return tuple(name for name in command.model_fields if name not in COMMAND_FIELDS)


def events_of(command: type[Command]) -> tuple[type[Event], ...]:
    """Return the events that a command may give, in the order in which its service declares them."""
    return command.makes if command.records is None else (command.records,)


def _require_every_field(command: type[Command], events: tuple[type[Event], ...]) -> None:
    """Raise TypeError unless each field of a command is in one of its events or in `unrecorded`, and `records` requires no other."""
    recorded = {name for event in events for name in event.model_fields}
    named = " or ".join(event.__name__ for event in events)
    if lost := [name for name in fields_of(command) if name not in recorded | command.unrecorded]:
        raise TypeError(
            f"{command.__name__} asks for {', '.join(lost)}, which {named} does not record:"
            " add the field to the event, or its name to `unrecorded` of the command"
        )
    if wrong := sorted(command.unrecorded - (set(fields_of(command)) - recorded)):
        raise TypeError(
            f"{command.__name__}.unrecorded names {', '.join(wrong)}, which the command lacks or {named} records: take it out"
        )
    fields = {} if command.records is None else command.records.model_fields
    if missing := [name for name, info in fields.items() if info.is_required() and name not in command.model_fields]:
        raise TypeError(
            f"{command.__name__} records {named}, whose {', '.join(missing)} it does not ask for:"
            " add the field to the command, or name another event"
        )


def commands_in(module: str) -> tuple[type[Command], ...]:
    named = vars(sys.modules[module]).values()
    return tuple(
        cls for cls in named if isinstance(cls, type) and issubclass(cls, Command) and cls.__module__ == module
    )


class CorrectionCommand(Command):
    """Base of the commands that correct one field of an earlier event of the stream.

    The bare name of a field is enough if exactly one group of the event has it.
    """

    corrects: UUID
    field: FieldPath
    value: JsonValue
    why: Sealed[FreeText]


class Event(Message):
    """Base of all events. `version` is the version of the schema; each new one needs an upcaster (upcasting).

    `sentence` is the template of the event's sentence in plain English (`shared.domain.sentences`). `sealed_under` names
    the field with the home whose key seals what has no other owner, rationales included, if that is not the stream's.
    """

    version: ClassVar[int] = 1
    sentence: ClassVar[str] = ""
    sealed_under: ClassVar[str | None] = None


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

    sentence = "Record corrected: {field}"

    corrects: UUID
    field: ShortText
    value: Any = None
    sealed: Sealed[Any] | None = None
    also: Annotated[tuple[DerivedCorrection, ...], Field(max_length=10_000)] = ()
    why: Sealed[FreeText]

    @property
    def targets(self) -> Mapping[UUID, Sequence[tuple[str, Any]]]:
        """The fields that change, each with its value, by the ids of their events; that of the corrected event comes first. Ask once: there may be thousands."""
        values = {self.corrects: [(self.field, self.value if self.sealed is None else self.sealed)]}
        for derived in self.also:
            values.setdefault(derived.corrects, []).append((derived.field, derived.value))
        return values


A = TypeVar("A")


Added = Annotated[A | None, Field(exclude_if=lambda value: value is None)]
"""A field added to an event after its first publication. None is left out of the bytes, so old bytes stay the same."""

Asked = Annotated[A | None, Field(json_schema_extra={"x-asked": True})]
"""A field added to a command after its first publication: forms require it, older clients leave it out."""


M = TypeVar("M", bound=BaseModel)


def model_from(cls: type[M], source: BaseModel, **more: Any) -> M:
    """Build an event, command or value from the fields of the same names of another, a command's own alone, and from `more`."""
    return cls(**{name: getattr(source, name) for name in _shared_names(cls, type(source)) if name not in more}, **more)


@cache
def _shared_names(cls: type[BaseModel], source: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name in cls.model_fields if name in source.model_fields and name not in COMMAND_FIELDS)


def event_that_it_records(command: Command) -> Event:
    """Return the event that a command's class names (`records`), with the command's own fields."""
    recorded = type(command).records
    assert recorded is not None, f"{command.type} has no branch in decide, and names no event that it records"
    return model_from(recorded, command)


def ids_by_name(messages: Iterable[BaseModel]) -> dict[str, list[UUID]]:
    """Collect the ids that messages name, by the name of their field, in order and each once."""
    ids: dict[str, dict[UUID, None]] = {}

    def collect(value: Any) -> None:
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                member_value = getattr(value, name)
                if isinstance(member_value, UUID):
                    ids.setdefault(name, {})[member_value] = None
                else:
                    collect(member_value)
        elif isinstance(value, tuple):
            for item in value:
                collect(item)

    for message in messages:
        collect(message)
    return {name: list(named) for name, named in ids.items()}


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct items in the order of their first appearance."""
    return tuple(dict.fromkeys(items))
