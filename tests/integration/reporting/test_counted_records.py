"""The records behind a number, on a real PostgreSQL: each number of each measure leads to records, for those who may see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import asyncpg

from services.reporting.measures import MEASURES
from services.reporting.queries.cells import OPENED, Question, counted_records
from services.reporting.queries.measure_queries import measure
from services.reporting.queries.visibility import reader_of
from services.trade.vocabulary import Role
from shared.domain.messages import Actor
from tests.integration.reporting.recorded_scenarios import play, project, reader

YEAR = (date(2025, 4, 1), date(2026, 12, 31))
ABOUT = {"measure", "from", "to", "definition_version", "positions"}


def counts(answer: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """Yield each count of an answer with its place."""
    for name, value in answer.items():
        if name in ABOUT:
            continue
        if isinstance(value, Mapping):
            yield from counts(value, (*path, name))
        elif isinstance(value, int):
            yield ".".join((*path, name)), value


async def test_every_number_leads_to_its_records(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given children of four scenarios, when each number of each measure is opened, then records are behind it, and behind a zero none."""
    await project(pool, play("01", "03", "05", "13").facts, 500)
    seen = 0
    for name in OPENED:
        for cell, value in counts(await measure(pool, name, *YEAR)):
            found = await counted_records(pool, reader(), Question(name, *YEAR, cell))
            assert found["value"] == value, (name, cell)
            # KPI 8 counts what the board's clerk loaded: behind its numbers stands no record.
            assert bool(found["records"]) == bool(value and MEASURES[name].reads), (name, cell)
            assert len(found["records"]) == found["total"], (name, cell)
            seen += len(found["records"])
    assert seen > 20


async def test_a_number_opens_for_those_who_may_see_its_records(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a number, when a reader of another area or with a conflict opens it, then the number stays and the records are hidden."""
    facts = play("01").facts
    await project(pool, facts, 500)
    question = Question("kpi6", *YEAR, "columns.youth_conditional_caution.ended")
    own = await counted_records(pool, reader(), question)
    (record,) = own["records"]
    assert record["case_ids"] == [str(facts[0].envelope.home)]
    elsewhere = await counted_records(pool, reader("KENT"), question)
    barred = await counted_records(pool, reader(barred=[facts[0].envelope.home]), question)
    for found in (elsewhere, barred):
        assert (found["value"], found["total"], found["records"]) == (1, 1, [])


async def test_a_number_is_opened_as_it_was_known(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a disposal that was completed last, when its number is opened as known before, then nothing counts yet."""
    facts = play("01").facts
    await project(pool, facts, 500)
    completed = next(fact for fact in facts if fact.name == "DisposalCompleted")
    cell = "columns.youth_conditional_caution.completed"
    now = await counted_records(pool, reader(), Question("kpi6", *YEAR, cell))
    earlier = next(fact.recorded_at for fact in facts if fact.name == "DisposalIssued")
    before = await counted_records(pool, reader(), Question("kpi6", *YEAR, cell, known_at=earlier))
    assert completed.recorded_at is not None
    assert (now["value"], before["value"], before["records"]) == (1, 0, [])


async def test_who_is_shown_a_part_of_a_record_does_not_learn_in_what_it_counts(
    pool: asyncpg.Pool[asyncpg.Record],
) -> None:
    """Given a facilitator, who reads the conditions of a disposal alone, when numbers are opened, then it is behind none, nor is its stage told."""
    scenarios = play("26")
    await project(pool, scenarios.facts, 500)
    assigned = next(fact for fact in scenarios.facts if fact.name == "FacilitatorAssigned")
    actor = Actor(
        id=assigned.event.facilitator_id,  # type: ignore[attr-defined]
        role=Role.RJ_FACILITATOR,
        organisation="DORSET_POLICE",
        labels={"area": "DORSET"},
    )
    opened = set()
    for name in OPENED:
        for cell, value in counts(await measure(pool, name, *YEAR)):
            if value:
                own = await counted_records(pool, await reader_of(pool, actor), Question(name, *YEAR, cell))
                opened |= {record["service"] for record in own["records"]}
    assert "disposal" not in opened
