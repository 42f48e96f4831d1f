"""Business rules: small functions with an id, in one registry for each service.

A rule returns True if the command may proceed. Its docstring is its text for the user; the last line, `Source: …`, names
its source, unless its id or its book does (`SOURCES`, `RuleBook`). The problem details of the API, the console and the reference page all show this one text.

    rules: RuleBook[LoanState] = RuleBook("lending")

    @rules.forbids("L3", LendBook)
    def reader_has_paid(state: LoanState, context: Context) -> bool:
        '''Take the reader's debt before another book is lent.

        Source: byelaw 7(2)
        '''

    @rules.forbids("L4", LendBook, looks_at=("due",))
    def due_on_an_open_day(command: LendBook, state: LoanState, context: Context) -> bool:
        '''The library is closed on that day: choose another.

        Source: byelaw 2
        '''

    @rules.forbids("L5", LendBook, lifted_by=(CheckCard,))
    def card_was_checked(state: LoanState, context: Context) -> bool:
        '''The card is not checked yet: check it first.

        Source: byelaw 3
        '''

The first is a precondition: it looks at state and context alone, so guidance answers it before a command is written
(`shared.domain.guidance`). The second is a check: it declares the fields of the command that it reads (`looks_at`).
A rule whose refusal another command of the service lifts names it (`lifted_by`), and so does every refusal.
A rule that concerns some states only may declare these (`when`): in all others it holds, whatever the fields are.
A new rule names its first day (`since`), as a dated value does: facts that occurred before it are not refused when they are
recorded late. With `spares_old_records` records that began before that day are not judged either.
A test compares the declarations with what the rules read (tests/unit/guidance/test_declared_fields.py).

Rules are evaluated in this order, and a refusal names every broken rule of its step:
1. forbidding rules that are asked first (`forbids(…, first=True)`): without them the others cannot be asked;
2. forbidding rules (`forbids`);
3. forbidding rules that give way (`forbids(…, gives_way=True)`);
4. the state machine (`allowed_in`, id S1);
5. warnings (`warns`) without a rationale.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from shared.domain.dates import local_day
from shared.domain.decisions import BrokenRule, NeedsRationale, Refused, RuleKind
from shared.domain.envelope import Fact
from shared.domain.messages import Actor, Command, unique
from shared.domain.persons import NOBODY_ALIKE, NOTHING_KNOWN, Alike, Known
from shared.domain.policy import Policy, PolicyOn

S = TypeVar("S")
V = TypeVar("V")
When = Callable[[Any], bool]
F = TypeVar("F", bound=Callable[..., bool])


Linked = Callable[[UUID], frozenset[str]]
"""The marks of other services' records, such as `lending.READER:…`, by home."""


def no_marks(_home: UUID) -> frozenset[str]:
    return frozenset()


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
    policy_on: PolicyOn
    """Lookup of the policy of another day, for an earlier fact that a rule checks again."""
    prints: Callable[[str, str, Sequence[Fact]], bool]
    """Test whether a document, printed from facts, has a SHA-256: (SHA-256, name, facts). Takes some ten milliseconds."""
    began_at: datetime | None = None
    """The occurrence of the stream's first event; None: the stream has none yet."""
    linked: Linked = no_marks
    """Lookup of the marks that records give a home that the stream or the command mentions (`Service.asks_marks_of`)."""
    kept: Sequence[Fact] = ()
    """The kept events of other services (`Service.keeps`) of the stream's home, decrypted; those of one service in order."""
    known: Known = NOTHING_KNOWN
    """What is known of the persons whom the stream or the command names (`Service.keeps_of_people`): who is one person, too."""
    alike: Alike = NOBODY_ALIKE
    """Who is like a person whom the command names (`Service.likeness`)."""
    _made_of_kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def of_kept(self, view: Callable[[Sequence[Fact]], V]) -> V:
        """Return what a function makes of the kept events. It is asked once: rules look for each of many ids, on many days."""
        if view not in self._made_of_kept:
            self._made_of_kept[view] = view(self.kept)
        found: V = self._made_of_kept[view]
        return found

    @property
    def day(self) -> date:
        """The Europe/London date of the occurrence."""
        return local_day(self.occurred_at)


class Precedence(IntEnum):
    """The order in which rules are asked. A group is reached only if no rule of an earlier one is broken."""

    FIRST = 0
    FORBIDS = 1
    GIVES_WAY = 2
    STATE = 3
    WARNS = 4


SOURCES: Final = {"T1": "rule T1 of this house; DPA 2018 s38 (accuracy)"}
"""The source of a rule of many functions: each has it that names no other."""

