"""Guidance: what may be done next, and why not, before a command is written. Pure.

A precondition looks at state and context alone, so it is answered as it stands. A check depends on the fields that it
declares (`shared.domain.rules`), unless the command has none of them or the check says nothing in this state. It is tried
with every value of fields with few values, codes and yes or no: such a value may break it whatever the other fields are.

The question is put for one moment, at which the command would both happen and be received. What can be answered is asked
again for later days, so that the answer can name the day on which it changes: a birthday, a time limit, the day of a
session. The search is bounded (`LATER_DAYS`).

Guidance does not know what other records hold: a claim that another stream holds still refuses a command.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import Enum, StrEnum
from functools import cache, partial
from itertools import product
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime

from shared.domain.dates import BeyondCalendar, end_of_day, local_day
from shared.domain.envelope import Fact
from shared.domain.messages import Actor, Command, fields_of, ids_by_name
from shared.domain.permissions import EVERY
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.policy import NoPolicy
from shared.domain.rules import Context, Rule, RuleBook
from shared.domain.service import Service

S = TypeVar("S")

LATER_DAYS: Final = (*range(1, 61), *range(88, 732, 28), *range(732, 8 * 366, 365))
"""The later days on which a rule is asked, as days from the first: each of two months, four-weekly for two years, yearly.

An answer that changes between two of them is found to the day by bisection. One that changes and changes back between two
of them is not seen.
"""


class Answer(StrEnum):
    """The answer of a rule before the command is written."""

    HOLDS = "holds"
    BROKEN = "broken"
    DEPENDS = "depends"


_ANSWERS: Final = {True: Answer.HOLDS, False: Answer.BROKEN}


class Status(StrEnum):
    """What may be said of a command before it is written.

    Refused: whatever its fields. Needs rationale: no precondition refuses it, and a warning applies whatever its fields.
    Depends: a rule looks at its fields. Available: no rule stands in its way.
    """

    AVAILABLE = "available"
    NEEDS_RATIONALE = "needs_rationale"
    REFUSED = "refused"
    DEPENDS = "depends"


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """The answer of one rule for one command that is not written yet."""

    rule: Rule
    answer: Answer
    fields: tuple[str, ...] = ()
    changes_on: date | None = None
    """The first later day with another answer, if any is found.

    Of a rule that depends on one field with a time or a day: the first later day that gets another answer in that field.
    """
    for_the_day: Answer | None = None
    """Of a rule that depends on one field with a time or a day: the answer if that field holds the day of the question."""

    broken_by: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Of a rule that depends on fields with few values (codes, yes or no): those values by which alone it is broken."""

    @property
    def matters(self) -> bool:
        """Whether the rule refuses the command, may refuse it for its fields, or will on a later day."""
        return self.answer is not Answer.HOLDS or self.changes_on is not None


@dataclass(frozen=True, slots=True)
class CommandGuidance:
    """A command, its status, and every rule that stands in its way or will."""

    command: type[Command]
    status: Status
    rules: tuple[RuleAnswer, ...]
    choices: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    """Of a field with an id: the ids that the record names under the same name, without those that a rule refuses."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that decide, in the order of their declaration."""
        deciding = {name for answer in self.rules for name in answer.fields}
        return tuple(name for name in fields_of(self.command) if name in deciding)


