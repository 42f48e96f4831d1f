"""A referral nobody has received yet."""

from __future__ import annotations

import pytest

from tests.unit.referral.stories import ReferralStory


@pytest.fixture
def referral() -> ReferralStory:
    """Return an empty stream of the service."""
    return ReferralStory()