_KINDS: Final = {Precedence.STATE: RuleKind.STATE, Precedence.WARNS: RuleKind.WARNS}


@dataclass(frozen=True)
class Rule:
    """A registered rule: its commands, function, text and source."""

    id: str
    precedence: Precedence
    commands: tuple[type[Command], ...]
    function: Callable[..., bool]
    looks_at: tuple[str, ...]
    """The fields of its commands that a check reads. Empty: a precondition, which looks at state and context alone."""
    when: When | None
    """The states in which the rule can be broken; None: every state."""
    name: str
    text: str
    source: str
    lifted_by: tuple[type[Command], ...] = ()
    """The commands of the service that lift a refusal, in the order of their use."""
    since: date | None = None
    """The first day of the rule; None: it has always held."""
    spares_old_records: bool = False
    """Whether the rule leaves out the records that began before its first day."""
    names: Callable[[Any, Any, Context], Sequence[UUID]] | None = None
    """Returns the ids that a refusal names (`BrokenRule.known`)."""

    def applies(self, context: Context) -> bool:
        """Tell whether the rule had begun when the command's fact occurred, or its record began."""
        began_at = context.began_at if self.spares_old_records else None
        return self.since is None or local_day(began_at or context.occurred_at) >= self.since

    def check(self, command: Command, state: Any, context: Context) -> bool:
        """Say whether the command may proceed."""
        if not self.applies(context) or (self.when is not None and not self.when(state)):
            return True
        return self.function(command, state, context) if self.looks_at else self.function(state, context)

    def fields_of(self, command: type[Command]) -> tuple[str, ...]:
        """Return the fields of a command that the rule looks at, in the order of their declaration."""
        return tuple(name for name in command.model_fields if name in self.looks_at)

    @property
    def kind(self) -> RuleKind:
        """The kind of the rule: forbids, warns, or state machine."""
        return _KINDS.get(self.precedence, RuleKind.FORBIDS)

    @property
    def gives_way(self) -> bool:
        """Whether a forbidding rule is evaluated only if no other one refuses, before the state machine."""
        return self.precedence is Precedence.GIVES_WAY

    @property
    def broken(self) -> BrokenRule:
        """The rule as a refusal shows it: id, text, source, and the commands that lift it."""
        return BrokenRule(self.id, self.text, self.source, tuple(command.__name__ for command in self.lifted_by))


@dataclass(frozen=True)
class Approved:
    """The approval of a command: the ids of all evaluated rules, and the rationale of the command by rule id."""

    rules: tuple[str, ...]
    rationale: dict[str, str]
    warnings: tuple[BrokenRule, ...] = ()
    """The warnings that apply, each of which the rationale answers."""


@dataclass(frozen=True, slots=True)
class _Guards:
    """The rules of one command: their ids, and the rules by step."""

    ids: tuple[str, ...]
    steps: tuple[tuple[Rule, ...], ...]