class Guide(Generic[S]):
    """The guidance for one state and one context, whose `occurred_at` and `received_at` are the moment of the question.

    Without `later` it asks of no later day, which takes most of the time.
    """

    def __init__(
        self,
        rules: RuleBook[S],
        state: S | None,
        context: Context,
        ids: Mapping[str, Sequence[UUID]] | None = None,
        *,
        later: bool = True,
    ) -> None:
        self._later = LATER_DAYS if later else ()
        self._ids = ids or {}
        self._rules = rules
        self._state = state
        self._context = context
        self._contexts: dict[int, Context] = {}
        self._preconditions: dict[int, RuleAnswer] = {}

    def of_commands(self, commands: Iterable[type[Command]]) -> list[CommandGuidance]:
        """Say of each command what may be said before it is written. Raises `NoPolicy` or `BeyondCalendar`."""
        return [self.of_command(command) for command in commands]

    def of_command(self, command: type[Command]) -> CommandGuidance:
        """Ask the rules of a command in the order of their evaluation; what refuses it is named as a refusal names it."""
        *forbidding, warnings = self._rules.steps(command)
        answers: list[RuleAnswer] = []
        for rules in forbidding:
            step = [self._answer(rule, command) for rule in rules]
            if broken := tuple(answer for answer in step if answer.answer is Answer.BROKEN):
                return CommandGuidance(command, Status.REFUSED, broken)
            answers += step
        answers += [self._answer(rule, command) for rule in warnings]
        answers_found = {answer.answer for answer in answers}
        status = (
            Status.NEEDS_RATIONALE
            if Answer.BROKEN in answers_found
            else Status.DEPENDS
            if Answer.DEPENDS in answers_found
            else Status.AVAILABLE
        )
        matter = tuple(answer for answer in answers if answer.matters)
        return CommandGuidance(command, status, matter, self._choices(command))

    def _choices(self, command: type[Command]) -> Mapping[str, Sequence[UUID]]:
        """Choose, for each field with an id, among the ids that the record names under the same name."""
        *forbidding, _ = self._rules.steps(command)
        choices = {}
        for name in fields_of(command):
            offered = self._ids.get(name, ()) if UUID in _types_of(command, name) else ()
            checks = [rule for rules in forbidding for rule in rules if name in rule.looks_at]
            if chosen := [id_ for id_ in offered if all(self._may_hold(check, command, name, id_) for check in checks)]:
                choices[name] = chosen
        return choices

    def _may_hold(self, check: Rule, command: type[Command], name: str, id_: UUID) -> bool:
        """Say whether a check may hold with an id in a field; yes if another of its fields has too many values to try."""
        ways = _ways_to_write(command, tuple(other for other in check.fields_of(command) if other != name))
        copies = (way.model_copy(update={name: id_}) for way in ways)
        return not ways or any(check.check(copy, self._state, self._context) for copy in copies)

    def _answer(self, rule: Rule, command: type[Command]) -> RuleAnswer:
        """Answer a rule. Several commands may have the same precondition, which is answered once."""
        if rule.looks_at and not rule.applies(self._context):
            return RuleAnswer(rule, Answer.HOLDS)
        if rule.looks_at:
            says_nothing = rule.when is not None and not rule.when(self._state)
            answer = self._ahead if says_nothing or not rule.fields_of(command) else self._by_field
            return answer(rule, command)
        if id(rule) not in self._preconditions:
            self._preconditions[id(rule)] = self._ahead(rule, command)
        return self._preconditions[id(rule)]

    def _ahead(self, rule: Rule, command: type[Command]) -> RuleAnswer:
        (unwritten,) = _ways_to_write(command, ())
        holds = rule.check(unwritten, self._state, self._context)
        later = self._change(holds, lambda days: rule.check(unwritten, self._state, self._context_on(days)))
        return RuleAnswer(rule, _ANSWERS[holds], changes_on=later)

    def _by_field(self, rule: Rule, command: type[Command]) -> RuleAnswer:
        """Say on which fields a check depends, and which codes and days in them break it."""
        fields = rule.fields_of(command)
        if len(fields) == 1 and (as_value := _day_as_value(command, fields[0])) is not None:
            (unwritten,) = _ways_to_write(command, ())

            def holds_for(days: int) -> bool:
                value = as_value(self._context_on(days).occurred_at)
                return rule.check(unwritten.model_copy(update={fields[0]: value}), self._state, self._context)

            today = holds_for(0)
            return RuleAnswer(rule, Answer.DEPENDS, fields, self._change(today, holds_for), _ANSWERS[today])
        ways = _ways_to_write(command, fields)
        allowed = [way for way in ways if rule.check(way, self._state, self._context)]
        broken_by = {}
        for name in fields if ways else ():
            good = {getattr(way, name) for way in allowed}
            if bad := [value for value in _few_values(command, name) if value is not None and value not in good]:
                broken_by[name] = bad
        return RuleAnswer(rule, Answer.DEPENDS, fields, broken_by=broken_by)

    def _change(self, holds: bool, holds_on: Callable[[int], bool]) -> date | None:
        """Find the first later day, from the day of the question on, with another answer."""
        same = -1
        try:
            for days in (0, *self._later):
                if holds_on(days) is not holds:
                    between = range(same + 1, days)
                    first = same + 1 + bisect_left(between, 1, key=lambda n: int(holds_on(n) is not holds))
                    return local_day(self._context.occurred_at) + timedelta(days=first)
                same = days
        except (NoPolicy, BeyondCalendar):
            pass  # nothing can be said of the days from there on
        return None

    def _context_on(self, days: int) -> Context:
        """Return the context at the end of a later day, given by its distance from the day of the question."""
        if days not in self._contexts:
            day = local_day(self._context.occurred_at) + timedelta(days=days)
            at = end_of_day(day)
            self._contexts[days] = replace(
                self._context, occurred_at=at, received_at=at, policy=self._context.policy_on(day)
            )
        return self._contexts[days]


