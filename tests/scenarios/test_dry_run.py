"""A dry run and the command itself agree: over every step of every story, and over commands that no story sends."""

from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.system.registry import deciding_services
from shared.domain.ids import derived_uuid
from shared.domain.messages import Command
from shared.domain.sealing import to_json
from tests.command_variants import moments, seen_in, variants
from tests.scenarios.rehearsal import AFTERWARDS, Rehearsal
from tests.scenarios.test_over_http import CHOSEN
from tools.scenario.backend import Request
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run
from tools.scenario.story import Officer

SERVICES = deciding_services()
STORIES = sorted(Path(__file__).parent.glob("*.yaml"))
read_story = cache(read_scenario)


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=file.stem, marks=() if file.stem in CHOSEN else pytest.mark.nightly) for file in STORIES],
)
def test_each_step_of_a_story_does_what_its_dry_run_says(file: Path) -> None:
    """Given a story, when each command is first tried, then it is answered, records and is followed as the dry run says."""
    rehearsal = Rehearsal(SERVICES, clock=lambda: AFTERWARDS)
    Run(read_story(file), rehearsal).play()
    assert rehearsal.accepted


@pytest.mark.slow
@given(st.data())
def test_a_command_that_no_story_sends_does_what_its_dry_run_says(data: st.DataObject) -> None:
    """Given the beginning of a story, when any command is tried on any record, then it does what its dry run says."""
    rehearsal = Rehearsal(SERVICES, clock=lambda: AFTERWARDS)
    scenario = read_story(data.draw(st.sampled_from(STORIES)))
    steps = data.draw(st.integers(0, len(scenario.steps)))
    Run(replace(scenario, steps=scenario.steps[:steps]), rehearsal, run="rehearsal").play()
    for attempt in range(data.draw(st.integers(1, 5))):
        service = data.draw(st.sampled_from(SERVICES))
        histories = [history for name, history in rehearsal.histories if name == service.name]
        history = data.draw(st.sampled_from([(), *histories]))
        kind = data.draw(st.sampled_from(service.commands))
        here = seen_in(fact.event for fact in history)
        facts = seen_in(fact.event for facts in histories for fact in facts)
        at = data.draw(st.sampled_from(moments(history, here)))
        command = next(
            islice(variants(kind, at, here, facts, service.decider.rules), data.draw(st.integers(0, 200)), None), None
        )
        if command is None:
            continue
        roles = sorted(service.roles_for(kind) - {"SYSTEM"})
        by = Officer(data.draw(st.sampled_from(roles)), 1) if roles else Officer("SUPERVISOR", 1)
        stream = history[0].stream_id if history else derived_uuid("rehearsal", attempt)
        body = _body(command)
        if not data.draw(st.booleans()):
            del body["rationale"]
        rehearsal.send(Request(service.name, stream, by, body, key=f"attempt {attempt}"))


def _body(command: Command) -> dict[str, Any]:
    """Return a command as a person would send it, without what is empty."""
    return {
        type(command).model_fields[name].alias or name: value
        for name, value in to_json(command, lambda sealed: sealed.value).items()
        if value is not None
    }
