"""A conference nobody has proposed yet."""

import pytest

from tests.unit.rj_conference.stories import ConferenceStory


@pytest.fixture
def conference() -> ConferenceStory:
    """Return an empty stream of the service."""
    return ConferenceStory()
