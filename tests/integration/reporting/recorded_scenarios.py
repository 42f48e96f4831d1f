"""Scenarios played in memory, whose recorded events a projection writes to real tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from services.reporting.projection.fold import service_of
from services.reporting.projection.projector import apply
from services.reporting.projection.verify import check_projection
from services.reporting.queries.visibility import Reader
from services.system.registry import deciding_services
from services.trade.vocabulary import Role
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from shared.domain.permissions import EVERY
from shared.event_store import RecordedEvent
from shared.evidence.verification.problems import Problems
from tests.in_memory_reporting import InMemoryReporting
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

STORIES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
ACCEPTANCE_TESTS = 14
"""The first 14 scenarios are the acceptance tests; they are played if none is named."""


class RecordedScenarios(InMemoryReporting):
    """The facts of played scenarios, in the order of recording."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Fact] = []
        self.memory = Memory(deciding_services(), self)

    def record(self, service: str, fact: Fact) -> None:
        super().record(service, fact)
        self.facts.append(fact)

    def play(self, *names: str) -> None:
        """Play the scenarios whose file names begin with these numbers; by default the acceptance tests."""
        for file in STORIES:
            number, _, _ = file.name.partition("-")
            if number in names if names else int(number) <= ACCEPTANCE_TESTS:
                Run(read_scenario(file), self.memory).play()

    def first(self, number: int) -> RecordedScenarios:
        """Return the first facts alone."""
        earlier = RecordedScenarios()
        for fact in self.facts[:number]:
            earlier.record(service_of(fact), fact)
        return earlier


def event_of_row(row: asyncpg.Record) -> RecordedEvent:
    """Return a row of an event store's table `event`."""
    return RecordedEvent(**{field.name: row[field.name] for field in fields(RecordedEvent)})


def as_stored(facts: Sequence[Fact]) -> list[RecordedEvent]:
    """Return the facts as an event store hands them over."""
    found = []
    for fact in facts:
        assert fact.body is not None
        assert fact.position is not None
        assert fact.recorded_at is not None
        assert fact.hash is not None
        envelope = fact.envelope
        found.append(
            RecordedEvent(
                position=fact.position,
                recorded_at=fact.recorded_at,
                stream=envelope.stream,
                version=fact.version,
                event_id=fact.event_id,
                type=envelope.type,
                home=envelope.home,
                hash=fact.hash,
                body=fact.body,
            )
        )
    return found


def play(*names: str) -> RecordedScenarios:
    """Play scenarios in one system; see `RecordedScenarios.play`."""
    scenarios = RecordedScenarios()
    scenarios.play(*names)
    return scenarios


async def project(pool: asyncpg.Pool[asyncpg.Record], facts: Sequence[Fact], batch: int) -> None:
    """Project facts as the application does, in batches of a size."""
    for n in range(0, len(facts), batch):
        async with pool.acquire() as connection, connection.transaction():
            await apply(connection, as_stored(facts[n : n + batch]))


async def refold_differences(pool: asyncpg.Pool[asyncpg.Record]) -> list[str]:
    """Return the differences between the projection and a fresh fold of its facts, in words; empty where there are none."""
    problems = Problems()
    await check_projection(pool, problems)
    return list(problems.lines)


def reader(area: str = EVERY, barred: Collection[UUID] = ()) -> Reader:
    """Return a supervisor of an area, or of all, whose conflicts bar some cases."""
    actor = Actor(id=uuid4(), role=Role.SUPERVISOR, organisation="DORSET_POLICE", labels={"area": area})
    return Reader(actor, None if area == EVERY else (area,), frozenset(barred))
