"""Grafana's dashboards, one for the operator on duty and one for the manager, by Grafana's own SDK."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

WIDTH: Final = 12
"""Half of Grafana's 24 columns."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: its title, its query, what each line is called, and the unit as Grafana names it."""

    title: str
    query: str
    legend: str = ""
    unit: str = "short"
    number: bool = False
    """Whether only the last value is shown."""
    may_be_empty: bool = False
    """Whether a sound system may have no such series."""


OPERATOR: Final = (
    Panel("Alerts that fire", 'count(ALERTS{alertstate="firing"}) or vector(0)', number=True),
    Panel("Alarms", "sum(ooc_alarm) or vector(0)", number=True),
    Panel("APIs that answer", 'sum(up{job="ooc"}) / count(up{job="ooc"})', unit="percentunit", number=True),
    Panel(
        "Age of backup, drill and verification", "min by (kind) (ooc_upkeep_age_seconds)", "{{kind}}", "s", number=True
    ),
    Panel("Not published yet for", "max by (service) (ooc_unrelayed_age_seconds)", "{{service}}", "s"),
    Panel(
        "Events that a consumer has not read",
        "sum by (service, topic) (clamp_min(max by (topic, partition) (ooc_published_offset)"
        " - on (topic, partition) group_right max by (service, topic, partition) (ooc_consumed_offset), 0))",
        "{{service}} of {{topic}}",
        may_be_empty=True,
    ),
    Panel(
        "Since a part last finished a cycle",
        "max by (service, part) (ooc_cycle_age_seconds)",
        "{{service}} {{part}}",
        "s",
    ),
    Panel("Remaining time of leases", "max by (service, role) (ooc_lease_remaining_seconds)", "{{role}}", "s"),
    Panel("Parked reactions", "max by (service) (ooc_parked_reactions)", "{{service}}"),
    Panel(
        "Streams in quarantine",
        "max by (service, consumer) (ooc_quarantined_streams)",
        "{{consumer}}",
        may_be_empty=True,
    ),
    Panel("Synchronous standbys", "min by (service) (ooc_synchronous_standbys)", "{{service}}", may_be_empty=True),
    Panel("Replicas in sync", "min by (topic) (ooc_in_sync_replicas / ooc_replicas)", "{{topic}}", "percentunit"),
    Panel("Clock of the database", "max by (service) (ooc_clock_offset_seconds)", "{{service}}", "s"),
    Panel(
        "Answers a second",
        "sum by (instance, status) (rate(ooc_requests_total[5m]))",
        "{{instance}} {{status}}",
        "reqps",
    ),
    Panel(
        "99th percentile of each step",
        "histogram_quantile(0.99, sum by (step, le) (rate(ooc_latency_seconds_bucket[5m])))",
        "{{step}}",
        "s",
    ),
    Panel("Sign-ins an hour", "sum by (outcome) (increase(ooc_sign_ins_total[1h]))", "{{outcome}}"),
)

MANAGER: Final = (
    Panel("Duties that wait", "sum(max by (service, duty, late) (ooc_open_duties)) or vector(0)", number=True),
    Panel("Late", 'sum(max by (service, duty) (ooc_open_duties{late="true"})) or vector(0)', number=True),
    Panel(
        "Met in time, of the last 28 days",
        'sum(ooc_met_duties{late="false"}) / sum(ooc_met_duties)',
        unit="percentunit",
        number=True,
        may_be_empty=True,
    ),
    Panel("People at work", "max(ooc_sessions)", number=True),
    Panel("What waits", "max by (service, duty) (sum without (late) (ooc_open_duties))", "{{duty}}", may_be_empty=True),
    Panel("What is late", 'max by (service, duty) (ooc_open_duties{late="true"})', "{{duty}}", may_be_empty=True),
    Panel("Recorded a day", "sum by (service) (delta(ooc_position[1d]))", "{{service}}"),
    Panel(
        "Until what was recorded can be read, for 95 of 100",
        'histogram_quantile(0.95, sum by (le) (rate(ooc_latency_seconds_bucket{step="visible"}[1h])))',
        "seconds",
        "s",
    ),
)

DASHBOARDS: Final = {
    "operator": ("Operations", OPERATOR),
    "manager": ("Work", MANAGER),
}


def of_dashboards() -> dict[str, str]:
    """Write the files of dashboards, by path."""
    return {f"dashboard-{name}.json": _render(name, title, panels) for name, (title, panels) in DASHBOARDS.items()}


def _render(name: str, title: str, panels: tuple[Panel, ...]) -> str:
    made = dashboard.Dashboard(f"ooc: {title}").uid(f"ooc-{name}").refresh("30s").readonly().tags(["ooc"])
    made = made.tooltip(DashboardCursorSync.CROSSHAIR).with_variable(
        dashboard.DatasourceVariable("prometheus").label("Prometheus").type("prometheus")
    )
    for panel in _panels(panels):
        made = made.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _panels(panels: tuple[Panel, ...]) -> Iterator[stat.Panel | timeseries.Panel]:
    for shown in panels:
        query = prometheus.Dataquery().ref_id("A").expr(shown.query).legend_format(shown.legend)
        panel: stat.Panel | timeseries.Panel
        if shown.number:
            panel = stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        else:
            panel = timeseries.Panel().legend(common.VizLegendOptions().show_legend(show_legend=True))
        yield (
            panel.title(shown.title)
            .unit(shown.unit)
            .span(6 if shown.number else WIDTH)
            .height(5 if shown.number else 8)
            .datasource(DataSourceRef(type_val="prometheus", uid="${prometheus}"))
            .with_target(query)
        )
