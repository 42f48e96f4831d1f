"""The days by which the tables are searched are those by which measures select, in the middle of a case too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise, zip_longest
from typing import Any, Final

import asyncpg

from services.disposal.summary import DisposalSummary
from services.reporting.measures import MEASURES, Dataset, Measure
from services.reporting.measures.period import Period, quarter_of
from services.reporting.projection.fold import Stream, fold
from services.reporting.projection.projector import stream_of
from services.reporting.projection.snapshot import snapshot
from services.reporting.queries.measure_queries import load_dataset
from services.trade.summary import Summary
from shared.domain.envelope import Fact
from shared.domain.persons import NOTHING_KNOWN
from tests.in_memory_reporting import known_of
from tests.integration.reporting.recorded_scenarios import STORIES, RecordedScenarios, project
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

RETURNS: Final = date(2023, 4, 1)
"""Measures have their policy from this day."""
SELECTING: Final = [measure for measure in MEASURES.values() if not measure.needs_work_items]
"""The measures that find summaries by their days."""


def select_decided(dataset: Dataset, period: Period) -> list[DisposalSummary]:
    """Select by the day of the decision."""
    return [row for row in dataset.all_of(DisposalSummary) if row.decided is not None and row.decided.on in period]


FORGETFUL: Final = replace(
    MEASURES["kpi9"], name="forgetful", select=select_decided, aggregate=lambda rows, *_: {"n": len(rows)}
)
"""A measure by the day of the decision, which declares that of giving alone."""


def stories() -> list[list[Fact]]:
    """Play every scenario in one system; return the facts of each, in the order of recording."""
    scenarios = RecordedScenarios()
    ends = [0]
    for file in STORIES:
        Run(read_scenario(file), scenarios.memory).play()
        ends.append(len(scenarios.facts))
    return [scenarios.facts[first:last] for first, last in pairwise(ends)]


def counts(measure: Measure[Any], rows: Sequence[Any], dataset: Dataset, period: Period) -> object:
    return len(rows), measure.aggregate(rows, dataset, period)


async def differing(
    pool: asyncpg.Pool[asyncpg.Record], summaries: Mapping[Stream, Summary], periods: set[Period]
) -> set[str]:
    """Return the names of the measures that the tables answer otherwise than the summaries of all histories."""
    whole, names = Dataset([summary for summary in summaries.values() if summary.is_counted]), set[str]()
    async with snapshot(pool) as connection:
        for measure in (*SELECTING, FORGETFUL):
            for period in periods:
                found = await load_dataset(connection, measure, period, None, None)
                expected = counts(measure, measure.select(whole, period), whole, period)
                if counts(measure, measure.rows(found, period), found, period) != expected:
                    names.add(measure.name)
    return names


async def test_every_story_is_counted_at_each_of_its_events(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given every story cut after each of its events, then tables and histories agree, but for a measure that forgets a day."""
    histories: dict[Stream, list[Fact]] = {}
    summaries: dict[Stream, Summary] = {}
    found: set[str] = set()
    for number, facts in enumerate(zip_longest(*stories())):
        new = [fact for fact in facts if fact is not None]
        await project(pool, new, len(new))
        for fact in new:
            histories.setdefault(stream_of(fact), []).append(fact)
        known = known_of(histories.values())
        for stream in known.keys() | map(stream_of, new):
            folded = fold(histories[stream], known=known.get(stream, NOTHING_KNOWN))
            assert folded is not None
            summaries[stream] = folded.summary
        quarters = {quarter_of(fact.day) for fact in new if fact.day >= RETURNS}
        found |= await differing(pool, summaries, quarters)
        assert found <= {FORGETFUL.name}, f"after event {number + 1} of each story"
    assert found == {FORGETFUL.name}
