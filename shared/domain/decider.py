"""The decider of an aggregate (here: a stream): its rules, `decide` and `evolve`, and the fold that rebuilds its state.

`decide(command, state, context)` runs only if no rule refuses, and returns the new events. `evolve(state, fact)` applies
one event. It raises `BrokenHistory` if the events could not have happened in this order. State is None before the first
event. There are no snapshots: streams are short, so every state is folded from the whole history.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.domain.decisions import NeedsRationale, NewEvents, Refused
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import Command, Correction, Event
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.remedies import remedy_of
from shared.domain.rules import Approved, Context, RuleBook
from shared.domain.sealing import Sealed
from shared.domain.texts import RECORDED

S = TypeVar("S")
E = TypeVar("E", bound=Event)


class BrokenHistory(Exception):
    """A sequence of events that could not have happened in this order; `fact` cannot follow the facts before it."""

    def __init__(self, fact: Fact, why: str) -> None:
        super().__init__(f"{fact.envelope.stream} version {fact.version} ({fact.name}): {why}")


@dataclass(frozen=True)
class Decider(Generic[S]):
    """The domain of one service: its rules and two pure functions."""

    rules: RuleBook[S]
    decide: Callable[[Any, S | None, Context], NewEvents]
    evolve: Callable[[S | None, Fact[Any]], S]
    completed: Callable[[S, Known], S] | None = None
    """Completes a state by what is known of the persons whom the record names; None: it looks at no other record."""

    def evaluate_and_decide(
        self, command: Command, state: S | None, context: Context
    ) -> tuple[NewEvents, Approved] | Refused | NeedsRationale:
        """Evaluate the rules for a command. If they approve it, decide the new events."""
        verdict = self.rules.evaluate(command, state, context)
        if not isinstance(verdict, Approved):
            return verdict
        return self.decide(command, state, context), verdict

    def fold(self, facts: Iterable[Fact], state: S | None = None, known: Known = NOTHING_KNOWN) -> S | None:
        """Fold facts, in order of version, onto a state, and complete it by what is known. Raises `BrokenHistory`."""
        for fact in facts:
            state = self.evolve(state, fact)
        return state if state is None or self.completed is None else self.completed(state, known)

    def state_at(
        self,
        history: Sequence[Fact],
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        known: Known = NOTHING_KNOWN,
    ) -> S | None:
        """Fold the bitemporal state: facts that had occurred by `as_of`, as they were recorded by `known_at`."""
        facts = history_at(history, as_of=as_of, known_at=known_at)
        return self.fold(facts, known=known.at(as_of, known_at))


def check_gapless(history: Sequence[Fact]) -> None:
    """Raise `BrokenHistory` unless versions run from 1 without a gap."""
    for expected, fact in enumerate(history, start=1):
        if fact.version != expected:
            raise BrokenHistory(fact, f"version {expected} is missing")


def history_at(
    history: Sequence[Fact], *, as_of: datetime | None = None, known_at: datetime | None = None
) -> list[Fact]:
    """Cut a whole history by both times (bitemporal), with corrections applied, in order of version.

    A correction counts from the occurrence of the fact that it corrects, once the correction itself is recorded.
    Raises `BrokenHistory` for a missing version, or a correction that does not fit.
    """
    check_gapless(history)
    known_facts = [
        fact for fact in history if known_at is None or (fact.recorded_at is not None and fact.recorded_at <= known_at)
    ]
    corrections = [fact for fact in known_facts if has_event(fact, Correction)]
    if as_of is None and not corrections:
        return known_facts
    by_id = {fact.event_id: fact for fact in known_facts}
    for fact in corrections:
        for target, values in fact.event.targets.items():
            if target not in by_id:
                raise BrokenHistory(fact, "it corrects an event that is not in this stream")
            by_id[target] = apply_correction(by_id[target], fact, values)

    def effective_at(fact: Fact) -> datetime:
        return by_id[fact.event.corrects].occurred_at if isinstance(fact.event, Correction) else fact.occurred_at

    return [by_id[fact.event_id] for fact in known_facts if as_of is None or effective_at(fact) <= as_of]


def versions_of(history: Iterable[Fact]) -> dict[UUID, list[Fact]]:
    """Return each fact as it was recorded, and as each correction after it left it, the latest last.

    A correction of a fact that is not among them is passed over. Raises `BrokenHistory` for one that does not fit.
    """
    versions: dict[UUID, list[Fact]] = {}
    for fact in history:
        versions[fact.event_id] = [fact]
        if has_event(fact, Correction):
            for target, values in fact.event.targets.items():
                if target in versions:
                    versions[target].append(apply_correction(versions[target][-1], fact, values))
    return versions


def apply_correction(target: Fact[E], correction: Fact[Correction], values: Iterable[tuple[str, Any]]) -> Fact[E]:
    """Put the values of a correction (`Correction.targets`) into a fact. Raises `BrokenHistory` if the event has no such field or the value no such type."""
    event = target.event
    for field, value in values:
        try:
            event = with_value_at(event, field, value)
        except (LookupError, ValueError, TypeError) as error:
            raise BrokenHistory(correction, f"{field} cannot be corrected: {error}") from error
    return replace(target, event=event, corrected_by=(*target.corrected_by, correction.event_id))


M = TypeVar("M", bound=BaseModel)


def with_value_at(model: M, path: str, value: Any) -> M:
    """Copy a model with another value at a dotted path; the value is JSON, or `Sealed` around JSON.

    The JSON is parsed in the type of the field. A number in the path is the index of a list item.
    Raises KeyError, IndexError, TypeError or ValueError.
    """
    name, _, rest = path.partition(".")
    if name not in type(model).model_fields:
        raise KeyError(f"there is no field {path!r}")
    current = getattr(model, name)
    if rest and isinstance(current, tuple):
        number, _, inner_path = rest.partition(".")
        items = list(current)
        items[int(number)] = with_value_at(items[int(number)], inner_path, value)
        return model.model_copy(update={name: tuple(items)})
    if rest:
        if not isinstance(current, BaseModel):
            raise KeyError(f"{name!r} has no field {rest!r}")
        return model.model_copy(update={name: with_value_at(current, rest, value)})
    return model.model_copy(update={name: _parse_value(_type_of(type(model), name), value)})


def _parse_value(field: TypeAdapter[Any], value: Any) -> Any:
    """Parse a value in the type of a field. A sealed value that is closed or forgotten stays as it is."""
    if not isinstance(value, Sealed):
        return field.validate_json(json.dumps(value), strict=True, context=RECORDED)
    if value.is_closed or value.is_forgotten:
        return value
    try:
        parsed = field.validate_json(json.dumps(value.value), strict=True, context=RECORDED)
    except ValidationError as error:
        # The error itself would repeat the personal value.
        raise ValueError(remedy_of(error.errors(include_input=False, include_url=False)[0])) from None
    return value.with_value(parsed.value) if value.has_token else parsed


@cache
def _type_of(model: type[BaseModel], field: str) -> TypeAdapter[Any]:
    """Return the type of a field, to parse values with; making it takes twenty times as long as using it."""
    return TypeAdapter(model.model_fields[field].rebuild_annotation())
