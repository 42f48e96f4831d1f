"""One whole system for the tests that use it as people do, and leave it whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.conftest import USERS_OF_A_SYSTEM
from tests.integration.local.running import running_system


class SharedSystem:
    """A system that is started when the first test asks, and stopped after the last one that may use it."""

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self._var: Path | None = None

    def start(self, folder: Path) -> Path:
        """Return the directory of the system, which is started where none runs."""
        if self._var is None:
            runner = self._running.enter_context(asyncio.Runner())
            system = running_system(folder, workers=2)
            self._var = runner.run(system.__aenter__())
            self._running.callback(lambda: runner.run(system.__aexit__(None, None, None)))
        return self._var

    def stop(self) -> None:
        self._var = None
        self._running.close()


SHARED = pytest.StashKey[SharedSystem]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the system that tests share."""
    config.stash[SHARED] = SharedSystem()


@pytest.fixture(scope="module")
def shared_system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a system with two workers of each service, on which other files of tests may have worked."""
    return request.config.stash[SHARED].start(tmp_path_factory.mktemp("system"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Stop the system after the last test that may use it, not after the last of all: until then it would take time."""
    yield
    if nextitem is None or not nextitem.nodeid.startswith(USERS_OF_A_SYSTEM):
        item.config.stash[SHARED].stop()
