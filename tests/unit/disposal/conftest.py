"""A case that nobody has opened yet."""

from __future__ import annotations

import pytest

from tests.unit.disposal.stories import CaseStory


@pytest.fixture
def case() -> CaseStory:
    """Return an empty stream of the service."""
    return CaseStory()
