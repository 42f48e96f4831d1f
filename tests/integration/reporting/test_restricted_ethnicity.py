"""A measure by ethnicity opens nothing of a child whose processing is restricted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from services.disposal.summary import SealedTexts
from services.reporting.measures import MEASURES
from services.reporting.measures.disproportionality import group_of, select_ethnicities
from services.reporting.measures.period import Period
from services.reporting.measures.policy import POLICY
from services.reporting.projection.projector import apply
from services.reporting.projection.snapshot import snapshot
from services.reporting.queries.ethnicity import Grant, keyring_grant
from services.reporting.queries.measure_queries import load_dataset, measure
from services.system.registry import deciding_services
from shared.domain.data_rights import (
    DataRightsCommand,
    LiftRestriction,
    RestrictProcessing,
    data_rights_id,
    data_rights_service,
)
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor
from shared.domain.permissions import EVERY
from shared.domain.sealing import SealedToken
from shared.handling.command_handler import Accepted
from tests.integration.reporting.recorded_scenarios import RecordedScenarios, play, project

DISPOSAL: Final = next(service for service in deciding_services() if service.name == "disposal")
RIGHTS: Final = data_rights_service(DISPOSAL)
QUARTER: Final = (date(2026, 4, 1), date(2026, 6, 30))
"""In which the scenario issues its disposals."""
PLAYED: Final = 4


class Opened:
    """The grant of keys, which also notes what it was asked to open: the text of each owner."""

    def __init__(self, scenarios: RecordedScenarios) -> None:
        self._grant = keyring_grant(scenarios.memory.keyring, bytes(32))
        self.texts: dict[str, str] = {}

    @property
    def grant(self) -> Grant:
        return Grant(self.open, self._grant.secret)

    async def open(self, sealed: Sequence[SealedTexts]) -> Mapping[SealedTexts, str]:
        found = await self._grant.open(sealed)
        self.texts = {SealedToken.parse(texts.token).subject: found[texts] for texts in sealed}
        return found


async def decide(pool: asyncpg.Pool[asyncpg.Record], scenarios: RecordedScenarios, command: DataRightsCommand) -> None:
    """Decide about a person in disposal's event store, and project what was recorded."""
    handler = scenarios.memory._services["disposal"].handler.for_service(RIGHTS)
    before = (await handler.event_store.head()).position
    officer = Actor(id=uuid4(), role="DATA_PROTECTION_OFFICER", organisation="POLICE", labels={"area": EVERY})
    now = datetime.now(UTC)
    result = await handler.handle(
        CommandRequest(command, data_rights_id("disposal", command.person_id), uuid4(), officer, now, uuid4())
    )
    assert isinstance(result, Accepted)
    recorded = await handler.event_store.read(before, 10)
    async with pool.acquire() as connection, connection.transaction():
        await apply(connection, recorded)


async def test_a_restricted_child_counts_as_not_known_in_what_is_published_for_ever(owner: Any, database: str) -> None:
    """Given one restricted child, then their key is not asked for and their group has one less; lifted, it stays so."""
    scenarios = play("13")
    for _ in range(PLAYED - 1):
        scenarios.play("13")
    grant = Opened(scenarios)
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await project(pool, scenarios.facts, 500)
        await pool.execute("insert into freshness values ('disposal', now())")
        period = Period(*QUARTER)
        async with snapshot(pool) as connection:
            dataset = await load_dataset(connection, MEASURES["disproportionality"], period, None, None)
        await grant.open(select_ethnicities(dataset, period))
        everybody = grant.texts
        white = [child for child, text in everybody.items() if group_of(text, POLICY.on(period.last)) == "WHITE"]
        person = UUID(white[0].removeprefix("person/"))

        async def counted() -> int | None:
            grant.texts = {}
            answer = await measure(pool, "disproportionality", *QUARTER, ethnicity=grant.grant)
            count: int | None = answer["groups"]["WHITE"]["disposals"]
            return count

        await decide(pool, scenarios, RestrictProcessing(person_id=person, basis="PRINCIPLE_INFRINGED"))
        assert await counted() == len(white) - 1
        assert grant.texts.keys() == everybody.keys() - {white[0]}
        await decide(pool, scenarios, LiftRestriction(person_id=person))
        assert await counted() == len(white) - 1
        assert grant.texts == {}
