"""T1 in every service: no command can be recorded as having happened before the first event of its stream."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.envelope import Fact
from shared.domain.messages import Command
from shared.domain.rules import Context
from shared.domain.service import Service
from tests.as_one_test import as_one_test
from tests.unit.contract.sample import SERVICES, samples, type_in

LATER = [
    pytest.param(service, command, id=f"{service.name}-{command.__name__}")
    for service in SERVICES
    for command in service.commands
    if not command.opens and command.happens
]


def first_fact(service: Service[Any]) -> Fact:
    """Return the first fact of a stream, of the event that the opening command records."""
    facts = [service.events.read(sample["body"].encode()) for sample in samples(service.name).values()]
    return next(fact for fact in facts if fact.version == 1 and type_in(fact.envelope.type) in service.events.by_type)


@as_one_test
@pytest.mark.parametrize(("service", "command"), LATER)
def test_no_command_happens_before_the_first_event(service: Service[Any], command: type[Command]) -> None:
    """Given a stream of one event, when a command is dated before it, then the kernel's T1 refuses whatever it says."""
    first, policies = first_fact(service), service.policy.on
    at = first.occurred_at
    then = Context(first.stream_id, first.actor, at, at, policies(first.day), policies, service.prints, at)
    before = replace(then, occurred_at=at - timedelta(seconds=1))
    rules = [rule for rule in service.decider.rules.rules_for(command) if rule.name == "not_before_the_stream_began"]
    state = service.decider.fold([first])
    assert [rule.function(state, before) for rule in rules] == [False]
    assert [rule.function(state, then) for rule in rules] == [True]
