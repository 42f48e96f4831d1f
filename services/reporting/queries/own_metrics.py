"""Reporting's own metrics: for operators the age of each kind of upkeep, for managers how many duties wait and were met."""

import math
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from services.reporting.database import BACKUP_SLOT
from services.reporting.projection.snapshot import Pool

KINDS: Final = ("backup", "receiving", "drill", "verification")

_AGES: Final = """
    select kind, extract(epoch from clock_timestamp() - done_at)::float8 as age from upkeep
    union all
    select 'verification', extract(epoch from clock_timestamp() - max(kept_at))::float8 from verification_report where whole
    union all
    select 'receiving', case when active then 0 else extract(epoch from clock_timestamp() - inactive_since)::float8 end
    from pg_replication_slots where slot_name = $1
"""
_DUTIES: Final = """
    with today as (select (clock_timestamp() at time zone 'Europe/London')::date as day)
    select service, duty, met_on is not null as met, coalesce(met_on, today.day) > due as late, count(*) as number
    from duty cross join today
    where met_on > today.day - 28 or (met_on is null and closed_on is null and lapsed_on is null)
    group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


async def own_metrics(pool: Pool) -> list[Metric]:
    """Read the ages in seconds, infinite if it was never done, and the duties by kind and whether they are or were late."""
    ages = {row["kind"]: row["age"] for row in await pool.fetch(_AGES, BACKUP_SLOT)}
    age = GaugeMetricFamily(
        "ooc_upkeep_age_seconds",
        "Since the last backup, receiving of the write-ahead log by one, whole drill, and kept verification that was whole.",
        labels=("service", "kind"),
    )
    for kind in KINDS:
        age.add_metric(("reporting", kind), math.inf if ages.get(kind) is None else ages[kind])
    labels = ("service", "duty", "late")
    waiting = GaugeMetricFamily("ooc_open_duties", "Duties that nobody has met yet.", labels=labels)
    met = GaugeMetricFamily("ooc_met_duties", "Duties that were met in the last 28 days.", labels=labels)
    for row in await pool.fetch(_DUTIES):
        metric = met if row["met"] else waiting
        metric.add_metric((row["service"], row["duty"], str(row["late"]).lower()), row["number"])
    return [age, waiting, met]
