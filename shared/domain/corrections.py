"""Correction engine: events that give the right value of a field of an earlier event. Pure.

The event store is append-only, so the original event stays. The fold puts the corrected value in its place
(`shared.domain.decider.history_at`). A service declares its correction event, its fold and the fields that cannot be
corrected. The consequences of a correction (`DerivedCorrection`) stay in the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from shared.domain.decider import BrokenHistory, apply_correction
from shared.domain.decisions import RuleKind
from shared.domain.envelope import E_co, Fact
from shared.domain.messages import (
    Command,
    Correction,
    CorrectionCommand,
    DerivedCorrection,
    Event,
    events_of,
    model_from,
)
from shared.domain.rules import Context, Rule, RuleBook
from shared.domain.sealing import OwnedBy, Sealed, mentions_sealed, to_json

C = TypeVar("C", bound=Correction)
T = TypeVar("T")

OF_A_CORRECTION: Final = ("corrects", "field", "value", "why")
"""The fields of a command for a correction, which build its event (`looks_at` of the rules that do so)."""


@dataclass(frozen=True, slots=True)
class PastFacts(Generic[E_co]):
    """Linked list of the facts behind a state, each as corrected, the latest first. Adding a fact takes constant time."""

    latest: Fact[E_co]
    earlier: PastFacts[E_co] | None = None

    def __iter__(self) -> Iterator[Fact[E_co]]:
        past: PastFacts[E_co] | None = self
        while past is not None:
            yield past.latest
            past = past.earlier


class Recorded(Protocol[E_co]):
    """A state that holds the facts from which it was folded."""

    @property
    def record(self) -> PastFacts[E_co] | None:
        """The facts, the latest first."""


S = TypeVar("S", bound=Recorded[Any])


class Uncorrectable(Exception):
    """An impossible correction. Each subclass has a rule of its own (`CorrectionEngine.guard`)."""


class NoSuchEvent(Uncorrectable):
    """An event id that the stream does not have."""


class IsCorrection(Uncorrectable):
    """An event that is itself a correction."""


class NoSuchField(Uncorrectable):
    """A field that the event does not have, or that cannot be corrected."""


class WrongType(Uncorrectable):
    """A value that does not have the type of the field."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of an event: its full path, type, current value, and the person whose key seals it."""

    path: str
    annotation: Any
    current: Any
    owner: UUID | None


def facts_of(state: Recorded[E_co] | None) -> list[Fact[E_co]]:
    """Return the facts behind a state, oldest first, with earlier corrections applied."""
    return [] if state is None or state.record is None else list(reversed(list(state.record)))


def required(value: T | None, state: Recorded[Any], why: str) -> T:
    """Return a value that the rules have made sure of. Raises `BrokenHistory` if the facts of the state lack it."""
    if value is None:
        raise BrokenHistory(facts_of(state)[-1], why)
    return value


def derived(fact: Fact[Any], field: str, value: Any) -> DerivedCorrection:
    """Build the correction of a field of a fact that follows from another one; `value` is JSON."""
    return DerivedCorrection(corrects=fact.event_id, field=field, value=value)


def recorders(
    commands: Iterable[type[Command]], default_roles: Iterable[str], overseer: str
) -> Mapping[type[Event], Collection[str]]:
    """Return the roles that may correct each event: those of the commands that give it, and the one that oversees all."""
    roles: dict[type[Event], set[str]] = {}
    for command in commands:
        for event in events_of(command):
            roles.setdefault(event, {overseer}).update(default_roles if command.roles is None else command.roles)
    return roles


_NOTHING: Final = object()


def _context_of(fact: Fact[Any], context: Context) -> Context:
    """Return the context in which a fact of the past was decided: its actor, its time, the policy of its day."""
    policy = context.policy_on(fact.day)
    return replace(context, actor=fact.actor, occurred_at=fact.occurred_at, policy=policy)


def _corrected(facts: Iterable[Fact[Any]], correction: Correction) -> Iterator[Fact[Any]]:
    """Yield facts with the values of a correction in those that it changes. Raises `BrokenHistory` if they do not fit."""
    targets = correction.targets
    for fact in facts:
        values = targets.get(fact.event_id)
        yield fact if values is None else apply_correction(fact, Fact(fact.envelope, correction), values)


