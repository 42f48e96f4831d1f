"""A case that nobody has opened yet."""

import pytest

from tests.unit.disposal.stories import CaseStory


@pytest.fixture
def case() -> CaseStory:
    """Return an empty stream of the service."""
    return CaseStory()
