"""One whole system for the tests of the console, with the children of three scenarios in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.console.addresses import written
from tests.integration.console.browsing import Browser
from tests.integration.local.running import ooc, running_system

STORIES = ("01-shoplifting-ycc.yaml", "04-sexting.yaml", "13-workshop-register.yaml")
SCENARIOS = Path(__file__).parents[2] / "scenarios"


RUNNING = pytest.StashKey[contextlib.ExitStack]()


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Yield the addresses of a system that runs as `ooc up` starts it, with cases in it."""
    with contextlib.ExitStack() as stack:
        request.config.stash[RUNNING] = stack
        runner = stack.enter_context(asyncio.Runner())
        running = running_system(tmp_path_factory.mktemp("console"))
        var = runner.run(running.__aenter__())
        stack.callback(lambda: runner.run(running.__aexit__(None, None, None)))
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


@pytest.fixture
def browser(system: dict[str, Any]) -> Iterator[Browser]:
    """Yield a browser that nobody has signed in with yet."""
    with Browser(system["console"]) as opened:
        yield opened
