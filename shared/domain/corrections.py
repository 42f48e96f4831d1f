"""Corrections: what a field of an earlier event of a stream should have been. Pure.

The original event stays; the fold puts the corrected value in its place (`shared.domain.decider.cut`). A service declares its
correction event, its fold and the fields that stay as they are, and keeps for itself what follows from a correction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from shared.domain.decider import BrokenHistory, corrected
from shared.domain.messages import (
    Command,
    Correction,
    Event,
    Fact,
)
from shared.domain.rules import Context, RuleBook
from shared.privacy.sealing import OwnedBy, Sealed, to_json

C = TypeVar("C", bound=Correction)


@dataclass(frozen=True, slots=True)
class PastFacts:
    """The facts that a state was folded from, each as corrected, the latest first; one more is added in one step."""

    latest: Fact
    earlier: PastFacts | None = None

    def __iter__(self) -> Iterator[Fact]:
        past: PastFacts | None = self
        while past is not None:
            yield past.latest
            past = past.earlier


class Recorded(Protocol):
    """A state that remembers the facts it was folded from."""

    @property
    def record(self) -> PastFacts | None:
        """The facts, the latest first."""
        ...


class CorrectionRequest(Protocol):
    """A command that says what a field of an earlier event should have been."""

    @property
    def corrects(self) -> UUID:
        """The id of the event."""
        ...

    @property
    def field(self) -> str:
        """The dotted path of the field; the name alone where one group of the event has such a field."""
        ...

    @property
    def value(self) -> Any:
        """What it should have been, in JSON."""
        ...

    @property
    def why(self) -> Sealed[str]:
        """The reason."""
        ...


S = TypeVar("S", bound=Recorded)


class Uncorrectable(Exception):
    """Why a correction cannot be made; each kind is a rule of its own (`CorrectionEngine.guard`)."""


class NoSuchEvent(Uncorrectable):
    """The stream has no event of that id."""


class IsCorrection(Uncorrectable):
    """The event is itself a correction."""


class NoSuchField(Uncorrectable):
    """The event has no such field, or it is one that stays as it is."""


class WrongType(Uncorrectable):
    """The value is not one of the field's type."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of an event: its full path, its type, and the person whose key seals it."""

    path: str
    annotation: Any
    held: Any
    owner: UUID | None


def facts_of(state: Recorded | None) -> list[Fact]:
    """The facts that a state was folded from, oldest first, with earlier corrections in place."""
    return [] if state is None or state.record is None else list(reversed(list(state.record)))


