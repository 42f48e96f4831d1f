"""The stories that are played over HTTP and by forms do whatever all of them do, so that the others are played in memory alone."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from services.system.registry import deciding_services
from tests.integration.console.test_forms import CHOSEN as BY_FORMS
from tests.played_stories import played_stories
from tests.scenarios.test_over_http import CHOSEN as OVER_HTTP
from tools.reference.moves import PLAYED_AT
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run
from tools.scenario.story import CheckStep, CommandStep, Result, Scenario

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
STORIES = sorted(file.stem for file in HERE.glob("*.yaml"))
ACCEPTANCE = [story for story in STORIES if int(story.partition("-")[0]) < 15]


@cache
def story_named(name: str) -> Scenario:
    return read_scenario(HERE / f"{name}.yaml")


def steps_of(stories: Iterable[str]) -> Iterator[object]:
    """Yield every step of stories."""
    for story in stories:
        yield from story_named(story).steps


def commands_of(stories: Iterable[str]) -> set[object]:
    """Return the commands that are accepted, and the other answers of each service; what is sent late or of a version."""
    sent = [step for step in steps_of(stories) if isinstance(step, CommandStep)]
    accepted = {(step.service, step.command) for step in sent if step.expected.word is Result.ACCEPTED}
    return {
        *accepted,
        *((step.service, step.expected.word) for step in sent),
        *({"late"} if any(step.late for step in sent) else ()),
        *({"version"} if any(step.expected_version is not None for step in sent) else ()),
    }


def checks_of(stories: Iterable[str]) -> set[object]:
    """Return what is looked at in which service, by which of both times, and which measures are counted."""
    checks = [step for step in steps_of(stories) if isinstance(step, CheckStep)]
    return {
        *((step.place, step.service) for step in checks),
        *((step.place, step.as_of is None, step.known_at is None) for step in checks),
        *(step.measure for step in checks),
    }


def recorded(memory: Memory) -> set[tuple[str, str]]:
    """Return the types of the events in a system, reactions' too, with the service of each."""
    return {(name, type(fact.event).__name__) for name, facts in memory.histories for fact in facts}


@pytest.mark.parametrize(("chosen", "of"), [(OVER_HTTP, STORIES), (BY_FORMS, ACCEPTANCE)], ids=["HTTP", "forms"])
def test_the_chosen_send_every_command_and_get_every_answer(chosen: Sequence[str], of: Sequence[str]) -> None:
    """Given the chosen stories, when their commands are compared with those of all, then none is missing."""
    assert commands_of(of) - commands_of(chosen) == set()


def test_the_chosen_look_wherever_a_story_looks() -> None:
    """Given the chosen stories, when their checks are compared with those of all, then no kind of check is missing."""
    assert checks_of(STORIES) - checks_of(OVER_HTTP) == set()


def test_the_chosen_record_every_event() -> None:
    """Given the chosen stories, when they are played in memory, then they record each type of event that all stories record."""
    memory = Memory(deciding_services(), clock=lambda: PLAYED_AT)
    for story in OVER_HTTP:
        Run(story_named(story), memory).play()
    assert recorded(played_stories()) - recorded(memory) == set()
