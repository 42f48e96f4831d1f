"""Journeys: what they recommend is what the rules allow and what the stories do next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.guidance import Status, guidance_at
from shared.domain.next_steps import Progress, journeys_at, next_step
from shared.domain.service import Service
from tests.command_spec import officer
from tests.unit.guidance.played_histories import SERVICES, played_histories
from tools.reference.state_explorer import STREAM

LATER = timedelta(hours=1)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_whose_turn_it_is_may_send_a_command_of_the_step(service: Service[Any]) -> None:
    """Each step of a journey names commands of the service, and roles that may send one of them."""
    assert service.journeys
    for journey in service.journeys:
        for step in journey.steps:
            assert set(step.commands) <= set(service.commands), step.title
            for role in step.who:
                assert any(role in service.roles_for(command) for command in step.commands), (step.title, role)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_the_recommended_step_can_be_recorded(service: Service[Any]) -> None:
    """At every point of the stories that has other kinds of events, the guidance of whoever's turn it is has a command of the recommended step unrefused.

    A task that cannot start has no such command, and says why; one that names a field names one of its commands.
    """
    seen: set[frozenset[type]] = set()
    recommendations = 0
    for story in played_histories()[service.name].histories:
        for length in range(1, len(story) + 1):
            history = story[:length]
            kind = frozenset(type(fact.event) for fact in history)
            if kind in seen:
                continue
            seen.add(kind)
            at = max(fact.occurred_at for fact in history) + LATER
            for role in {role for journey in service.journeys for step in journey.steps for role in step.who}:
                actor = officer(role)
                journeys = journeys_at(service, actor, STREAM, history, at)
                recommended = next_step(journeys, role)
                if recommended is None or role not in recommended.step.who:
                    continue
                recommendations += 1
                status = {guided.command: guided.status for guided in guidance_at(service, actor, STREAM, history, at)}
                assert any(
                    status.get(command, Status.REFUSED) is not Status.REFUSED for command in recommended.step.commands
                )
                for journey in journeys:
                    for task in journey.tasks:
                        assert bool(task.waits_for) is (task.progress is Progress.CANNOT_START)
                        for name in task.task.about:
                            assert any(name in command.model_fields for command in task.step.commands)
    assert recommendations
