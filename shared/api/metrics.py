"""A service's metrics for Prometheus: positions, lag, waits, alarms, leases, clocks, requests and latencies.

The gauges come from the service's database, so that its API answers for the workers too, which listen on no port. Nothing
names a person, a case or a stream. Format: OpenMetrics 1.0.
"""

import json
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, Final

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


def _gauge(service: str, rows: Iterable[Any], value: str, labels: Iterable[str], name: str, meaning: str) -> Metric:
    """Return a gauge of a service with a value of each row; its value and its labels stand under these names."""
    gauge = GaugeMetricFamily(name, meaning, labels=("service", *labels))
    for row in rows:
        gauge.add_metric((service, *(str(row[label]) for label in labels)), row[value])
    return gauge


async def _of_consumers(pool: Pool, service: str, topics: Collection[str]) -> list[Metric]:
    """Read the service's offsets in each topic, its quarantine, and its alarms."""
    gauge = partial(_gauge, service)
    offsets = {(topic, partition): 0 for topic in topics for partition in range(PARTITIONS)}
    offsets |= {(row["topic"], row["partition"]): row["next"] for row in await pool.fetch(_CONSUMED)}
    consumed = [{"topic": topic, "partition": number, "next": offset} for (topic, number), offset in offsets.items()]
    waiting = await pool.fetch(_WAITING)
    standing = [{**asdict(alarm), "runbook": kind_of(alarm.name).runbook, "one": 1} for alarm in await alarms(pool)]
    leases = await pool.fetch(_LEASES)
    cycles = await pool.fetch(_PROGRESS)
    replication = await pool.fetch(_REPLICATION)
    before = time.time()
    there = await pool.fetchval("select extract(epoch from clock_timestamp())::float8")
    clock = [{"apart": there - (before + time.time()) / 2}]
    standbys = await pool.fetchval("select synchronous_standbys()")
    read_next = "The next offset that the service reads; compare ooc_published_offset."
    of_alarm, held_by = ("name", "consumer", "place", "runbook"), ("role", "holder")
    waited, held = "How long the first of them has been.", "How long its holder has had it."
    demanded = "Synchronous standbys of the database, if one is demanded."
    return [
        gauge(consumed, "next", ("topic", "partition"), "ooc_consumed_offset", read_next),
        gauge(waiting, "streams", ("consumer",), "ooc_quarantined_streams", "Streams in quarantine."),
        gauge(waiting, "age", ("consumer",), "ooc_quarantined_age_seconds", waited),
        gauge(standing, "one", of_alarm, "ooc_alarm", "An alarm that stands, with its page of the runbook."),
        gauge(leases, "seconds", held_by, "ooc_lease_remaining_seconds", "How long a role's lease still holds."),
        gauge(leases, "held", held_by, "ooc_lease_held_seconds", held),
        gauge(cycles, "age", ("part",), "ooc_cycle_age_seconds", "Since a part of a worker last finished a cycle."),
        gauge(replication, "replicas", ("topic",), "ooc_replicas", "The fewest replicas of a partition of a topic."),
        gauge(replication, "in_sync", ("topic",), "ooc_in_sync_replicas", "The fewest that are in sync."),
        gauge(clock, "apart", (), "ooc_clock_offset_seconds", "The clock of the database less that of this process."),
        *(
            [gauge([{"standbys": standbys}], "standbys", (), "ooc_synchronous_standbys", demanded)]
            if standbys is not None
            else []
        ),
    ]


async def _of_event_store(pool: Pool, service: str) -> list[Metric]:
    """Read the positions of event store and relay, and the parked reactions."""
    row = await pool.fetchrow(_STORE)
    assert row is not None
    topic = events_topic(service)
    published = [
        {"topic": topic, "partition": partition, "offset": offset}
        for partition, offset in json.loads(row["offsets"] or "{}").items()
    ]
    last = "The offset after the last event that the relay published."
    of_store = partial(_gauge, service, [row])
    return [
        _gauge(service, published, "offset", ("topic", "partition"), "ooc_published_offset", last),
        of_store("position", (), "ooc_position", "The position of the last event that was recorded."),
        of_store("relayed", (), "ooc_relayed_position", "The position of the last event that was published."),
        of_store("unrelayed", (), "ooc_unrelayed_age_seconds", "Seconds since the first unpublished event."),
        of_store("parked", (), "ooc_parked_reactions", "Reactions that a rule refused, and that wait."),
        of_store("parked_age", (), "ooc_parked_age_seconds", "How long the first of them has waited."),
    ]
