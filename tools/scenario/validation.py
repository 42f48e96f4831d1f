"""Checks a scenario against the declarations of the services, without playing it.

Says what does not exist (commands, fields, rules, events, roles) and what no value can be.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from shared.domain.service import Service
from tools.client.tokens import officer_id
from tools.scenario.naming import Names
from tools.scenario.story import CheckStep, CommandStep, Result, Scenario, Target

BESIDES: Final = frozenset({"S1", "T2", "R28"})
"""Rules that stand in no rule book: the state machine, the role, and a claim that another stream holds."""


def problems_of(scenario: Scenario, services: Mapping[str, Service[Any]]) -> Iterator[str]:
    """Yield each problem of a scenario as a sentence that begins with its step."""
    names = Names(
        scenario.id,
        "check",
        scenario.people,
        lambda officer: officer_id(officer.role, officer.number),
        lambda _stream, _event: UUID(int=0),
    )
    rule_ids = BESIDES | {rule.id for service in services.values() for rule in service.decider.rules.rules}
    for step in scenario.steps:
        if isinstance(step, CommandStep):
            problems = _ask(step, services[step.service], names, rule_ids)
        elif isinstance(step, CheckStep) and step.place is Target.HISTORY:
            events = services[step.service].events.by_name
            problems = (f"types: {step.service} has no event {name}" for name in step.types or () if name not in events)
        else:
            continue
        yield from (f"step {step.number}: {problem}" for problem in problems)


def _ask(step: CommandStep, service: Service[Any], names: Names, rule_ids: frozenset[str]) -> Iterator[str]:
    command = {command.__name__: command for command in service.commands}.get(step.command)
    if command is None:
        yield f"do: {service.name} has no command {step.command}"
        return
    allowed = service.roles_for(command)
    if allowed.isdisjoint(step.by.role.split()) and step.expected.word is not Result.FORBIDDEN:
        yield f"by: {step.by.role} may not use {step.command}; it is for {', '.join(sorted(allowed))}"
    if step.expected.word is not Result.INVALID:
        body = {"type": step.command, **names.fill_in(step.fields), "occurred_at": step.at}
        try:
            service.command_adapter.validate_json(json.dumps(body))
        except ValidationError as error:
            for detail in error.errors(include_input=False, include_url=False):
                yield f"with.{'.'.join(map(str, detail['loc'][1:]))}: {detail['msg']}"
    yield from (
        f"rationale: there is no rule {rule}" for rule in step.fields.get("rationale") or () if rule not in rule_ids
    )
    yield from (f"expect: there is no rule {rule}" for rule in sorted(step.expected.rules) if rule not in rule_ids)
    for name in step.expected.events or ():
        if name not in service.events.by_name:
            yield f"expect: {service.name} has no event {name}"