def guidance_at(
    service: Service[Any],
    actor: Actor,
    stream: UUID,
    history: Sequence[Fact],
    at: datetime,
    only: str | None = None,
    kept: Sequence[Fact] = (),
    known: Known = NOTHING_KNOWN,
) -> list[CommandGuidance]:
    """Ask what an actor may do next with a stream at a moment, from its decrypted history; of the command `only`, if given.

    `kept` are other services' events of the same home: who is named there may be chosen too. `known` is what is known of
    the persons of the record.
    Raises `NoPolicy`, `BeyondCalendar`.
    """
    state, context = read_standing(service, actor, stream, history, at, kept, known)
    ids = ids_by_name(fact.event for fact in (*history, *kept) if fact.occurred_at <= at)
    guides = {
        one.role: Guide(service.decider.rules, state, replace(context, actor=one), ids) for one in actor.in_each_role()
    }
    answers = [
        [guides[one.role].of_command(command) for one in acting]
        for command, acting in _sendable(service, actor, begun=bool(history))
        if only in {None, command.__name__}
    ]
    return [next((one for one in each if one.status is not Status.REFUSED), each[0]) for each in answers]


def read_standing(
    service: Service[Any],
    actor: Actor,
    stream: UUID,
    history: Sequence[Fact],
    at: datetime,
    kept: Sequence[Fact] = (),
    known: Known = NOTHING_KNOWN,
) -> tuple[Any, Context]:
    """Return the state of a stream at a moment, and the context of what an actor would do then. Raises `NoPolicy`, `BeyondCalendar`."""
    state = service.decider.state_at(history, as_of=at, known=known)
    policy = service.policy.on(local_day(at)).require_any()
    began_at = history[0].occurred_at if state is not None else None
    prints = partial(service.prints, known=known)
    return state, Context(stream, actor, at, at, policy, service.policy.on, prints, began_at, kept=kept, known=known)


def _sendable(service: Service[Any], actor: Actor, *, begun: bool) -> list[tuple[type[Command], list[Actor]]]:
    """List the commands that an actor may send to a stream, each with the actor in each role that may. Before it is begun, only those that begin one.

    A token for every value of a label begins nothing: the record could not take one from it.
    """
    if not begun and any(actor.labels.get(label) == EVERY for label in service.inherited_labels):
        return []
    commands = (command for command in service.commands if begun or command.opens)
    return [(command, acting) for command in commands if (acting := service.acting(actor, command))]


@cache
def _ways_to_write(command: type[Command], fields: tuple[str, ...]) -> tuple[Command, ...]:
    """Return commands with every value of some fields and no other field; none if a field has many values.

    The read of another field raises AttributeError.
    """
    values = product(*(_few_values(command, name) for name in fields))
    return tuple(
        command.model_construct(type=command.__name__, **dict(zip(fields, chosen, strict=True))) for chosen in values
    )


def _types_of(command: type[Command], name: str) -> tuple[Any, ...]:
    """Return the types that a field may have: the members of a union, or the one type."""
    annotation = command.model_fields[name].annotation
    members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    return tuple(get_args(member)[0] if get_origin(member) is Annotated else member for member in members)


@cache
def _few_values(command: type[Command], name: str) -> tuple[Any, ...]:
    """Return the values of a field with codes, or with yes and no, None among them; nothing for other fields."""
    values: list[Any] = []
    for option in _types_of(command, name):
        if get_origin(option) is Literal:
            values += get_args(option)
        elif option is bool:
            values += (True, False)
        elif option is NoneType:
            values.append(None)
        elif isinstance(option, type) and issubclass(option, Enum):
            values += option
        else:
            return ()
    return tuple(values)


def _day_as_value(command: type[Command], name: str) -> Callable[[datetime], Any] | None:
    """Return the conversion of a moment to the value of a field that holds a time or a day; None for other fields."""
    annotation: Any = command.model_fields[name].annotation
    if annotation is date:
        return local_day
    return (lambda moment: moment) if annotation in {datetime, AwareDatetime} else None
