"""One whole system for the tests of the console, with the children of three scenarios in it."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.system.addresses import written
from tests.integration.console.browsing import Browser
from tests.whole_system import client_of, ooc, running_system
from tools.scenario.over_http import Http
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run
from tools.scenario.story import CommandStep

STORIES = ("01-shoplifting-ycc.yaml", "04-sexting.yaml", "13-workshop-register.yaml")
SCENARIOS = Path(__file__).parents[2] / "scenarios"


RUNNING = pytest.StashKey[contextlib.ExitStack]()


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Yield the addresses of a system that runs as `ooc up` starts it, with cases in it."""
    with contextlib.ExitStack() as stack:
        request.config.stash[RUNNING] = stack
        var = stack.enter_context(running_system(tmp_path_factory.mktemp("console"))).var
        played = ooc(var, "scenario", "run", "--quiet", *(str(SCENARIOS / story) for story in STORIES))
        assert played.returncode == 0, played.stdout + played.stderr
        noted = written(var)
        assert noted is not None
        yield {**noted, "var": var}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """End the system after the last test of this folder, not after the last of all: until then it would take time."""
    yield
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        item.config.stash.get(RUNNING, contextlib.ExitStack()).close()


def play_until(system: dict[str, Any], story: str, is_next: Callable[[CommandStep], bool]) -> Run:
    """Play a story as far as the first command of which `is_next` holds; returns the run, which knows its names."""
    whole = read_scenario(SCENARIOS / story)
    end = next(n for n, step in enumerate(whole.steps) if isinstance(step, CommandStep) and is_next(step))
    with client_of(system["var"]) as client:
        run = Run(dataclasses.replace(whole, steps=whole.steps[:end]), Http(client))
        run.play()
    return run


@pytest.fixture
def unsigned(system: dict[str, Any]) -> UUID:
    """Play a story until its document is to be signed; returns the disposal."""
    return play_until(system, STORIES[0], lambda step: step.command == "SignDocument").names.id("d1")


@pytest.fixture
def waiting(system: dict[str, Any]) -> list[UUID]:
    """Play a story until the panel is to sit; returns the disposals that wait for it."""
    run = play_until(system, "84-a-sitting-of-three-cases.yaml", lambda step: step.service == "panel")
    return [run.names.id(name) for name in ("d1", "d2", "d3")]


@pytest.fixture
def browser(system: dict[str, Any]) -> Iterator[Browser]:
    """Yield a browser that nobody has signed in with yet."""
    with Browser(system["console"]) as opened:
        yield opened
