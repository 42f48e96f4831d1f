"""The fields that rules declare (`looks_at`) are those that they read, in the states that the stories reach."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pytest

from services.trade.vocabulary import PROGRAMS
from shared.domain.envelope import Fact
from shared.domain.messages import Command, fields_of
from shared.domain.rules import Rule
from shared.domain.service import Service
from tests.command_variants import BEGUN_AT, seen_in
from tests.unit.guidance.played_histories import SERVICES, context_at, played_histories, written_commands

MOST: Final = 40
"""The most variants of a command that are tried in one state."""

READ_ELSEWHERE: Final = {
    "child_under_ten_becomes_no_suspect": {"why"},
    "the_child_was_heard": {"no_child_view_because"},
    "the_decision_speaks_of_section_45": {"public_interest", "rationale_text"},
    "each_takes_part_on_their_own_side": {"role"},
    "facilitator_is_trained": {"facilitator_id"},
    "organisations_are_of_the_partnership": {"members"},
}
"""Fields that no command of these states makes a check read: none corrects a role as test_referral_edges.py does, every
sitting hears the child, no referral of the case is kept here, no register of training is loaded, and no organisation is named."""


@cache
def noting(command: type[Command]) -> tuple[type[Command], set[str]]:
    """Return a class of a command that notes each field that is read, with its notes."""
    noted: set[str] = set()
    fields = frozenset(fields_of(command))

    def read(self: Command, name: str) -> Any:
        if name in fields:
            noted.add(name)
        return super(command, self).__getattribute__(name)

    return type(command.__name__, (command,), {"__getattribute__": read, "__module__": __name__}), noted


def reads_of(service: Service[Any]) -> Iterator[tuple[Rule, type[Command], set[str]]]:
    """Ask every check of every command in the states that the stories reach, and yield what it reads."""
    rules = service.decider.rules
    checks = {command: [rule for rule in rules.rules_for(command) if rule.looks_at] for command in service.commands}
    for history in histories(service):
        state, here = service.decider.state_at(history), seen_in(fact.event for fact in history)
        at = max((fact.occurred_at for fact in history), default=BEGUN_AT) + timedelta(hours=1)
        for command in (one for one in service.commands if checks[one] and one.opens is not bool(history)):
            roles = service.roles_for(command)
            context = context_at(service, min(roles - PROGRAMS or roles), at)  # what concerns a program asks less
            noting_class, noted = noting(command)
            for written in written_commands(service, here, command, at, MOST):
                told = noting_class.model_construct(**{name: getattr(written, name) for name in command.model_fields})
                for check in checks[command]:
                    noted.clear()
                    check.check(told, state, context)
                    yield check, command, set(noted)


def histories(service: Service[Any]) -> Iterator[Sequence[Fact]]:
    """Yield the beginning, each story, and the half of each story that has other events than the halves before it."""
    yield ()
    kinds: set[frozenset[type]] = set()
    for story in played_histories()[service.name].histories:
        yield story
        half = story[: len(story) // 2]
        kind = frozenset(type(fact.event) for fact in half)
        if half and kind not in kinds:
            kinds.add(kind)
            yield half


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_check_reads_the_fields_that_it_declares_and_no_other(service: Service[Any]) -> None:
    """Each check of each command reads fields only that it declares, and each declared field is read in some state.

    A field that is read and not declared would make guidance fail; one that is declared and not read would make it say that
    it depends where it knows the answer.
    """
    read_of: dict[Rule, set[str]] = defaultdict(set)
    for check, command, read in reads_of(service):
        assert read <= {*check.looks_at}, f"{check.name} reads a field of {command.__name__} that it does not declare"
        read_of[check] |= read
    for rule in service.decider.rules.rules:
        assert {*rule.looks_at} - read_of[rule] == READ_ELSEWHERE.get(rule.name, set()), f"{rule.name} reads less"
