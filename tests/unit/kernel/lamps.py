"""A small domain for the kernel's tests: a lamp is hung in a room, lit, put out, and its record corrected."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID, uuid4, uuid5

from shared.domain.decider import BrokenHistory, Decider
from shared.domain.envelope import Envelope, EventRegistry, Fact, Origin, PolicyStamp, encode_event
from shared.domain.messages import (
    Actor,
    Command,
    Correction,
    Event,
    FreeText,
    Hours,
    ShortText,
    ValueObject,
    event_that_it_records,
)
from shared.domain.policy import Policy
from shared.domain.rules import Context, RuleBook
from shared.domain.sealing import DataKey, OwnedBy, Sealed, key_ids_in, seal_model, sealed_fields

HOME: Final = UUID("11111111-1111-4111-8111-111111111111")
STREAM: Final = UUID("22222222-2222-4222-8222-222222222222")
OWNER: Final = UUID("33333333-3333-4333-8333-333333333333")
NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Maker(ValueObject):
    """Who made a lamp: a name, and the year in clear."""

    name: Sealed[FreeText]
    year: int


class LampHung(Event):
    """A lamp was hung. Its note belongs to the owner where there is one, its price to the home."""

    room: ShortText
    bright: bool = False
    hours: Hours | None = None
    bought_on: date | None = None
    owner: UUID | None = None
    note: Annotated[Sealed[FreeText] | None, OwnedBy("owner")] = None
    maker: Annotated[Maker | None, OwnedBy("owner")] = None
    tags: tuple[Sealed[FreeText], ...] = ()
    price: Sealed[FreeText] | None = None


class LampLit(Event):
    """The lamp was lit."""


class LampOut(Event):
    """The lamp went out."""


class LampCorrected(Correction):
    """The record of a lamp was corrected."""


EVENTS: Final = EventRegistry("lamps", (LampHung, LampLit, LampOut, LampCorrected))


@dataclass(frozen=True)
class Lamp:
    """A lamp in a room, lit or not."""

    room: str
    bright: bool
    bought_on: date | None = None
    lit: bool = False
    times_lit: int = 0


def evolve(lamp: Lamp | None, fact: Fact) -> Lamp:
    """Return the lamp after one more fact."""
    match fact.event:
        case LampHung() as hung:
            if lamp is not None:
                raise BrokenHistory(fact, "it hangs already")
            return Lamp(hung.room, hung.bright, hung.bought_on)
        case LampCorrected():
            if lamp is None:
                raise BrokenHistory(fact, "there is no lamp")
            return lamp
        case LampLit():
            if lamp is None or lamp.lit:
                raise BrokenHistory(fact, "it cannot be lit")
            return replace(lamp, lit=True, times_lit=lamp.times_lit + 1)
        case _:
            if lamp is None or not lamp.lit:
                raise BrokenHistory(fact, "it is out")
            return replace(lamp, lit=False)


class HangLamp(Command):
    """Hang a lamp."""

    opens: ClassVar[bool] = True
    records = LampHung
    type: Literal["HangLamp"] = "HangLamp"
    room: ShortText
    note: Sealed[FreeText] | None = None


class LightLamp(Command):
    """Light the lamp."""

    records = LampLit
    type: Literal["LightLamp"] = "LightLamp"


class LightLampBrightly(LightLamp):
    """Light the lamp, more of it."""


class PutOut(Command):
    """Put the lamp out."""

    records = LampOut
    type: Literal["PutOut"] = "PutOut"


def decide(command: Command, _lamp: Lamp | None, _context: Context) -> Sequence[Event]:
    """Return one event for each command."""
    return (event_that_it_records(command),)


def decider(rules: RuleBook[Lamp] | None = None) -> Decider[Lamp]:
    """Return the domain, with some rules or none."""
    return Decider(rules or RuleBook("lamps"), decide, evolve)


def context(at: datetime = NOON, received_at: datetime | None = None, policy: Policy | None = None) -> Context:
    """Return the occasion on which something is asked: at noon, at once, under no policy."""
    actor = Actor(id=OWNER, role="KEEPER", organisation="HOUSE")
    judged_by = policy or Policy(at.date(), "none", {})
    return Context(STREAM, actor, at, received_at or at, judged_by, lambda _day: judged_by, lambda *_: False)


def fact(event: Event, version: int, at: datetime = NOON, recorded_at: datetime | None = None) -> Fact:
    """Return an event with its envelope, recorded when it happened where nothing else is said."""
    envelope = Envelope(
        event_id=uuid5(STREAM, str(version)),
        type=EVENTS.type_name(type(event)),
        stream=f"lamps/{STREAM}",
        version=version,
        home=HOME,
        command_id=uuid4(),
        occurred_at=at,
        actor=Actor(id=OWNER, role="KEEPER", organisation="HOUSE", labels={"floor": "2"}),
        correlation_id=uuid4(),
        causation_id=None,
        traceparent=None,
        policy=PolicyStamp(edition="2026-01-01", day=at.date()),
        rules=("T1", "S1"),
        rationale={},
        labels={"floor": "2"},
        origin=Origin(),
    )
    return Fact(envelope, event, position=version, recorded_at=recorded_at or at)


def history(*events: Event) -> list[Fact]:
    """Return a history of events, an hour apart from noon on."""
    return [fact(event, n, NOON + timedelta(hours=n - 1)) for n, event in enumerate(events, start=1)]


def correction(target: Fact, field: str, value: Any = None, sealed: Sealed[Any] | None = None) -> LampCorrected:
    """Return a correction of one field of a fact."""
    return LampCorrected(
        corrects=target.event_id, field=field, value=value, sealed=sealed, why=Sealed("It was written down wrongly.")
    )


def keys_for(one: Fact) -> dict[str, DataKey]:
    """Return a fresh key for each owner of a sealed field."""
    subjects = {subject for _, subject, _ in sealed_fields(one.event, one.sealing_home)}
    return {subject: DataKey(subject, 1, os.urandom(32)) for subject in subjects}


def sealed_bytes(one: Fact, keys: Mapping[str, DataKey]) -> bytes:
    """Return the bytes of a fact, its personal fields sealed."""
    return encode_event(one.envelope, seal_model(one.event, one.sealing_home, one.event_id, keys))


def read(body: bytes, keys: Mapping[str, DataKey | None] | None) -> Fact:
    """Return the fact in some bytes, opened by the keys; None for a key means that it was destroyed."""
    if keys is None:
        return EVENTS.read(body)
    return EVENTS.read(body, keys={want: keys[want[0]] for want in key_ids_in(body) if want[0] in keys})
