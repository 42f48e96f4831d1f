"""The history that the growth of reporting is measured over."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from services.reporting.projection.fold import fold
from services.reporting.projection.projector import is_of_kernel, read
from shared.domain.dates import end_of_day
from shared.domain.envelope import Fact
from tests.bench.corpus import Corpus
from tests.bench.history import LAST_DAY, YEARS, ends, history

EVENTS = 600
USUAL = timedelta(days=120)
"""Longer than the story of these tests takes."""


def test_only_work_that_began_lately_is_open() -> None:
    """Given a history of some years, then what began earlier than the usual time before its end has ended, and not all has."""
    records = list(history(EVENTS, Corpus(ends, "02-*.yaml")))
    facts = [fact for record in records if not is_of_kernel((fact := read(record)).envelope.type)]
    end = end_of_day(LAST_DAY)
    streams: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        streams[fact.envelope.stream].append(fact)
    folded = [found for stream in streams.values() if (found := fold(stream)) is not None]
    still_open = [stream for stream in folded if stream.open]
    assert still_open
    assert all(stream.opened_at > end - USUAL for stream in still_open)
    assert max(fact.occurred_at for fact in facts) <= end
    assert min(fact.occurred_at for fact in facts) < end - timedelta(days=YEARS * 360)
    assert EVENTS * 0.8 < len(records) < EVENTS * 1.2


def test_events_are_recorded_when_they_occur() -> None:
    """Given a history, then its positions are dense, its times of recording grow, and each is that of an event."""
    records = list(history(EVENTS, Corpus(ends, "02-*.yaml")))
    positions: dict[str, list[int]] = defaultdict(list)
    for record in records:
        positions[record.stream.partition("/")[0]].append(record.position)
    assert all(found == list(range(1, len(found) + 1)) for found in positions.values())
    times = [record.recorded_at for record in records]
    assert times == sorted(set(times))
    assert all(record.recorded_at <= end_of_day(LAST_DAY) + timedelta(seconds=1) for record in records)
