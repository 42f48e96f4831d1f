"""A state machine as a table: each row names commands, the stages in which they are allowed, and the text of the refusal.

    STATE_MACHINE: tuple[AllowedStages[Loan], ...] = (
        AllowedStages("lent_once", (LendBook,), NOTHING_YET, "This loan exists already: …"),
        AllowedStages("out_on_loan", (ReturnBook,), frozenset({Stage.LENT}), "The book is not lent.", "byelaw 4"),
    )

`register` enters the rows in a rulebook as rules of id S1. A command without a row is an error at the declaration, unless it
is listed as one that every stage allows.
"""

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


S = TypeVar("S", bound=Staged)


@dataclass(frozen=True)
class AllowedStages(Generic[S]):
    """One row of a state machine. Before the first event of a stream it allows its commands."""

    name: str
    commands: tuple[type[Command], ...]
    stages: frozenset[StrEnum]
    text: str
    source: str | None = None
    """The source in law or practice; None: that of the table."""
    standing: Callable[[S], bool] | None = None
    """What must hold of the state besides its stage."""
    condition: Callable[[Any, S, Context], bool] | None = None
    """What must hold of the command besides, in a state that allows it."""
    looks_at: tuple[str, ...] = ()
    """The fields of the commands that the condition reads."""

    def allows(self, state: S | None) -> bool:
        if state is None:
            return True
        return state.stage in self.stages and (self.standing is None or self.standing(state))


def register(
    rules: RuleBook[S],
    table: Iterable[AllowedStages[S]],
    source: str,
    commands: Iterable[type[Command]],
    in_every_stage: tuple[type[Command], ...] = (),
) -> None:
    """Enter each row in a rulebook: its stages as a precondition, its condition as a check if the stages allow it.

    Raises TypeError for a command without a row that is not listed as allowed in every stage.
    """
    staged = list(in_every_stage)
    for row in table:
        staged += row.commands
        precondition, check = _rules_of(row, row.source or source)
        rules.allowed_in(*row.commands)(precondition)
        if row.condition is not None:
            rules.allowed_in(*row.commands, looks_at=row.looks_at, when=row.allows)(check)
    if forgotten := [command.__name__ for command in commands if command not in staged]:
        raise TypeError(
            f"{', '.join(forgotten)} of {rules.service}: name the stages that allow it in a row of STATE_MACHINE"
            " (domain/state_machine.py), or add it to IN_EVERY_STAGE there"
        )


def _rules_of(row: AllowedStages[S], source: str) -> tuple[Callable[..., bool], Callable[..., bool]]:
    def precondition(state: S | None, _context: Context) -> bool:
        return row.allows(state)

    def check(command: Command, state: S, context: Context) -> bool:
        return row.condition is None or row.condition(command, state, context)

    for rule in (precondition, check):
        rule.__name__, rule.__doc__ = row.name, f"{row.text}\n\nSource: {source}"
    return precondition, check
