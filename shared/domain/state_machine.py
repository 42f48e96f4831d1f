"""A state machine as a table: each row names commands, the stages in which they are allowed, and the text of the refusal.

    STATE_MACHINE: tuple[AllowedStages[Loan], ...] = (
        AllowedStages("lent_once", (LendBook,), NOTHING_YET, "This loan exists already: …", "byelaw 3"),
        AllowedStages("out_on_loan", (ReturnBook,), frozenset({Stage.LENT}), "The book is not lent.", "byelaw 4"),
    )

`register` enters the rows in a rulebook as rules of id S1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

from shared.domain.messages import Command
from shared.domain.rules import Context, RuleBook

NOTHING_YET: Final[frozenset[StrEnum]] = frozenset()
"""The stages of a command that opens a stream: none, since it is allowed only before the first event."""


class Staged(Protocol):
    """A state that is in a stage."""

    @property
    def stage(self) -> StrEnum:
        """The stage in which the stream is."""
        ...


S = TypeVar("S", bound=Staged)
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


@dataclass(frozen=True)
class AllowedStages(Generic[S]):
    """One row of a state machine. Before the first event of a stream it allows its commands."""

    name: str
    commands: tuple[type[Command], ...]
    stages: frozenset[StrEnum]
    text: str
    """The text of the refusal."""
    source: str
    """The source in law or practice."""
    standing: Callable[[S], bool] | None = None
    """What must hold of the state besides its stage."""
    condition: Callable[[Any, S], bool] | None = None
    """What must hold of command and state besides, where the state alone does not decide."""

    @property
    def looks_at_command(self) -> bool:
        """Whether the state alone does not decide."""
        return self.condition is not None

    def allows_any(self, state: S | None, _context: Context) -> bool:
        """Say whether the state allows its commands, as far as the state alone decides."""
        if state is None:
            return True
        return state.stage in self.stages and (self.standing is None or self.standing(state))

    def allows(self, command: Command, state: S | None, context: Context) -> bool:
        """Say whether the command is allowed in the state."""
        allowed = self.allows_any(state, context)
        return allowed and (state is None or self.condition is None or self.condition(command, state))


class Row(Protocol[R_contra]):
    """A row of a state machine, as `register` takes it; a service may have rows of its own kind."""

    @property
    def name(self) -> str:
        """The name of the rule that the row becomes."""
        ...

    @property
    def commands(self) -> tuple[type[Command], ...]:
        """The commands that the row allows or refuses."""
        ...

    @property
    def text(self) -> str:
        """The text of the refusal, for the user."""
        ...

    @property
    def source(self) -> str:
        """The source of the rule in law or practice."""
        ...

    @property
    def looks_at_command(self) -> bool:
        """Whether the state alone does not decide, so that the row is a check and no precondition."""
        ...

    def allows_any(self, state: R_contra | None, context: Context) -> bool:
        """Say whether the state allows its commands, as far as the state alone decides."""
        ...

    def allows(self, command: Command, state: R_contra | None, context: Context) -> bool:
        """Say whether the state allows the command with its fields."""
        ...


def register(rules: RuleBook[R], table: Iterable[Row[R]]) -> None:
    """Enter each row of a state machine in a rulebook (rule S1)."""
    for row in table:
        rules.allowed_in(*row.commands)(_rule(row))


def _rule(row: Row[R]) -> Callable[..., bool]:
    """Return the row as a rulebook expects a rule: a function with its name, and with text and source as docstring."""

    def precondition(state: R | None, context: Context) -> bool:
        return row.allows_any(state, context)

    def check(command: Command, state: R | None, context: Context) -> bool:
        return row.allows(command, state, context)

    rule: Callable[..., bool] = check if row.looks_at_command else precondition
    rule.__name__, rule.__doc__ = row.name, f"{row.text}\n\nSource: {row.source}"
    return rule
