"""T1 in every service: no command can be recorded as having happened before the first event of its stream."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.disposal.domain.commands import OfferSession
from shared.domain.decisions import RuleKind
from shared.domain.envelope import Fact
from shared.domain.messages import Command
from shared.domain.rules import Context
from shared.domain.service import Service
from tests.unit.contract.sample import SERVICES, samples, type_in

LATER = [
    pytest.param(service, command, id=f"{service.name}-{command.__name__}")
    for service in SERVICES
    for command in service.commands
    if not command.opens and command is not OfferSession  # an offer is recorded nowhere
]


def first_fact(service: Service[Any]) -> Fact:
    """Return the first fact of a stream, of the event that the opening command records."""
    facts = [service.events.read(sample["body"].encode()) for sample in samples(service.name).values()]
    return next(fact for fact in facts if fact.version == 1 and type_in(fact.envelope.type) in service.events.by_type)


@pytest.mark.parametrize(("service", "command"), LATER)
def test_no_command_happens_before_the_first_event(service: Service[Any], command: type[Command]) -> None:
    """Given a stream of one event, when a command is dated before it, then T1 refuses whatever the command says."""
    first = first_fact(service)
    state = service.decider.fold([first])
    policies = service.policy.on
    at = first.occurred_at
    then = Context(first.stream_id, first.actor, at, at, policies(first.day), policies, service.prints)
    before = replace(then, occurred_at=at - timedelta(seconds=1))
    preconditions = [
        rule
        for rule in service.decider.rules.rules_for(command, RuleKind.FORBIDS)
        if rule.id == "T1" and not rule.looks_at
    ]
    assert any(not rule.function(state, before) for rule in preconditions), (
        f"no rule T1 keeps {command.__name__} after the first event: register it for LATER of"
        f" services/{service.name}/domain/commands.py"
    )
    assert any(rule.function(state, then) for rule in preconditions)
