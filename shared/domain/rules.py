"""Rules by id: small functions in one registry for each service.

A rule answers True where it holds. Its docstring is its text for the officer, in the imperative or as a plain sentence,
and names its source in a last line `Source: …`; the registry feeds the API's problem details, the console's error
summary and the reference page, so there is one wording.

    rules: RuleBook[LoanState] = RuleBook("lending")

    @rules.forbids("L3", LendBook)
    def reader_has_paid(command: LendBook, state: LoanState, occasion: Occasion) -> bool:
        '''A reader who owes money must pay it before another book is lent.

        Source: byelaw 7(2)
        '''

Order of judgement: every forbidding rule is asked and all that are broken are named; where none is, the forbidding rules
that give way to them (`forbids(…, gives_way=True)`), then the state machine (`allows`, id S1); only then the warnings,
and those without a rationale are named together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from shared.domain.dates import local_day
from shared.domain.messages import (
    Actor,
    BrokenRule,
    Command,
    Fact,
    NeedsRationale,
    Refused,
    RuleKind,
    unique,
)
from shared.domain.policy import Policy

S = TypeVar("S")
Check = Callable[[Any, Any, "Context"], bool]
F = TypeVar("F", bound=Callable[..., bool])


@dataclass(frozen=True)
class Context:
    """The occasion on which a command is judged: who asks, when it happened, and the policy of that day.

    `received_at` is looked at by T1 alone; every other rule compares `occurred_at`.
    """

    stream: UUID
    actor: Actor
    occurred_at: datetime
    received_at: datetime
    policy: Policy
    policy_on: Callable[[date], Policy]
    """The policy of another day, for what is judged again on the day on which it happened."""
    prints: Callable[[str, str, Sequence[Fact]], bool]
    """Whether a document, as it is printed of some facts, has a SHA-256: (SHA-256, name, facts). It takes its time."""

    @property
    def day(self) -> date:
        """The day on which it happened, in Europe/London."""
        return local_day(self.occurred_at)


@dataclass(frozen=True)
class Rule:
    """One rule as registered: which commands it guards, its text and its source."""

    id: str
    kind: RuleKind
    commands: tuple[type[Command], ...]
    check: Check
    name: str
    text: str
    source: str
    gives_way: bool = False
    """Whether a forbidding rule is named only where no other one refuses, before the state machine."""

    @property
    def broken(self) -> BrokenRule:
        """What a refusal says of this rule."""
        return BrokenRule(self.id, self.text, self.source)


@dataclass(frozen=True)
class Approved:
    """No rule refuses: the ids that were judged, and the rationale that let warnings through or was given besides."""

    rules: tuple[str, ...]
    rationale: dict[str, str]


class RuleBook(Generic[S]):
    """The rules of one service, in the order of their registration."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.rules: list[Rule] = []
        self._guarding: dict[tuple[type[Command], tuple[RuleKind, ...]], tuple[Rule, ...]] = {}
        self.forbids("T1", Command)(not_in_the_future)

    def forbids(self, rule_id: str, *commands: type[Command], gives_way: bool = False) -> Callable[[F], F]:
        """Register a forbidding rule (class H) for these commands and their subclasses.

        One that gives way is named only where no rule that does not refuses, and before the state machine.
        """
        return self._register(rule_id, RuleKind.FORBIDS, commands, gives_way=gives_way)

    def warns(self, rule_id: str, *commands: type[Command]) -> Callable[[F], F]:
        """Register a warning (class W): a rationale under its id lets the command through."""
        return self._register(rule_id, RuleKind.WARNS, commands)

    def allowed_in(self, *commands: type[Command]) -> Callable[[F], F]:
        """Register a part of the state machine (S1): in which states the commands are allowed."""
        return self._register("S1", RuleKind.STATE, commands)

    def _register(
        self, rule_id: str, kind: RuleKind, commands: tuple[type[Command], ...], *, gives_way: bool = False
    ) -> Callable[[F], F]:
        def register(check: F) -> F:
            text, _, source = inspect.cleandoc(check.__doc__ or "").partition("Source:")
            if not text.strip() or not source.strip():
                raise ValueError(
                    f"rule {rule_id} ({check.__name__}) needs a docstring with its text and a line 'Source: …'"
                )
            one_line = " ".join(text.split())
            self._guarding.clear()
            one_source = " ".join(source.split())
            self.rules.append(Rule(rule_id, kind, commands, check, check.__name__, one_line, one_source, gives_way))
            return check

        return register

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all rules: a rationale stands under one of them."""
        return frozenset(rule.id for rule in self.rules)

    def rules_for(self, command: type[Command], *kinds: RuleKind) -> tuple[Rule, ...]:
        """The rules that guard a command, of the kinds given (all by default)."""
        found = self._guarding.get((command, kinds))
        if found is None:
            found = self._guarding[command, kinds] = tuple(
                rule for rule in self.rules if issubclass(command, rule.commands) and (not kinds or rule.kind in kinds)
            )
        return found

    def evaluate(self, command: Command, state: S | None, context: Context) -> Approved | Refused | NeedsRationale:
        """Ask every rule that guards the command."""

        def broken(kind: RuleKind, *, gives_way: bool = False) -> tuple[BrokenRule, ...]:
            asked = (rule for rule in self.rules_for(type(command), kind) if rule.gives_way is gives_way)
            found = [rule for rule in asked if not rule.check(command, state, context)]
            return tuple({rule.id: rule.broken for rule in reversed(found)}[i] for i in unique(r.id for r in found))

        refusing = broken(RuleKind.FORBIDS) or broken(RuleKind.FORBIDS, gives_way=True) or broken(RuleKind.STATE)
        if refusing:
            return Refused(refusing)
        unexplained = tuple(rule for rule in broken(RuleKind.WARNS) if not command.rationale.get(rule.id, "").strip())
        if unexplained:
            return NeedsRationale(unexplained)
        return Approved(unique(rule.id for rule in self.rules_for(type(command))), dict(command.rationale))


def not_in_the_future(_command: Command, _state: object, context: Context) -> bool:
    """What is recorded must have happened already: give the time at which it happened, not a later one.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    return context.occurred_at <= context.received_at