@dataclass(frozen=True)
class CorrectionEngine(Generic[C, S]):
    """How one service's records are corrected."""

    event: type[C]
    """The correction event; the field that its `sealed` is owned by says whose key seals a personal value."""
    evolve: Callable[[S | None, Fact], S]
    fixed: frozenset[tuple[type[Event], str]] = frozenset()
    """Fields that stay as they are, by class (Event for all) and path, with what is within them: what decides whose key seals what, and what another service owns."""

    def target(self, request: CorrectionRequest, state: S | None) -> Fact:
        """The fact that is to be corrected; raises `NoSuchEvent` or `IsCorrection`."""
        for fact in state.record or () if state is not None else ():
            if fact.event_id == request.corrects:
                if isinstance(fact.event, Correction):
                    raise IsCorrection
                return fact
        raise NoSuchEvent

    def correction(self, request: CorrectionRequest, state: S | None) -> C:
        """The event that corrects one field, without what follows from it; raises `Uncorrectable`."""
        target = self.target(request, state)
        field = self._field(target.event, request.field)
        value = to_jsonable_python(request.value)
        right = _parsed(field, value)
        content: dict[str, Any] = {"value": value}
        if isinstance(right, (str, BaseModel)):
            # Codes are recorded in their one spelling.
            content = {"value": to_json(right, lambda sealed: sealed.value)}
        elif isinstance(right, Sealed):
            # The value stands as in JSON, since that is how it will be opened again.
            content = {"sealed": Sealed(value), self._owner_field: field.owner}
        return self.event(corrects=request.corrects, field=field.path, why=request.why, **content)

    def applied(self, state: S, corrections: Sequence[C]) -> S:
        """The state with corrections in place; raises `BrokenHistory` where the record would no longer make sense."""
        facts = facts_of(state)
        for correction in corrections:
            facts = [
                corrected(fact, Fact(fact.envelope, correction)) if fact.event_id in correction.targets else fact
                for fact in facts
            ]
        after: S | None = None
        for fact in facts:
            after = self.evolve(after, fact)
        assert after is not None
        return after

    def guard(self, rules: RuleBook[S], command: type[Command]) -> None:
        """Register the rules that hold for every correction: T1, and what may be corrected (S1)."""
        self._guard_time_and_order(rules, command)

        def passes(command: CorrectionRequest, state: S | None, fault: type[Uncorrectable]) -> bool:
            try:
                self.correction(command, state)
            except Uncorrectable as error:
                return not isinstance(error, fault)
            return True

        @rules.allowed_in(command)
        def corrects_an_event_of_this_record(command: CorrectionRequest, state: S | None, _occasion: Context) -> bool:
            """This record has no such event: give the id of the one to correct.

            Source: DPA 2018 s46 (rectification)
            """
            return passes(command, state, NoSuchEvent)

        @rules.allowed_in(command)
        def corrects_no_correction(command: CorrectionRequest, state: S | None, _occasion: Context) -> bool:
            """A correction cannot be corrected: correct the original event again.

            Source: DPA 2018 s46 (rectification)
            """
            return passes(command, state, IsCorrection)

        @rules.allowed_in(command)
        def corrects_a_field_of_it(command: CorrectionRequest, state: S | None, _occasion: Context) -> bool:
            """The event has no such field, or it is one that cannot be corrected: name another.

            Source: DPA 2018 s46 (rectification)
            """
            return passes(command, state, NoSuchField)

        @rules.allowed_in(command)
        def corrects_to_the_right_type(command: CorrectionRequest, state: S | None, _occasion: Context) -> bool:
            """The value is not of the field's type: give one that the field could have had.

            Source: DPA 2018 s46 (rectification)
            """
            return passes(command, state, WrongType)

    def _guard_time_and_order(self, rules: RuleBook[S], command: type[Command]) -> None:
        @rules.forbids("T1", command)
        def not_before_what_it_corrects(command: CorrectionRequest, state: S | None, context: Context) -> bool:
            """Nobody corrects a fact before it happened: check the time.

            Source: rule T1 of this house; DPA 2018 s38 (accuracy)
            """
            return all(
                fact.occurred_at <= context.occurred_at for fact in facts_of(state) if fact.event_id == command.corrects
            )

        @rules.allowed_in(command)
        def leaves_the_record_whole(command: CorrectionRequest, state: S | None, _occasion: Context) -> bool:
            """With this value later events of the record could not have happened: correct those first, or another field.

            Source: DPA 2018 s38 (accuracy)
            """
            try:
                return state is None or bool(self.applied(state, [self.correction(command, state)]))
            except Uncorrectable:
                return True  # another of these functions says so
            except BrokenHistory:
                return False

    @property
    def _owner_field(self) -> str:
        return next(mark.field for mark in self.event.model_fields["sealed"].metadata if isinstance(mark, OwnedBy))

    def _field(self, event: Event, named: str) -> _Field:
        path = _full_path(event, named)
        if any(isinstance(event, cls) and f"{path}.".startswith(f"{fixed}.") for cls, fixed in self.fixed):
            raise NoSuchField
        return _field_at(event, path)


def _full_path(event: BaseModel, named: str) -> str:
    """The path of a field that was named: its name alone does where one group has such a field."""
    if named in type(event).model_fields:
        return named
    groups = [group for group, held in event if isinstance(held, BaseModel) and named in type(held).model_fields]
    return f"{groups[0]}.{named}" if len(groups) == 1 else named


def _field_at(event: BaseModel, path: str) -> _Field:
    """The field at a dotted path, where a number counts the items of a list from 0; raises `NoSuchField`."""
    owner: UUID | None = None
    names = iter(path.split("."))
    held: Any = event
    annotation: Any = None
    for name in names:
        if isinstance(held, tuple) and name.isascii() and name.isdigit() and int(name) < len(held):
            held = held[int(name)]
            annotation = type(held)
            continue
        info = type(held).model_fields.get(name) if isinstance(held, BaseModel) else None
        if info is None:
            raise NoSuchField
        owner = next((getattr(held, m.field) for m in info.metadata if isinstance(m, OwnedBy)), None) or owner
        annotation, held = info.rebuild_annotation(), getattr(held, name)
    return _Field(path, annotation, held, owner)


def _parsed(field: _Field, value: Any) -> Any:
    """A JSON value in the type of a field; raises `WrongType`, or `NoSuchField` for a group with personal fields."""
    try:
        right = TypeAdapter(field.annotation).validate_json(json.dumps(value), strict=True)
    except (ValidationError, ValueError, TypeError):
        raise WrongType from None
    # What stands there counts too: a group without its personal fields would take them away.
    if _holds_personal_fields(right) or _holds_personal_fields(field.held):
        raise NoSuchField
    return right


def _holds_personal_fields(value: Any) -> bool:
    """Whether it is a group that has personal fields, or a list of groups that could: those are corrected one by one."""
    if isinstance(value, BaseModel):
        return any(isinstance(held, Sealed) or _holds_personal_fields(held) for _, held in value)
    return isinstance(value, tuple) and any(_may_be_personal(type(one)) for one in value)


def _may_be_personal(annotation: Any) -> bool:
    """Whether a type has a sealed part at any depth."""
    if get_origin(annotation) is Sealed:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_may_be_personal(info.annotation) for info in annotation.model_fields.values())
    return any(map(_may_be_personal, get_args(annotation)))
