"""Business rules: small functions with an id, in one registry for each service.

A rule returns True if the command may proceed. Its docstring is its text for the user; the last line, `Source: …`, names
its source. The problem details of the API, the console and the reference page all show this one text.

    rules: RuleBook[LoanState] = RuleBook("lending")

    @rules.forbids("L3", LendBook)
    def reader_has_paid(command: LendBook, state: LoanState, context: Context) -> bool:
        '''Take the reader's debt before another book is lent.

        Source: byelaw 7(2)
        '''

Rules are evaluated in this order, and a refusal names every broken rule of its step:
1. forbidding rules (`forbids`);
2. forbidding rules that give way (`forbids(…, gives_way=True)`);
3. the state machine (`allowed_in`, id S1);
4. warnings (`warns`) without a rationale.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from shared.domain.dates import local_day
from shared.domain.decisions import BrokenRule, NeedsRationale, Refused, RuleKind
from shared.domain.envelope import Fact
from shared.domain.messages import Actor, Command, unique
from shared.domain.policy import Policy

S = TypeVar("S")
Check = Callable[[Any, Any, "Context"], bool]
F = TypeVar("F", bound=Callable[..., bool])


@dataclass(frozen=True)
class Context:
    """The context of a command: its stream, actor and times, and the policy of its day.

    Only rule T1 uses `received_at`; every other rule compares `occurred_at`.
    """

    stream: UUID
    actor: Actor
    occurred_at: datetime
    received_at: datetime
    policy: Policy
    policy_on: Callable[[date], Policy]
    """Lookup of the policy of another day, for an earlier fact that a rule checks again."""
    prints: Callable[[str, str, Sequence[Fact]], bool]
    """Test whether a document, printed from facts, has a SHA-256: (SHA-256, name, facts). Takes some ten milliseconds."""

    @property
    def day(self) -> date:
        """The Europe/London date of the occurrence."""
        return local_day(self.occurred_at)


@dataclass(frozen=True)
class Rule:
    """A registered rule: its commands, check, text and source."""

    id: str
    kind: RuleKind
    commands: tuple[type[Command], ...]
    check: Check
    name: str
    text: str
    source: str
    gives_way: bool = False
    """Whether a forbidding rule is evaluated only if no other one refuses, before the state machine."""

    @property
    def broken(self) -> BrokenRule:
        """The rule as a refusal shows it."""
        return BrokenRule(self.id, self.text, self.source)


@dataclass(frozen=True)
class Approved:
    """The approval of a command: the ids of all evaluated rules, and the rationale of the command by rule id."""

    rules: tuple[str, ...]
    rationale: dict[str, str]


class RuleBook(Generic[S]):
    """The rules of one service, in the order of their registration."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.rules: list[Rule] = []
        self._by_command: dict[tuple[type[Command], tuple[RuleKind, ...]], tuple[Rule, ...]] = {}
        self.forbids("T1", Command)(not_in_the_future)

    def forbids(self, rule_id: str, *commands: type[Command], gives_way: bool = False) -> Callable[[F], F]:
        """Register a forbidding rule (class H) for these commands and their subclasses.

        A rule that gives way is evaluated only if no other forbidding rule refuses, before the state machine.
        """
        return self._register(rule_id, RuleKind.FORBIDS, commands, gives_way=gives_way)

    def warns(self, rule_id: str, *commands: type[Command]) -> Callable[[F], F]:
        """Register a warning (class W): the command needs a rationale under its id."""
        return self._register(rule_id, RuleKind.WARNS, commands)

    def allowed_in(self, *commands: type[Command]) -> Callable[[F], F]:
        """Register a part of the state machine (S1): the states in which the commands are allowed."""
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
            self._by_command.clear()
            one_source = " ".join(source.split())
            self.rules.append(Rule(rule_id, kind, commands, check, check.__name__, one_line, one_source, gives_way))
            return check

        return register

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all rules, which are the permitted keys of a rationale."""
        return frozenset(rule.id for rule in self.rules)

    def rules_for(self, command: type[Command], *kinds: RuleKind) -> tuple[Rule, ...]:
        """Return the rules of a command, of the given kinds (all by default)."""
        rules = self._by_command.get((command, kinds))
        if rules is None:
            rules = self._by_command[command, kinds] = tuple(
                rule for rule in self.rules if issubclass(command, rule.commands) and (not kinds or rule.kind in kinds)
            )
        return rules

    def evaluate(self, command: Command, state: S | None, context: Context) -> Approved | Refused | NeedsRationale:
        """Evaluate the rules of a command, in the order that the module states."""

        def broken(kind: RuleKind, *, gives_way: bool = False) -> tuple[BrokenRule, ...]:
            rules = (rule for rule in self.rules_for(type(command), kind) if rule.gives_way is gives_way)
            failed = [rule for rule in rules if not rule.check(command, state, context)]
            return tuple({rule.id: rule.broken for rule in reversed(failed)}[i] for i in unique(r.id for r in failed))

        refusals = broken(RuleKind.FORBIDS) or broken(RuleKind.FORBIDS, gives_way=True) or broken(RuleKind.STATE)
        if refusals:
            return Refused(refusals)
        unexplained = tuple(rule for rule in broken(RuleKind.WARNS) if not command.rationale.get(rule.id, "").strip())
        if unexplained:
            return NeedsRationale(unexplained)
        return Approved(unique(rule.id for rule in self.rules_for(type(command))), dict(command.rationale))


def not_in_the_future(_command: Command, _state: object, context: Context) -> bool:
    """Give the time at which it happened: a time in the future cannot be recorded.

    Source: rule T1 of this house; DPA 2018 s38 (accuracy)
    """
    return context.occurred_at <= context.received_at