@dataclass(frozen=True)
class CorrectionEngine(Generic[C, S]):
    """The corrections of one service: which fields can be corrected, the correction event, and the state after it."""

    event: type[C]
    """The correction event. The `OwnedBy` mark of its `sealed` names the field that holds the owner of a personal value."""
    evolve: Callable[[S | None, Fact[Any]], S]
    fixed: frozenset[tuple[type[Event], str]] = frozenset()
    """Fields that cannot be corrected, with everything below them, as (class, path). The class Event stands for all events.

    They decide whose key seals a value, or belong to another service.
    """
    derived_fields: Callable[[Fact[Any], Any, Context], Mapping[str, Any]] = lambda *_: {}
    """What a fact holds that was computed or copied: by name, as it follows from the fact itself and the state before it."""
    corrected_by: Mapping[type[Event], Collection[str]] = field(default_factory=dict)
    """The roles that may correct an event, if not everybody may who may correct (`recorders`)."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """The name of a derived field -> what it follows from, in words: that is to be corrected instead (rule COR1)."""

    def target(self, request: CorrectionCommand, state: S | None) -> Fact:
        """Find the fact to correct. Raises `NoSuchEvent` or `IsCorrection`."""
        for fact in state.record or () if state is not None else ():
            if fact.event_id == request.corrects:
                if isinstance(fact.event, Correction):
                    raise IsCorrection
                return fact
        raise NoSuchEvent

    def correction(self, request: CorrectionCommand, state: S | None) -> C:
        """Build the event that corrects one field, without derived corrections. Raises `Uncorrectable`."""
        target = self.target(request, state)
        field = self._field(target.event, request.field)
        value = to_jsonable_python(request.value)
        parsed = _parse_value(field, value)
        content: dict[str, Any] = {"value": value}
        if isinstance(parsed, (str, BaseModel)):
            # A code is recorded in its normal form.
            content = {"value": to_json(parsed, lambda sealed: sealed.value)}
        elif isinstance(parsed, Sealed):
            # The sealed value is JSON, the form in which it will be decrypted.
            marks = self.event.model_fields["sealed"].metadata
            owner_field = next(mark.field for mark in marks if isinstance(mark, OwnedBy))
            content = {"sealed": Sealed(value), owner_field: field.owner}
        return self.event(corrects=request.corrects, field=field.path, why=request.why, **content)

    def with_consequences(self, correction: C, state: S, context: Context) -> C:
        """Add to a correction what was computed or copied from its field, in whichever event, computed anew.

        Raises `BrokenHistory` if a later event becomes impossible.
        """
        also: list[DerivedCorrection] = []
        before: S | None = None
        after: S | None = None
        facts = facts_of(state)
        for fact, corrected in zip(facts, _corrected(facts, correction), strict=True):
            then = _context_of(fact, context)
            followed = self.derived_fields(fact, before, then)
            before = self.evolve(before, fact)
            fact_now = corrected
            for name, value in self.derived_fields(fact_now, after, then).items():
                if value != followed.get(name, _NOTHING) and value != getattr(fact_now.event, name):
                    also.append(derived(fact, name, to_json(value, lambda sealed: sealed.token)))
                    fact_now = replace(fact_now, event=fact_now.event.model_copy(update={name: value}))
            after = self.evolve(after, fact_now)
        return correction.model_copy(update={"also": (*correction.also, *also)})

    def contradicts_its_source(
        self, request: CorrectionCommand, state: S, context: Context, names: Collection[str]
    ) -> bool:
        """Tell whether one of these derived fields would be corrected to another value than follows from the facts."""
        try:
            correction = self.correction(request, state)
        except Uncorrectable:
            return False  # another rule refuses it
        name = correction.field.partition(".")[0]
        if name not in names:
            return False
        facts = facts_of(state)
        number = next(n for n, fact in enumerate(facts) if fact.event_id == correction.corrects)
        (fact,) = _corrected(facts[number : number + 1], correction)
        before = self.fold(facts[:number]) if number else None
        follows = self.derived_fields(fact, before, _context_of(fact, context))
        return name in follows and getattr(fact.event, name) != follows[name]

    def applied(self, state: S, correction: C) -> S:
        """Fold the state again with a correction applied. Raises `BrokenHistory` if a later event becomes impossible."""
        return self.fold(list(_corrected(facts_of(state), correction)))

    def as_corrected(self, request: CorrectionCommand, state: S) -> S | None:
        """Fold the state again as a command would correct it; None if rule S1 refuses the command."""
        try:
            return self.applied(state, self.correction(request, state))
        except (Uncorrectable, BrokenHistory):
            return None

    def fold(self, facts: Sequence[Fact[Any]]) -> S:
        """Fold at least one fact, as corrected, to a state. Raises `BrokenHistory`."""
        state = self.evolve(None, facts[0])
        for fact in facts[1:]:
            state = self.evolve(state, fact)
        return state

    def guard(self, rules: RuleBook[S], command: type[Command]) -> None:
        """Register the rules of every correction: T1 (time) and S1 (which events, fields and values)."""
        self._guard_time_and_order(rules, command)
        for source in dict.fromkeys(self.sources.values()):
            self._guard_derived(rules, command, source)

        def raises(fault: type[Uncorrectable], build: Callable[..., object], *arguments: object) -> bool:
            try:
                build(*arguments)
            except Uncorrectable as error:
                return isinstance(error, fault)
            return False

        @rules.allowed_in(command, looks_at=("corrects",))
        def corrects_an_event_of_this_record(command: CorrectionCommand, state: S | None, _context: Context) -> bool:
            """Give the id of an event of this record: it has no event with that id.

            Source: DPA 2018 s46 (rectification)
            """
            return not raises(NoSuchEvent, self.target, command, state)

        @rules.allowed_in(command, looks_at=("corrects",))
        def corrects_what_its_role_decides(command: CorrectionCommand, state: S | None, context: Context) -> bool:
            """Ask somebody who may record this to correct it: your role does not.

            Source: DPA 2018 s46 (rectification)
            """
            corrected = (fact for fact in facts_of(state) if fact.event_id == command.corrects)
            roles = next((self.corrected_by.get(type(fact.event)) for fact in corrected), None)
            return roles is None or context.actor.role in roles

        @rules.allowed_in(command, looks_at=("corrects",))
        def corrects_no_correction(command: CorrectionCommand, state: S | None, _context: Context) -> bool:
            """Correct the original event again: a correction itself cannot be corrected.

            Source: DPA 2018 s46 (rectification)
            """
            return not raises(IsCorrection, self.target, command, state)

        @rules.allowed_in(command, looks_at=OF_A_CORRECTION)
        def corrects_a_field_of_it(command: CorrectionCommand, state: S | None, _context: Context) -> bool:
            """Name another field: the event has no such field, or it cannot be corrected.

            Source: DPA 2018 s46 (rectification)
            """
            return not raises(NoSuchField, self.correction, command, state)

        @rules.allowed_in(command, looks_at=OF_A_CORRECTION)
        def corrects_to_the_right_type(command: CorrectionCommand, state: S | None, _context: Context) -> bool:
            """Give a value of the field's type: the field cannot have this one.

            Source: DPA 2018 s46 (rectification)
            """
            return not raises(WrongType, self.correction, command, state)

    def judge_again(
        self,
        rules: RuleBook[S],
        command: type[Command],
        asks: type[Command],
        event: type[Event],
        *fields: str,
        asked: Callable[[Any, S], Command | None] | None = None,
    ) -> None:
        """Register for a correction of these fields of an event, or in them, the rules that forbid the command which gives them, by the record before the event.

        `asks` is that command. `asked` writes it from the corrected event and the state before it, or None: nobody gave it.
        Left out, the command has the event's own values.
        """
        written = asked or (lambda corrected, _before: model_from(asks, corrected))
        for name in fields:
            for rule in rules.rules_for(asks, RuleKind.FORBIDS):
                if name in rule.looks_at:
                    holds = self._holds_as_corrected(rule, name, event, written)
                    rules.forbids(rule.id, command, looks_at=OF_A_CORRECTION, gives_way=rule.gives_way)(holds)

    def _holds_as_corrected(
        self, rule: Rule, field: str, event: type[Event], asked: Callable[[Any, S], Command | None]
    ) -> Callable[[CorrectionCommand, S, Context], bool]:
        def holds(command: CorrectionCommand, state: S, context: Context) -> bool:
            try:
                path = self.correction(command, state).field
            except Uncorrectable:
                return True  # another rule refuses it
            if path.partition(".")[0] != field or (after := self.as_corrected(command, state)) is None:
                return True
            facts = facts_of(after)
            number = next(n for n, fact in enumerate(facts) if fact.event_id == command.corrects)
            fact = facts[number]
            if not number or not isinstance(fact.event, event):
                return True
            before = self.fold(facts[:number])
            given = asked(fact.event, before)
            return given is None or rule.check(given, before, _context_of(fact, context))

        holds.__name__ = f"{rule.name}_as_corrected"
        holds.__doc__ = f"{rule.text}\n\nSource: {rule.source}"
        return holds

    def _guard_derived(self, rules: RuleBook[S], command: type[Command], source: str) -> None:
        names = frozenset(name for name, text in self.sources.items() if text == source)

        def follows_from_its_source(command: CorrectionCommand, state: S, context: Context) -> bool:
            return not self.contradicts_its_source(command, state, context, names)

        follows_from_its_source.__doc__ = (
            f"Correct {source}: this value follows from that, and contradicts it.\n\nSource: DPA 2018 s38 (accuracy)"
        )
        rules.forbids("COR1", command, looks_at=OF_A_CORRECTION)(follows_from_its_source)

    def _guard_time_and_order(self, rules: RuleBook[S], command: type[Command]) -> None:
        @rules.forbids("T1", command, looks_at=("corrects",))
        def not_before_what_it_corrects(command: CorrectionCommand, state: S | None, context: Context) -> bool:
            """Check the time: a correction cannot happen before the fact that it corrects."""
            return all(
                fact.occurred_at <= context.occurred_at for fact in facts_of(state) if fact.event_id == command.corrects
            )

        @rules.allowed_in(command, looks_at=OF_A_CORRECTION)
        def leaves_the_record_whole(command: CorrectionCommand, state: S | None, context: Context) -> bool:
            """Correct the later events first, or another field: with this value they could not have happened.

            Source: DPA 2018 s38 (accuracy)
            """
            try:
                if state is not None:
                    correction = self.correction(command, state)
                    self.applied(state, correction)
                    self.with_consequences(correction, state, context)
            except Uncorrectable:
                return True  # another rule refuses it
            except BrokenHistory:
                return False
            return True

    def _field(self, event: Event, name: str) -> _Field:
        path = _full_path(event, name)
        if any(isinstance(event, cls) and f"{path}.".startswith(f"{fixed}.") for cls, fixed in self.fixed):
            raise NoSuchField
        return _field_at(event, path)


def _full_path(event: BaseModel, name: str) -> str:
    """Complete a bare field name with its group, if exactly one group of the event has such a field."""
    if name in type(event).model_fields:
        return name
    groups = [group for group, value in event if isinstance(value, BaseModel) and name in type(value).model_fields]
    return f"{groups[0]}.{name}" if len(groups) == 1 else name


def _field_at(event: BaseModel, path: str) -> _Field:
    """Find the field at a dotted path, in which a number is the index of a list item. Raises `NoSuchField`."""
    owner: UUID | None = None
    names = iter(path.split("."))
    current: Any = event
    annotation: Any = None
    for name in names:
        if isinstance(current, tuple) and name.isascii() and name.isdigit() and int(name) < len(current):
            current = current[int(name)]
            annotation = type(current)
            if not isinstance(current, (BaseModel, Sealed)):
                raise NoSuchField  # a list of codes or ids is corrected as a whole, as its readers look for it
            continue
        info = type(current).model_fields.get(name) if isinstance(current, BaseModel) else None
        if info is None or _owns_a_sealed_value(current, name):
            raise NoSuchField
        owner = next((getattr(current, m.field) for m in info.metadata if isinstance(m, OwnedBy)), None) or owner
        annotation, current = info.rebuild_annotation(), getattr(current, name)
    return _Field(path, annotation, current, owner)


def _owns_a_sealed_value(model: BaseModel, name: str) -> bool:
    """Tell whether a field names whose key has sealed another one: with somebody else there, forgetting would not reach it."""
    fields = type(model).model_fields.items()
    owned = [of for of, info in fields if any(isinstance(m, OwnedBy) and m.field == name for m in info.metadata)]
    return any(getattr(model, of) is not None for of in owned)


def _parse_value(field: _Field, value: Any) -> Any:
    """Parse a JSON value in the type of a field. Raises `WrongType`, or `NoSuchField` for a group with personal fields."""
    try:
        parsed = TypeAdapter(field.annotation).validate_json(json.dumps(value), strict=True)
    except (ValidationError, ValueError, TypeError):
        raise WrongType from None
    # The current value counts too: a new group without personal fields would remove them.
    if _holds_personal_fields(parsed) or _holds_personal_fields(field.current):
        raise NoSuchField
    return parsed


def _holds_personal_fields(value: Any) -> bool:
    """Tell whether a value is a group with personal fields, or a list of such groups.

    Personal fields are corrected one by one.
    """
    if isinstance(value, BaseModel):
        return any(isinstance(item, Sealed) or _holds_personal_fields(item) for _, item in value)
    return isinstance(value, tuple) and any(mentions_sealed(type(item)) for item in value)
