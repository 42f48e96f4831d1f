"""The stories of this folder, played in memory: every rule, reaction and duty, without a database or a broker.

Each is played in a system of its own, and tried step by step, in test_dry_run.py; here they meet in one system.
"""

from pathlib import Path

import pytest

from ooc.scenarios import STORIES as PACKAGED
from services.system.registry import deciding_services
from tests.in_memory_reporting import InMemoryReporting
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

SERVICES = deciding_services()
STORIES = [*sorted(Path(__file__).parent.glob("*.yaml")), *sorted(PACKAGED.glob("*.yaml"))]


@pytest.fixture(scope="module")
def memory() -> Memory:
    """Return one system, in which every story is played."""
    return Memory(SERVICES, InMemoryReporting())


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("file", STORIES, ids=lambda file: "/".join(file.parts[-2:]))
def test_story_in_one_system(memory: Memory, file: Path, times: int) -> None:
    """Given one system, when each story is played, or played twice, then every step finds what it expects, whatever others left."""
    scenario = read_scenario(file)
    for _ in range(times):
        assert Run(scenario, memory).play().skipped == 0
        assert not memory.parked
