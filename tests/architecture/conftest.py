"""What several architecture tests look at: every story, played once."""

import pytest

from tests import played_stories as stories
from tools.scenario.in_memory import Memory


@pytest.fixture(scope="session")
def played_stories() -> Memory:
    """Every story of tests/scenarios, played in memory."""
    return stories.played_stories()
