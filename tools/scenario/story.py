"""The parts of a scenario, as the parser returns them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class Result(StrEnum):
    """The kinds of answers to a command."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NEEDS_RATIONALE = "needs_rationale"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    INVALID = "invalid"
    REPEATED = "repeated"
    UNKNOWN = "unknown stream"


@dataclass(frozen=True, slots=True)
class Officer:
    """A person by role, or by several with spaces between them: number 2 is a second person in the first of them."""

    role: str
    number: int = 1

    def __str__(self) -> str:
        return self.role if self.number == 1 else f"{self.role}/{self.number}"


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that a step expects: a word and, if they matter, the events in order or the rules in any order."""

    word: Result = Result.ACCEPTED
    events: tuple[str, ...] | None = None
    rules: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.rules:
            return f"{self.word} {', '.join(sorted(self.rules))}"
        return str(self.word) if self.events is None else f"{self.word} with {', '.join(self.events) or 'no event'}"


@dataclass(frozen=True, slots=True)
class CommandStep:
    """A step that sends a command."""

    number: int
    at: str
    by: Officer
    service: str
    command: str
    to: str
    fields: Mapping[str, Any]
    expected: Expected = Expected()
    key: str | None = None
    expected_version: int | None = None
    late: bool = False

    def __str__(self) -> str:
        return f"{self.service}.{self.command} to {self.to} by {self.by}"


class Target(StrEnum):
    """The target of a check."""

    STATE = "state"
    DUTIES = "duties"
    HISTORY = "history"
    MEASURE = "measure"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class CheckStep:
    """A step that compares a target with expected values."""

    number: int
    what: str
    place: Target
    service: str = ""
    stream: str = ""
    as_of: str | None = None
    known_at: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    has: Sequence[Mapping[str, Any]] = ()
    lacks: Sequence[Mapping[str, Any]] = ()
    types: tuple[str, ...] | None = None
    messages: Sequence[Mapping[str, Any]] = ()
    measure: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    adds: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        times = "".join(
            f" {name} {value}" for name, value in (("as of", self.as_of), ("known at", self.known_at)) if value
        )
        period = "".join(f" {name} {value}" for name, value in self.params.items())
        return f"check {self.what}{times}{period}"


@dataclass(frozen=True, slots=True)
class MarkStep:
    """A step that notes the system's time under a name."""

    number: int
    name: str

    def __str__(self) -> str:
        return f"mark {self.name}"


Step: TypeAlias = CommandStep | CheckStep | MarkStep


@dataclass(frozen=True, slots=True)
class Scenario:
    """A dated story, told in the vocabulary of the services."""

    id: str
    title: str
    rules: tuple[str, ...]
    people: Mapping[str, Mapping[str, Any]]
    steps: tuple[Step, ...]

    @property
    def measures(self) -> tuple[CheckStep, ...]:
        """The checks of measures, each of which needs its value before the first step."""
        return tuple(step for step in self.steps if isinstance(step, CheckStep) and step.place is Target.MEASURE)
