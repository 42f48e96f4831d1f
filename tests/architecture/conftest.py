"""What several architecture tests look at: every story, played once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.registry import deciding_services
from tools.reference.state_explorer import play_stories
from tools.scenario.in_memory import Memory


@pytest.fixture(scope="session")
def played_stories() -> Memory:
    """Every story of tests/scenarios, played in memory."""
    return play_stories(deciding_services(), Path(__file__).parents[1] / "scenarios")
