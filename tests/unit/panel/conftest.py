"""A sitting nobody has planned yet."""

import pytest

from tests.unit.panel.stories import SittingStory


@pytest.fixture
def sitting() -> SittingStory:
    """Return an empty stream of the service."""
    return SittingStory()
