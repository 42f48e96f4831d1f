"""How long ago the system was last backed up, restored in a drill, and verified as whole."""

from __future__ import annotations

import math
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from services.reporting.projection.snapshot import Pool

_AGES: Final = """
    select kind, extract(epoch from clock_timestamp() - done_at)::float8 as age from upkeep
    union all
    select 'verification', extract(epoch from clock_timestamp() - max(kept_at))::float8 from verification_report where whole
"""
KINDS: Final = ("backup", "drill", "verification")


async def upkeep_ages(pool: Pool) -> list[Metric]:
    """Read the age of each kind of upkeep, in seconds; infinite, if it was never done."""
    ages = {row["kind"]: row["age"] for row in await pool.fetch(_AGES)}
    metric = GaugeMetricFamily(
        "ooc_upkeep_age_seconds",
        "Since the last backup, whole drill of a restore, and kept verification that was whole.",
        labels=("service", "kind"),
    )
    for kind in KINDS:
        metric.add_metric(("reporting", kind), math.inf if ages.get(kind) is None else ages[kind])
    return [metric]
