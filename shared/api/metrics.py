"""A service's metrics for Prometheus: positions, lag, waits, alarms, leases, clocks, requests and latencies.

The gauges come from the service's database, so that its API answers for the workers too, which listen on no port. Nothing
names a person, a case or a stream. Format: OpenMetrics 1.0.
"""

import json
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest

from shared.messaging.consumer.alarms import alarms, kind_of
from shared.messaging.projection_consumer import events_topic
from shared.observing.certificate import CERTIFICATE
from shared.observing.latency import latencies
from shared.servers.database import Pool
from shared.servers.kafka import PARTITIONS
from shared.servers.version import version

REQUESTS: Final = Counter(
    "ooc_requests", "Requests that this process has answered.", ("method", "route", "status"), registry=None
)
"""By the route's pattern; what no route takes counts without method and route, which the client chose, and a method that a
route does not take without the method."""

_CONSUMED: Final = "select topic, partition, min(next_offset) as next from checkpoint group by topic, partition"
_WAITING: Final = """
    select consumer, count(distinct stream) as streams,
           extract(epoch from clock_timestamp() - min(quarantined_at))::float8 as age
    from quarantine group by consumer order by consumer
"""
_LEASES: Final = """
    select role, left(holder::text, 8) as holder, extract(epoch from clock_timestamp() - taken_at)::float8 as held,
           greatest(0, extract(epoch from expires_at - clock_timestamp()))::float8 as seconds
    from lease order by role
"""
_PROGRESS: Final = (
    "select part, extract(epoch from clock_timestamp() - finished_at)::float8 as age from progress order by part"
)
_REPLICATION: Final = "select topic, replicas, in_sync from replication order by topic"
_STORE: Final = """
    select head.position, coalesce(relayed.position, 0) as relayed, relayed.offsets,
           coalesce(extract(epoch from clock_timestamp() - (
               select recorded_at from event where event.position = coalesce(relayed.position, 0) + 1
           )), 0)::float8 as unrelayed,
           (select count(*) from parked) as parked,
           coalesce(extract(epoch from clock_timestamp() - (select min(parked_at) from parked)), 0)::float8 as parked_age
    from head left join relayed on true
"""


