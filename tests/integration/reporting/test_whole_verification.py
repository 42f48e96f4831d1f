"""`ooc verify` over every service and reporting: it says at once where reporting holds what no event store does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from services.console.verification import verify
from services.registry import DECIDING, databases_without_events
from shared.database import create_pool
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import (
    KEYRING_DATABASE,
    databases,
    provision_topics,
    service_database,
)
from shared.runtime.settings import Settings
from shared.runtime.verification import Finding
from shared.runtime.verification.topic import PATIENCE_SECONDS
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, project
from tests.isolated_settings import IsolatedSettings


@pytest.fixture
async def settings(postgres_url: str, kafka_bootstrap: str) -> AsyncIterator[Settings]:
    """Every database and topic, with nothing in them."""
    wanted = [KEYRING_DATABASE, *(service_database(service.name) for service in DECIDING), *databases_without_events()]
    settings = IsolatedSettings(
        prefix=f"test_verify_{uuid4().hex[:12]}",
        database_url=postgres_url,
        kafka=kafka_bootstrap,
        kafka_replication=1,
        mode="local",
    )
    named = [(name.replace("ooc", settings.prefix, 1), folders) for name, folders in wanted]
    await databases(postgres_url, named)
    await provision_topics(settings, [service.name for service in DECIDING], ["reporting"])
    yield settings
    owner = await asyncpg.connect(postgres_url)
    for name, _ in named:
        await owner.execute(f'drop database "{name}" with (force)')
    await owner.close()


async def broken(settings: Settings) -> list[Finding]:
    """Return the findings that are not whole, soon."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [found async for found in verify(settings) if not found.ok]


async def test_reporting_ahead_of_its_stores_is_said_at_once(settings: Settings) -> None:
    """Given an empty system, all is whole; given events in reporting that no store and topic holds, each service is named."""
    assert await broken(settings) == []
    scenarios = RecordedScenarios()
    scenarios.play("01")
    database = await create_pool(settings.database("reporting", role_name(RoleKind.WORKER, "reporting")))
    await project(database, scenarios.facts, 500)
    await database.close()
    (found,) = await broken(settings)
    assert (found.service, found.check) == ("reporting", "holds nothing that the event stores do not")
    services = {fact.envelope.stream.partition("/")[0] for fact in scenarios.facts}
    assert {line.partition(":")[0] for line in found.problems} == services
