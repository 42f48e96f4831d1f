"""Grafana's dashboards, one for the operator on duty and one for the manager, by Grafana's own SDK."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

from shared.domain.declared import read_beside

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


DASHBOARDS: Final = {
    name: (shown["title"], tuple(Panel(**panel) for panel in shown["panels"]))
    for name, shown in read_beside(__file__).items()
}


def of_dashboards() -> dict[str, str]:
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
