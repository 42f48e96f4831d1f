"""A fact from before the first policy of a service is judged by nothing, so it is not taken."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.rj_conference.domain.commands import ProposeConference
from services.rj_conference.events import Sensitivity
from services.rj_conference.service import service
from services.trade.vocabulary import ConferenceCategory, Role
from shared.domain.execution import CommandRequest, Decision, execute
from shared.domain.messages import Actor
from shared.domain.policy import NoPolicy


def proposed(year: int) -> Any:
    at = datetime(year, 6, 1, 10, tzinfo=UTC)
    command = ProposeConference(
        occurred_at=at,
        case_id=uuid4(),
        category=ConferenceCategory.BULLYING,
        sensitive=Sensitivity.NONE,
        harmer=uuid4(),
        harmer_age=15,
    )
    actor = Actor(id=uuid4(), role=Role.RJ_FACILITATOR.value, organisation="DORSET_YJS", labels={"area": "DORSET"})
    return execute(
        service, CommandRequest(command, uuid4(), uuid4(), actor, datetime(2026, 6, 1, tzinfo=UTC), uuid4()), ()
    )


def test_a_command_that_looks_at_no_policy_still_needs_one() -> None:
    """Given no policy in force on its day, a proposal is not accepted, though none of its rules reads a value."""
    assert isinstance(proposed(2025), Decision)
    with pytest.raises(NoPolicy, match="1950-06-01"):
        proposed(1950)
