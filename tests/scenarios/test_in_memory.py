"""The stories of this folder, played in memory: every rule, reaction and duty, without a database or a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.registry import deciding_services
from tests.in_memory_reporting import InMemoryReporting
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

SERVICES = deciding_services()
STORIES = sorted(Path(__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_story(file: Path) -> None:
    """Given the services in memory, when a story is played, then every step finds what it expects."""
    memory = Memory(SERVICES, InMemoryReporting())
    played = Run(read_scenario(file), memory).play()
    assert played.skipped == 0
    assert not memory.parked


@pytest.mark.timeout(600)  # a minute and more beside other work
def test_all_stories_twice_in_one_system() -> None:
    """Given one system, when every story is played twice in it, then no run meets what another has left."""
    memory = Memory(SERVICES, InMemoryReporting())
    for file in [*STORIES, *STORIES]:
        Run(read_scenario(file), memory).play()
