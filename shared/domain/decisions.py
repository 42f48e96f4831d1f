"""Decisions: the events that a command makes happen, or the rules that refuse it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.messages import Event


@dataclass(frozen=True, slots=True)
class EventAt:
    """An event with an occurrence time of its own: that of the latest fact that it follows from."""

    event: Event
    occurred_at: datetime


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
    lifted_by: tuple[str, ...] = ()
    """The types of the commands that lift it, in the order of their use; empty if none does."""
    known: tuple[UUID, ...] = ()
    """The ids that it names: of records or persons that are known already."""


@dataclass(frozen=True, slots=True)
class _BrokenRules:
    rules: tuple[BrokenRule, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.rules)


class Refused(_BrokenRules):
    """A refusal: every forbidding rule that the command breaks. Nothing was recorded."""


class NeedsRationale(_BrokenRules):
    """Warnings without a rationale, which is given under their ids. Nothing was recorded."""


NewEvents = Sequence[Event | EventAt]
"""The result of `decide` for a command that no rule refuses."""
