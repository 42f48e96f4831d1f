"""Every story of tests/scenarios, played once in a process for all tests that look at what they tell."""

from functools import cache
from pathlib import Path

from services.system.registry import deciding_services
from tools.reference.moves import play_stories
from tools.scenario.in_memory import Memory

STORIES = Path(__file__).parent / "scenarios"


@cache
def played_stories() -> Memory:
    """Return the system in memory in which they were played."""
    return play_stories(deciding_services(), STORIES)
