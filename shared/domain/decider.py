"""The decider: rules, decide and evolve, three pure things; and the fold that replays a history through them.

`decide(command, state, occasion)` is asked only when no rule refuses, and yields events. `evolve(state, fact)` never
validates and never shrugs: a history that cannot be raises `BrokenHistory`. State is None before the first event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter

from shared.domain.messages import (
    Command,
    Correction,
    Fact,
    NeedsRationale,
    NewEvents,
    Refused,
)
from shared.domain.rules import Approved, Context, RuleBook
from shared.domain.texts import RECORDED
from shared.privacy.sealing import Sealed

S = TypeVar("S")


class BrokenHistory(Exception):
    """A sequence of events that the state machine could never have produced."""

    def __init__(self, fact: Fact, why: str) -> None:
        super().__init__(f"{fact.envelope.stream} version {fact.version} ({fact.name}): {why}")


def impossible(fact: Fact, why: str) -> BrokenHistory:
    """The error that `evolve` raises where a fact cannot have come after the ones before it."""
    return BrokenHistory(fact, why)


@dataclass(frozen=True)
class Decider(Generic[S]):
    """A service's domain: its rules and two pure functions."""

    rules: RuleBook[S]
    decide: Callable[[Any, S | None, Context], NewEvents]
    evolve: Callable[[S | None, Fact], S]

    def evaluate_and_decide(
        self, command: Command, state: S | None, context: Context
    ) -> tuple[NewEvents, Approved] | Refused | NeedsRationale:
        """Judge a command and, where it may go ahead, say what happens."""
        verdict = self.rules.evaluate(command, state, context)
        if not isinstance(verdict, Approved):
            return verdict
        return self.decide(command, state, context), verdict

    def fold(self, facts: Iterable[Fact], state: S | None = None) -> S | None:
        """The state after some facts in order of version; raises `BrokenHistory`."""
        for fact in facts:
            state = self.evolve(state, fact)
        return state

    def state_at(
        self, history: Sequence[Fact], *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> S | None:
        """The state by both times: facts that had occurred by `as_of`, as they were known at `known_at`."""
        return self.fold(history_at(history, as_of=as_of, known_at=known_at))


def check_gapless(history: Sequence[Fact]) -> None:
    """Raise `BrokenHistory` unless versions run from 1 without a gap."""
    for expected, fact in enumerate(history, start=1):
        if fact.version != expected:
            raise BrokenHistory(fact, f"version {expected} is missing")


def history_at(
    history: Sequence[Fact], *, as_of: datetime | None = None, known_at: datetime | None = None
) -> list[Fact]:
    """A whole history, cut by both times and with corrections in place, in order of version.

    A correction applies from the time of the fact that it corrects, as known from its own recording.
    """
    check_gapless(history)
    known = [
        fact for fact in history if known_at is None or (fact.recorded_at is not None and fact.recorded_at <= known_at)
    ]
    by_id = {fact.event_id: fact for fact in known}
    for fact in known:
        if isinstance(fact.event, Correction):
            for target in fact.event.targets:
                if target not in by_id:
                    raise BrokenHistory(fact, "it corrects an event that is not in this stream")
                by_id[target] = corrected(by_id[target], fact)

    def when(fact: Fact) -> datetime:
        return by_id[fact.event.corrects].occurred_at if isinstance(fact.event, Correction) else fact.occurred_at

    return [by_id[fact.event_id] for fact in known if as_of is None or when(fact) <= as_of]


def corrected(target: Fact, correction: Fact) -> Fact:
    """The fact as it should have been; raises `BrokenHistory` where the correction names no field of it."""
    right = correction.event
    assert isinstance(right, Correction)
    values = [(right.corrects, right.field, right.value if right.sealed is None else right.sealed)]
    values += [(one.corrects, one.field, one.value) for one in right.also]
    event = target.event
    for _, field, value in (one for one in values if one[0] == target.event_id):
        try:
            event = with_value_at(event, field, value)
        except (LookupError, ValueError, TypeError) as error:
            raise BrokenHistory(correction, f"{field} cannot be corrected: {error}") from error
    return replace(target, event=event, corrected_by=(*target.corrected_by, correction.event_id))


M = TypeVar("M", bound=BaseModel)


def with_value_at(model: M, path: str, value: Any) -> M:
    """The model with another value at a dotted path, in the field's own type; the value is JSON or sealed.

    A number in the path counts the items of a list from 0. Raises KeyError, IndexError or ValueError.
    """
    name, _, rest = path.partition(".")
    field = type(model).model_fields.get(name)
    if field is None:
        raise KeyError(f"there is no field {path!r}")
    held = getattr(model, name)
    if rest and isinstance(held, tuple):
        number, _, within = rest.partition(".")
        items = list(held)
        items[int(number)] = with_value_at(items[int(number)], within, value)
        return model.model_copy(update={name: tuple(items)})
    if rest:
        if not isinstance(held, BaseModel):
            raise KeyError(f"{name!r} has no field {rest!r}")
        return model.model_copy(update={name: with_value_at(held, rest, value)})
    if isinstance(value, Sealed):
        return model.model_copy(update={name: value})
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    return model.model_copy(update={name: adapter.validate_json(json.dumps(value), strict=True, context=RECORDED)})