class _Registry:
    """Metrics that were read, as prometheus_client asks for them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


async def exposition(
    pool: Pool, service: str, consumed: Collection[str], own: Iterable[Metric] = (), *, decides: bool
) -> bytes:
    """Return the metrics of a service that consumes these topics, and its own; `decides`: whether it has an event store."""
    metrics = [await latencies(pool, service), *await _of_consumers(pool, service, consumed), *own]
    if decides:
        metrics += await _of_event_store(pool, service)
    return text_of(service, metrics)


def text_of(service: str, metrics: Iterable[Metric]) -> bytes:
    """Return these metrics, the version of the program, and the requests of this process, as text."""
    built = InfoMetricFamily(
        "ooc_build", "The version of the program.", value={"service": service, "version": version()}
    )
    text: bytes = generate_latest(_Registry([*metrics, built, *REQUESTS.collect(), *CERTIFICATE.collect()]))  # type: ignore[no-untyped-call]
    return text


def _gauge(name: str, meaning: str, service: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, meaning, labels=("service",))
    gauge.add_metric((service,), value)
    return gauge


async def _of_consumers(pool: Pool, service: str, topics: Collection[str]) -> list[Metric]:
    """Read the service's offsets in each topic, its quarantine, and its alarms."""
    consumed = GaugeMetricFamily(
        "ooc_consumed_offset",
        "The next offset that the service reads; compare ooc_published_offset.",
        labels=("service", "topic", "partition"),
    )
    offsets = {(topic, partition): 0 for topic in topics for partition in range(PARTITIONS)}
    offsets |= {(row["topic"], row["partition"]): row["next"] for row in await pool.fetch(_CONSUMED)}
    for (topic, partition), offset in offsets.items():
        consumed.add_metric((service, topic, str(partition)), offset)
    by_consumer = ("service", "consumer")
    streams = GaugeMetricFamily("ooc_quarantined_streams", "Streams in quarantine.", labels=by_consumer)
    age = GaugeMetricFamily("ooc_quarantined_age_seconds", "How long the first of them has been.", labels=by_consumer)
    for row in await pool.fetch(_WAITING):
        streams.add_metric((service, row["consumer"]), row["streams"])
        age.add_metric((service, row["consumer"]), row["age"])
    standing = GaugeMetricFamily(
        "ooc_alarm",
        "An alarm that stands, with its page of the runbook.",
        labels=("service", "name", "consumer", "place", "runbook"),
    )
    for alarm in await alarms(pool):
        labels = (service, alarm.name, alarm.consumer, alarm.place, kind_of(alarm.name).runbook)
        standing.add_metric(labels, 1)
    held_by = ("service", "role", "holder")
    leases = GaugeMetricFamily("ooc_lease_remaining_seconds", "How long a role's lease still holds.", labels=held_by)
    terms = GaugeMetricFamily("ooc_lease_held_seconds", "How long its holder has had it.", labels=held_by)
    for row in await pool.fetch(_LEASES):
        for gauge, seconds in ((leases, row["seconds"]), (terms, row["held"])):
            gauge.add_metric((service, row["role"], row["holder"]), seconds)
    cycles = GaugeMetricFamily(
        "ooc_cycle_age_seconds", "Since a part of a worker last finished a cycle.", labels=("service", "part")
    )
    for row in await pool.fetch(_PROGRESS):
        cycles.add_metric((service, row["part"]), row["age"])
    of_topic = ("service", "topic")
    replicas = GaugeMetricFamily("ooc_replicas", "The fewest replicas of a partition of a topic.", labels=of_topic)
    in_sync = GaugeMetricFamily("ooc_in_sync_replicas", "The fewest that are in sync.", labels=of_topic)
    for row in await pool.fetch(_REPLICATION):
        replicas.add_metric((service, row["topic"]), row["replicas"])
        in_sync.add_metric((service, row["topic"]), row["in_sync"])
    before = time.time()
    there = await pool.fetchval("select extract(epoch from clock_timestamp())::float8")
    apart = there - (before + time.time()) / 2
    clock = _gauge("ooc_clock_offset_seconds", "The clock of the database less that of this process.", service, apart)
    metrics = [consumed, streams, age, standing, leases, terms, cycles, replicas, in_sync, clock]
    standbys = await pool.fetchval("select synchronous_standbys()")
    if standbys is not None:
        meaning = "Synchronous standbys of the database, if one is demanded."
        metrics.append(_gauge("ooc_synchronous_standbys", meaning, service, standbys))
    return metrics


async def _of_event_store(pool: Pool, service: str) -> list[Metric]:
    """Read the positions of event store and relay, and the parked reactions."""
    row = await pool.fetchrow(_STORE)
    assert row is not None
    published = GaugeMetricFamily(
        "ooc_published_offset",
        "The offset after the last event that the relay published.",
        labels=("service", "topic", "partition"),
    )
    for partition, offset in json.loads(row["offsets"] or "{}").items():
        published.add_metric((service, events_topic(service), partition), offset)
    return [
        published,
        _gauge("ooc_position", "The position of the last event that was recorded.", service, row["position"]),
        _gauge("ooc_relayed_position", "The position of the last event that was published.", service, row["relayed"]),
        _gauge("ooc_unrelayed_age_seconds", "Seconds since the first unpublished event.", service, row["unrelayed"]),
        _gauge("ooc_parked_reactions", "Reactions that a rule refused, and that wait.", service, row["parked"]),
        _gauge("ooc_parked_age_seconds", "How long the first of them has waited.", service, row["parked_age"]),
    ]
