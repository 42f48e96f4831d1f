"""What became of an organisation's own reports, from real tables."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from services.reporting.queries.reports import list_reports
from services.reporting.queries.visibility import Reader
from services.trade.vocabulary import Role
from shared.domain.messages import Actor
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, play, project


@pytest.fixture(scope="module")
def scenarios() -> RecordedScenarios:
    """Play a referral that a school has reported."""
    return play("14")


def school(organisation: str, area: str = "DORSET") -> Reader:
    """Return a reader of a school."""
    actor = Actor(id=uuid4(), role=Role.SCHOOL, organisation=organisation, labels={"area": area})
    return Reader(actor, (area,), frozenset())


async def test_a_school_is_told_what_became_of_its_own_reports(
    pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios
) -> None:
    """Given reports, when a school asks, then it is told the day and the stage of each of its own, and nothing of another's or of another area."""
    await project(pool, scenarios.facts, 500)
    received = {str(fact.stream_id): fact for fact in scenarios.facts if fact.name == "ReferralReceived"}
    (organisation,) = {fact.envelope.actor.organisation for fact in received.values()}
    answer = await list_reports(pool, school(organisation))
    assert {report["id"] for report in answer["reports"]} == received.keys()
    assert answer["total"] == len(received)
    assert all(report.keys() == {"id", "state", "reported_on"} for report in answer["reports"])
    assert {report["state"] for report in answer["reports"]} <= {"CLOSED", "SCHOOL_LED", "RECEIVED"}
    for other in (school("ANOTHER_SCHOOL"), school(organisation, "DEVON")):
        assert (await list_reports(pool, other))["reports"] == []
