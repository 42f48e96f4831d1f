"""The latency of each step of an event, as histograms in the database of the service of the step.

A process counts in memory (`observe`), and adds its counts to the table `latency` every few seconds. So all processes of a
service are one histogram, which its API exports for the workers too: they listen on no port. The steps are:

- append: from the call of the event store to its commit;
- relay: from the recording of an event to the commit of the Kafka transaction that publishes it;
- fetch: from its place in that transaction to its arrival at a projecting process, the transaction included;
- projection, or reaction: the transaction of the batch that it is in;
- visible, or reacted: from its recording to the commit of that transaction, so the whole way.
"""

from bisect import bisect_left
from contextlib import AbstractAsyncContextManager
from itertools import accumulate
from math import inf
from typing import Final

import structlog
from prometheus_client.core import HistogramMetricFamily

from shared.servers.database import Pool
from shared.servers.tasks import repeating

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, inf)
"""The upper bounds of the buckets, in seconds."""

FLUSH_SECONDS: Final = 5.0
"""Seconds between two additions to the table."""

_ADD: Final = """
    insert into latency (step, at_most, events, seconds)
    select * from unnest($1::text[], $2::double precision[], $3::bigint[], $4::double precision[])
    on conflict (step, at_most) do update set events = latency.events + excluded.events,
        seconds = latency.seconds + excluded.seconds
"""
_READ: Final = """
    select step, array_agg(at_most) as bounds, array_agg(events) as events, sum(seconds) as seconds
    from latency group by step order by step
"""
_log = structlog.get_logger("latency")
_observed: dict[tuple[str, float], tuple[int, float]] = {}


def observe(step: str, seconds: float, events: int = 1) -> None:
    """Count events with their seconds for a step; a negative time, by clocks that differ, counts as 0."""
    bucket = step, BOUNDS[bisect_left(BOUNDS, seconds)]
    before, together = _observed.get(bucket, (0, 0.0))
    _observed[bucket] = before + events, together + events * max(0.0, seconds)


def recording_latency(pool: Pool) -> AbstractAsyncContextManager[None]:
    """Add the observations of this process to its service's table while open; lose those that cannot be added."""
    return repeating(lambda: flush(pool), FLUSH_SECONDS, _log, "latency_lost")


async def flush(pool: Pool) -> None:
    """Add what this process observed since the last flush to the table `latency`."""
    rows = sorted((*bucket, *observed) for bucket, observed in _observed.items())
    _observed.clear()
    if rows:
        await pool.execute(_ADD, *map(list, zip(*rows, strict=True)))


async def latencies(pool: Pool, service: str) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "ooc_latency_seconds",
        "The time that each step of an event's way took.",
        labels=("service", "step"),
        unit="seconds",
    )
    for row in await pool.fetch(_READ):
        events = dict(zip(row["bounds"], row["events"], strict=True))
        totals = accumulate(events.get(bound, 0) for bound in BOUNDS)
        bounds = ("+Inf" if bound == inf else str(bound) for bound in BOUNDS)
        buckets = list(zip(bounds, totals, strict=True))
        family.add_metric((service, row["step"]), buckets, sum_value=row["seconds"])
    return family
