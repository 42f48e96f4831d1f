"""A referral nobody has received yet."""

import pytest

from tests.unit.referral.stories import ReferralStory


@pytest.fixture
def referral() -> ReferralStory:
    """Return an empty stream of the service."""
    return ReferralStory()