class RuleBook(Generic[S]):
    """The rules of one service, in the order of their registration."""

    def __init__(self, service: str, source: str = "") -> None:
        """Begin a book; `source` is that of the rules that name none."""
        self.service, self._source = service, source
        self.rules: list[Rule] = []
        self._by_command: dict[type[Command], _Guards] = {}
        self.forbids("T1", Command, first=True)(not_in_the_future)  # else a rule would tell what changes on a later day
        self.forbids("T1", Command)(not_before_the_stream_began)

    def forbids(
        self,
        rule_id: str,
        *commands: type[Command],
        looks_at: Sequence[str] = (),
        when: When | None = None,
        first: bool = False,
        gives_way: bool = False,
        lifted_by: Sequence[type[Command]] = (),
        since: date | None = None,
        spares_old_records: bool = False,
    ) -> Callable[[F], F]:
        """Register a forbidding rule (class H) for these commands and their subclasses.

        `first`: it is evaluated before every other rule, and refuses alone. `gives_way`: it is evaluated only if no other
        forbidding rule refuses, before the state machine.
        """
        precedence = Precedence.FIRST if first else Precedence.GIVES_WAY if gives_way else Precedence.FORBIDS
        first_day = (since, spares_old_records)
        return self._register(rule_id, precedence, commands, looks_at, when, lifted_by, first_day)

    def warns(
        self,
        rule_id: str,
        *commands: type[Command],
        looks_at: Sequence[str] = (),
        when: When | None = None,
        lifted_by: Sequence[type[Command]] = (),
        since: date | None = None,
        spares_old_records: bool = False,
        names: Callable[[Any, Any, Context], Sequence[UUID]] | None = None,
    ) -> Callable[[F], F]:
        """Register a warning (class W): the command needs a rationale under its id. `names` gives the ids that it names."""
        first_day = (since, spares_old_records)
        return self._register(rule_id, Precedence.WARNS, commands, looks_at, when, lifted_by, first_day, names)

    def allowed_in(
        self, *commands: type[Command], looks_at: Sequence[str] = (), when: When | None = None
    ) -> Callable[[F], F]:
        """Register a part of the state machine (S1): the states in which the commands are allowed."""
        return self._register("S1", Precedence.STATE, commands, looks_at, when)

    def _register(
        self,
        rule_id: str,
        precedence: Precedence,
        commands: tuple[type[Command], ...],
        looks_at: Sequence[str],
        when: When | None,
        lifted_by: Sequence[type[Command]] = (),
        first_day: tuple[date | None, bool] = (None, False),
        names: Callable[[Any, Any, Context], Sequence[UUID]] | None = None,
    ) -> Callable[[F], F]:
        def register(function: F) -> F:
            called = f"rule {rule_id} ({function.__name__})"
            text, _, source = inspect.cleandoc(function.__doc__ or "").partition("Source:")
            source = source or SOURCES.get(rule_id, self._source)
            if not text.strip() or not source.strip():
                raise ValueError(f"{called} needs a docstring with its text and a line 'Source: …'")
            if len(inspect.signature(function).parameters) != (3 if looks_at else 2):
                raise ValueError(
                    f"{called} must take (state, context), or (command, state, context) and declare looks_at"
                )
            if unknown := {name for name in looks_at if not any(name in command.model_fields for command in commands)}:
                raise ValueError(
                    f"{called} looks at fields that its commands do not have: {', '.join(sorted(unknown))}"
                )
            one_line, one_source = " ".join(text.split()), " ".join(source.split())
            declared = (
                tuple(looks_at),
                when,
                function.__name__,
                one_line,
                one_source,
                tuple(lifted_by),
                *first_day,
                names,
            )
            self.rules.append(Rule(rule_id, precedence, commands, function, *declared))
            self._by_command.clear()
            return function

        return register

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all rules, which are the permitted keys of a rationale."""
        return frozenset(rule.id for rule in self.rules)

    def rules_for(self, command: type[Command], *kinds: RuleKind) -> tuple[Rule, ...]:
        """Return the rules of a command, of the given kinds (all by default), in the order of their registration."""
        return tuple(
            rule
            for rule in self.rules
            if issubclass(command, rule.commands)
            and (not kinds or rule.kind in kinds)
            and ((command.happens and not command.opens) or rule.function is not not_before_the_stream_began)
        )

    def steps(self, command: type[Command]) -> tuple[tuple[Rule, ...], ...]:
        """Return the rules of a command by step, in the order of evaluation."""
        return self._guards(command).steps

    def _guards(self, command: type[Command]) -> _Guards:
        guards = self._by_command.get(command)
        if guards is None:
            rules = self.rules_for(command)
            steps = tuple(tuple(rule for rule in rules if rule.precedence is precedence) for precedence in Precedence)
            guards = self._by_command[command] = _Guards(unique(rule.id for rule in rules), steps)
        return guards

    def evaluate(self, command: Command, state: S | None, context: Context) -> Approved | Refused | NeedsRationale:
        """Evaluate the rules of a command, in the order that the module states."""
        guards = self._guards(type(command))
        *forbidding, warnings = guards.steps
        for rules in forbidding:
            if refusals := broken_rules(rule for rule in rules if not rule.check(command, state, context)):
                return Refused(refusals)
        broken = [rule for rule in warnings if not rule.check(command, state, context)]
        known = {rule.id: tuple(rule.names(command, state, context)) for rule in broken if rule.names is not None}
        failed = tuple(replace(rule, known=known.get(rule.id, ())) for rule in broken_rules(broken))
        unexplained = tuple(rule for rule in failed if not command.rationale.get(rule.id, "").strip())
        if unexplained:
            return NeedsRationale(unexplained)
        return Approved(guards.ids, dict(command.rationale), failed)


def broken_rules(rules: Iterable[Rule]) -> tuple[BrokenRule, ...]:
    """Return broken rules as a refusal shows them: each id once, with the text of the first function under it."""
    first: dict[str, BrokenRule] = {}
    for rule in rules:
        first.setdefault(rule.id, rule.broken)
    return tuple(first.values())


def not_in_the_future(_state: object, context: Context) -> bool:
    """Give the time at which it happened: a time in the future cannot be recorded."""
    return context.occurred_at <= context.received_at


def not_before_the_stream_began(_state: object, context: Context) -> bool:
    """Give the time at which it happened: nothing happens in a record before the record begins."""
    return context.began_at is None or context.occurred_at >= context.began_at
