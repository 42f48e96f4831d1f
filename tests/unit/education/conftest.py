"""A session nobody has planned yet."""

import pytest

from tests.unit.education.stories import SessionStory


@pytest.fixture
def session() -> SessionStory:
    """Return an empty stream of the service."""
    return SessionStory()
